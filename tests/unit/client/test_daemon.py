"""The resident client: started by the first command, faster for the next, the same to the user, for nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from client_side import CLUSTER, ClientCluster, SmallProxy, small_proxy
from ssh_node import node

from teleport.client import daemon as daemon_of_home
from teleport.client import daemon_link
from teleport.client.daemon import Daemon
from teleport.foundation.service import TaskOwner
from teleport.tunnel.messages import Candidate, DialAnswer, DialRequest

TSH = [sys.executable, "-m", "teleport.cli.tsh"]


@pytest.fixture
def short_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Paths of Unix sockets have a limit that pytest's own folders reach."""
    with tempfile.TemporaryDirectory(prefix="tsh") as folder:
        for name in ("PROXY", "USER", "LOGIN", "CLUSTER", "NO_DAEMON"):
            monkeypatch.delenv(f"TELEPORT_{name}", raising=False)
        yield Path(folder)
        daemon_link.stop(folder)


@pytest.fixture
def proxy(known_cluster: ClientCluster, short_home: Path) -> Iterator[SmallProxy]:
    with node(known_cluster) as server, small_proxy(known_cluster, serve=server.serve) as small:
        known_cluster.log_in(short_home, small.port)
        yield small


@pytest.fixture
def daemon(proxy: SmallProxy, short_home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with running(short_home) as process:
        yield process


@contextmanager
def running(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", "teleport.cli.tsh.resident", str(home)], env=environment(home), stderr=subprocess.PIPE
    ) as process:
        until(lambda: (home / "tsh.sock").exists(), "daemon listens")
        try:
            yield process
        finally:
            process.terminate()
            assert process.stderr is not None
            assert process.stderr.read().decode().replace("Terminated", "") == ""


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "TELEPORT_HOME": str(home), "HOME": str(home), "TERM": "xterm"}


def tsh(home: Path, *words: str, data: bytes = b"", **extra: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*TSH, *words], input=data, capture_output=True, env=environment(home) | extra, timeout=90, check=False
    )


