"""Applications and desktops: identities of clouds, tools of MCP servers, Windows users and what a session may do."""

from __future__ import annotations

from typing import Any

import pytest
from roles import ANYTHING, role, role_set, unchecked

from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.model.resources.role_conditions import MCPPermissions
from teleport.policy.access import AccessState
from teleport.policy.applications import can_access_application, can_use_tool, cloud_identities
from teleport.policy.decision import Code
from teleport.policy.desktops import can_access_desktop, desktop_logins, desktop_terms

PLAIN = AccessState()
ARN = "arn:aws:iam::123:role/"
AZURE = "/subscriptions/S/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"


def application(**labels: str) -> Resource:
    return decode_document(
        {
            "kind": "app",
            "version": "v3",
            "metadata": {"name": "console", "labels": labels},
            "spec": {"uri": "http://x"},
        }
    )


def desktop(**labels: str) -> Resource:
    return decode_document(
        {
            "kind": "windows_desktop",
            "version": "v3",
            "metadata": {"name": "pc", "labels": labels},
            "spec": {"addr": "pc:3389"},
        }
    )


class TestCloudIdentities:
    @pytest.mark.parametrize(
        ("field", "allowed", "asked", "expected"),
        [
            ("aws_role_arns", ARN + "dev", {"aws_role": ARN + "dev"}, True),
            ("aws_role_arns", ARN + "dev", {"aws_role": ARN + "DEV"}, False),
            ("aws_role_arns", ARN + "d*", {"aws_role": ARN + "dev"}, False),
            ("azure_identities", AZURE + "Id", {"azure_identity": (AZURE + "Id").upper()}, True),
            ("azure_identities", AZURE + "Id", {"azure_identity": AZURE + "other"}, False),
            ("gcp_service_accounts", "a@b.iam", {"gcp_account": "a@b.iam"}, True),
            ("gcp_service_accounts", "a@b.iam", {"gcp_account": "A@b.iam"}, False),
        ],
    )
    def test_are_compared_as_they_are(self, field: str, allowed: str, asked: dict[str, str], expected: bool) -> None:
        roles = role_set(role(allow={"app_labels": ANYTHING, field: [allowed]}))
        assert can_access_application(roles, application(), PLAIN, **asked).allowed is expected

    @pytest.mark.parametrize(
        ("deny", "expected"),
        [
            ({"azure_identities": ["*"]}, False),
            ({"azure_identities": [(AZURE + "id").upper()]}, False),
            ({"azure_identities": [AZURE + "other"]}, True),
        ],
    )
    def test_denied_ones(self, deny: dict[str, Any], expected: bool) -> None:
        roles = role_set(
            role(allow={"app_labels": ANYTHING, "azure_identities": [AZURE + "id"]}), role("no", deny=deny)
        )
        assert can_access_application(roles, application(), PLAIN, azure_identity=AZURE + "id").allowed is expected
        assert bool(cloud_identities(roles, application()).azure_identities) is expected

    def test_an_application_without_any_is_reached_by_labels(self) -> None:
        assert can_access_application(role_set(role(allow={"app_labels": ANYTHING})), application(), PLAIN).allowed

    def test_listed_from_roles_that_reach_the_application(self) -> None:
        roles = role_set(
            role(
                "a",
                allow={"app_labels": {"env": "dev"}, "aws_role_arns": [ARN + "dev", "{{internal.aws_role_arns}}"]},
            ),
            role("b", allow={"app_labels": {"env": "prod"}, "aws_role_arns": [ARN + "prod"]}),
            aws_role_arns=[ARN + "mine"],
        )
        assert cloud_identities(roles, application(env="dev")).aws_role_arns == (ARN + "dev", ARN + "mine")


