"""The stock OpenSSH client, rsync and ansible, with nothing but the file that `tsh config` prints."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Finished, run
from harness.people import Person

HOST = "behind.alpha.example"


@pytest.fixture(scope="module")
def config(alice: Person, agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "config"
    path.write_text(alice.tsh("config").ok().out)
    return path


def openssh(alice: Person, config: Path, *words: str, text: str = "", program: str = "ssh") -> Finished:
    return run([program, "-F", str(config), *words], alice.environment, text)


def test_a_command_over_stock_ssh(alice: Person, config: Path) -> None:
    done = openssh(alice, config, f"{LOGIN}@{HOST}", "echo out; echo err >&2; exit 3")
    assert (done.status, done.out) == (3, "out\n")
    assert "err" in done.err


def test_a_terminal_over_stock_ssh(alice: Person, config: Path) -> None:
    assert "/dev/pts/" in openssh(alice, config, "-tt", f"{LOGIN}@{HOST}", "tty").ok().out


def test_large_streams_arrive_whole(alice: Person, config: Path, tmp_path: Path) -> None:
    content = os.urandom(8 << 20)
    (tmp_path / "in").write_bytes(content)
    command = f"ssh -F {config} {LOGIN}@{HOST} cat < {tmp_path}/in | sha256sum"
    out = run(["sh", "-c", command], alice.environment).ok().out
    assert out.split()[0] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("flag", ["-O", "-s"])
def test_scp_both_ways(alice: Person, config: Path, tmp_path: Path, flag: str) -> None:
    (tmp_path / "a").write_bytes(b"a" * 200_000)
    openssh(alice, config, flag, f"{tmp_path}/a", f"{LOGIN}@{HOST}:{tmp_path}/b", program="scp").ok()
    openssh(alice, config, flag, f"{LOGIN}@{HOST}:{tmp_path}/b", f"{tmp_path}/c", program="scp").ok()
    assert (tmp_path / "c").read_bytes() == b"a" * 200_000


def test_sftp_batch(alice: Person, config: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("sftp")
    there = f"{tmp_path}/d"
    batch = f"mkdir {there}\nput {tmp_path}/a {there}/b\nrename {there}/b {there}/c\nls {there}\n"
    out = openssh(alice, config, "-b", "-", f"{LOGIN}@{HOST}", text=batch, program="sftp").ok().out
    assert "c" in out
    assert (tmp_path / "d" / "c").read_text() == "sftp"


def test_rsync(alice: Person, config: Path, tmp_path: Path) -> None:
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "sub" / "f").write_text("rsync")
    arguments = ["rsync", "-a", "-e", f"ssh -F {config}", f"{tmp_path}/src/", f"{LOGIN}@{HOST}:{tmp_path}/dst"]
    run(arguments, alice.environment).ok()
    assert (tmp_path / "dst" / "sub" / "f").read_text() == "rsync"


def test_one_connection_for_many_sessions(alice: Person, config: Path, tmp_path: Path) -> None:
    control = ["-o", f"ControlPath={tmp_path}/s", "-o", "ControlMaster=auto", "-o", "ControlPersist=30"]
    try:
        for word in ("one", "two"):
            assert openssh(alice, config, *control, f"{LOGIN}@{HOST}", f"echo {word}").ok().out == f"{word}\n"
        openssh(alice, config, *control, "-O", "check", f"{LOGIN}@{HOST}").ok()
    finally:
        openssh(alice, config, *control, "-O", "exit", f"{LOGIN}@{HOST}")


def test_ansible_reaches_the_server(alice: Person, config: Path, tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text(f"{HOST} ansible_user={LOGIN} ansible_python_interpreter={sys.executable}\n")
    environment = {
        **alice.environment,
        "ANSIBLE_SSH_ARGS": f"-F {config}",
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "remote"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
    }
    program = str(Path(sys.executable).parent / "ansible")
    out = run([program, "all", "-i", str(tmp_path / "inventory"), "-m", "ping"], environment, timeout=120).ok().out
    assert '"ping": "pong"' in out


def test_host_key_is_verified_by_the_cluster_authority(alice: Person, config: Path, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    done = openssh(alice, config, "-o", f"UserKnownHostsFile={empty}", "-o", "StrictHostKeyChecking=yes",
                   "-o", "BatchMode=yes", f"{LOGIN}@{HOST}", "true")  # fmt: skip
    assert done.status == 255
    assert "verification failed" in done.err
