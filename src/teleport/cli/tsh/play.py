"""`tsh play`: a recorded session as it was, with pause, seek and speed; or as text or JSON."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from base64 import b64encode
from collections.abc import Iterator

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client.playing import FORMATS, play_on_terminal
from teleport.foundation.errors import BadParameter
from teleport.wire.recording import DamagedRecording, Ended, Frame, Noted, Printed, RecordingReader, Resized, Started

_PIECE = 1 << 20


def arguments(parser: Arguments) -> None:
    parser.add_argument("session", metavar="SESSION|FILE", help="id of the session, or a file with a recording")
    parser.choice("-f", "--format", choices=FORMATS, default="pty", help="form of the output")
    parser.choice("--speed", choices=("0.5x", "1x", "2x", "4x", "8x"), default="1x", help="how fast")
    parser.switch("--skip-idle-time", help="pass over pauses")
    parser.examples("tsh play 0e02a4f7-…", "tsh play --speed=4x --skip-idle-time 0e02a4f7-…", "tsh play -f text ID")
    parser.description = (
        "Keys while it plays: space pauses and goes on, left and right seek by 10 seconds, up and down change the\n"
        "speed, q ends."
    )


def run(options: Namespace) -> int:
    pieces = _pieces(options)
    try:
        if options.format == "pty":
            return play_on_terminal(pieces, float(options.speed[:-1]), skip_idle=bool(options.skip_idle_time))
        if options.format == "text":
            _print_text(pieces)
        else:
            output.show([document(frame) for frame in _frames(pieces)], options.format)
    except DamagedRecording as damage:
        raise BadParameter(f"the recording is damaged: {damage}") from damage
    return 0


def _pieces(options: Namespace) -> Iterator[bytes]:
    if os.path.exists(options.session):
        return _of_file(options.session)
    return _of_cluster(options)


def _of_file(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _of_cluster(options: Namespace) -> Iterator[bytes]:
    from teleport.api.routes import recordings
    from teleport.client import api_access

    with api_access.connect(account_of(options)) as client:
        request = recordings.ReadRecording(session_id=options.session, format=options.format)
        yield from client.download(recordings.READ, request)


def _frames(pieces: Iterator[bytes]) -> Iterator[Frame]:
    reader = RecordingReader()
    for piece in pieces:
        yield from reader.feed(piece)


def _print_text(pieces: Iterator[bytes]) -> None:
    """What was printed, as it was printed, all at once."""
    for frame in _frames(pieces):
        if isinstance(frame, Printed):
            sys.stdout.buffer.write(frame.data)
    sys.stdout.buffer.flush()


def document(frame: Frame) -> dict[str, object]:
    """One frame for machines; `ms` is the time since the start."""
    match frame:
        case Started(offset, info):
            return {"event": "session.start", "ms": offset, **_builtins(info)}
        case Printed(offset, data):
            return {"event": "print", "ms": offset, "bytes": len(data), "data": b64encode(data).decode()}
        case Resized(offset, columns, rows):
            return {"event": "resize", "ms": offset, "size": f"{columns}:{rows}"}
        case Noted(offset, event):
            return {"ms": offset, **json.loads(event)}
        case Ended(offset, end):
            return {"event": "session.end", "ms": offset, **_builtins(end)}


def _builtins(info: object) -> dict[str, object]:
    import msgspec

    found: dict[str, object] = msgspec.to_builtins(info)
    return found
