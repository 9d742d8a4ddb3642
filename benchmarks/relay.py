"""Our relay against HAProxy in TCP mode: CPU per GB, added round trip, round trip beside a bulk flow, idle memory.

    python -m benchmarks.relay [--rounds 5] [--megabytes 1500] [--json FILE]

All sides take turns within each round; a ratio is the median of the rounds' ratios. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, of_rounds
from teleport.net.handoff import HandedOff

MB = 1_000_000
HAPROXY = "HAProxy in TCP mode"
TARGETS = {"cpu": 0.45, "round_trip": 1.1}
Row = dict[str, float]


class Side:
    """A relay in a process of its own, listening on `port`."""

    def __init__(self, name: str, pid: int, port: int) -> None:
        self.name, self.pid, self.port = name, pid, port


def forked(serve: Callable[[socket.socket], None]) -> tuple[int, int]:
    """Run `serve` in a child on a free port; its pid and port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    port = listening.getsockname()[1]
    pid = os.fork()
    if pid == 0:
        try:
            serve(listening)
        finally:
            os._exit(0)
    listening.close()
    return pid, port


def serve_backend(listening: socket.socket) -> None:
    """The first byte chooses: S swallow and acknowledge, E echo, H hold."""
    threading.stack_size(128 * 1024)
    sink = bytearray(1 << 22)

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kind = connection.recv(1)
        if kind == b"H":
            connection.sendall(b"h")
            connection.recv(1)
        elif kind == b"S":
            while connection.recv_into(sink, 1 << 22, socket.MSG_TRUNC):
                pass
            connection.sendall(b"k")
        else:
            while data := connection.recv(65536):
                connection.sendall(data)
        connection.close()

    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()


def serve_ours(backend: int) -> Callable[[socket.socket], None]:
    def serve(listening: socket.socket) -> None:
        import asyncio

        from teleport.net.relay import Relay

        async def accept() -> None:
            relay = Relay()
            relay.start()
            listening.setblocking(False)
            loop = asyncio.get_running_loop()
            while True:
                client, _ = await loop.sock_accept(listening)
                server = socket.socket(proto=socket.IPPROTO_TCP)
                server.setblocking(False)
                await loop.sock_connect(server, ("127.0.0.1", backend))
                relay.join(HandedOff(client), HandedOff(server))

        asyncio.run(accept())

    return serve


