"""What a proxy needs to run sessions itself: recordings, trackers, and the folders they wait in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from teleport.api.client import Client
from teleport.api.governed import GovernedServers
from teleport.api.session_sink import SessionSink
from teleport.credentials.authorities import TrustedAuthority
from teleport.foundation.clock import Clock
from teleport.foundation.service import Service
from teleport.proxy.hosts import Hosts
from teleport.proxy.terminations import TerminationParts, Terminations
from teleport.session.emitter import Emitter
from teleport.session.leases import Leases
from teleport.session.recorder import RecorderFactory
from teleport.session.recording_spool import RecordingSpool
from teleport.session.recovery import ended_sessions
from teleport.session.tracker import Trackers
from teleport.session.uploader import Uploader
from teleport.storage.replica import Replica


class SessionKeeping:
    """The spool, its uploader and the trackers of one proxy. `services` run beside it; `close` after them."""

    def __init__(self, folder: Path, client: Client, clock: Clock, cluster: str) -> None:
        sink = SessionSink(lambda: client)
        self._folder = folder
        self._client = client
        self._clock = clock
        self._cluster = cluster
        self._spool = RecordingSpool(folder / "recordings")
        self._trackers = Trackers(sink, clock)
        self._leases = Leases(sink)
        uploader = Uploader(self._spool, sink)
        self._recorders = RecorderFactory(self._spool, clock, on_complete=uploader.nudge, sink=sink)
        self.services: tuple[Service, ...] = (uploader, self._trackers, self._leases)

    async def recover(self, emitter: Emitter) -> None:
        """Tell the ends of sessions that an earlier process left."""
        recovered = await asyncio.to_thread(self._spool.recover, self._clock.now())
        for event in ended_sessions(recovered, self._cluster):
            emitter.post(event)
            self._trackers.end_lost(event.sid)

    def terminations(
        self, hosts: Hosts, replica: Replica, emitter: Emitter,
        authorities: Callable[[], Sequence[TrustedAuthority]],
    ) -> Terminations:  # fmt: skip
        parts = TerminationParts(
            cluster=self._cluster, data_dir=self._folder, clock=self._clock, replica=replica, emitter=emitter,
            recorders=self._recorders, trackers=self._trackers, leases=self._leases, client=self._client,
            governed=GovernedServers(lambda: self._client, self._clock),
            authorities=authorities,
        )  # fmt: skip
        return Terminations(parts, hosts)

    def close(self) -> None:
        self._recorders.close()
