"""`tsh ssh` and copies against a real SSH server behind a small proxy, through the whole program."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_side import CLUSTER, NODE_ID, ClientCluster, SmallProxy, small_proxy
from harness.ports import free_port
from harness.processes import until
from ssh_node import is_running, node, tree

from teleport.tunnel.messages import Candidate, DialAnswer, DialRequest

TSH = [sys.executable, "-m", "teleport.cli.tsh"]


@pytest.fixture
def proxy(known_cluster: ClientCluster, home: Path) -> Iterator[SmallProxy]:
    with node(known_cluster) as server, small_proxy(known_cluster, serve=server.serve) as small:
        known_cluster.log_in(home, small.port)
        yield small


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "TELEPORT_HOME": str(home), "TELEPORT_NO_DAEMON": "1", "HOME": str(home), "TERM": "xterm"}


def tsh(home: Path, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*TSH, *words], input=data, capture_output=True, env=environment(home), timeout=60, check=False
    )


def test_a_command_with_both_outputs_and_its_status(proxy: SmallProxy, home: Path) -> None:
    done = tsh(home, "ssh", "root@web-1", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)
    assert proxy.requests[0] == DialRequest(target="web-1", login="root", cluster=CLUSTER, asks_mfa=True)


def test_options_behind_the_command_are_the_commands_own(proxy: SmallProxy, home: Path) -> None:
    assert tsh(home, "ssh", "-l", "root", "web-1", "echo", "-n", "-l", "x").stdout == b"-l x"


def test_input_arrives_whole_and_ends(proxy: SmallProxy, home: Path) -> None:
    data = os.urandom(3_000_000)
    assert tsh(home, "ssh", "root@web-1", "cat", data=data).stdout == data


def test_input_from_a_file_and_from_nothing(proxy: SmallProxy, home: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"from a file")
    for source, expected in ((str(tmp_path / "in"), b"from a file"), (os.devnull, b"")):
        with open(source, "rb") as file:
            words = [*TSH, "ssh", "root@web-1", "cat"]
            done = subprocess.run(words, stdin=file, capture_output=True, env=environment(home), check=True)
        assert done.stdout == expected


def test_a_reader_that_leaves_early_ends_the_session(proxy: SmallProxy, home: Path) -> None:
    words = " ".join([*TSH, "ssh", "root@web-1", "yes", "|", "head", "-n", "2"])
    done = subprocess.run(words, shell=True, capture_output=True, env=environment(home), timeout=60, check=False)
    assert done.stdout == b"y\ny\n"


def test_no_program_outlives_its_visitor_or_its_node(
    known_cluster: ClientCluster, home: Path, tmp_path: Path
) -> None:
    with node(known_cluster) as server, small_proxy(known_cluster, serve=server.serve) as small:
        known_cluster.log_in(home, small.port)
        words = " ".join([*TSH, "ssh", "root@web-1", f"'echo $$ > {tmp_path}/loud; yes'", "|", "head", "-n", "1"])
        subprocess.run(words, shell=True, capture_output=True, env=environment(home), timeout=60, check=True)
        loud = int((tmp_path / "loud").read_text())
        until(lambda: not is_running(loud), "nobody takes its words")
        left = f"sleep 1000 > /dev/null 2>&1 & echo $$ > {tmp_path}/left"
        assert tsh(home, "ssh", "root@web-1", left).returncode == 0
        left_behind = int((tmp_path / "left").read_text())
        assert is_running(left_behind)
    assert not is_running(left_behind)


def test_a_command_that_was_killed(proxy: SmallProxy, home: Path) -> None:
    assert tsh(home, "ssh", "root@web-1", "kill -9 $$").returncode == 128 + 9


def test_variables_are_sent_when_asked_for(proxy: SmallProxy, home: Path) -> None:
    assert tsh(home, "ssh", "-o", "SetEnv=WORD=a b", "root@web-1", 'echo "$WORD"').stdout == b"a b\n"


def test_a_shell_has_the_terminals_type_and_size_and_follows_it(proxy: SmallProxy, home: Path) -> None:
    import fcntl
    import struct

    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(TSH[0], [*TSH, "ssh", "root@web-1"], {**environment(home), "TERM": "vt220"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    shown = _until(terminal, rb"vt220 \d+x\d+")
    os.write(terminal, b"hello\n")
    shown += _until(terminal, b"got hello")
    os.write(terminal, b"exit\n")
    _until(terminal, b"got exit")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    os.close(terminal)
    assert b"vt220 " in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_is_given_back_when_the_program_is_ended(proxy: SmallProxy, home: Path, number: int) -> None:
    leader, follower = pty.openpty()
    before = termios.tcgetattr(follower)
    words = [*TSH, "ssh", "root@web-1"]
    with subprocess.Popen(words, stdin=follower, stdout=follower, stderr=follower, env=environment(home)) as process:
        _until(leader, b"xterm")
        assert termios.tcgetattr(follower) != before
        process.send_signal(number)
        assert process.wait(30) == 255
    assert termios.tcgetattr(follower) == before
    os.close(leader)
    os.close(follower)


def test_tilde_dot_leaves(proxy: SmallProxy, home: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(TSH[0], [*TSH, "ssh", "root@web-1"], environment(home))
    _until(terminal, b"xterm")
    os.write(terminal, b"\r~.")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 255
    os.close(terminal)


def _until(terminal: int, pattern: bytes) -> bytes:
    seen = b""
    while not re.search(pattern, seen):
        assert select.select([terminal], [], [], 20)[0], seen
        seen += os.read(terminal, 4096)
    return seen


def test_a_local_port_leads_to_the_server(proxy: SmallProxy, home: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as target:
        forward = f"{port}:127.0.0.1:{target.getsockname()[1]}"
        words = [*TSH, "ssh", "-N", "-L", forward, "root@web-1"]
        target.settimeout(20)
        with subprocess.Popen(words, env=environment(home)) as process:
            try:
                with _connect(port) as client:
                    client.sendall(b"through")
                    accepted, _ = target.accept()
                    with accepted:
                        assert accepted.recv(100) == b"through"
            finally:
                process.terminate()


def _connect(port: int) -> socket.socket:
    import time

    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_server_with_a_certificate_of_a_foreign_authority_is_refused(
    known_cluster: ClientCluster, home: Path
) -> None:
    key, certificate = known_cluster.ssh_host(ca=ClientCluster().host_ca)
    with node(known_cluster, key, certificate) as server, small_proxy(known_cluster, serve=server.serve) as small:
        known_cluster.log_in(home, small.port)
        done = tsh(home, "ssh", "root@web-1", "true")
    assert done.returncode == 1
    assert b"does not prove to be what was asked for" in done.stderr


def test_another_server_under_the_wanted_name_is_refused(known_cluster: ClientCluster, home: Path) -> None:
    """The proxy says it leads to web-1; the server that answers can only prove to be db-1."""
    key, certificate = known_cluster.ssh_host(("db-1",))
    with node(known_cluster, key, certificate) as server, small_proxy(known_cluster, serve=server.serve) as small:
        known_cluster.log_in(home, small.port)
        done = tsh(home, "ssh", "root@web-1", "true")
    assert done.returncode == 1
    assert b"does not prove to be what was asked for" in done.stderr


def test_another_cluster_than_the_wanted_one_is_refused(known_cluster: ClientCluster, home: Path) -> None:
    def elsewhere(request: DialRequest) -> DialAnswer:
        return DialAnswer(allowed=True, resource_id=NODE_ID, resource_name="web-1", cluster="other.example")

    with small_proxy(known_cluster, elsewhere) as small:
        known_cluster.log_in(home, small.port)
        done = tsh(home, "ssh", "root@web-1", "true")
    assert b"not to 'alpha.example'" in done.stderr


def test_a_login_that_is_not_in_the_certificate(proxy: SmallProxy, home: Path) -> None:
    done = tsh(home, "ssh", "nobody@web-1", "true")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nobody@web-1" in done.stderr


def test_an_ambiguous_name_is_explained(known_cluster: ClientCluster, home: Path) -> None:
    def refuse(request: DialRequest) -> DialAnswer:
        candidates = [Candidate(name=f"id-{word}", hostname="web", labels={"n": word}) for word in ("one", "two")]
        return DialAnswer(allowed=False, code="bad_parameter", message="web fits two servers", candidates=candidates)

    with small_proxy(known_cluster, refuse) as small:
        known_cluster.log_in(home, small.port)
        done = tsh(home, "ssh", "root@web", "true")
    assert done.returncode == 1
    text = done.stderr.decode()
    assert "id-one" in text
    assert "n=two" in text
    assert text.splitlines()[-1] == "ERROR: web fits two servers; choose one by its UUID"


def test_trees_are_copied_both_ways(proxy: SmallProxy, home: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "ünï code.txt").write_text("content")
    (source / "empty").write_bytes(b"")
    (source / "big").write_bytes(os.urandom(1_500_000))
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    up = tsh(home, "scp", "-r", str(source), f"root@web-1:{tmp_path}/there")
    assert (up.returncode, up.stdout, up.stderr) == (0, b"", b"")
    assert tree(tmp_path / "there") == tree(source)
    (tmp_path / "back").mkdir()
    assert tsh(home, "scp", "-r", f"root@web-1:{tmp_path}/there", str(tmp_path / "back")).returncode == 0
    assert tree(tmp_path / "back" / "there") == tree(source)
    assert os.access(tmp_path / "back" / "there" / "run.sh", os.X_OK)


def test_wildcards_are_expanded_on_the_server(proxy: SmallProxy, home: Path, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    for name in ("a.txt", "b.txt", "c.log"):
        (tmp_path / "from" / name).write_text(name)
    (tmp_path / "to").mkdir()
    assert tsh(home, "scp", f"root@web-1:{tmp_path}/from/*.txt", str(tmp_path / "to")).returncode == 0
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["a.txt", "b.txt"]


def test_times_and_modes_are_kept_when_asked_for(proxy: SmallProxy, home: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "a").chmod(0o640)
    os.utime(tmp_path / "a", (1_000_000_000, 1_000_000_000))
    assert tsh(home, "scp", "-p", str(tmp_path / "a"), f"root@web-1:{tmp_path}/b").returncode == 0
    found = (tmp_path / "b").stat()
    assert (int(found.st_mtime), found.st_mode & 0o777) == (1_000_000_000, 0o640)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{}/absent", "web-1:x"), "no such file"),
        (("web-1:{}/absent", "{}/x"), "no such file"),
        (("{}", "web-1:{}/copy"), "use -r"),
        (("a", "b"), "neither side is a server"),
    ],
)
def test_copies_that_cannot_be(
    words: tuple[str, ...], message: str, proxy: SmallProxy, home: Path, tmp_path: Path
) -> None:
    done = tsh(home, "--login=root", "scp", *(word.format(tmp_path) for word in words))
    assert done.returncode == 1
    assert message in done.stderr.decode()
    assert done.stderr.decode().count("\n") == 1


def test_sftp_commands_from_the_input(proxy: SmallProxy, home: Path, tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("x")
    commands = f"cd {tmp_path}\npwd\nmkdir d\nput '{tmp_path}/a b' d/c\nls d\nrename d/c d/e\nrm d/e\nrmdir d\nbye\n"
    done = tsh(home, "sftp", "root@web-1", data=commands.encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split("\n") == [str(tmp_path), "c", ""]
    assert not (tmp_path / "d").exists()


def test_stock_ssh_gets_the_connection_handed_over(proxy: SmallProxy, home: Path, tmp_path: Path) -> None:
    text = tsh(home, "config").stdout.decode()
    (tmp_path / "config").write_text(text)
    words = ["ssh", "-F", str(tmp_path / "config"), f"root@web-1.{CLUSTER}", "echo out; exit 3"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(home), timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("out\n", 3), done.stderr


def test_stock_ssh_through_a_process_that_stays(proxy: SmallProxy, home: Path, tmp_path: Path) -> None:
    text = tsh(home, "config").stdout.decode().replace(" --fdpass", "").replace("ProxyUseFdpass yes", "")
    (tmp_path / "config").write_text(text)
    words = ["ssh", "-F", str(tmp_path / "config"), f"root@web-1.{CLUSTER}", "wc -c"]
    done = subprocess.run(
        words, input="x" * 500_000, capture_output=True, text=True, env=environment(home), timeout=60, check=False
    )
    assert done.stdout.strip() == "500000", done.stderr


def test_a_refused_dial_tells_stock_ssh_why(known_cluster: ClientCluster, home: Path, tmp_path: Path) -> None:
    def refuse(request: DialRequest) -> DialAnswer:
        return DialAnswer(allowed=False, code="access_denied", message="no role allows it", event_id="e-7")

    with small_proxy(known_cluster, refuse) as small:
        known_cluster.log_in(home, small.port)
        (tmp_path / "config").write_text(tsh(home, "config").stdout.decode())
        words = ["ssh", "-F", str(tmp_path / "config"), f"root@web-1.{CLUSTER}", "true"]
        done = subprocess.run(words, capture_output=True, text=True, env=environment(home), check=False)
    assert done.returncode == 255
    assert "ERROR: no role allows it (event e-7)" in done.stderr
