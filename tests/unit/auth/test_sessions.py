"""Web sessions, running sessions, recordings and the audit log, for those whose they are."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from auth_cluster import PASSWORD, Person, TestCluster

from teleport.api.client import Client
from teleport.api.routes import audit, login, recordings, sessions, users
from teleport.auth.recordings import Recordings
from teleport.credentials import x509
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, NotFound
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.session_tracker import SessionTracker, SessionTrackerSpec
from teleport.wire.recording import Ended, Printed, RecordingInfo, RecordingReader, Started, encode_part


def event(kind: str, code: str, sid: str, **more: object) -> msgspec.Raw:
    body = {"event": kind, "code": code, "uid": str(uuid.uuid4()), "sid": sid, "user": "alice", **more}
    return msgspec.Raw(msgspec.json.encode(body))


async def emit(agent: Client, *events: msgspec.Raw) -> audit.EventsAccepted:
    return await agent.call(audit.EMIT, audit.EmitEvents(events))


def tracker(sid: str, user: str = "alice") -> sessions.PutSession:
    spec = SessionTrackerSpec(session_id=sid, kind="ssh", host_user=user, state="running")
    return sessions.PutSession(sid, msgspec.Raw(encode_json(SessionTracker(metadata=Metadata(name=sid), spec=spec))))


class TestWebSessions:
    async def log_in(self, cluster: TestCluster, proxy: Client) -> login.WebSessionGrant:
        person = await cluster.sign_up("alice", "access")
        return await proxy.call(
            login.CREATE_SESSION,
            login.FinishSessionLogin(user="alice", password=PASSWORD, second_factor_token=person.next_code()),
        )

    async def test_a_proxy_keeps_a_browser_logged_in(self, cluster: TestCluster) -> None:
        proxy = await cluster.host("Proxy")
        granted = await self.log_in(cluster, proxy)
        identity = x509.read_identity(granted.tls_certificate, "user")
        assert identity.username == "alice"
        seen = await proxy.call(sessions.GET_WEB, sessions.WebSessionId(granted.session_id))
        assert seen.bearer_token == granted.bearer_token
        renewed = await proxy.call(sessions.RENEW_WEB, sessions.WebSessionId(granted.session_id))
        assert renewed.bearer_token != granted.bearer_token
        assert renewed.expires == granted.expires
        assert renewed.bearer_expires <= cluster.clock.now() + timedelta(minutes=10)
        await proxy.call(sessions.DELETE_WEB, sessions.WebSessionId(granted.session_id))
        with pytest.raises(NotAuthenticated):
            await proxy.call(sessions.GET_WEB, sessions.WebSessionId(granted.session_id))

    async def test_a_sign_up_in_a_browser_is_a_login(self, cluster: TestCluster) -> None:
        proxy = await cluster.host("Proxy")
        await cluster.user("bob", "access")
        granted = await (await cluster.admin()).call(users.RESET, users.ResetUser(name="bob"))
        asked = await proxy.call(users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=granted.token))
        assert asked.totp is not None
        code = Person("bob", asked.totp.secret, cluster.clock).code()
        request = users.SetPassword(token=granted.token, password=PASSWORD, second_factor_token=code)
        session = await proxy.call(users.SIGN_UP_SESSION, request)
        assert (session.username, session.roles) == ("bob", ("access",))
        (told,) = await cluster.events("user.login")
        assert (told["user"], told["success"]) == ("bob", True)

    async def test_silence_and_time_end_it(self, cluster: TestCluster) -> None:
        proxy = await cluster.host("Proxy")
        granted = await self.log_in(cluster, proxy)
        for _ in range(3):
            cluster.clock.advance(timedelta(minutes=6))
            await proxy.call(sessions.GET_WEB, sessions.WebSessionId(granted.session_id))
        cluster.clock.advance(timedelta(minutes=11))
        with pytest.raises(NotAuthenticated, match="idle"):
            await proxy.call(sessions.GET_WEB, sessions.WebSessionId(granted.session_id))

    async def test_only_a_proxy_gets_one(self, cluster: TestCluster) -> None:
        proxy = await cluster.host("Proxy")
        granted = await self.log_in(cluster, proxy)
        for other in (await cluster.host("Node"), await cluster.admin(), cluster.client(granted.tls_certificate)):
            with pytest.raises(AccessDenied, match="for proxies"):
                await other.call(sessions.GET_WEB, sessions.WebSessionId(granted.session_id))
        with pytest.raises(NotAuthenticated):
            await cluster.stranger().call(sessions.GET_WEB, sessions.WebSessionId(granted.session_id))

    async def test_the_store_does_not_hold_the_cookie(self, cluster: TestCluster) -> None:
        granted = await self.log_in(cluster, await cluster.host("Proxy"))
        items = await cluster.store.backend.range("/", "0")
        assert items
        assert not any(granted.session_id in item.key or granted.session_id.encode() in item.value for item in items)


class TestTrackers:
    async def test_a_host_tells_of_its_sessions_and_people_see_their_own(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await agent.call(sessions.PUT, tracker(sid))
        alice, bob = await cluster.person("alice", "access"), await cluster.person("bob", "access")
        auditor = await cluster.person("carol", "auditor")
        for person, count in ((alice, 1), (bob, 0), (auditor, 1)):
            page = await person.call(sessions.LIST, sessions.ListSessions())
            assert len(page.sessions) == count
        with pytest.raises(NotFound):
            await bob.call(sessions.GET, sessions.SessionName(sid))
        await agent.call(sessions.DELETE, sessions.SessionName(sid))
        assert not (await auditor.call(sessions.LIST, sessions.ListSessions())).sessions

    async def test_another_host_cannot_touch_it(self, cluster: TestCluster) -> None:
        agent, other, sid = await cluster.host("Node"), await cluster.host("Node"), str(uuid.uuid4())
        await agent.call(sessions.PUT, tracker(sid))
        with pytest.raises(AccessDenied):
            await other.call(sessions.PUT, tracker(sid, "mallory"))
        with pytest.raises(AccessDenied):
            await other.call(sessions.DELETE, sessions.SessionName(sid))
        person = await cluster.person("alice", "access")
        with pytest.raises(AccessDenied):
            await person.call(sessions.PUT, tracker(str(uuid.uuid4())))

    async def test_it_ends_when_the_host_is_silent(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await agent.call(sessions.PUT, tracker(sid))
        cluster.clock.advance(timedelta(minutes=31))
        auditor = await cluster.person("carol", "auditor")
        assert not (await auditor.call(sessions.LIST, sessions.ListSessions())).sessions


class TestAudit:
    async def test_hosts_hand_in_events_about_themselves_once(self, cluster: TestCluster) -> None:
        host_id, sid = str(uuid.uuid4()), str(uuid.uuid4())
        agent = await cluster.host("Node", host_id)
        started = event("session.start", "T2000I", sid)
        await emit(agent, started)
        await emit(agent, started, event("session.end", "T2004I", sid, server_id=host_id))
        found = await cluster.events("session.start", "session.end")
        assert [(one["event"], one["server_id"], one["cluster_name"]) for one in found] == [
            ("session.start", host_id, "example"),
            ("session.end", host_id, "example"),
        ]

    async def test_a_proxy_tells_to_which_node_it_led_somebody(self, cluster: TestCluster) -> None:
        proxy_id, node_id = str(uuid.uuid4()), str(uuid.uuid4())
        proxy = await cluster.host("Proxy", proxy_id)
        await emit(proxy, event("session.connect", "T2010I", "", server_id=node_id))
        (found,) = await cluster.events("session.connect")
        assert (found["server_id"], found["forwarded_by"]) == (node_id, proxy_id)
        with pytest.raises(AccessDenied):
            await emit(proxy, event("session.start", "T2000I", str(uuid.uuid4()), server_id=node_id))

    async def test_a_clock_that_runs_ahead_hides_nothing(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await emit(agent, event("session.start", "T2000I", sid, time="2999-01-01T00:00:00Z"))
        assert len(await cluster.events("session.start")) == 1

    async def test_search_filters_pages_and_refuses(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await emit(agent, *(event("exec", "T3002I", sid, command=f"make number-{number}") for number in range(5)))
        auditor = await cluster.person("carol", "auditor")
        page = await auditor.call(audit.SEARCH, audit.SearchEvents(types=("exec",), limit=3))
        rest = await auditor.call(audit.SEARCH, audit.SearchEvents(types=("exec",), limit=3, start_key=page.next_key))
        assert (len(page.events), len(rest.events), rest.next_key) == (3, 2, "")
        found = await auditor.call(audit.SEARCH, audit.SearchEvents(search="MAKE Number-4"))
        assert len(found.events) == 1
        assert not (await auditor.call(audit.SEARCH, audit.SearchEvents(user="nobody"))).events
        await cluster.role("none")
        person = await cluster.person("bob", "none")
        with pytest.raises(AccessDenied):
            await person.call(audit.SEARCH, audit.SearchEvents())
        with pytest.raises(BadParameter):
            await auditor.call(audit.SEARCH, audit.SearchEvents(order="sideways"))

    async def test_follows_as_it_grows(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await emit(agent, event("exec", "T3002I", sid, command="before"))
        auditor = await cluster.person("carol", "auditor")
        since = cluster.clock.now() - timedelta(hours=1)
        stream = auditor.lines(audit.FOLLOW, audit.FollowEvents(types=("exec",), start=since))
        first: dict[str, Any] = msgspec.json.decode((await anext(stream)).event)
        await emit(agent, event("exec", "T3002I", sid, command="after"))
        second: dict[str, Any] = msgspec.json.decode((await anext(stream)).event)
        await stream.aclose()  # type: ignore[attr-defined]
        assert (first["command"], second["command"]) == ("before", "after")


class TestRecordings:
    async def recorded(self, cluster: TestCluster, participants: list[str]) -> tuple[Client, str]:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await agent.call(sessions.PUT, tracker(sid))
        await agent.call(recordings.UPLOAD_PART, recordings.UploadPart(session_id=sid, number=1, content=b"one "))
        await agent.call(recordings.UPLOAD_PART, recordings.UploadPart(session_id=sid, number=2, content=b"two"))
        await emit(agent, event("session.end", "T2004I", sid, participants=participants))
        stored = await agent.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=2))
        assert stored.size == 7
        return agent, sid

    async def read(self, client: Client, sid: str, offset: int = 0) -> bytes:
        request = recordings.ReadRecording(session_id=sid, offset=offset)
        return b"".join([piece async for piece in client.download(recordings.READ, request)])

    async def test_participants_and_auditors_read_it(self, cluster: TestCluster) -> None:
        agent, sid = await self.recorded(cluster, ["alice"])
        await agent.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=2))
        alice, bob = await cluster.person("alice", "access"), await cluster.person("bob", "access")
        auditor = await cluster.person("carol", "auditor")
        for person in (alice, auditor):
            assert await self.read(person, sid) == b"one two"
            assert len((await person.call(recordings.LIST, recordings.ListRecordings())).sessions) == 1
        assert await self.read(auditor, sid, offset=4) == b"two"
        assert not (await bob.call(recordings.LIST, recordings.ListRecordings())).sessions
        with pytest.raises(NotFound):
            await self.read(bob, sid)
        (uploaded,) = await cluster.events("session.upload")
        assert (uploaded["code"], uploaded["sid"]) == ("T2005I", sid)
        accessed = await cluster.events("session.recording.access")
        assert [one["user"] for one in accessed] == ["alice", "carol", "carol"]

    async def test_what_is_not_there_looks_like_what_may_not_be_seen(self, cluster: TestCluster) -> None:
        _, sid = await self.recorded(cluster, ["alice"])
        bob = await cluster.person("bob", "access")
        texts = set()
        for wanted in (sid, str(uuid.uuid4())):
            with pytest.raises(NotFound) as refused:
                await self.read(bob, wanted)
            texts.add(refused.value.message)
        assert len(texts) == 1

    async def test_missing_parts_are_not_completed(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await agent.call(recordings.UPLOAD_PART, recordings.UploadPart(session_id=sid, number=1, content=b"one"))
        with pytest.raises(BadParameter):
            await agent.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=2))

    async def test_an_abandoned_upload_is_completed(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await agent.call(sessions.PUT, tracker(sid))
        await agent.call(recordings.UPLOAD_PART, recordings.UploadPart(session_id=sid, number=1, content=b"one"))
        work = cluster.service.recordings
        assert await work.complete_abandoned() == 0
        cluster.clock.advance(timedelta(minutes=40))
        assert await work.complete_abandoned() == 1
        assert await self.read(await cluster.person("carol", "auditor"), sid) == b"one"
        assert len(await cluster.events("session.upload")) == 1

    async def test_a_stream_whose_host_fell_silent_is_ended_and_told(self, cluster: TestCluster) -> None:
        agent, sid = await cluster.host("Node"), str(uuid.uuid4())
        await agent.call(sessions.PUT, tracker(sid))
        info = RecordingInfo(sid=sid, user="alice", login="root", started=cluster.clock.now())
        content = encode_part(1, [Started(0, info)]) + encode_part(2, [Printed(700, b"last words")])
        await agent.call(recordings.APPEND, recordings.AppendRecording(session_id=sid, offset=0, content=content))
        work = cluster.service.recordings
        cluster.clock.advance(timedelta(minutes=4))
        sign = recordings.AppendRecording(session_id=sid, offset=len(content))
        await agent.call(recordings.APPEND, sign)
        cluster.clock.advance(timedelta(minutes=4))
        assert await work.complete_abandoned() == 0
        cluster.clock.advance(timedelta(minutes=2))
        assert await work.complete_abandoned() == 1
        kept = await self.read(await cluster.person("carol", "auditor"), sid)
        *_, printed, ended = RecordingReader().feed(kept)
        assert printed == Printed(700, b"last words")
        assert isinstance(ended, Ended)
        assert ended.end.recovered
        (end,) = await cluster.events("session.end")
        assert (end["sid"], end["user"], end["participants"]) == (sid, "alice", ["alice"])
        assert "fell silent" in end["message"]
        assert len(await cluster.events("session.upload")) == 1
        with pytest.raises(NotFound):
            await agent.call(sessions.GET, sessions.SessionName(sid))

    async def test_hosts_that_auth_could_not_hear_are_given_time(self, cluster: TestCluster) -> None:
        agent, sid, empty = await cluster.host("Node"), str(uuid.uuid4()), str(uuid.uuid4())
        info = RecordingInfo(sid=sid, user="alice", login="root", started=cluster.clock.now())
        begun = recordings.AppendRecording(session_id=sid, offset=0, content=encode_part(1, [Started(0, info)]))
        await agent.call(recordings.APPEND, begun)
        await agent.call(recordings.APPEND, recordings.AppendRecording(session_id=empty, offset=0))
        cluster.clock.advance(timedelta(hours=1))  # for which auth was not there
        work = Recordings(
            cluster.service.cluster, cluster.service.recordings._guard, cluster.service.recordings._audit
        )
        assert await work.complete_abandoned() == 0
        cluster.clock.advance(timedelta(minutes=6))
        assert await work.complete_abandoned() == 1  # of the other nothing can be played
        with pytest.raises(NotFound):
            await agent.call(recordings.FINISH, recordings.FinishRecording(session_id=empty))

    async def test_a_rule_with_a_condition_filters_the_list(self, cluster: TestCluster) -> None:
        await self.recorded(cluster, ["alice"])
        await self.recorded(cluster, ["bob"])
        where = 'contains(session.participants, "bob")'
        await cluster.role(
            "bobs", RoleConditions(rules=[Rule(resources=["session"], verbs=["list", "read"], where=where)])
        )
        person = await cluster.person("dave", "bobs")
        (found,) = (await person.call(recordings.LIST, recordings.ListRecordings())).sessions
        assert msgspec.json.decode(found)["participants"] == ["bob"]
