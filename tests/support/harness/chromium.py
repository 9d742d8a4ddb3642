"""Debian's Chromium, without a screen, with a virtual security key when a page asks for one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

# without these, Chromium calls home at every start
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-quic", "--disable-gpu", "--no-sandbox")  # fmt: skip


@contextlib.contextmanager
def chromium(folder: Path, locale: str = "en-US") -> Iterator[BrowserContext]:
    """A fresh profile; the cluster's own certificate is accepted, as a person would after the warning."""
    with chromiums(folder, locale=locale) as (context,):
        yield context


@contextlib.contextmanager
def chromiums(*folders: Path, locale: str = "en-US") -> Iterator[list[BrowserContext]]:
    """A browser for each of several people: Playwright runs once in a thread."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is not installed: scripts/install-test-programs"
    expect.set_options(timeout=30_000)
    with contextlib.ExitStack() as closing:
        playwright = closing.enter_context(sync_playwright())
        contexts: list[BrowserContext] = []
        for folder in folders:
            context = playwright.chromium.launch_persistent_context(
                str(folder),
                executable_path=program,
                headless=True,
                args=list(QUIET),
                ignore_https_errors=True,
                locale=locale,
                viewport={"width": 1280, "height": 800},
            )
            closing.callback(context.close)
            context.set_default_timeout(20_000)
            contexts.append(context)
        yield contexts


AXE = Path(__file__).parents[3] / "web" / "node_modules" / "axe-core" / "axe.min.js"


def give_security_key(page: Page, *, passkey: bool = True, verified: bool = True) -> None:
    """A virtual authenticator; with `passkey` it keeps discoverable credentials and verifies the user.

    `verified` False: the person's finger or PIN is always the wrong one.
    """
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal" if passkey else "usb",
        "hasResidentKey": passkey,
        "hasUserVerification": passkey,
        "isUserVerified": passkey and verified,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def watch_for_breaches(page: Page) -> list[str]:
    """Collects what a strict content security policy, or our own code, complains about."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def barriers(page: Page) -> list[str]:
    """What keeps people with disabilities out of the page as it stands, by the rules of WCAG 2.1 A and AA."""
    page.evaluate(AXE.read_text())
    wanted = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
    found: dict[str, Any] = page.evaluate("wanted => axe.run(document, wanted)", wanted)
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
