"""Sessions whose end nobody saw are told once, however often they are recovered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from teleport.session.live import end_event_id
from teleport.session.recording_spool import RecoveredSession
from teleport.session.recovery import ended_sessions
from teleport.wire.recording import RecordingEnd, RecordingInfo

WHEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SESSION = RecoveredSession(
    RecordingInfo(sid="0b7b4d9c", user="alice", login="root", server_id="host", started=WHEN),
    RecordingEnd(ended=WHEN + timedelta(minutes=2), reason="the host stopped", recovered=True),
    ("alice", "bob"),
)


def test_the_event_tells_what_the_recording_knows() -> None:
    (event,) = ended_sessions([SESSION], "c")
    assert (event.sid, event.user, event.server_id) == ("0b7b4d9c", "alice", "host")
    assert event.session_stop == WHEN + timedelta(minutes=2)
    assert event.participants == ["alice", "bob"]


def test_the_same_session_gives_the_same_id_whoever_tells_its_end() -> None:
    (event,) = ended_sessions([SESSION], "c")
    assert event.uid == end_event_id(SESSION.info.sid) != end_event_id("0b7b4d9d")
