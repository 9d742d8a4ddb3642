"""May this person join this session, now? The credential and its limits are asked as for any access, the node is not:
a policy of `join_sessions` grants the session alone, to people who may not reach the node themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from teleport.model.resource import Resource
from teleport.policy import moderation
from teleport.policy.access import AccessState, refused_as_person
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.moderation import MODES, Mode
from teleport.policy.role_set import RoleSet


class Joinable(msgspec.Struct, frozen=True, kw_only=True):
    """A session as others see it. `host` is the resource it runs on, where it is known."""

    owner: str
    owner_roles: Sequence[str]
    kind: str = "ssh"
    login: str = ""
    host: Resource


def can_join(joiner: RoleSet, session: Joinable, mode: Mode | None, state: AccessState) -> Decision:
    """In this mode, or without one, in any."""
    refusal = refused_as_person(joiner, "node", session.host, state, session.login)
    if refusal is not None:
        return refusal
    joiner = joiner.at(state.now)
    modes = moderation.join_modes(joiner, session.owner, session.owner_roles, session.kind)
    chosen = mode if mode is not None else next((one for one in MODES if one in modes), None)
    if chosen is None or chosen not in modes:
        return moderation.may_join(joiner, session.owner, session.owner_roles, session.kind, chosen or "observer")
    granting = {modes[chosen]} if modes[chosen] else {role.name for role in joiner.given}
    asking = granting & set(joiner.role_names(joiner.mfa_mask))
    if asking and not state.has_mfa:
        return Decision(
            allowed=False, reason=Reason(code=Code.MFA_REQUIRED, kind=session.kind, role=min(asking)), is_visible=True
        )
    return moderation.may_join(joiner, session.owner, session.owner_roles, session.kind, chosen)
