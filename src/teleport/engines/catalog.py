"""The engines of this system, one line each."""

from __future__ import annotations

from collections.abc import Iterable

from teleport.engines.engine import Engine
from teleport.engines.resumption import ResumableSshEngine
from teleport.engines.ssh.engine import SshEngine
from teleport.foundation.errors import Unsupported


def engines() -> list[Engine]:
    """One of each, for one agent."""
    ssh = SshEngine()
    return [ssh, ResumableSshEngine(ssh)]


def engine_for(engines: Iterable[Engine], kind: str, protocol: str) -> Engine:
    """The engine that serves `protocol` for resources of `kind`. Raises Unsupported."""
    for engine in engines:
        if engine.kind == kind and engine.protocol == protocol:
            return engine
    raise Unsupported(f"{kind} over {protocol} is not served here")
