from __future__ import annotations

from datetime import UTC, datetime

from teleport.agent.recovery import ended_sessions
from teleport.session.live import end_event_id
from teleport.session.recording_spool import RecoveredSession
from teleport.wire.recording import RecordingEnd, RecordingInfo

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SID = "8a3f6f0e-0000-4000-8000-000000000001"


def test_a_recovered_session_tells_the_same_end_as_the_session_itself() -> None:
    info = RecordingInfo(
        sid=SID, user="alice", login="root", cluster="alpha", server_id="node", server_hostname="web", started=NOW,
        columns=80, rows=25, term="xterm", command=(),
    )  # fmt: skip
    end = RecordingEnd(ended=NOW, reason="the host stopped", participants=("alice",), recovered=True)
    (event,) = ended_sessions([RecoveredSession(info, end, ("alice",))], "alpha")
    assert event.uid == end_event_id(SID) != end_event_id(SID.replace("1", "2"))
    assert (event.sid, event.user, event.message) == (SID, "alice", "the host stopped")
