"""The first start and the later ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import TestCluster, auth_cluster

from teleport.api.routes import users
from teleport.auth.bootstrap import Bootstrap, LocalIdentity
from teleport.auth.hosts import Hosts
from teleport.auth.service import AuthService
from teleport.auth.settings import Settings
from teleport.credentials import x509
from teleport.credentials.keystore.software import SoftwareKeystore
from teleport.foundation.errors import BadParameter
from teleport.model.resource import Metadata, Resource
from teleport.model.resources.cert_authority import CertAuthority
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference, ClusterAuthPreferenceSpec
from teleport.model.resources.role import Role
from teleport.model.resources.session_recording_config import (
    RecordingEncryption,
    SessionRecordingConfig,
    SessionRecordingConfigSpec,
)
from teleport.model.resources.token import StaticToken, StaticTokens, StaticTokensSpec
from teleport.model.resources.user import User
from teleport.model.sensitive import Secret


def again(cluster: TestCluster, saved: list[LocalIdentity] | None = None, **settings: object) -> AuthService:
    """Another start over the same store."""
    old = cluster.service.cluster
    chosen = {
        "cluster_name": old.settings.cluster_name,
        "host_id": old.settings.host_id,
        "version": "18.0.0",
        **settings,
    }
    return AuthService(
        Settings(**chosen),  # type: ignore[arg-type]
        cluster.store,
        old.audit_log,
        old.recordings,
        SoftwareKeystore(),
        cluster.clock,
        None if saved is None else saved.append,
    )


async def test_a_second_start_changes_nothing_that_people_changed(cluster: TestCluster) -> None:
    before = (await cluster.store.get(CertAuthority, "user/example")).spec.active_keys
    access = await cluster.store.get(Role, "access")
    access.spec.allow.logins = ["only-me"]
    await cluster.store.update(access)
    preference = await cluster.store.get_singleton(ClusterAuthPreference)
    preference.spec.message_of_the_day = "mine"
    preference.metadata.labels = {"teleport.dev/origin": "dynamic"}
    await cluster.store.update(preference)
    await again(cluster).prepare()
    assert (await cluster.store.get(CertAuthority, "user/example")).spec.active_keys == before
    assert (await cluster.store.get(Role, "access")).spec.allow.logins == ["only-me"]
    assert (await cluster.store.get_singleton(ClusterAuthPreference)).spec.message_of_the_day == "mine"


async def test_a_preset_gets_rules_for_kinds_it_does_not_mention(cluster: TestCluster) -> None:
    editor = await cluster.store.get(Role, "editor")
    editor.spec.allow.rules = [rule for rule in editor.spec.allow.rules if "lock" not in rule.resources]
    await cluster.store.update(editor)
    await again(cluster).prepare()
    rules = (await cluster.store.get(Role, "editor")).spec.allow.rules
    assert [rule.verbs for rule in rules if "lock" in rule.resources]


async def test_what_the_file_sets_is_asserted_at_each_start(cluster: TestCluster) -> None:
    from_file = ClusterAuthPreference(spec=ClusterAuthPreferenceSpec(second_factor="otp", message_of_the_day="file"))
    service = again(cluster, configured=(from_file,))
    await service.prepare()
    stored = await cluster.store.get_singleton(ClusterAuthPreference)
    assert (stored.spec.message_of_the_day, stored.origin) == ("file", "config-file")
    editor = await cluster.person("alice", "editor")
    stored.spec.message_of_the_day = "mine"
    with pytest.raises(BadParameter, match="configuration file"):
        await editor.put(stored)
    await again(cluster).prepare()
    assert (await cluster.store.get_singleton(ClusterAuthPreference)).origin == "defaults"


async def test_static_tokens_come_and_go_with_the_file(cluster: TestCluster) -> None:
    spec = StaticTokensSpec(static_tokens=[StaticToken(token=Secret("from-the-file"), roles=["Node"])])
    await again(cluster, configured=(StaticTokens(spec=spec),)).prepare()
    assert (await cluster.store.get_singleton(StaticTokens)).spec.static_tokens[0].token.reveal() == "from-the-file"
    await again(cluster).prepare()
    assert await cluster.store.find(StaticTokens, StaticTokens.SINGLETON) is None


async def test_resources_are_applied_at_start_and_bootstrapped_only_when_empty(cluster: TestCluster) -> None:
    await again(cluster, apply_on_startup=(Role(metadata=Metadata(name="applied")),)).prepare()
    await again(cluster, bootstrap=(Role(metadata=Metadata(name="late")),)).prepare()
    assert await cluster.store.find(Role, "applied") is not None
    assert await cluster.store.find(Role, "late") is None


async def test_the_name_of_a_cluster_never_changes(cluster: TestCluster) -> None:
    with pytest.raises(BadParameter, match="never changes"):
        await again(cluster, cluster_name="other").prepare()


async def test_the_local_administrator_gets_an_identity(cluster: TestCluster) -> None:
    saved: list[LocalIdentity] = []
    await again(cluster, saved).prepare()
    (identity,) = saved
    read = x509.read_identity(identity.credentials.tls_certificate, "host")
    assert read.system_role == "Admin"
    assert read.expires <= cluster.clock.now() + timedelta(days=7)
    assert "PRIVATE" not in repr(identity)


async def test_the_first_administrator_is_invited_until_somebody_signs_up(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path, first_user_logins=("deploy",)) as cluster:
        first = await cluster.service.invite_first_user()
        second = await cluster.service.invite_first_user()
        assert first is not None
        assert second is not None
        assert second.url == f"https://proxy.example.com:3080/web/invite/{second.token}"
        with pytest.raises(Exception, match="not valid"):
            await cluster.stranger().call(users.SHOW_TOKEN, users.UserToken(first.token))
        person = await cluster.answer_link(cluster.stranger(), "admin", second.token)
        assert await cluster.service.invite_first_user() is None
        user = await cluster.store.get(User, "admin")
        assert (user.spec.roles, user.spec.traits["logins"]) == (["editor", "access", "auditor"], ["deploy", "root"])
        editor = await cluster.log_in(person)
        invited = await editor.call(users.INVITE, users.InviteUser(name="bob", roles=("access",)))
        assert invited.url.startswith("https://proxy.example.com:3080/web/invite/")


async def test_nobody_is_invited_when_users_were_made_otherwise(cluster: TestCluster) -> None:
    await cluster.user("alice", "access")
    assert await cluster.service.invite_first_user() is None


async def test_two_auth_servers_may_start_together(cluster: TestCluster) -> None:
    core = cluster.service.cluster
    assert await core.authorities.create_missing() == []
    bootstrap = Bootstrap(core, Hosts(core), cluster.service.user_tokens)
    await bootstrap.run()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (ClusterAuthPreference(spec=ClusterAuthPreferenceSpec(second_factor="off")), "must have a second factor"),
        (ClusterAuthPreference(spec=ClusterAuthPreferenceSpec(type="saml")), "'saml' is not offered here yet"),
        (
            SessionRecordingConfig(spec=SessionRecordingConfigSpec(encryption=RecordingEncryption(enabled=True))),
            "spec.encryption is not offered",
        ),
    ],
)
async def test_a_file_cannot_set_what_people_may_not(cluster: TestCluster, setting: Resource, expected: str) -> None:
    with pytest.raises(BadParameter, match=expected):
        await again(cluster, configured=(setting,)).prepare()
