"""What the audit log is told of sessions whose end nobody saw, because the agent was killed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from teleport.model.events.session import SessionEnded
from teleport.session.recording_spool import RecoveredSession

_NAMESPACE = uuid.UUID("6f1a2f9c-43cf-5b0e-9a57-2d9d0d7f8a11")


def ended_sessions(recovered: Iterable[RecoveredSession], cluster: str) -> list[SessionEnded]:
    """An end event each; the same session gives the same uid, however often it is recovered."""
    return [
        SessionEnded(
            uid=str(uuid.uuid5(_NAMESPACE, session.info.sid)), time=session.end.ended, cluster_name=cluster,
            sid=session.info.sid, user=session.info.user, login=session.info.login, server_id=session.info.server_id,
            server_hostname=session.info.server_hostname, session_start=session.info.started,
            session_stop=session.end.ended, participants=list(session.participants), interactive=True,
            session_recording="node", initial_command=list(session.info.command), proto="ssh",
            message=session.end.reason,
        )
        for session in recovered
    ]  # fmt: skip
