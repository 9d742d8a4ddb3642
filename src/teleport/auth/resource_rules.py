"""What single kinds ask beyond the generic rules. A kind that is not on this page has none.

`before_write` and `before_delete` refuse; `after_delete` takes away what belonged to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from teleport.auth.access_lists.grants import granted_roles, withdraw
from teleport.auth.access_lists.members import ListMembers
from teleport.auth.access_lists.rules import all_lists, check_list, check_member
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.second_factor import keys_of_other_parties, relying_party_name
from teleport.auth.setting_rules import check_setting
from teleport.auth.sso.connectors import check_connector
from teleport.auth.user_rules import check_user
from teleport.auth.users import Users
from teleport.auth.webhooks.hooks import webhook_of
from teleport.credentials import attestation
from teleport.foundation.errors import BadParameter, Unsupported
from teleport.model.resource import Resource
from teleport.model.resources.access_list import AccessList, AccessListMember, AccessListReview
from teleport.model.resources.access_monitoring_rule import AccessMonitoringRule
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig
from teleport.model.resources.integration import Plugin
from teleport.model.resources.lock import Lock
from teleport.model.resources.login_rule import LoginRule
from teleport.model.resources.node import Node
from teleport.model.resources.oidc_connector import OIDCConnector
from teleport.model.resources.role import IMPLICIT_ROLE, Role
from teleport.model.resources.session_recording_config import SessionRecordingConfig
from teleport.model.resources.trusted_cluster import TrustedCluster
from teleport.model.resources.user import User
from teleport.policy import access_monitoring, login_rules, role_mapping, role_texts
from teleport.policy.access_lists import AccessLists

MAX_RESOURCE = 256 * 1024

Write: TypeAlias = Callable[["Ground", Caller, Resource, Resource | None], Awaitable[None]]
Removal: TypeAlias = Callable[["Ground", Caller, Resource], Awaitable[None]]


class Ground(msgspec.Struct, frozen=True):
    """What the rules work with."""

    cluster: Cluster
    guard: Guard
    users: Users


class KindRules(msgspec.Struct, frozen=True, kw_only=True):
    before_write: Write | None = None
    before_delete: Removal | None = None
    after_delete: Removal | None = None


# Presets that hold the cluster together: without them the first administrator could not repair anything.
_KEPT_ROLES = frozenset({"editor", "access", "auditor"})
_SYSTEM_ROLES = frozenset(
    word.lower()
    for word in (
        "Admin", "Auth", "Proxy", "Node", "App", "Db", "Kube", "WindowsDesktop", "Discovery", "Bot", "Instance",
        "Trusted_cluster", "Okta", "MDM", "Signup", "Nop", "Remote_proxy",
    )
)  # fmt: skip


async def _write_user(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, User)
    previous = old if isinstance(old, User) else None
    await check_user(ground.cluster, ground.guard, caller, new, previous)
    if previous is None and await ground.cluster.store.find(User, new.name) is None:
        await ground.users.forget_secrets(new.name)
    if previous is not None and previous.spec.created_by is not None:
        new.spec.created_by = previous.spec.created_by  # who made a user is not for editing
    if previous is not None:
        # before the write: a role that is taken counts as taken only while the user does not have it
        taken = set(previous.spec.roles) - set(new.spec.roles)
        await withdraw(ground.cluster, new.name, sorted(taken), {})


async def _delete_user(ground: Ground, caller: Caller, old: Resource) -> None:
    if caller.is_person and old.name == caller.name:
        raise BadParameter("you cannot delete yourself")


async def _forget_user(ground: Ground, caller: Caller, old: Resource) -> None:
    await ground.users.forget(old.name)


async def _write_role(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, Role)
    check_role(new)


async def _delete_role(ground: Ground, caller: Caller, old: Resource) -> None:
    if old.name in _KEPT_ROLES:
        raise BadParameter(f"role {old.name!r} is a preset that the cluster needs; it can be changed, not deleted")
    async for user in ground.cluster.store.iterate(User):
        if old.name in user.spec.roles:
            raise BadParameter(f"role {old.name!r} is in use by user {user.name!r}; take it from them first")
    async for found in ground.cluster.store.iterate(AccessList):
        if old.name in granted_roles(found):
            raise BadParameter(f"role {old.name!r} is in use by access list {found.name!r}; take it out there first")


async def _write_lock(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, Lock)
    new.spec.created_at = new.spec.created_at or ground.cluster.clock.now()
    new.spec.created_by = caller.name


async def _write_list(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, AccessList)
    previous = old if isinstance(old, AccessList) else None
    await check_list(ground.cluster, ground.guard, caller, new, previous)


async def _delete_list(ground: Ground, caller: Caller, old: Resource) -> None:
    if referring := AccessLists(*await all_lists(ground.cluster)).referring(old.name):
        raise BadParameter(
            f"access list {old.name!r} is part of access list {referring[0]!r}; take it out there first"
        )


async def _empty_list(ground: Ground, caller: Caller, old: Resource) -> None:
    assert isinstance(old, AccessList)
    await ListMembers(ground.cluster, ground.guard).empty(caller, old)
    async for review in ground.cluster.store.iterate(AccessListReview):
        if review.spec.access_list == old.name:
            await ground.cluster.store.delete(AccessListReview, review.key)


async def _write_member(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, AccessListMember)
    await check_member(ground.cluster, ground.guard, caller, new)
    new.spec.joined = old.spec.joined if isinstance(old, AccessListMember) else ground.cluster.clock.now()
    new.spec.added_by = old.spec.added_by if isinstance(old, AccessListMember) else caller.name


async def _write_login_rule(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, LoginRule)
    login_rules.check(new)


async def _write_oidc(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, OIDCConnector)
    if not new.spec.client_secret:
        # lists do not show it, so edits come without
        new.spec.client_secret = old.spec.client_secret if isinstance(old, OIDCConnector) else None
        if not new.spec.client_secret:
            raise BadParameter("spec.client_secret is missing")
    await check_connector(ground.cluster, new)


async def _write_monitoring_rule(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, AccessMonitoringRule)
    access_monitoring.check(new)


async def _write_plugin(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, Plugin)
    if not new.spec.credentials and isinstance(old, Plugin):
        new.spec.credentials = old.spec.credentials  # lists do not show it, so edits come without
    webhook_of(new)


async def _write_node(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, Node)
    if new.sub_kind == "openssh-ec2-ice":
        raise Unsupported(
            "nodes of the sub_kind openssh-ec2-ice are known, and not served yet: use sub_kind openssh, with sshd "
            "trusting this cluster (teleport join openssh)"
        )
    if not caller.host_id and not new.is_openssh:
        raise BadParameter("only nodes of the sub_kind openssh are created by hand; agents announce themselves")


async def _write_preference(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, ClusterAuthPreference)
    check_setting(new, allow_no_second_factor=ground.cluster.settings.allow_no_second_factor)
    if isinstance(old, ClusterAuthPreference):
        await _check_relying_party(ground, new, old)
    for field in ("attestation_allowed_cas", "attestation_denied_cas"):
        attestation.check_authorities(getattr(new.spec.webauthn, field, ()), f"spec.webauthn.{field}")


async def _write_setting(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    check_setting(new, allow_no_second_factor=ground.cluster.settings.allow_no_second_factor)


async def _check_relying_party(ground: Ground, new: ClusterAuthPreference, old: ClusterAuthPreference) -> None:
    """Devices are bound to it for ever."""
    before, after = (relying_party_name(ground.cluster, preference) for preference in (old, new))
    if not before or before == after:
        return
    is_set = bool(old.spec.webauthn and old.spec.webauthn.rp_id)
    if is_set or await keys_of_other_parties(ground.cluster, after):
        raise BadParameter(
            f"spec.webauthn.rp_id never changes (it is {before!r}): every registered device would stop working"
        )


async def _write_trusted_cluster(ground: Ground, caller: Caller, new: Resource, old: Resource | None) -> None:
    assert isinstance(new, TrustedCluster)
    role_mapping.check(new.spec.role_map)


RULES: dict[str, KindRules] = {
    User.KIND: KindRules(before_write=_write_user, before_delete=_delete_user, after_delete=_forget_user),
    Role.KIND: KindRules(before_write=_write_role, before_delete=_delete_role),
    Lock.KIND: KindRules(before_write=_write_lock),
    Node.KIND: KindRules(before_write=_write_node),
    AccessList.KIND: KindRules(before_write=_write_list, before_delete=_delete_list, after_delete=_empty_list),
    AccessListMember.KIND: KindRules(before_write=_write_member),
    Plugin.KIND: KindRules(before_write=_write_plugin),
    LoginRule.KIND: KindRules(before_write=_write_login_rule),
    OIDCConnector.KIND: KindRules(before_write=_write_oidc),
    AccessMonitoringRule.KIND: KindRules(before_write=_write_monitoring_rule),
    TrustedCluster.KIND: KindRules(before_write=_write_trusted_cluster),
    ClusterAuthPreference.KIND: KindRules(before_write=_write_preference),
    ClusterNetworkingConfig.KIND: KindRules(before_write=_write_setting),
    SessionRecordingConfig.KIND: KindRules(before_write=_write_setting),
}
NO_RULES = KindRules()


def check_role(role: Role) -> None:
    """Everything in a role that is an expression, a template or a pattern must be readable. Raises BadParameter."""
    if role.name.lower() in _SYSTEM_ROLES or role.name == IMPLICIT_ROLE:
        raise BadParameter(f"role name {role.name!r} is reserved for the system")
    role_texts.check(role)