class TestTools:
    @pytest.mark.parametrize(
        ("allow", "deny", "tool", "expected"),
        [
            (["search"], [], "search", True),
            (["search"], [], "search_all", False),
            (["get_*"], [], "get_user", True),
            (["^(get|list)_.*$"], [], "list_users", True),
            (["^(get|list)_.*$"], [], "delete_user", False),
            (["*"], ["delete_*"], "delete_user", False),
            (["*"], ["delete_*"], "get_user", True),
            ([], [], "get_user", False),
        ],
    )
    def test_patterns(self, allow: list[str], deny: list[str], tool: str, expected: bool) -> None:
        roles = role_set(role(allow={"app_labels": ANYTHING, "mcp": {"tools": allow}}, deny={"mcp": {"tools": deny}}))
        assert can_use_tool(roles, application(), tool, PLAIN).allowed is expected

    def test_labels_and_tool_from_one_role(self) -> None:
        labels = role("labels", allow={"app_labels": ANYTHING})
        tools = role("tools", allow={"app_labels": {"env": "x"}, "mcp": {"tools": ["*"]}})
        assert not can_use_tool(role_set(labels, tools), application(), "get", PLAIN).allowed

    def test_an_unreadable_deny_denies_all(self) -> None:
        roles = role_set(
            role(allow={"app_labels": ANYTHING, "mcp": {"tools": ["*"]}}),
            unchecked("no", deny={"mcp": MCPPermissions(tools=["^($"])}),
        )
        assert can_use_tool(roles, application(), "get", PLAIN).reason.code is Code.DENIED_BY_BROKEN_ROLE


class TestDesktops:
    def test_labels_and_login(self) -> None:
        allow = {"windows_desktop_labels": {"env": "dev"}, "windows_desktop_logins": ["Administrator", "bad/name"]}
        roles = role_set(role(allow=allow))
        assert can_access_desktop(roles, desktop(env="dev"), "Administrator", PLAIN).allowed
        assert not can_access_desktop(roles, desktop(env="dev"), "administrator", PLAIN).allowed
        assert not can_access_desktop(roles, desktop(env="prod"), "Administrator", PLAIN).allowed
        assert not can_access_desktop(roles, desktop(env="dev"), "bad/name", PLAIN).allowed
        assert desktop_logins(roles, desktop(env="dev")) == ["Administrator"]
        assert desktop_logins(roles, desktop(env="prod")) == []

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ([{}], (True, True, True, False)),
            ([{}, {"desktop_clipboard": False}], (False, True, True, False)),
            ([{}, {"desktop_directory_sharing": False}], (True, False, True, False)),
            ([{"record_session": {"desktop": False}}], (True, True, False, False)),
            ([{"record_session": {"desktop": False}}, {}], (True, True, True, False)),
            ([{"create_desktop_user": True}], (True, True, True, True)),
            ([{"create_desktop_user": True}, {}], (True, True, True, False)),
        ],
    )
    def test_terms(self, options: list[dict[str, Any]], expected: tuple[bool, ...]) -> None:
        allow = {"windows_desktop_labels": ANYTHING, "windows_desktop_logins": ["u"], "desktop_groups": ["Users"]}
        roles = role_set(*(role(f"r{n}", allow=allow, options=one) for n, one in enumerate(options)))
        terms = desktop_terms(roles, desktop(), "u")
        assert (terms.clipboard, terms.directory_sharing, terms.is_recorded, terms.create_user) == expected
        assert terms.groups == (("Users",) if terms.create_user else ())

    def test_groups_less_denied(self) -> None:
        allow = {"windows_desktop_labels": ANYTHING, "windows_desktop_logins": ["u"], "desktop_groups": ["A", "B"]}
        made = role(allow=allow, options={"create_desktop_user": True})
        assert desktop_terms(role_set(made, role("n", deny={"desktop_groups": ["B"]})), desktop(), "u").groups == (
            "A",
        )
        assert desktop_terms(role_set(made, role("n", deny={"desktop_groups": ["*"]})), desktop(), "u").groups == ()
