"""A cluster of one process, agents that join it, and the programs that use it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.names import Names
from harness.ports import free_port
from harness.processes import BIN, PATIENCE, Started, until

LOGIN = os.environ.get("USER") or "root"


def clean_environment(home: Path) -> dict[str, str]:
    """What programs get: nothing of the developer's own profile, agent or proxies."""
    kept = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR", "USER", "LOGNAME")
    }
    return {
        **kept,
        "HOME": str(home),
        "TERM": "xterm-256color",
        "TELEPORT_HOME": str(home / "tsh"),
        "LANG": "C.UTF-8",
    }


@dataclass
class Finished:
    """What a program said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def ok(self) -> Finished:
        assert self.status == 0, f"exit status {self.status}\n{self.out}\n{self.err}"
        return self


@dataclass
class Cluster:
    """Auth, proxy and (unless `roles` says otherwise) an SSH server in one process."""

    folder: Path
    name: str = "alpha"
    roles: str = "auth,proxy,node"
    extra: str = ""
    severity: str = "DEBUG"
    prefix: tuple[str, ...] = ()
    """Words before the program, such as those that put it into namespaces of its own."""
    web_port: int = field(default_factory=free_port)
    auth_port: int = field(default_factory=free_port)
    diag_port: int = field(default_factory=free_port)
    process: Started | None = None
    names: Names | None = None
    """Of a cluster that many modules share: who made what."""

    @property
    def proxy(self) -> str:
        return f"localhost:{self.web_port}"

    @property
    def config(self) -> Path:
        return self.folder / "teleport.yaml"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    def write_config(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"""version: v3
teleport:
  nodename: {self.name}
  data_dir: {self.data_dir}
  pid_file: {self.pid_file}
  diag_addr: 127.0.0.1:{self.diag_port}
  log: {{severity: {self.severity}}}
auth_service:
  enabled: {"yes" if "auth" in self.roles else "no"}
  cluster_name: {self.name}.example
  listen_addr: 127.0.0.1:{self.auth_port}
proxy_service:
  enabled: {"yes" if "proxy" in self.roles else "no"}
  web_listen_addr: 127.0.0.1:{self.web_port}
  public_addr: [{self.proxy}, "10.0.2.2:{self.web_port}"]
ssh_service:
  enabled: {"yes" if "node" in self.roles else "no"}
  labels: {{env: test, place: main, fleet: own}}
{self.extra}"""
        )

    def start(self, patience: float = PATIENCE) -> Cluster:
        self.write_config()
        environment = clean_environment(self.folder)
        self.process = Started(
            [*self.prefix, BIN / "teleport", "start", "-c", self.config], self.folder / "log", environment
        )
        self.process.wait_until(lambda: ready(self.diag_port), "cluster ready", patience)
        return self

    def stop(self) -> int:
        assert self.process is not None
        return self.process.stop()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def tctl(
        self, *arguments: str, text: str = "", timeout: float = 60, environment: dict[str, str] | None = None
    ) -> Finished:
        """As the administrator of the auth host, through the data directory."""
        if self.names is not None:
            self.names.take_made_by(arguments, text)
        words = [str(BIN / "tctl"), "-c", str(self.config), *arguments]
        return run(words, {**clean_environment(self.folder), **(environment or {})}, text, timeout)

    def pin(self) -> str:
        line = next(line for line in self.tctl("status").ok().out.splitlines() if line.startswith("CA pin"))
        return line.split()[-1]

    def join_token(self, kind: str = "node") -> str:
        return self.tctl("tokens", "add", f"--type={kind}", "--format=text").ok().out.strip()

    def node_names(self) -> set[str]:
        nodes = self.tctl("nodes", "ls", "--format=json").ok().json
        return {node["spec"]["hostname"] for node in nodes}

    def events(self, *types: str) -> list[dict[str, Any]]:
        wanted = [f"--type={','.join(types)}"] if types else []
        found: list[dict[str, Any]] = self.tctl("audit", "ls", "--format=json", *wanted).ok().json
        return found

    def identity(self, user: str, path: Path) -> Path:
        """An identity file of a user, signed by the administrator."""
        self.tctl("auth", "sign", f"--user={user}", f"--out={path}", "--overwrite").ok()
        return path


@dataclass
class Agent:
    """An SSH server that dials out to a cluster's proxy."""

    cluster: Cluster
    folder: Path
    name: str
    labels: str = "env=test"
    prefix: tuple[str, ...] = ()
    proxy: str = ""
    pin: str = ""
    debug: bool = True
    settings: str = ""
    """More lines of its configuration file."""
    process: Started | None = None

    def start(self, token: str = "", wait: bool = True) -> Agent:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pin = self.pin or self.cluster.pin()
        config = base64.b64encode(f"version: v3\n{self.settings}".encode()).decode()
        arguments: list[str | Path] = [
            *self.prefix,
            BIN / "teleport",
            "start",
            f"--config-string={config}",  # so that no file of this machine is read
            "--roles=node",
            f"--auth-server={self.proxy or self.cluster.proxy}",
            f"--nodename={self.name}",
            f"--labels={self.labels}",
            f"--data-dir={self.folder / 'data'}",
            f"--ca-pin={self.pin}",
        ]
        if self.debug:
            arguments.append("--debug")
        if token:
            arguments.append(f"--token={token}")
        self.process = Started(arguments, self.folder / "log", clean_environment(self.folder))
        if wait:
            self.wait_listed()
        return self

    def wait_listed(self) -> None:
        assert self.process is not None
        self.process.wait_until(lambda: self.name in self.cluster.node_names(), f"{self.name} listed")

    def stop(self) -> int:
        assert self.process is not None
        return self.process.stop()


def ready(diag_port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{diag_port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def run(
    arguments: list[str], environment: dict[str, str], text: str = "", timeout: float = 60, cwd: Path | None = None
) -> Finished:
    done = subprocess.run(
        arguments, input=text, capture_output=True, text=True, env=environment, timeout=timeout, cwd=cwd, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


__all__ = ["Agent", "Cluster", "Finished", "clean_environment", "free_port", "ready", "run", "until"]
