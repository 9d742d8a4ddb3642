"""A certified OpenID provider (npm's oidc-provider) with its own pages, and people whose groups change."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.ports import free_port
from harness.processes import Started
from playwright.sync_api import Page

_TESTS = Path(__file__).parents[2]
_PROGRAM = _TESTS / "support" / "openid_connect" / "provider.mjs"
_MODULES = _TESTS.parent / "web"
SECRET = "client-secret-of-the-journeys"


@dataclass
class OpenId:
    """`people` by what they type as their name there; what is said of them."""

    folder: Path
    redirect: str
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: Started | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> OpenId:
        assert (_MODULES / "node_modules" / "oidc-provider").exists(), "oidc-provider is not installed: make web"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.save()
        log = self.folder / "log"
        self.process = Started(["node", _PROGRAM, str(self.port), self._file, _MODULES], log)
        self.process.wait_until(lambda: "ready" in log.read_text(), "provider ready")
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def save(self) -> None:
        """What is said of people counts from their next login."""
        client = {
            "client_id": "teleport",
            "client_secret": SECRET,
            "redirect_uris": [self.redirect],
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
        }
        self._file.write_text(json.dumps({"clients": [client], "people": self.people}))

    def connector(self, name: str, roles: dict[str, str], **more: str) -> str:
        """A connector as `tctl create` takes it; `roles` by group."""
        spec = {
            "issuer_url": self.issuer,
            "client_id": "teleport",
            "client_secret": SECRET,
            "redirect_url": self.redirect,
            "scope": ["openid", "email", "groups"],
            "prompt": "login",
            "claims_to_roles": [
                {"claim": "groups", "value": group, "roles": [role]} for group, role in roles.items()
            ],
            **more,
        }
        return json.dumps({"kind": "oidc", "version": "v3", "metadata": {"name": name}, "spec": spec})

    def log_in(self, page: Page, person: str) -> None:
        """On the provider's own pages, until it sends the browser away."""
        page.get_by_placeholder("Enter any login").fill(person)
        page.get_by_placeholder("and password").fill("any")
        with page.expect_navigation():
            page.get_by_role("button", name="Sign-in").click()
        if page.url.startswith(self.issuer):  # the first time in this browser it asks for consent
            page.get_by_role("button", name="Continue").click()
        page.wait_for_url(lambda address: not address.startswith(self.issuer))

    @property
    def _file(self) -> Path:
        return self.folder / "people.json"
