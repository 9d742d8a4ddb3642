"""What recording costs: at the server against none at all, and at the proxy against the server."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import Bench, bench, timed, until

SIZE = 200_000_000
MODE = """kind: session_recording_config
version: v2
metadata: {{name: session-recording-config}}
spec: {{mode: {mode}}}
"""


def measure() -> list[Figure]:
    with recording("node") as node, recording("off") as off, recording("proxy") as proxy:
        return [
            ratio("new session on a terminal, recorded at the server", "the same, not recorded",
                  lambda: _session(node), lambda: _session(off), "<=", 1.05, rounds=9),
            ratio("new session on a terminal, recorded at the proxy", "the same, recorded at the server",
                  lambda: _session(proxy), lambda: _session(node), "<=", 1.5, rounds=9),
            ratio(f"{SIZE // 10**6} MB down, recorded at the proxy", "the same, recorded at the server",
                  lambda: _down(proxy), lambda: _down(node), "<=", 1.5),
        ]  # fmt: skip


@contextlib.contextmanager
def recording(mode: str) -> Iterator[Bench]:
    """A cluster of its own in that mode, and a key agent for the proxy that may ask for it."""
    with bench() as stage, _key_agent(stage):
        stage.cluster.tctl("create", "-f", "-", text=MODE.format(mode=mode)).ok()
        is_proxy = mode == "proxy"
        until(lambda: _asks_agent(stage) is is_proxy, "the recording mode has reached the proxy")
        yield stage


@contextlib.contextmanager
def _key_agent(stage: Bench) -> Iterator[None]:
    path = str(stage.folder / "agent.sock")
    out = subprocess.run(["ssh-agent", "-a", path], capture_output=True, text=True, check=True).stdout
    try:
        key = stage.folder / "key"
        stage.cluster.tctl("auth", "sign", "--user=bench", "--format=openssh", f"--out={key}").ok()
        subprocess.run(["ssh-add", "-q", str(key)], env={**stage.environment, "SSH_AUTH_SOCK": path}, check=True)
        yield
    finally:
        pid = out.split("SSH_AGENT_PID=")[1].split(";")[0]
        subprocess.run(["kill", pid], check=False)


def _asks_agent(stage: Bench) -> bool:
    done = subprocess.run(
        stage.ssh("-a", stage.target, "true"), env=stage.environment, capture_output=True, text=True, check=False
    )
    return "key agent" in done.stderr


def _environment(stage: Bench) -> dict[str, str]:
    return {**stage.environment, "SSH_AUTH_SOCK": str(stage.folder / "agent.sock")}


def _session(stage: Bench) -> float:
    values = sorted(timed(stage.ssh("-A", "-tt", stage.target, "true"), _environment(stage)) for _ in range(3))
    return values[1]


def _down(stage: Bench) -> float:
    command = stage.ssh("-A", "-T", stage.target, f"head -c {SIZE} /dev/zero")
    return timed(command, _environment(stage), stdout=subprocess.DEVNULL)
