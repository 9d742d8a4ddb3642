"""Admission of people who join sessions of others: to no node and as nobody, but to sessions, one by one."""

from __future__ import annotations

from teleport.credentials.ssh_certificates import JOIN_PRINCIPAL
from teleport.engines.admission import Admission
from teleport.engines.engine import Connection
from teleport.foundation.errors import AccessDenied, NotFound
from teleport.model.identity import Identity
from teleport.policy.access import AccessState, refused_as_person
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.joining import Joinable, can_join
from teleport.policy.moderation import MODES, Mode
from teleport.policy.role_set import RoleSet, RoleSetMemory
from teleport.session.live import LiveSession

_NOT_FOUND = "there is no such session here that you may join"


class GuestAdmission(Admission):
    """Decided again like any other: once a session may not be watched any more, the guest has to go."""

    def __init__(self, connection: Connection, identity: Identity, role_sets: RoleSetMemory | None = None) -> None:
        super().__init__(connection, identity, JOIN_PRINCIPAL, role_sets)
        self._joined: list[tuple[LiveSession, Mode]] = []

    def _ask(self, role_set: RoleSet, state: AccessState) -> Decision:
        refusal = refused_as_person(role_set, "node", self.post.node(), state)
        if refusal is not None:
            return refusal
        self._joined = [(live, mode) for live, mode in self._joined if live.state != "ended"]
        for live, mode in self._joined:
            decision = can_join(role_set, self._joinable(live), mode, state)
            if not decision.allowed:
                return decision
        return Decision(allowed=True, reason=Reason(code=Code.JOIN_ALLOWED, kind="ssh"))

    def join(self, sid: str, mode: str) -> tuple[LiveSession, Mode]:
        """The session, and the mode as which it may be joined now. Raises NotFound, AccessDenied."""
        live = self.post.sessions.get(sid)
        wanted = next((one for one in MODES if one == mode), None)
        if live is None or wanted is None:
            raise NotFound(_NOT_FOUND)
        role_set, state = self._question()
        decision = can_join(role_set, self._joinable(live), wanted, state)
        if not decision.allowed:
            if decision.reason.code is Code.JOIN_NOT_ALLOWED and not decision.reason.wanted:
                raise NotFound(_NOT_FOUND)  # who may join in no mode at all does not learn that it exists
            raise AccessDenied(decision.message_for_user())
        self._joined.append((live, wanted))
        return live, wanted

    def _joinable(self, live: LiveSession) -> Joinable:
        return Joinable(owner=live.user, owner_roles=live.owner.roles, login=live.login, host=self.post.node())
