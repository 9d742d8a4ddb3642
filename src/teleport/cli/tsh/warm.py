"""The short way through the resident client. Imports next to nothing: its time is the user's time."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be a fifth of the time
    import _socket
    from argparse import Namespace
    from collections.abc import Sequence

_DONE_THERE = ("ssh", "proxy", "ls")
_LOST = 255


def run(words: Sequence[str]) -> int | None:
    """The exit status, or None when the command has to run in this process."""
    home = home_of_daemon()
    is_ours = any(word in _DONE_THERE for word in words) and "--headless" not in words
    if not home or not is_ours or not os.path.exists(f"{home}/tsh.sock"):
        return None
    if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
        return None  # in the background the terminal's input is not ours to take
    from teleport.client import daemon_link

    link = daemon_link.open_link(home)
    if link is None:
        return None
    try:
        return _ask(link, list(words))
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError):
        return None
    finally:
        link.close()


def home_of_daemon() -> str:
    """Empty where there shall be none."""
    environment = os.environ
    if environment.get("TELEPORT_HEADLESS") or environment.get("TELEPORT_AUTH") == "headless":
        return ""  # nothing that was approved for one command may stay
    if os.name == "nt" or environment.get("TELEPORT_NO_DAEMON", "") not in ("", "0", "no", "false"):
        return ""
    home = environment.get("TELEPORT_HOME") or (f"{environment['HOME']}/.tsh" if environment.get("HOME") else "")
    return os.path.abspath(home) if home else ""


def _ask(link: _socket.socket, words: list[str]) -> int | None:
    from teleport.client import daemon_link

    answer, descriptor = daemon_link.ask(link, words, daemon_link.environment_to_pass())
    if answer[:1] == daemon_link.STATUS and len(answer) == 2:
        return answer[1]
    if answer[:1] == daemon_link.DESCRIPTOR and descriptor >= 0:
        import socket

        from teleport.client import ssh_proxy

        with socket.socket(fileno=descriptor) as sock:
            ssh_proxy.relay(sock)
        return 0
    if answer[:1] == daemon_link.NOT_ME:
        return None
    import sys

    print("ERROR: the resident client ended while the command ran", file=sys.stderr)
    return _LOST


def start_daemon(options: Namespace) -> None:
    """After a command that the daemon would have made faster, so that the next one finds it."""
    home = home_of_daemon()
    is_special = options.identity or options.debug or options.headless or options.auth == "headless"
    if not home or is_special or os.path.exists(f"{home}/tsh.sock"):
        return
    import contextlib
    import sys

    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    words = [sys.executable, "-m", "teleport.cli.tsh.resident", home]
    nothing = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_DUP2, 0, 2),
    ]
    # not subprocess: its import alone would cost more than the start
    with contextlib.suppress(OSError, NotImplementedError):
        os.posix_spawn(sys.executable, words, {**kept, "TELEPORT_HOME": home}, file_actions=nothing, setsid=True)
