"""Short commands start without what they do not need: each heavy library costs more than the command itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from client_side import ClientCluster

HEAVY = {
    "asyncio", "asyncssh", "cryptography", "msgspec", "yaml", "http.client", "inspect", "dataclasses", "tempfile",
    "concurrent.futures", "logging", "email", "shutil",
}  # fmt: skip
LOOK = """
import sys
from teleport.cli.{program} import main
sys.argv = {words!r}
main()
print("IMPORTED", *sorted(sys.modules), file=sys.stderr)
"""


def imported(home: Path, program: str, *words: str) -> tuple[set[str], str]:
    environment = {"PATH": os.environ["PATH"], "TELEPORT_HOME": str(home), "TELEPORT_NO_DAEMON": "1"}
    code = LOOK.format(program=program, words=[program, *words])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True, timeout=60
    )
    line = next(line for line in done.stderr.splitlines() if line.startswith("IMPORTED"))
    return set(line.split()[1:]), done.stdout


@pytest.mark.parametrize("words", [("version",), ("--help",), ("status",), ("env",), ("config",)])
def test_short_commands_import_nothing_heavy(tmp_path: Path, words: tuple[str, ...]) -> None:
    if words[0] not in ("version", "--help"):
        ClientCluster().log_in(tmp_path)
    modules, out = imported(tmp_path, "tsh", *words)
    assert out
    assert HEAVY & modules == set()
    assert not {name for name in modules if name.startswith(("teleport.auth", "teleport.proxy", "teleport.model"))}


@pytest.mark.parametrize("words", [("ls",), ("proxy", "ssh", "web-1"), ("clusters",)])
def test_commands_that_dial_import_nothing_but_tls(tmp_path: Path, words: tuple[str, ...]) -> None:
    """They fail here, for nobody listens: they have tried by then."""
    ClientCluster().log_in(tmp_path, port=1)
    modules, _ = imported(tmp_path, "tsh", *words)
    assert "ssl" in modules
    assert HEAVY & modules == set()


def test_the_way_through_the_resident_client_starts_next_to_nothing(tmp_path: Path) -> None:
    """It answers that this is nothing it does, before anything else is loaded."""
    code = (
        "import sys; from teleport.cli.tsh import warm; status = warm.run(['ls']);"
        " print(status, *sorted({'socket', 'typing', 'enum', 're', 'contextlib'} & set(sys.modules)))"
    )
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "tsh.sock"))
        listening.listen()
        words = [sys.executable, "-I", "-c", code]
        environment = {"PATH": os.environ["PATH"], "TELEPORT_HOME": str(tmp_path)}
        with subprocess.Popen(words, stdin=-3, stdout=-1, text=True, env=environment) as process:
            listening.settimeout(60)
            link, _ = listening.accept()
            with link:
                request, descriptors, _, _ = socket.recv_fds(link, 65536, 3)
                link.sendall(b"N")
            for descriptor in descriptors:  # its output among them
                os.close(descriptor)
            out, _ = process.communicate(timeout=60)
    assert b"\0ls\0" in request
    assert len(descriptors) == 3
    assert out.split() == ["None"]


def test_help_of_tctl_imports_no_command(tmp_path: Path) -> None:
    modules, _ = imported(tmp_path, "tctl", "--help")
    assert HEAVY & modules == set()
    assert "teleport.cli.tctl.users" not in modules
