"""What an SSH connection tells the audit log: the fields all its events share, and one method for each event.

Telling never waits and never fails an action by itself; whether a session may go on without a log is the emitter's
failure to announce.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TypeVar

from teleport.engines.engine import Connection
from teleport.engines.ssh.exit_status import FAILED, exit_error
from teleport.foundation import metrics
from teleport.foundation.errors import NotFound, TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.events.base import SESSION_DATA_INDEX, Event, SessionEvent
from teleport.model.events.file_transfer import (
    SCP,
    FileTransferred,
    SCPDisallowed,
    SCPDownloaded,
    SCPDownloadFailed,
    SCPUploaded,
    SCPUploadFailed,
    SFTPAction,
    SFTPDisallowed,
    SFTPSummary,
    sftp_event,
)
from teleport.model.events.session import (
    ClientDisconnected,
    Executed,
    ExecutionFailed,
    PortForwarded,
    PortForwardFailed,
    PortForwardStopped,
    SessionData,
    SessionEnded,
    SessionJoined,
    SessionLeft,
    SessionRejected,
    SessionStarted,
    SubsystemFailed,
    SubsystemRequested,
    TerminalResized,
    X11Forwarded,
    X11ForwardRefused,
)
from teleport.model.events.user import AuthFailed
from teleport.model.identity import Identity
from teleport.session.live import LiveSession, end_event_id

log = get_logger("ssh.audit")

_RECEIVED = metrics.sum_of("rx", "Bytes that SSH connections brought, told when they end")
_SENT = metrics.sum_of("tx", "Bytes that SSH connections took, told when they end")
_MISMATCHES = metrics.counter("certificate_mismatch", "SSH logins refused for the certificate that was shown")

E = TypeVar("E", bound=SessionEvent)
_MAX_ATTEMPTS_TOLD = 5
_FRESH = 1.0
"""Seconds for which labels of the node are told as they were."""


class Audit:
    """The log's ear at one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._identity: Identity | None = None
        self._login = ""
        self._refusals = 0
        self._node = connection.post.node()
        self._last_session = ""
        self._common: dict[str, object] | None = None
        self._fresh_until = 0.0
        self.received = 0
        self.sent = 0

    def identify(self, identity: Identity, login: str) -> None:
        """From here on events name this person."""
        self._identity, self._login, self._common = identity, login, None

    # -- coming and going

    def refused(self, identity: Identity | None, login: str, reason: str) -> str:
        """The id of the event; empty when the client tries so often that one event more tells nothing new."""
        self._refusals += 1
        if identity is None:
            _MISMATCHES.inc()
        if self._refusals > _MAX_ATTEMPTS_TOLD:
            return ""
        host, port = self._connection.client_address
        event = AuthFailed(
            user=identity.username if identity is not None else self._connection.request.user,
            login=login or self._connection.request.login_hint,
            success=False,
            error=reason,
            addr_remote=f"{host}:{port}",
            addr_local=self._connection.post.host_id,
            proto="ssh",
        )
        return self._connection.post.emitter.post(event).uid

    def session_rejected(self, limit: int) -> None:
        self._tell(self._event(SessionRejected, reason="max_sessions", max=limit))

    def connection_rejected(self, identity: Identity, login: str, limit: int) -> str:
        """The id of the event."""
        event = SessionRejected(
            user=identity.username,
            user_cluster_name=identity.cluster,
            user_roles=list(identity.roles),
            login=login,
            reason="max_connections",
            max=limit,
            server_id=self._connection.post.host_id,
            server_hostname=self._connection.post.hostname,
            addr_remote=":".join(map(str, self._connection.client_address)),
            proto="ssh",
        )
        return self._connection.post.emitter.post(event).uid

    def disconnected(self, reason: str) -> None:
        if self._identity is not None:
            self._tell(self._event(ClientDisconnected, reason=reason))

    def left(self) -> None:
        """The connection is closed: how much it carried, told of the last session that ran on it."""
        sid = self._last_session
        _RECEIVED.inc(self.received)
        _SENT.inc(self.sent)
        if self._identity is not None and (self.received or self.sent):
            self._tell(self._event(SessionData, sid=sid, rx=self.received, tx=self.sent, ei=SESSION_DATA_INDEX))

    # -- terminals

    def session_started(self, live: LiveSession, recording: str) -> None:
        """`recording` is the mode in which it is recorded, `off` when it is not."""
        event = self._in_session(
            SessionStarted,
            live,
            size=str(live.size),
            initial_command=list(live.command),
            session_recording=recording,
            reason=live.purpose.reason,
            invited=list(live.purpose.invited),
        )
        self._last_session = live.id
        self._tell(event)

    def resized(self, live: LiveSession) -> Event | None:
        return self._tell(self._in_session(TerminalResized, live, size=str(live.size)))

    def session_joined(self, live: LiveSession) -> Event | None:
        return self._tell(self._in_session(SessionJoined, live, participants=list(live.everyone)))

    def session_left(self, live: LiveSession) -> Event | None:
        return self._tell(self._in_session(SessionLeft, live, participants=list(live.everyone)))

    def session_ended(
        self, live: LiveSession, recording: str, reason: str, *, is_watched: bool = False
    ) -> Event | None:
        event = self._in_session(
            SessionEnded,
            live,
            uid=end_event_id(live.id),
            session_start=live.started,
            session_stop=self._connection.post.clock.now(),
            participants=list(live.everyone),
            interactive=True,
            enhanced_recording=is_watched,
            session_recording=recording,
            initial_command=list(live.command),
            message=reason,
        )
        return self._tell(event)

    # -- what the kernel sees

    def event_of_kernel(self, kind: type[E], sid: str) -> E:
        """What all events of a kind have in common that the kernel tells of a session."""
        return self._event(kind, sid=sid)

    def kernel_saw(self, event: SessionEvent) -> Event | None:
        """Also where the proxy tells the rest: only this host sees it."""
        return self._post(event)

    # -- commands and subsystems

    def executed(self, sid: str, command: str, status: int, problem: str) -> None:
        kind = ExecutionFailed if status != 0 or problem else Executed
        error = problem or exit_error(status)
        self._last_session = sid
        self._tell(self._event(kind, sid=sid, command=command, exit_code=str(status), exit_error=error))

    def subsystem_ended(self, sid: str, name: str, status: int, problem: str) -> None:
        self._last_session = sid
        if status != 0 or problem:
            self.subsystem_failed(name, problem or exit_error(status), sid)
        else:
            self._tell(self._event(SubsystemRequested, sid=sid, name=name))

    def subsystem_failed(self, name: str, problem: str, sid: str = "") -> None:
        self._tell(self._event(SubsystemFailed, sid=sid, name=name, exit_error=problem))

    # -- files

    def sftp(self, sid: str, action: int, *, error: str, **facts: object) -> None:
        """`facts` are fields of the event."""
        kind = sftp_event(SFTPAction(action), succeeded=not error)
        self._tell(self._event(kind, sid=sid, action=action, error=error, **facts))

    def sftp_summary(self, sid: str, files: Iterable[tuple[str, int, int, str]]) -> None:
        """Path, bytes read, bytes written and SHA-256 of each file."""
        stats = [
            FileTransferred(path=path, bytes_read=read, bytes_written=written, sha256=sha256)
            for path, read, written, sha256 in files
        ]
        self._tell(self._event(SFTPSummary, sid=sid, file_transfer_stats=stats))

    def scp(self, sid: str, path: str, size: int, *, is_upload: bool, sha256: str = "", error: str = "") -> None:
        kind: type[SCP]
        if error:
            kind = SCPUploadFailed if is_upload else SCPDownloadFailed
        else:
            kind = SCPUploaded if is_upload else SCPDownloaded
        action = "upload" if is_upload else "download"
        event = self._event(kind, sid=sid, path=path, len=size, action=action, sha256=sha256, exit_error=error)
        self._tell(event)

    def sftp_disallowed(self, sid: str, path: str, target: str, reason: str) -> str:
        return self._id_of(
            self._tell(self._event(SFTPDisallowed, sid=sid, path=path, target_path=target, error=reason))
        )

    def scp_disallowed(self, sid: str, path: str, action: str, reason: str) -> str:
        return self._id_of(self._tell(self._event(SCPDisallowed, sid=sid, path=path, action=action, error=reason)))

    def file_copy_refused(self, command: str, reason: str) -> str:
        kind: type[SessionEvent] = SCPDisallowed if command else SFTPDisallowed
        return self._id_of(self._tell(self._event(kind, error=reason)))

    def command_refused(self, command: str, reason: str) -> str:
        event = self._event(ExecutionFailed, command=command, exit_code=str(FAILED), exit_error=reason)
        return self._id_of(self._tell(event))

    # -- forwards

    def port_opened(self, where: str) -> None:
        self._tell(self._event(PortForwarded, addr=where))

    def port_closed(self, where: str) -> None:
        self._tell(self._event(PortForwardStopped, addr=where))

    def port_failed(self, where: str, reason: str) -> None:
        self._tell(self._event(PortForwardFailed, addr=where, error=reason))

    def display_opened(self) -> None:
        self._tell(self._event(X11Forwarded))

    def display_refused(self, reason: str) -> None:
        self._tell(self._event(X11ForwardRefused, success=False, error=reason))

    # -- what they share

    @staticmethod
    def _id_of(event: Event | None) -> str:
        return event.uid if event is not None else ""

    def _tell(self, event: SessionEvent) -> Event | None:
        """The event as it was taken, with its id."""
        if self._connection.is_told_by_proxy:
            return None  # told already, of the session that the person sees
        return self._post(event)

    def _post(self, event: SessionEvent) -> Event | None:
        try:
            return self._connection.post.emitter.post(event)
        except TeleportError as error:
            log.error("an audit event is lost", event=event.type, error=error)
            return None

    def _in_session(self, kind: type[E], live: LiveSession, **fields: object) -> E:
        return self._event(kind, sid=live.id, ei=live.next_index(), login=live.login, **fields)

    def _event(self, kind: type[E], **fields: object) -> E:
        return kind(**{**self._common_fields(), **fields})  # type: ignore[arg-type]  # fields by their names

    def _common_fields(self) -> dict[str, object]:
        """What all events of this connection say. Copies of many files tell many events: not looked up for each."""
        now = self._connection.post.clock.monotonic()
        if self._common is None or now >= self._fresh_until:
            self._common = self._look_up()
            self._fresh_until = now + _FRESH
        return self._common

    def _look_up(self) -> dict[str, object]:
        connection, post, identity = self._connection, self._connection.post, self._identity
        assert identity is not None, "not authenticated yet"
        with contextlib.suppress(NotFound):  # removed while somebody is on it: it is told as it was
            self._node = post.node()
        node = self._node
        host, port = connection.client_address
        return {
            "user": identity.username,
            "login": self._login,
            "impersonator": identity.impersonator,
            "access_requests": list(identity.active_requests),
            "user_kind": 2 if identity.bot_name else 1,
            "bot_name": identity.bot_name,
            "bot_instance_id": identity.bot_instance_id,
            "user_roles": list(identity.roles),
            "user_cluster_name": identity.cluster,
            "with_mfa": identity.mfa_verified,
            "private_key_policy": identity.private_key_policy,
            "server_id": post.host_id,
            "server_hostname": post.hostname,
            "server_labels": dict(node.labels),
            "server_sub_kind": node.sub_kind or "teleport",
            "server_version": node.spec.version,
            "addr_remote": f"{host}:{port}",
            "proto": "ssh",
        }
