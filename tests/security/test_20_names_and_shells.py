"""20: shell characters and `%` in user and host names never reach a shell through the ProxyCommand."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from client_side import CLUSTER

from teleport.client.openssh_config import SshConfig
from teleport.client.targets import parse_target, split_port
from teleport.foundation.errors import BadParameter

RECORDER = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word" >> {log}; done
exit 1
"""


def ssh(folder: Path, program: Path, *words: str) -> None:
    config = SshConfig(
        "localhost:3080",
        "localhost",
        (CLUSTER,),
        known_hosts=PurePosixPath(str(folder / "known_hosts")),
        key=PurePosixPath(str(folder / "key")),
        session_certificate=PurePosixPath(str(folder / "session")),
        certificate=PurePosixPath(str(folder / "certificate")),
        program=(str(program),),
    )
    (folder / "config").write_text(config.to_text())
    command = ["ssh", "-F", str(folder / "config"), "-o", "BatchMode=yes", *words]
    subprocess.run(command, capture_output=True, check=False)


@pytest.mark.parametrize("folder_name", ["plain", "100%h $(touch evil) `touch evil`", "it's; touch evil #"])
@pytest.mark.parametrize(
    "words",
    [
        (f"root@web-1.{CLUSTER}",),
        ("-l", "100%h", f"web-1.{CLUSTER}"),
        ("-l", "$(touch evil)", f"web-1.{CLUSTER}"),
        ("-l", "`touch evil`", f"web-1.{CLUSTER}"),
        ("-l", "x'; touch evil; '", f"web-1.{CLUSTER}"),
        ("-l", "%h$(touch evil)", f"web-1.{CLUSTER}"),
        (f"$(touch evil).{CLUSTER}",),
        (f"`touch evil`.{CLUSTER}",),
        (f"a;touch evil.{CLUSTER}",),
        (f"x&touch evil&.{CLUSTER}",),
    ],
)
def test_the_shell_sees_words_alone(
    words: tuple[str, ...], folder_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / folder_name
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    program = folder / "tsh program"
    program.write_text(RECORDER.format(log="'" + str(tmp_path / "log") + "'"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    ssh(folder, program, *words)
    assert list(tmp_path.rglob("evil*")) == []
    is_plain = not set("$`;&'").intersection("".join(words))  # what ssh itself may refuse to pass on
    assert (tmp_path / "log").exists() or not is_plain
    if is_plain:
        assert (tmp_path / "log").read_text().splitlines()[:4] == [
            "proxy", "ssh", "--proxy=localhost:3080", f"--cluster={CLUSTER}"
        ]  # fmt: skip


def test_what_ssh_puts_in_stands_between_quotes(tmp_path: Path) -> None:
    """Newer clients refuse host names that could hurt; older ones give them to the shell."""
    ssh(tmp_path, tmp_path / "tsh", "x")
    (line,) = [line for line in (tmp_path / "config").read_text().splitlines() if "ProxyCommand" in line]
    assert line.endswith(" -- '%h:%p'")
    assert line.count("%") == 2, "the user's name is no part of it"


def test_an_ordinary_name_arrives_as_one_word(tmp_path: Path) -> None:
    program = tmp_path / "tsh"
    program.write_text(RECORDER.format(log=tmp_path / "log"))
    program.chmod(0o755)
    ssh(tmp_path, program, f"root@web-1.{CLUSTER}")
    assert (tmp_path / "log").read_text().splitlines()[-2:] == ["--", f"web-1.{CLUSTER}:3022"]


@pytest.mark.parametrize(
    "name", ["$(x)", "`x`", "a;b", "a|b", "-oProxyCommand=x", "a b", "a'b", 'a"b', "a%0ab\n", "{a}"]
)
def test_our_own_programs_refuse_such_names(name: str) -> None:
    with pytest.raises(BadParameter):
        parse_target(name)
    with pytest.raises(BadParameter):
        parse_target(f"{name}@web-1")


def test_a_port_is_a_number_or_part_of_the_name() -> None:
    assert split_port("web-1:3022") == ("web-1", 3022)
    assert split_port("fe80::1:3022") == ("fe80::1", 3022)
    assert split_port("web-1") == ("web-1", 0)
