"""Tells the cluster that this node is here, what it is called and how it is labelled, again and again."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from teleport import __version__
from teleport.api.client import Client
from teleport.foundation.clock import Clock
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.resource import Metadata
from teleport.model.resources.heartbeat import CommandLabel
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.values import Duration

log = get_logger("heartbeat")

LIFETIME = timedelta(minutes=10)
INTERVAL = 60.0
COMMAND_TIMEOUT = 10.0
MAX_LABEL = 1024
_RETRY = 5.0
REACHED_WITHIN = 5.0
"""Seconds after which the cluster is told of a node that nobody reaches yet, so that people see it at all."""


@dataclass(frozen=True)
class LabelCommand:
    """A label whose value is what a command prints, run anew every `period`."""

    command: tuple[str, ...]
    period: timedelta


class Heartbeat:
    """A Service. `node` is what was last told, or would be; commands run while it runs.

    Nothing is told before `reached`: a name that is listed can be dialled. `told` is set once the cluster knows.
    """

    name = "heartbeat"

    def __init__(
        self,
        client: Callable[[], Client],
        clock: Clock,
        *,
        host_id: str,
        hostname: str,
        labels: Mapping[str, str],
        commands: Mapping[str, LabelCommand],
        address: str = "",
        public_addresses: tuple[str, ...] = (),
        use_tunnel: bool = True,
        interval: float = INTERVAL,
        reached: asyncio.Event | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._commands = dict(commands)
        self._results: dict[str, str] = {}
        self._interval = interval
        self._changed = asyncio.Event()
        self._reached = reached
        self.told = asyncio.Event()
        self._metadata = Metadata(name=host_id, labels=dict(labels))
        self._spec = NodeSpec(
            addr=address,
            hostname=hostname,
            public_addrs=list(public_addresses),
            use_tunnel=use_tunnel,
            version=__version__,
        )

    def node(self) -> Node:
        """This node as it is now."""
        spec = NodeSpec(
            addr=self._spec.addr,
            hostname=self._spec.hostname,
            public_addrs=self._spec.public_addrs,
            use_tunnel=self._spec.use_tunnel,
            version=self._spec.version,
            cmd_labels={
                name: CommandLabel(
                    period=Duration.of(one.period), command=list(one.command), result=self._results.get(name, "")
                )
                for name, one in self._commands.items()
            },
        )
        metadata = Metadata(
            name=self._metadata.name, labels=dict(self._metadata.labels), expires=self._clock.now() + LIFETIME
        )
        return Node(sub_kind="teleport", metadata=metadata, spec=spec)

    async def run(self, started: Callable[[], None]) -> None:
        started()
        async with asyncio.TaskGroup() as group:
            for name, command in self._commands.items():
                group.create_task(self._keep_label(name, command), name=f"label {name}")
            group.create_task(self._beat())

    async def _beat(self) -> None:
        if self._reached is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REACHED_WITHIN):
                    await self._reached.wait()
        while True:
            wait = self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, protects nothing
            try:
                await self._client().put(self.node())
                self.told.set()
            except TeleportError as error:
                log.warning("the cluster could not be told that this node is here", error=error)
                wait = min(wait, _RETRY)
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()

    async def _keep_label(self, name: str, command: LabelCommand) -> None:
        while True:
            result = await output_of(command.command)
            if result != self._results.get(name):
                self._results[name] = result
                self._changed.set()
            await asyncio.sleep(max(command.period.total_seconds(), 1.0))


async def output_of(command: tuple[str, ...]) -> str:
    """What it prints, without the line end; how it failed, where it does."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return f"{error.strerror}"
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT):
            assert process.stdout is not None
            printed = await process.stdout.read(MAX_LABEL)
            await process.wait()
    except TimeoutError:
        return f"no answer within {COMMAND_TIMEOUT:g} seconds"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return "".join(character for character in printed.decode("utf-8", "replace").strip() if character.isprintable())
