"""What the audit log is told of sessions whose end nobody saw, because the process was killed."""

from __future__ import annotations

from collections.abc import Iterable

from teleport.model.events.session import SessionEnded
from teleport.session.live import end_event_id
from teleport.session.recording_spool import RecoveredSession


def ended_sessions(recovered: Iterable[RecoveredSession], cluster: str) -> list[SessionEnded]:
    """An end event each, which the log passes over when the session told of its end before the agent was killed."""
    return [
        SessionEnded(
            uid=end_event_id(session.info.sid), time=session.end.ended, cluster_name=cluster,
            sid=session.info.sid, user=session.info.user, login=session.info.login, server_id=session.info.server_id,
            server_hostname=session.info.server_hostname, session_start=session.info.started,
            session_stop=session.end.ended, participants=list(session.participants), interactive=True,
            session_recording="node-sync" if session.is_streamed else "node",
            initial_command=list(session.info.command),
            proto="ssh", message=session.end.reason,
        )
        for session in recovered
    ]  # fmt: skip
