"""Which host runs or ran a session. The first that told of it stays the owner, whoever claims it later."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.auth.cluster import Cluster
from teleport.foundation.errors import BadParameter, NotFound
from teleport.model.resources.session_tracker import SessionTracker
from teleport.storage.audit_log import EventQuery

AS_LONG_AS_THE_LOG = timedelta(days=3660)
TOLD_BY_HOSTS = frozenset(
    (
        "session.start", "session.join", "session.leave", "session.end", "session.data", "session.rejected",
        "session.command", "session.disk", "session.network", "session.process_exit", "resize", "exec", "subsystem",
        "port", "port.local", "port.remote", "port.remote_conn", "scp", "sftp", "sftp_summary", "x11-forward",
        "client.disconnect", "auth",
    )
)  # fmt: skip
"""Events of sessions; auth writes on each which host told it."""
_EVIDENCE = TOLD_BY_HOSTS | {
    "session.upload", "db.session.start", "db.session.end", "windows.desktop.session.start",
    "windows.desktop.session.end",
}  # fmt: skip


class SessionOwners:
    """Answers from what auth wrote itself: trackers, uploads, and the log."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def of(self, session_id: str) -> str:
        """The id of the host; empty while nobody has told of the session."""
        try:
            tracker = await self._cluster.store.find(SessionTracker, session_id)
            if tracker is not None and tracker.spec.host_id:
                return tracker.spec.host_id
            return (await self._cluster.recordings.upload(session_id)).owner
        except (NotFound, BadParameter):
            return await self._told(session_id)

    async def _told(self, session_id: str) -> str:
        now = self._cluster.clock.now()
        query = EventQuery(
            start=now - AS_LONG_AS_THE_LOG,
            end=now + timedelta(minutes=5),
            types=_EVIDENCE,
            session_id=session_id,
            limit=1,
            accept=lambda line: bool(_host(line)),
        )
        page = await self._cluster.audit_log.search(query)
        return _host(page.lines[0]).removesuffix(f".{self._cluster.name}") if page.lines else ""


class _Told(msgspec.Struct, frozen=True):
    server_id: object = ""
    forwarded_by: object = ""


def _host(line: bytes) -> str:
    """The proxy, where it was one that served the host."""
    told = msgspec.json.decode(line, type=_Told)
    host = told.forwarded_by or told.server_id
    return host if isinstance(host, str) else ""
