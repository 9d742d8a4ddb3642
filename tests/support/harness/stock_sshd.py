"""A server with Debian's own sshd: it knows the cluster's authorities and runs nothing of ours."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster import Cluster, Finished, clean_environment, run
from harness.ports import free_port
from harness.processes import BIN, Started

SSHD = "/usr/sbin/sshd"


@dataclass
class StockSshd:
    """Set up by hand: `tctl auth sign` for the host key, `tctl auth export` for whom it lets in."""

    cluster: Cluster
    folder: Path
    name: str
    names: str = ""
    labels: dict[str, str] = field(default_factory=lambda: {"env": "stock"})
    port: int = field(default_factory=free_port)
    more: dict[str, str] = field(default_factory=dict)
    process: Started | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "sshd_config"

    @property
    def log(self) -> str:
        assert self.process is not None
        return self.process.output()

    def write_config(self, **settings: str | Path) -> None:
        common: dict[str, str | Path] = {
            "Port": str(self.port),
            "ListenAddress": "127.0.0.1",
            "PidFile": self.folder / "pid",
            "AuthorizedKeysFile": "none",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "StrictModes": "no",
            "PermitRootLogin": "prohibit-password",
            "LogLevel": "VERBOSE",
            "Subsystem": "sftp internal-sftp",
            "AcceptEnv": "LANG LC_* TOKEN",
            "SetEnv": f"HOME={self.folder}",  # nothing of the developer's own profile
        }
        lines = {**common, **settings, **self.more}
        self.config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    def trust(self) -> None:
        """As the guide says it: a certified host key, and the openssh authority."""
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self.folder / "host"
        names = self.names or self.name
        self.cluster.tctl("auth", "sign", f"--host={names}", "--format=openssh", f"--out={key}", "--overwrite").ok()
        authority = self.folder / "teleport_ca.pub"
        authority.write_text(self.cluster.tctl("auth", "export", "--type=openssh").ok().out)
        self.write_config(HostKey=key, HostCertificate=self.folder / "host-cert.pub", TrustedUserCAKeys=authority)

    def join(self, *arguments: str) -> Finished:
        """`teleport join openssh` on a host whose sshd knows nothing yet."""
        words = [
            str(BIN / "teleport"), "join", "openssh", f"--proxy-server={self.cluster.proxy}",
            f"--address={self.address}", f"--node-name={self.name}", f"--openssh-config={self.config}",
            f"--openssh-keys-path={self.folder / 'keys'}", f"--data-dir={self.folder / 'data'}",
            f"--ca-pin={self.cluster.pin()}", *arguments,
        ]  # fmt: skip
        return run(words, clean_environment(self.folder))

    def plain(self) -> StockSshd:
        """As a distribution leaves it: a host key, and no cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self.folder / "plain"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], clean_environment(self.folder)).ok()
        self.write_config(HostKey=key)
        return self

    def start(self) -> StockSshd:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd of Debian separates its privileges
        arguments: list[str | Path] = [SSHD, "-D", "-e", "-f", self.config]
        self.process = Started(arguments, self.folder / "log", clean_environment(self.folder))
        self.process.wait_until(self.answers, f"sshd {self.name}")
        return self

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()

    def unregister(self) -> None:
        """The cluster forgets it: the next of this name would be one of two."""
        for node in self.cluster.tctl("nodes", "ls", "--format=json").ok().json:
            if node["spec"]["hostname"] == self.name:
                self.cluster.tctl("rm", f"node/{node['metadata']['name']}").ok()

    def document(self, sub_kind: str = "openssh") -> str:
        labels = ", ".join(f"{key}: {value}" for key, value in self.labels.items())
        return (
            f"kind: node\nversion: v2\nsub_kind: {sub_kind}\nmetadata: {{labels: {{{labels}}}}}\n"
            f"spec: {{addr: '{self.address}', hostname: {self.name}}}\n"
        )

    def register(self) -> StockSshd:
        """`tctl create`, and the proxy knows of it."""
        self.cluster.tctl("create", "-f", "-", text=self.document()).ok()
        return self
