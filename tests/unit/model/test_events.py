"""Audit events: names, codes, the flat form, unknown ones, and the limit of size."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teleport.foundation.errors import BadParameter
from teleport.model.events import session, user
from teleport.model.events.base import SESSION_DATA_INDEX, Event, UnknownEvent
from teleport.model.events.catalog import EVENTS, decode_event, encode_event
from teleport.model.events.file_transfer import SFTPAction, sftp_event
from teleport.model.events.trimming import MAX_EVENT, trimmed

NOON = datetime(2030, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)

REFERENCE = """
user.login T1000I T1000W T1001I T1001W T1010I T1011W T1012I T1013I T1013W T1014W
user.create T1002I | user.update T1003I | user.delete T1004I | user.password_change T1005I
mfa.add T1006I | mfa.delete T1007I | mfa_auth_challenge.create T1015I | mfa_auth_challenge.validate T1016I T1016W
recovery_code.generated T1008I | recovery_code.used T1009I T1009W | reset_password_token.create T6000I
recovery_token.create T6001I | privilege_token.create T6002I | join_token.create TJT00I | bot.join TJ001I TJ001E
instance.join TJ002I TJ002E | bot.create TB001I | bot.update TB002I | bot.delete TB003I | cert.create TC000I
cert.generation_mismatch TCB00W | auth T3007W | session.rejected T1006W | role.created T9000I | role.deleted T9001I
role.updated T9002I | github.created T8000I | github.deleted T8001I | github.updated T80002I | oidc.created T8100I
oidc.deleted T8101I | oidc.updated T8102I | saml.created T8200I | saml.deleted T8201I | saml.updated T8202I
trusted_cluster.create T7000I | trusted_cluster.delete T7001I | trusted_cluster_token.create T7002I
access_request.create T5000I | access_request.update T5001I | access_request.review T5002I
access_request.delete T5003I | access_request.search T5004I | access_request.expire T5005I
lock.created TLK00I | lock.deleted TLK01I | login_rule.create TLR00I | login_rule.delete TLR01I
device.create TV001I | device.delete TV002I | device.token.create TV003I | device.token.spent TV004I
device.enroll TV005I | device.authenticate TV006I | device.update TV007I | device.webtoken.create TV008I
device.authenticate.confirm TV009I | user_login.access_list_invalid TAL009W
access_list.create TAL001I TAL001E | access_list.update TAL002I TAL002E | access_list.delete TAL003I TAL003E
access_list.review TAL004I TAL004E | access_list.member.create TAL005I TAL005E
access_list.member.update TAL006I TAL006E | access_list.member.delete TAL007I TAL007E
access_list.member.delete_all_members TAL008I TAL008E
session.start T2000I | session.join T2001I | resize T2002I | session.leave T2003I | session.end T2004I
session.upload T2005I | session.data T2006I | session.connect T2010I | session.recording.access T2012I
session.command T4000I | session.disk T4001I | session.network T4002I | session.process_exit T4003I
exec T3002I T3002E | subsystem T3001I T3001E | port T3003I T3003S T3003E
scp T3004I T3004E T3005I T3005E T3010E | sftp_summary TS021I | x11-forward T3008I T3008W | client.disconnect T3006I
sftp TS001I TS001E TS007I TS007E TS009I TS009E TS010I TS010E TS011I TS011E TS012I TS012E TS013I TS013E TS016I TS016E
sftp TS018I TS018E TS019I TS019E TS020E | kube.request T3009I | git.command TGIT001I TGIT001E
db.session.start TDB00I TDB00W | db.session.end TDB01I | db.session.query TDB02I | db.session.query.failed TDB02W
db.create TDB03I | db.update TDB04I | db.delete TDB05I | db.session.malformed_packet TDB06I
db.session.permissions.update TDB07I | db.session.user.create TDB08I TDB08W
db.session.user.deactivate TDB09I TDB09W | db.session.result TDB10I
db.session.postgres.statements.parse TPG00I | db.session.postgres.function TPG04I
db.session.mysql.statements.prepare TMY00I | db.session.mysql.statements.bulk_execute TMY06I
db.session.mysql.init_db TMY07I | db.session.mysql.refresh TMY13I | db.session.sqlserver.rpc_request TMS00I
db.session.cassandra.batch TCA01I | db.session.cassandra.register TCA04I
db.session.elasticsearch.request TES00I TES00E | db.session.opensearch.request TOS00I TOS00E
db.session.dynamodb.request TDY01I TDY01E | db.session.spanner.rpc TSPN001I TSPN001W
app.create TAP03I | app.update TAP04I | app.delete TAP05I | app.session.start T2007I T2007E | app.session.end T2011I
app.session.chunk T2008I | app.session.request T2009I | app.session.dynamodb.request T2013I
windows.desktop.session.start TDP00I TDP00W | windows.desktop.session.end TDP01I | desktop.clipboard.send TDP02I
desktop.clipboard.receive TDP03I | desktop.directory.share TDP04I TDP04W | desktop.directory.read TDP05I TDP05W
desktop.directory.write TDP06I TDP06W | mcp.session.start TMCP001I | mcp.session.end TMCP002I TMCP002E
mcp.session.invalid_http_request TMCP006E | auth_preference.update TCAUTH001I
cluster_networking_config.update TCNET002I | session_recording_config.update TCREC003I
access_graph.settings.update TCAGC003I | kube.create T3010I | kube.update T3011I | kube.delete T3012I
saml.idp.auth TSI000I | saml.idp.service.provider.create TSI001I TSI001W
saml.idp.service.provider.delete_all TSI004I TSI004W | okta.sync.failure TOK003E
okta.assignment.process TOK004I TOK004E | okta.user.sync TOK007I TOK007E | secreports.audit.query.run SRE001I
external_audit_storage.enable TEA001I | spiffe.svid.issued TSPIFFE000I TSPIFFE000E
spiffe.federation.create TSPIFFE001I | spiffe.federation.delete TSPIFFE002I | discovery_config.delete_all DC004I
integration.create IG001I | plugin.delete PG003I | static_host_user.update SHU002I
access_graph.crown_jewel.create CJ001I | user_task.delete UT003I | auto_update_config.create AUC001I
auto_update_version.delete AUV003I | auto_update_agent_rollout.rollback AUAR003I | workload_identity.create WID001I
contact.delete TCTC002I | stable_unix_user.create TSUU001I | health_check_config.create THCC001I
vnet.config.create TVNET001I | client_ip_restrictions.update CIR001I | scim.patch TSCIM006I TSCIM006E
join_token.bound_keypair.recovery TBK001I | join_token.bound_keypair.rotation TBK002I
access_graph.path.changed TAG001I | billing.create_card TBL00I | billing.update_info TBL03I
upgradewindowstart.update TUW01I | ssm.run TDS00I TDS00W | unknown TCC00E
"""
PAIRS = [
    (name, code)
    for line in REFERENCE.strip().splitlines()
    for entry in line.split(" | ")
    for name, *codes in [entry.split()]
    for code in codes
]


@pytest.mark.parametrize(("name", "code"), PAIRS)
def test_the_reference_names_and_codes_are_there(name: str, code: str) -> None:
    found = EVENTS[name, code]
    assert (found.type, found.code) == (name, code)


@pytest.mark.parametrize("kind", list(EVENTS.values()), ids=lambda kind: kind.__name__)
def test_every_event_comes_back_as_it_went(kind: type[Event]) -> None:
    event = kind(uid="u", time=NOON.replace(microsecond=123000), ei=3, cluster_name="c", success=False, error="e")
    plain = json.loads(encode_event(event))
    assert list(plain)[:4] == ["event", "code", "uid", "ei"]
    assert (plain["event"], plain["code"], plain["success"]) == (kind.type, kind.code, False)
    assert plain["time"] == "2030-01-31T12:00:00.123Z"
    assert decode_event(encode_event(event)) == event
    assert type(decode_event(plain)) is kind


def test_fields_are_flat_and_have_the_reference_names() -> None:
    started = session.SessionStarted(
        uid="u", time=NOON, user="alice", login="root", sid="s", server_hostname="web", server_labels={"a": "b"}
    )
    started.addr_remote, started.addr_local, started.proto, started.size = (
        "192.0.2.1:5",
        "10.0.0.1:3022",
        "ssh",
        "80:25",
    )
    plain = json.loads(encode_event(started))
    assert plain["addr.remote"] == "192.0.2.1:5"
    assert plain["addr.local"] == "10.0.0.1:3022"
    assert plain["server_labels"] == {"a": "b"}
    ran = session.ExecutionFailed(command="false", exit_code="1", exit_error="exit status 1")
    plain = json.loads(encode_event(ran))
    assert (plain["exitCode"], plain["exitError"], plain["code"]) == ("1", "exit status 1", "T3002E")
    assert SESSION_DATA_INDEX == 2147483646


def test_success_and_failure_share_the_name() -> None:
    assert user.UserLogin.type == user.UserLoginFailed.type == "user.login"
    assert sftp_event(SFTPAction.RENAME, succeeded=True).code == "TS016I"
    assert sftp_event(SFTPAction.RENAME, succeeded=False).code == "TS016E"
    assert EVENTS["mfa.add", "T1006I"] is user.MFADeviceAdded
    assert EVENTS["session.rejected", "T1006W"] is session.SessionRejected


@pytest.mark.parametrize(
    "raw",
    [
        {"event": "tomorrow.event", "code": "TX99I", "uid": "1", "time": "2030-01-01T00:00:00Z", "ei": 4, "new": [1]},
        {
            "event": "user.login",
            "code": "T1000I",
            "uid": "1",
            "time": "2030-01-01T00:00:00Z",
            "field_of_tomorrow": {},
        },
        {"event": "user.login", "code": "T1000I", "user": 7},
        {"event": "user.login"},
    ],
)
def test_what_is_unknown_is_kept_whole(raw: dict[str, Any]) -> None:
    event = decode_event(raw)
    assert isinstance(event, UnknownEvent)
    assert (event.type, event.code) == (raw["event"], raw.get("code", ""))
    assert event.uid == raw.get("uid", "")
    assert json.loads(encode_event(event)) == raw


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"event":5}', b"\xff", b'{"event":""}', b'{"event"' + b"[" * 9000]
)
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(BadParameter):
        decode_event(raw)


def test_a_large_event_is_cut_not_dropped() -> None:
    event = session.Executed(uid="u", time=NOON, user="alice", command="x" * 200_000, exit_code="0")
    event.server_labels = {f"key-{number}": "v" * 100 for number in range(2000)}
    encoded = encode_event(event)
    plain = json.loads(encoded)
    assert len(encoded) <= MAX_EVENT
    assert (plain["uid"], plain["user"], plain["exitCode"], plain["event"]) == ("u", "alice", "0", "exec")
    assert plain["command"].startswith("xxx")
    assert plain["command"].endswith("…")
    assert plain["server_labels"]["key-0"]
    small = session.Executed(uid="u", command="x" * 30_000)
    assert json.loads(encode_event(small))["command"] == "x" * 30_000


TEXT = st.text(max_size=3000)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=30), st.one_of(TEXT, st.lists(TEXT, max_size=30), st.integers(0, 9)), max_size=40
    )
)
def test_trimming_always_fits_and_keeps_the_envelope(fields: dict[str, object]) -> None:
    plain = {**fields, "event": "e", "code": "C", "uid": "u", "time": "t", "ei": 1}
    cut = trimmed(plain, 4096)
    assert len(json.dumps(cut, ensure_ascii=False).encode()) <= 4096 * 2
    assert len(encode_event(UnknownEvent(type="e", code="C", raw=dict(cut)))) <= 4096
    assert [cut[key] for key in ("event", "code", "uid", "time", "ei")] == ["e", "C", "u", "t", 1]


def test_every_field_of_an_event_has_a_type_that_json_knows() -> None:
    for kind in EVENTS.values():
        assert "Secret" not in str(get_type_hints(kind))
