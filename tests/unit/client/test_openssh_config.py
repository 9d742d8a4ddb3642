"""The text of `tsh config`, as the real ssh reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from teleport.client.openssh_config import SshConfig
from teleport.foundation.errors import BadParameter


def config(**changes: object) -> SshConfig:
    values: dict[str, object] = {
        "proxy": "proxy.example:3080",
        "proxy_host": "proxy.example",
        "clusters": ("alpha.example",),
        "known_hosts": PurePosixPath("/home/a b/.tsh/known_hosts"),
        "key": PurePosixPath("/home/a b/.tsh/keys/100%/alice"),
        "session_certificate": PurePosixPath("/home/a b/.tsh/keys/100%/alice-ssh/alpha.example-session-cert.pub"),
        "certificate": PurePosixPath("/home/a b/.tsh/keys/100%/alice-ssh/alpha.example-cert.pub"),
        "program": (PurePosixPath("/opt/te le/tsh"),),
    }
    return SshConfig(**(values | changes))  # type: ignore[arg-type]


def read_by_ssh(path: Path, host: str) -> dict[str, str]:
    shown = subprocess.run(["ssh", "-G", "-F", str(path), host], capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = {}
    for line in shown.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, value)
    return found


def test_a_server_of_the_cluster_goes_through_tsh(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(config().to_text())
    shown = read_by_ssh(tmp_path / "config", "root@web-1.alpha.example")
    assert shown["port"] == "3022"
    assert shown["proxyusefdpass"] == "yes"
    assert shown["proxycommand"] == (
        "'/opt/te le/tsh' proxy ssh --proxy=proxy.example:3080 --cluster=alpha.example --fdpass -- '%h:%p'"
    )
    assert shown["userknownhostsfile"].strip('"') == "/home/a b/.tsh/known_hosts"
    assert shown["identityfile"].strip('"').replace("%%", "%") == "/home/a b/.tsh/keys/100%/alice"
    assert shown["stricthostkeychecking"] in ("true", "yes")
    assert "cert" in shown["hostkeyalgorithms"]


def test_the_certificate_of_a_session_is_tried_first(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(config().to_text())
    shown = subprocess.run(
        ["ssh", "-G", "-F", str(tmp_path / "config"), "web-1.alpha.example"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = [line for line in shown.splitlines() if line.startswith("certificatefile")]
    assert ["session" in file for file in files] == [True, False]


def test_other_hosts_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(config().to_text())
    shown = read_by_ssh(tmp_path / "config", "web-1.elsewhere.example")
    assert "proxycommand" not in shown
    assert shown["port"] == "22"


@pytest.mark.parametrize("name", ["a b", "a*", "a;b", "", "a\nHost *"])
def test_clusters_that_would_change_the_file_are_refused(name: str) -> None:
    with pytest.raises(BadParameter):
        config(clusters=(name,)).to_text()


@pytest.mark.parametrize("path", ['/a"b', "/a\nProxyCommand evil"])
def test_paths_that_would_change_the_file_are_refused(path: str) -> None:
    with pytest.raises(BadParameter):
        config(key=PurePosixPath(path)).to_text()


def test_windows_paths_and_command_lines(tmp_path: Path) -> None:
    home = PureWindowsPath(r"C:\Users\Al Ice\.tsh")
    text = config(
        known_hosts=home / "known_hosts",
        key=home / "keys" / "100%" / "alice",
        session_certificate=home / "s-cert.pub",
        certificate=home / "c-cert.pub",
        program=(PureWindowsPath(r"C:\Program Files\Teleport\tsh.exe"),),
        pass_descriptor=False,
    ).to_text()
    assert 'UserKnownHostsFile "C:/Users/Al Ice/.tsh/known_hosts"' in text
    assert 'IdentityFile "C:/Users/Al Ice/.tsh/keys/100%%/alice"' in text
    assert (
        'ProxyCommand "C:/Program Files/Teleport/tsh.exe" proxy ssh --proxy=proxy.example:3080 '
        '--cluster=alpha.example -- "%h:%p"'
    ) in text
    assert "ProxyUseFdpass" not in text
    (tmp_path / "config").write_text(text)
    assert read_by_ssh(tmp_path / "config", "web-1.alpha.example")["port"] == "3022"


@pytest.mark.parametrize("program", ["C:\\a!b\\tsh.exe", "C:\\a\nb"])
def test_programs_that_would_change_a_windows_command_are_refused(program: str) -> None:
    with pytest.raises(BadParameter):
        config(known_hosts=PureWindowsPath("C:/x"), program=(PureWindowsPath(program),)).to_text()