@contextmanager
def haproxy(backend: int, folder: Path) -> Iterator[Side]:
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 8000\n"
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 600s\n  timeout server 600s\n"
        f"listen relay\n  bind 127.0.0.1:{port}\n  server backend 127.0.0.1:{backend}\n"
    )
    process = subprocess.Popen([program, "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield Side("haproxy", process.pid, port)
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process, from its own clock."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise SystemExit("no memory figure")


def connect(port: int, kind: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 10, 0))
    connection.sendall(kind)
    return connection


def bulk(side: Side, memory: int, megabytes: int) -> Row:
    connection = connect(side.port, b"S")
    left = total = megabytes * MB
    cpu, begun = cpu_seconds(side.pid), time.perf_counter()
    while left:
        left -= os.sendfile(connection.fileno(), memory, 0, min(left, 1 << 22))
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b"k"
    taken = time.perf_counter() - begun
    spent = cpu_seconds(side.pid) - cpu
    connection.close()
    return {"rate": megabytes / taken, "cpu": spent / total * 1e9}


def round_trip(port: int, seconds: float) -> Row:
    connection = connect(port, b"E")
    for _ in range(200):
        connection.send(b"x")
        connection.recv(1)
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter_ns()
        connection.send(b"x")
        connection.recv(1)
        times.append(time.perf_counter_ns() - begun)
    connection.close()
    times.sort()
    return {"p50": times[len(times) // 2] / 1e3, "p99": times[len(times) * 99 // 100] / 1e3}


def beside_bulk(side: Side, memory: int) -> Row:
    pid = os.fork()
    if pid == 0:
        try:
            connection = connect(side.port, b"S")
            end = time.time() + 2.2
            while time.time() < end:
                os.sendfile(connection.fileno(), memory, 0, 1 << 20)
        finally:
            os._exit(0)
    time.sleep(0.8)
    row = round_trip(side.port, 1.0)
    os.waitpid(pid, 0)
    return row


def idle(side: Side, count: int) -> float:
    before = memory_kib(side.pid)
    connections = [connect(side.port, b"H") for _ in range(count)]
    for connection in connections:
        assert connection.recv(1) == b"h"
    grown = (memory_kib(side.pid) - before) / count
    for connection in connections:
        connection.close()
    return grown


def median_ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def show(title: str, values: dict[str, list[float]], unit: str) -> None:
    for name, rounds in values.items():
        ratio = f"  x{median_ratio(rounds, values['haproxy']):.2f}" if name != "haproxy" else ""
        print(
            f"{title:34} {name:10} {statistics.median(rounds):10.2f} {unit:8}"
            f" [{min(rounds):.2f}..{max(rounds):.2f}]{ratio}",
            flush=True,
        )


def compare(rounds: int, megabytes: int) -> dict[str, dict[str, list[float]]]:
    """What each side did in each round."""
    memory = os.memfd_create("payload")
    os.ftruncate(memory, 1 << 22)
    backend_pid, backend = forked(serve_backend)
    ours_pid, ours_port = forked(serve_ours(backend))
    wait_for(ours_port)
    results: dict[str, dict[str, list[float]]] = {}

    def keep(what: str, side: str, value: float) -> None:
        results.setdefault(what, {}).setdefault(side, []).append(value)

    try:
        with tempfile.TemporaryDirectory() as folder, haproxy(backend, Path(folder)) as theirs:
            sides = [theirs, Side("ours", ours_pid, ours_port)]
            for number in range(rounds + 1):
                direct = round_trip(backend, 0.5)
                for side in sides:
                    moved, trip, beside = (
                        bulk(side, memory, megabytes),
                        round_trip(side.port, 0.5),
                        beside_bulk(side, memory),
                    )
                    if number:  # the first round warms up
                        keep("rate", side.name, moved["rate"])
                        keep("cpu", side.name, moved["cpu"])
                        keep("round trip", side.name, trip["p50"])
                        keep("added round trip", side.name, trip["p50"] - direct["p50"])
                        keep("p99", side.name, trip["p99"])
                        keep("beside p50", side.name, beside["p50"])
                        keep("beside p99", side.name, beside["p99"])
            for side in sides:
                keep("idle", side.name, idle(side, 2000))
    finally:
        for pid in (ours_pid, backend_pid):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return results


def measure() -> list[Figure]:
    """For `python -m benchmarks`."""
    allow_many_files()
    results = compare(5, 1500)
    rows = (("bytes relayed by the proxy, CPU per GB", "cpu", "cpu", "s/GB"),
            ("round trip of one byte through the relay", "round trip", "round_trip", "us"))  # fmt: skip
    return [
        of_rounds(
            what, "HAProxy in TCP mode", results[key]["ours"], results[key]["haproxy"], "<=", TARGETS[name], unit
        )
        for what, key, name, unit in rows
    ]


def allow_many_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def report(results: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    show("bulk", results["rate"], "MB/s")
    show("CPU of the relay", results["cpu"], "s/GB")
    show("round trip of a byte, p50", results["round trip"], "us")
    show("  added to a direct connection", results["added round trip"], "us")
    show("round trip of a byte, p99", results["p99"], "us")
    show("round trip beside a bulk flow, p50", results["beside p50"], "us")
    show("round trip beside a bulk flow, p99", results["beside p99"], "us")
    show("memory of an idle connection", results["idle"], "KiB")
    return {
        "cpu": median_ratio(results["cpu"]["ours"], results["cpu"]["haproxy"]),
        "round_trip": median_ratio(results["round trip"]["ours"], results["round trip"]["haproxy"]),
        "added_round_trip": median_ratio(results["added round trip"]["ours"], results["added round trip"]["haproxy"]),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--megabytes", type=int, default=1500)
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    allow_many_files()
    ratios = report(compare(chosen.rounds, chosen.megabytes))
    if chosen.json:
        chosen.json.write_text(json.dumps(ratios))
    missed = [name for name, target in TARGETS.items() if ratios[name] > target]
    for name, target in TARGETS.items():
        print(f"{name}: {ratios[name]:.2f} (target <= {target})")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
