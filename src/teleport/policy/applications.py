"""Applications: who reaches one, with which cloud identity, and which tools of an MCP server."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.model.resources.role_conditions import MCPPermissions
from teleport.policy.access import AccessState, can_access, decide
from teleport.policy.decision import Decision
from teleport.policy.matching import Problem
from teleport.policy.patterns import PatternSet
from teleport.policy.role_set import RoleSet

KIND: Final = "app"
IdentityField = Literal["aws_role_arns", "azure_identities", "gcp_service_accounts"]


class CloudIdentities(msgspec.Struct, frozen=True):
    """What a person may pick for an application of a cloud."""

    aws_role_arns: tuple[str, ...] = ()
    azure_identities: tuple[str, ...] = ()
    gcp_service_accounts: tuple[str, ...] = ()


def can_access_application(
    role_set: RoleSet,
    application: Resource,
    state: AccessState,
    *,
    aws_role: str = "",
    azure_identity: str = "",
    gcp_account: str = "",
) -> Decision:
    """A session with an application; with the identity of a cloud where one was picked."""
    asked = {"aws_role_arns": aws_role, "azure_identities": azure_identity, "gcp_service_accounts": gcp_account}
    return can_access(role_set, KIND, application, state, {name: value for name, value in asked.items() if value})


def cloud_identities(role_set: RoleSet, application: Resource) -> CloudIdentities:
    """Those that roles give for this application, less what any role denies. For the set at the moment."""
    mask = role_set.kind(KIND).allow.mask(application.labels)
    names: tuple[IdentityField, ...] = ("aws_role_arns", "azure_identities", "gcp_service_accounts")
    return CloudIdentities(*(tuple(role_set.field(name).values(mask)) for name in names))


class _Tools(msgspec.Struct, frozen=True):
    """By role number; a deny that cannot be read denies every tool."""

    allow: tuple[PatternSet, ...]
    deny: tuple[PatternSet, ...]
    broken: int


def _tools(role_set: RoleSet) -> _Tools:
    return role_set.kept("mcp", lambda: _compile(role_set))


def _compile(role_set: RoleSet) -> _Tools:
    allow, deny, broken = list[PatternSet](), list[PatternSet](), 0
    for number, role in enumerate(role_set.roles):
        allow.append(_patterns(role.spec.allow.mcp)[0])
        denied, problem = _patterns(role.spec.deny.mcp)
        deny.append(denied)
        if problem:
            broken |= 1 << number
            role_set.note(Problem(role=role.name, field="deny.mcp.tools", is_deny=True, message=problem))
    return _Tools(tuple(allow), tuple(deny), broken)


def _patterns(written: MCPPermissions | None) -> tuple[PatternSet, str]:
    """Those that can be read, and what is wrong with one that cannot."""
    readable: list[str] = []
    problem = ""
    for text in written.tools if written is not None else ():
        try:
            PatternSet([text])
            readable.append(text)
        except BadParameter as found:
            problem = found.message
    return PatternSet(readable), problem


class AskedTool:
    """A tool of an MCP server."""

    __slots__ = ("_tools", "allow", "broken", "deny", "name", "value")

    def __init__(self, role_set: RoleSet, tool: str) -> None:
        tools = _tools(role_set)
        self.name = "mcp.tools"
        self.value = tool
        self.broken = tools.broken
        self.allow = sum(1 << number for number, one in enumerate(tools.allow) if one.matches(tool))
        self.deny = tools.broken | sum(1 << number for number, one in enumerate(tools.deny) if one.matches(tool))
        self._tools = tools

    def wanted(self, number: int) -> tuple[str, ...]:
        return self._tools.allow[number].patterns

    def of(self, role_set: RoleSet) -> AskedTool:
        return AskedTool(role_set, self.value)


def can_use_tool(role_set: RoleSet, application: Resource, tool: str, state: AccessState) -> Decision:
    """Calling a tool (literal, glob or `^regex$` in roles) of an MCP server."""
    return decide(role_set, KIND, application, state, [AskedTool(role_set, tool)])
