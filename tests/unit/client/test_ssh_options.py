"""What is written behind `-o` and into files for `-F`."""

from __future__ import annotations

from pathlib import Path

import pytest

from teleport.client import ssh_config_file
from teleport.client.forwarding import Forward
from teleport.client.ssh_options import SshOptions, pair, resolve
from teleport.foundation.errors import BadParameter, NotFound, Unsupported


def chosen(*texts: str) -> SshOptions:
    return resolve(pair(text) for text in texts)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("ForwardAgent=yes", "forward_agent", True),
        ("forwardagent no", "forward_agent", False),
        ("RequestTTY=force", "terminal", True),
        ("ServerAliveInterval=15", "alive_interval", 15.0),
        ("ServerAliveInterval=2m", "alive_interval", 120.0),
        ("ServerAliveCountMax 2", "alive_count", 2),
        ("User=root", "user", "root"),
        ("Port=2222", "port", 2222),
        ("LocalForward=8080 localhost:80", "local", (Forward("127.0.0.1", 8080, "localhost", 80),)),
        ("RemoteForward=*:80:web:8080", "remote", (Forward("*", 80, "web", 8080),)),
        ("LocalForward=/run/a /run/b", "local", (Forward("", 0, path="/run/a", target_path="/run/b"),)),
        ("DynamicForward=1080", "dynamic", (Forward("127.0.0.1", 1080),)),
        ("ExitOnForwardFailure=no", "needs_forwards", False),
        ("SessionType=none", "session", "none"),
        ("EscapeChar=none", "escape_keys", False),
        ("SetEnv=A=b c", "set_variables", ("A=b c",)),
        ('SetEnv=A="b c" D=e', "set_variables", ("A=b c", "D=e")),
        ("LogLevel=QUIET", "quiet", True),
        ("StrictHostKeyChecking=yes", "forward_agent", None),
        ("UserKnownHostsFile=/dev/null", "forward_agent", None),
    ],
)  # fmt: skip
def test_options_that_are_done(text: str, field: str, value: object) -> None:
    assert getattr(chosen(text), field) == value


def test_the_first_of_an_option_counts_and_forwards_collect() -> None:
    found = chosen(
        "Port=1", "Port=2", "LocalForward=1:a:1", "LocalForward=2:b:2", "RequestTTY=auto", "RequestTTY=yes"
    )
    assert (found.port, len(found.local), found.terminal) == (1, 2, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("StrictHostKeyChecking=no", "nothing to skip"),
        ("StrictHostKeyChecking=off", "nothing to skip"),
        ("ProxyCommand=nc %h %p", "use stock ssh with `tsh config`"),
        ("IdentityFile=~/.ssh/id", "goes to -i"),
        ("Compression=yes", "not compressed"),
        ("PermitLocalCommand=yes", "use --local"),
        ("ForwardAgent=/tmp/other.sock", "SSH_AUTH_SOCK"),
        ("EscapeChar=^", "the escape character is ~"),
        ("NoSuchThing=1", "does not know this option"),
    ],
)
def test_options_that_would_change_the_promise_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        chosen(text)


@pytest.mark.parametrize(
    "text",
    ["Port=0", "Port=x", "ForwardAgent", "ServerAliveInterval=soon", "SetEnv=A", "StrictHostKeyChecking=maybe"],
)
def test_values_that_are_none(text: str) -> None:
    with pytest.raises((BadParameter, Unsupported)):
        chosen(text)


def test_a_file_gives_what_its_blocks_say_for_the_host(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host web-*\n  Port 2022\n")
    (tmp_path / "config").write_text(
        "# ours\nServerAliveInterval 5\nHost db-* !db-2\n  User = postgres\nHost web-?\n\tUser www\n"
        "Include more\nMatch all\n  ForwardAgent yes\n"
    )
    path = str(tmp_path / "config")
    assert resolve(ssh_config_file.options_for(path, "db-1")).user == "postgres"
    assert resolve(ssh_config_file.options_for(path, "db-2")).user == ""
    web = resolve(ssh_config_file.options_for(path, "web-1"))
    assert (web.user, web.port, web.alive_interval, web.forward_agent) == ("www", 2022, 5.0, True)
    assert ssh_config_file.options_for("none", "web-1") == []


def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        ssh_config_file.options_for(str(tmp_path / "absent"), "a")
    (tmp_path / "loop").write_text("Include loop\n")
    with pytest.raises(BadParameter, match="without end"):
        ssh_config_file.options_for(str(tmp_path / "loop"), "a")
    (tmp_path / "match").write_text("Match user root\n  Port 1\n")
    with pytest.raises(Unsupported, match="use Host"):
        resolve(ssh_config_file.options_for(str(tmp_path / "match"), "a"))
