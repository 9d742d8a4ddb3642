"""`tsh ls` in a cluster of 10,000 servers: the first page, and the whole list."""

from __future__ import annotations

import subprocess
import time
import uuid

from benchmarks.figures import Figure, absolute, ratio
from benchmarks.yardstick import BIN, bench, timed

NODES = 10_000


def measure() -> list[Figure]:
    with bench() as stage:
        documents = "---\n".join(
            "kind: node\nsub_kind: openssh\nversion: v2\n"
            f"metadata: {{name: {uuid.uuid4()}, labels: {{env: e{i % 7}}}}}\n"
            f"spec: {{hostname: host-{i:05}, addr: '10.0.{i // 256}.{i % 256}:22'}}\n"
            for i in range(NODES)
        )
        stage.cluster.tctl("create", "-f", text=documents, timeout=300).ok()
        cold = {**stage.environment, "TELEPORT_NO_DAEMON": "1"}
        tsh = str(BIN / "tsh")

        def version() -> float:
            return timed([tsh, "version", "--client"], cold)

        def page() -> float:
            """Until the first hundred servers are on the screen."""
            start = time.perf_counter()
            with subprocess.Popen([tsh, "ls", "--format=names"], stdout=subprocess.PIPE, env=cold) as listing:
                assert listing.stdout is not None
                for _ in range(100):
                    listing.stdout.readline()
                elapsed = (time.perf_counter() - start) * 1e3
                listing.kill()
            return elapsed

        whole = [timed([tsh, "ls", "--format=names"], cold) / 1e3 for _ in range(5)]
        return [
            ratio(f"`tsh ls`, {NODES} servers, first page", "`tsh version`, cold", page, version, "<=", 2),
            absolute(f"`tsh ls`, {NODES} servers, all", whole, "<=", 1.5, "s"),
        ]
