"""Strangers on the one port: what they send costs bounded memory, ends in time, and leaves others alone."""

from __future__ import annotations

import os
import resource
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Cluster
from harness.processes import until
from harness.visitors import Visitor
from harness.vitals import connections, descriptors, memory

ENDS_WITHIN = 18.0
"""A stranger has ten seconds to prove who it is; some more for a busy machine."""
MANY = 2000
PER_CONNECTION = 24 << 10
STRANGERS = [f"127.0.0.{number}" for number in range(2, 12)]  # each address has a limit of its own
HELLO = bytes.fromhex("16 0301 0200 01 0001fc 0303") + bytes(range(32)) + b"\x20" + bytes(32)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Visitor]]:
    folder = tmp_path_factory.mktemp("garbage")
    cluster = Cluster(folder / "cluster", "calm", severity="INFO").start()
    try:
        visitor = Visitor(cluster, folder / "visitor")
        until(lambda: visitor.reaches("calm"), "reached")
        yield cluster, visitor
    finally:
        cluster.kill()


def stranger(cluster: Cluster, source: str = STRANGERS[0]) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cluster.web_port), 5, source_address=(source, 0))


def ended(sock: socket.socket) -> bool:
    """Whether the other side closed it; what it says before is passed over."""
    sock.setblocking(False)
    try:
        while sock.recv(65536):
            continue
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def pid(cluster: Cluster) -> int:
    assert cluster.process is not None
    return cluster.process.pid


SAID = {
    "random": os.urandom(4096),
    "random tls": b"\x16\x03\x01" + os.urandom(600),
    "half a hello": HELLO,
    "its beginning": HELLO[:7],
    "one byte": b"\x16",
    "nothing": b"",
    "zeros": b"\0" * 65536,
    "half a header": b"PROXY TCP4 1.2.3.4",
    "a header of nonsense": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    "ssh": b"SSH-2.0-stranger\r\n",
    "postgres": b"\0\0\0\x08\x04\xd2\x16\x2f",
    "endless http": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 5000,
}


def test_whatever_is_said_the_connection_ends_in_time(quiet: tuple[Cluster, Visitor]) -> None:
    cluster, visitor = quiet
    with ExitStack() as stack:
        open_still: dict[str, socket.socket] = {}
        for name, said in SAID.items():
            open_still[name] = stack.enter_context(stranger(cluster))
            open_still[name].sendall(said)

        def all_ended() -> bool:
            for name in [name for name, sock in open_still.items() if ended(sock)]:
                del open_still[name]
            return not open_still

        end = time.monotonic() + ENDS_WITHIN
        while not all_ended():
            assert time.monotonic() < end, f"open still: {', '.join(open_still)}"
            time.sleep(0.02)
    assert visitor.reaches("calm")


def test_plain_http_is_told_what_to_do(quiet: tuple[Cluster, Visitor]) -> None:
    with stranger(quiet[0]) as sock:
        sock.sendall(b"GET /web HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"https" in answer


def test_a_slow_drip_gets_no_more_time(quiet: tuple[Cluster, Visitor]) -> None:
    with stranger(quiet[0]) as sock:
        began, dripped = time.monotonic(), 0
        while not ended(sock):
            since = time.monotonic() - began
            assert since < ENDS_WITHIN
            if since > dripped * 0.25:
                with suppress(OSError):
                    sock.send(HELLO[dripped : dripped + 1])
                dripped += 1
            time.sleep(0.02)
        assert dripped > 30, "it ended too soon to show anything"


@contextmanager
def many(cluster: Cluster, said: bytes) -> Iterator[list[socket.socket]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, MANY + 500)), hard))
    count = min(MANY, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 300)
    with ExitStack() as stack:
        opened = []
        for source in islice(cycle(STRANGERS), count):
            opened.append(stack.enter_context(stranger(cluster, source)))
            if said:
                opened[-1].sendall(said)
        yield opened
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def median(work: Callable[[], object], turns: int = 5) -> float:
    took = []
    for _ in range(turns):
        began = time.monotonic()
        work()
        took.append(time.monotonic() - began)
    return statistics.median(took)


@pytest.mark.parametrize("said", [b"", HELLO], ids=["silent", "half a hello"])
def test_thousands_of_idle_connections_leave_others_alone(quiet: tuple[Cluster, Visitor], said: bytes) -> None:
    cluster, visitor = quiet
    list_servers = lambda: visitor.tsh("ls").ok()  # noqa: E731
    run_command = lambda: visitor.tsh("ssh", f"{LOGIN}@calm", "true").ok()  # noqa: E731
    alone = median(list_servers), median(run_command)
    before, held = memory(pid(cluster)), connections(cluster.web_port)
    with many(cluster, said) as crowd:
        until(lambda: connections(cluster.web_port) > held + len(crowd) * 0.9, "all accepted")
        beside = median(list_servers, 3), median(run_command, 3)
        grown = memory(pid(cluster)) - before
        until(lambda: all(map(ended, crowd)), "all ended", ENDS_WITHIN + 6)
    after = median(list_servers, 3), median(run_command, 3)
    assert grown < len(crowd) * PER_CONNECTION, f"{grown / len(crowd) / 1024:.0f} KiB for each connection"
    for one, other in zip(map(max, alone, after), beside, strict=True):  # what else the machine does varies
        assert other < one * 2 + 1.0, f"{other:.3f} s beside the crowd, {one:.3f} s without"
    until(lambda: connections(cluster.web_port) <= held + 4, "nothing left")


def test_one_address_cannot_take_all_places(quiet: tuple[Cluster, Visitor], tmp_path: Path) -> None:
    cluster, visitor = quiet
    refused = 0
    with ExitStack() as stack:
        crowd = []
        for _ in range(700):
            try:
                crowd.append(stack.enter_context(stranger(cluster)))
            except ConnectionResetError:  # it came before the connection was even told of here
                refused += 1
        until(lambda: refused + sum(map(ended, crowd)) >= 150, "refused past the limit", 5)
        assert visitor.reaches("calm")


def test_running_out_of_descriptors_ends_nothing(quiet: tuple[Cluster, Visitor]) -> None:
    """More come than can be accepted: sessions go on, and all is well when the crowd has gone."""
    cluster, visitor = quiet
    soft, hard = resource.prlimit(pid(cluster), resource.RLIMIT_NOFILE)
    with visitor.terminal("calm") as terminal:
        resource.prlimit(pid(cluster), resource.RLIMIT_NOFILE, (descriptors(cluster.diag_port) + 40, hard))
        try:
            with ExitStack() as stack:
                for source in islice(cycle(STRANGERS), 200):
                    stack.enter_context(stranger(cluster, source))
                assert cluster.process is not None
                log = cluster.process.log
                until(lambda: "Too many open files" in log.read_text(), "out of descriptors")
                terminal.run("echo still-$((1+1))", "still-2")
                began = time.monotonic()
                while time.monotonic() - began < 6.0:  # all that looks around every few seconds did so once
                    terminal.run("echo on-$((1+1))", "on-2")
                    time.sleep(0.2)
        finally:
            resource.prlimit(pid(cluster), resource.RLIMIT_NOFILE, (soft, hard))
        until(lambda: visitor.reaches("calm"), "reached again")
        terminal.send("exit 3\n")
        assert terminal.ended() == 3
