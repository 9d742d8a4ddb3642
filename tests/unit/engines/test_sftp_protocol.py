"""The listener to SFTP: pairs answers with requests whatever the pieces, counts files, keeps little."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from teleport.engines.ssh import sftp_protocol as sftp
from teleport.engines.ssh.sftp_protocol import Listener


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def packet(kind: int, number: int, *parts: bytes) -> bytes:
    body = bytes((kind,)) + struct.pack(">I", number) + b"".join(parts)
    return struct.pack(">I", len(body)) + body


def u32(number: int) -> bytes:
    return struct.pack(">I", number)


CLIENT = b"".join(
    (
        packet(1, 3)[:4] + packet(1, 3)[4:],
        packet(sftp.OPEN, 1, string(b"/tmp/a"), u32(26), u32(0)),
        packet(sftp.WRITE, 2, string(b"h1"), struct.pack(">Q", 0), string(b"x" * 7_000)),
        packet(sftp.READ, 3, string(b"h1"), struct.pack(">QI", 0, 32768)),
        packet(sftp.REMOVE, 4, string(b"/tmp/gone")),
        packet(sftp.EXTENDED, 5, string(b"posix-rename@openssh.com"), string(b"/a"), string(b"/b")),
    )
)
SERVER = b"".join(
    (
        packet(2, 3),
        packet(sftp.HANDLE, 1, string(b"h1")),
        packet(sftp.STATUS, 2, u32(0), string(b""), string(b"")),
        packet(sftp.DATA, 3, string(b"y" * 3_000)),
        packet(sftp.STATUS, 4, u32(2), string(b"No such file"), string(b"")),
        packet(sftp.STATUS, 5, u32(0), string(b""), string(b"")),
    )
)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_pairs_what_was_asked_with_what_was_answered(client_piece: int, server_piece: int) -> None:
    listener = Listener()
    for at in range(0, len(CLIENT), client_piece):
        listener.hear_client(CLIENT[at : at + client_piece])
    answers = [
        answered
        for at in range(0, len(SERVER), server_piece)
        for answered in listener.hear_server(SERVER[at : at + server_piece])
    ]
    opened, written, read, removed, renamed = answers
    assert (opened.request.path, opened.handle, opened.request.flags) == ("/tmp/a", b"h1", 26)
    assert (written.request.handle, written.request.size, written.error) == (b"h1", 7_000, "")
    assert (read.size, read.error) == (3_000, "")
    assert (removed.request.path, removed.error) == ("/tmp/gone", "no such file")
    assert (renamed.request.type, renamed.request.path, renamed.request.target) == (sftp.RENAME, "/a", "/b")


@given(st.binary(max_size=500))
def test_garbage_is_heard_in_silence(data: bytes) -> None:
    listener = Listener()
    listener.hear_client(data)
    assert isinstance(listener.hear_server(data), list)


def test_requests_that_are_never_answered_cost_bounded_memory() -> None:
    listener = Listener()
    for number in range(20_000):
        listener.hear_client(packet(sftp.REMOVE, number, string(b"/x")))
    assert len(listener._pending) <= 4096