def until(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_commands_share_one_connection(proxy: SmallProxy, daemon: object, short_home: Path) -> None:
    for number in range(3):
        done = tsh(short_home, "ssh", "root@web-1", f"echo {number}; echo err >&2; exit 7")
        assert (done.stdout, done.stderr, done.returncode) == (f"{number}\n".encode(), b"err\n", 7)
    assert len(proxy.requests) == 1
    tsh(short_home, "ssh", "alice@web-1", "true")
    assert [request.login for request in proxy.requests] == ["root", "alice"]


def test_input_and_output_of_any_size(proxy: SmallProxy, daemon: object, short_home: Path, tmp_path: Path) -> None:
    data = os.urandom(5_000_000)
    assert tsh(short_home, "ssh", "root@web-1", "cat", data=data).stdout == data
    (tmp_path / "in").write_bytes(data)
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as target:
        words = [*TSH, "ssh", "root@web-1", "cat"]
        subprocess.run(words, stdin=source, stdout=target, env=environment(short_home), check=True, timeout=90)
    assert (tmp_path / "out").read_bytes() == data


def test_a_slow_reader_does_not_hold_up_others(proxy: SmallProxy, daemon: object, short_home: Path) -> None:
    words = [*TSH, "ssh", "root@web-1", "yes"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment(short_home)) as stuck:
        assert stuck.stdout is not None
        stuck.stdout.read(2)
        assert tsh(short_home, "ssh", "root@web-1", "echo through").stdout == b"through\n"
        stuck.terminate()


def test_who_leaves_ends_the_command(proxy: SmallProxy, daemon: object, short_home: Path, tmp_path: Path) -> None:
    words = [*TSH, "ssh", "root@web-1", f"cat; touch {tmp_path}/ended"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(short_home)
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.read(1) == b"x"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    until((tmp_path / "ended").exists, "the remote command saw its end")


def test_a_reader_that_leaves_early(proxy: SmallProxy, daemon: object, short_home: Path) -> None:
    words = " ".join([*TSH, "ssh", "root@web-1", "yes", "|", "head", "-n", "2"])
    done = subprocess.run(
        words, shell=True, capture_output=True, env=environment(short_home), timeout=90, check=False
    )
    assert done.stdout == b"y\ny\n"


def test_a_connection_that_died_is_replaced(known_cluster: ClientCluster, short_home: Path) -> None:
    sockets: list[socket.socket] = []
    with node(known_cluster) as server:

        def serve(sock: socket.socket) -> None:
            sockets.append(socket.socket(fileno=os.dup(sock.fileno())))
            server.serve(sock)

        with small_proxy(known_cluster, serve=serve) as small:
            known_cluster.log_in(short_home, small.port)
            with running(short_home):
                assert tsh(short_home, "ssh", "root@web-1", "echo one").stdout == b"one\n"
                sockets[0].shutdown(socket.SHUT_RDWR)
                assert tsh(short_home, "ssh", "root@web-1", "echo two").stdout == b"two\n"
            assert len(small.requests) == 2


def test_a_connection_that_dies_as_it_is_taken_is_replaced(known_cluster: ClientCluster, short_home: Path) -> None:
    """It is good until the next command is sent on it: whoever asks for a session is answered by its end."""
    is_fatal = threading.Event()

    with node(known_cluster) as server:

        def serve(sock: socket.socket) -> None:
            ours, theirs = socket.socketpair()
            threading.Thread(target=server.serve, args=(theirs,), daemon=True).start()
            threading.Thread(target=carry, args=(ours, sock), daemon=True).start()
            carry(sock, ours, is_fatal)

        with small_proxy(known_cluster, serve=serve) as small:
            known_cluster.log_in(short_home, small.port)
            with running(short_home):
                assert tsh(short_home, "ssh", "root@web-1", "echo one").stdout == b"one\n"
                is_fatal.set()
                done = tsh(short_home, "ssh", "root@web-1", "echo two")
            assert (done.stdout, done.stderr, len(small.requests)) == (b"two\n", b"", 2)


def carry(source: socket.socket, target: socket.socket, is_fatal: threading.Event | None = None) -> None:
    """What comes goes on, until the end or until the next piece is fatal, which happens once."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if is_fatal is not None and is_fatal.is_set():
                is_fatal.clear()
                break
            target.sendall(data)
    for sock in (source, target):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def test_it_is_found_when_it_listens(short_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, listen, found = short_home / "tsh.sock", socket.socket.listen, list[bool]()

    def looking(sock: socket.socket, backlog: int) -> None:
        found.append(path.exists())
        listen(sock, backlog)

    monkeypatch.setattr(socket.socket, "listen", looking)
    held = daemon_of_home.listen(str(short_home))
    assert held is not None
    assert found == [False]
    with held[0], socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        assert path.stat().st_mode & 0o777 == 0o600
    os.close(held[1])
    path.unlink()


async def test_without_descriptors_it_waits_for_some(short_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, was_without = socket.socket.accept, asyncio.Event()

    def watched(listener: socket.socket) -> object:
        try:
            return accept(listener)
        except OSError as problem:
            if problem.errno == errno.EMFILE:
                was_without.set()
            raise

    monkeypatch.setattr(socket.socket, "accept", watched)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    tasks = TaskOwner("test")
    tasks.start(Daemon(str(short_home), lambda words, environment: None, str).run())
    try:
        async with asyncio.timeout(30):
            while not (short_home / "tsh.sock").exists():
                await asyncio.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as link:
            fillers: list[int] = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (link.fileno() + 20, hard))
            try:
                with contextlib.suppress(OSError):
                    while True:
                        fillers.append(os.dup(0))
                link.connect(str(short_home / "tsh.sock"))
                async with asyncio.timeout(30):
                    await was_without.wait()
            finally:
                for filler in fillers:
                    os.close(filler)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            link.settimeout(30)
            link.sendall(daemon_link.encode_request(["version"], {}))
            assert await asyncio.to_thread(link.recv, 10) == daemon_link.NOT_ME
    finally:
        await tasks.close()


def test_what_is_refused_reads_the_same_with_and_without(known_cluster: ClientCluster, short_home: Path) -> None:
    def refuse(request: DialRequest) -> DialAnswer:
        if request.target == "two":
            candidates = [Candidate(name="id-a", hostname="two"), Candidate(name="id-b", hostname="two")]
            return DialAnswer(allowed=False, code="bad_parameter", message="two fit", candidates=candidates)
        return DialAnswer(allowed=False, code="access_denied", message="no role allows it", event_id="e-9")

    with small_proxy(known_cluster, refuse) as small:
        known_cluster.log_in(short_home, small.port)
        with running(short_home):
            for words in (("ssh", "root@one", "true"), ("ssh", "root@two", "true"), ("ssh", "root@$(x)", "true")):
                warm = tsh(short_home, *words)
                cold = tsh(short_home, *words, TELEPORT_NO_DAEMON="1")
                assert (warm.stdout, warm.stderr, warm.returncode) == (cold.stdout, cold.stderr, cold.returncode)
                assert warm.returncode == 1


def test_stock_ssh_gets_its_connection(proxy: SmallProxy, daemon: object, short_home: Path, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(tsh(short_home, "config").stdout.decode())
    for text in ((tmp_path / "config").read_text(), (tmp_path / "config").read_text().replace(" --fdpass", "")):
        (tmp_path / "c").write_text(text if "--fdpass" in text else text.replace("ProxyUseFdpass yes", ""))
        words = ["ssh", "-F", str(tmp_path / "c"), f"root@web-1.{CLUSTER}", "wc -c; exit 4"]
        done = subprocess.run(
            words, input=b"x" * 70_000, capture_output=True, env=environment(short_home), check=False
        )
        assert (done.stdout.strip(), done.returncode) == (b"70000", 4), done.stderr


def test_only_the_user_may_ask(daemon: object, short_home: Path) -> None:
    assert (short_home / "tsh.sock").stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(short_home / "tsh.sock"))
        assert daemon_link.is_mine(link)


def test_another_user_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert daemon_link.is_mine(left)
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert not daemon_link.is_mine(left)


def test_garbage_is_dropped(daemon: subprocess.Popen[bytes], short_home: Path) -> None:
    short = (8).to_bytes(4, "big") + b"v\0009\0abcd"
    for garbage in (b"\xff" * 100, b"\0\0\0\5a\0b\0c", b"GET / HTTP/1.1\r\n\r\n", short):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(short_home / "tsh.sock"))
            link.settimeout(30)
            link.sendall(garbage)
            link.shutdown(socket.SHUT_WR)
            assert link.recv(10) == b""
    assert tsh(short_home, "ssh", "root@web-1", "echo still").stdout == b"still\n"


def test_it_is_started_by_the_first_command_and_stops_when_told(proxy: SmallProxy, short_home: Path) -> None:
    assert tsh(short_home, "ssh", "root@web-1", "true").returncode == 0
    until((short_home / "tsh.sock").exists, "daemon started")
    assert tsh(short_home, "daemon", "status").stdout == b"running\n"
    assert tsh(short_home, "daemon", "stop").stdout == b"stopped\n"
    until(lambda: not (short_home / "tsh.sock").exists(), "daemon ended")
    assert tsh(short_home, "daemon", "stop").stdout == b"not running\n"


def test_it_is_not_wanted(proxy: SmallProxy, short_home: Path) -> None:
    assert tsh(short_home, "ssh", "root@web-1", "true", TELEPORT_NO_DAEMON="1").returncode == 0
    assert not (short_home / "tsh.sock").exists()


def test_logout_ends_it(daemon: subprocess.Popen[bytes], short_home: Path) -> None:
    assert tsh(short_home, "logout").returncode == 0
    assert daemon.wait(30) == 0


def test_requests_are_read_as_they_were_written() -> None:
    body = daemon_link.encode_request(["ssh", "ü", ""], {"A": "b=c"})[4:]
    version, words, variables = daemon_link.decode_request(body)
    assert (words, variables) == (["ssh", "ü", ""], {"A": "b=c"})
    assert version
    with pytest.raises(ValueError, match="does not fit"):
        daemon_link.encode_request(["a\0b"], {})
