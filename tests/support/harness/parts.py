"""The services of a cluster in processes of their own: a proxy that joined auth by token."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster import Cluster, clean_environment, ready
from harness.ports import free_port
from harness.processes import BIN, Started


@dataclass
class ProxyPart:
    """The proxy of a cluster whose own process runs auth alone; it listens where `cluster.proxy` says."""

    cluster: Cluster
    folder: Path
    diag_port: int = field(default_factory=free_port)
    process: Started | None = None

    @property
    def config(self) -> Path:
        return self.folder / "proxy.yaml"

    def write_config(self, token: str) -> None:
        cluster = self.cluster
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"""version: v3
teleport:
  nodename: {cluster.name}-proxy
  data_dir: {self.folder / "data"}
  auth_server: 127.0.0.1:{cluster.auth_port}
  auth_token: {token}
  ca_pin: {cluster.pin()}
  diag_addr: 127.0.0.1:{self.diag_port}
  log: {{severity: DEBUG}}
proxy_service:
  enabled: yes
  web_listen_addr: 127.0.0.1:{cluster.web_port}
  public_addr: ["{cluster.proxy}", "10.0.2.2:{cluster.web_port}"]
auth_service: {{enabled: no}}
ssh_service: {{enabled: no}}
"""
        )

    def start(self, token: str = "", wait: bool = True) -> ProxyPart:
        if token:
            self.write_config(token)
        words: list[str | Path] = [BIN / "teleport", "start", "-c", self.config]
        self.process = Started(words, self.folder / "log", clean_environment(self.folder))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        assert self.process is not None
        self.process.wait_until(lambda: ready(self.diag_port), "proxy ready")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()


@dataclass
class NodePart:
    """An SSH server that listens on a port of its own and tells of itself; it joins by way of the proxy."""

    cluster: Cluster
    folder: Path
    name: str
    joins: str = ""
    """The line of its configuration that says where; at first by way of the proxy, without a tunnel."""
    port: int = field(default_factory=free_port)
    diag_port: int = field(default_factory=free_port)
    process: Started | None = None

    def start(self, token: str) -> NodePart:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "node.yaml"
        config.write_text(
            f"""version: v3
teleport:
  nodename: {self.name}
  data_dir: {self.folder / "data"}
  {self.joins or f"auth_server: {self.cluster.proxy}"}
  auth_token: {token}
  ca_pin: {self.cluster.pin()}
  diag_addr: 127.0.0.1:{self.diag_port}
ssh_service:
  enabled: yes
  listen_addr: 127.0.0.1:{self.port}
  force_listen: yes
auth_service: {{enabled: no}}
proxy_service: {{enabled: no}}
"""
        )
        words: list[str | Path] = [BIN / "teleport", "start", "-c", config]
        self.process = Started(words, self.folder / "log", clean_environment(self.folder))
        self.process.wait_until(lambda: ready(self.diag_port), "node ready")
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
