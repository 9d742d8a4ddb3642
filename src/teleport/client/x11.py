"""X11 forwarding, the client's side: which display, and with which cookie programs on the server may use it.

The server never learns the display's own cookie: it is given a random one of this connection, which is exchanged for
the real one here. Without trust (`-X`) the real one is a cookie of its own, for which the X server refuses to let
programs watch or drive the windows of others, and which ends after a while.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from teleport.foundation.errors import Unavailable, Unsupported

UNTRUSTED_LIFETIME = 600.0
_GRACE = 60
_TIMEOUT = 20.0


class X11Choice(NamedTuple):
    """`lifetime` is that of an untrusted cookie in seconds; afterwards no new window is accepted."""

    trusted: bool
    lifetime: float = UNTRUSTED_LIFETIME


class X11Display(NamedTuple):
    """`authority` is the file with the cookie; empty: the user's own."""

    name: str
    authority: str = ""
    lifetime: float = 0.0


@contextlib.contextmanager
def forwarded(choice: X11Choice, environment: Mapping[str, str] = os.environ) -> Iterator[X11Display]:
    """The display to forward while the block runs. Raises Unavailable without one, Unsupported without trust where
    the X server knows no cookies for the untrusted.
    """
    display = environment.get("DISPLAY", "")
    if not display or display.startswith("-"):
        raise Unavailable("DISPLAY is not set: there is no display here that could be forwarded")
    if choice.trusted:
        yield X11Display(display)
        return
    program = shutil.which("xauth")
    if program is None:
        raise Unavailable("the program xauth is not installed: -X needs it, -Y does not")
    with tempfile.TemporaryDirectory(prefix="tsh-x11-") as folder:
        path = os.path.join(folder, "authority")
        _make_cookie(program, path, display, choice.lifetime)
        yield X11Display(display, path, choice.lifetime)


def _make_cookie(program: str, path: str, display: str, lifetime: float) -> None:
    # the cookie outlives the time in which windows are accepted, so that none is refused at its first request
    seconds = str(int(lifetime) + _GRACE) if lifetime else "0"
    words = [program, "-q", "-f", path, "generate", display, "MIT-MAGIC-COOKIE-1", "untrusted", "timeout", seconds]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; DISPLAY is one word that is no option
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Unavailable(f"xauth made no cookie for {display}: {problem}") from problem
    if done.returncode != 0 or not os.path.exists(path) or not os.path.getsize(path):
        reason = " ".join(done.stderr.split()) or "no reason given"
        raise Unsupported(
            f"the X server of {display} gives no cookie to untrusted programs ({reason}); "
            "if you trust the server with all your windows, use -Y"
        )
