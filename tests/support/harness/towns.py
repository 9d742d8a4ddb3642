"""A cluster in three processes: auth, proxy and agent, each to be killed alone; and somebody who visits."""

from __future__ import annotations

from pathlib import Path

from harness.cluster import Agent, Cluster
from harness.parts import ProxyPart
from harness.processes import until
from harness.visitors import Visitor


class Town:
    """`cluster` is auth alone; the agent is called like the cluster."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster.start()
        self.proxy = ProxyPart(cluster, folder / "proxy").start(cluster.join_token("proxy"))
        self.agent = Agent(cluster, folder / "agent", cluster.name).start(cluster.join_token())
        self.visitor = Visitor(cluster, folder / "visitor")
        until(lambda: self.visitor.reaches(cluster.name), "reached")

    def close(self) -> None:
        for part in (self.agent.process, self.proxy.process):
            if part is not None:
                part.kill()
