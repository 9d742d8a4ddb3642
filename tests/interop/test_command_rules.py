"""Command rules of roles, against the stock ssh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sharing import JOINER, guest, joined, on_terminal, the_session, watched
from ssh_post import ME, ROLE, Site, run, site
from ssh_upstream import stock_server

RULES = (
    ROLE
    + """
    command_rules:
      deny:
      - commands: ["printf secret"]
      ask:
      - commands: ["printf asked"]
      allow:
      - commands: ["printf **", "env"]
"""
)


@pytest.fixture(params=["agent", "openssh"])
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A host that our agent serves, and one that keeps its sshd, reached through us."""
    async with site(tmp_path) as running:
        if request.param == "agent":
            yield running
            return
        async with stock_server(running):
            yield running


async def test_what_is_allowed_runs_without_a_shell_and_the_rest_is_refused(here: Site, tmp_path: Path) -> None:
    await here.apply(RULES)
    person = here.person()
    ran = await run(person.ssh("printf", "%s", "'$HOME;'"))
    assert (ran.status, ran.out) == (0, b"$HOME;")
    assert b"SSH_ORIGINAL_COMMAND" not in (await run(person.ssh("env"))).out
    refused = {
        "printf secret": "options.command_rules.deny[0]",
        "/usr/bin/printf secret": "options.command_rules.deny[0]",
        "id": "no command rule of your roles allows it",
        f"printf x > {tmp_path}/x": "only plain commands are run",
        "printf x; id": "only plain commands are run",
        "printf $(id)": "only plain commands are run",
        "printf asked": "that takes a session on a terminal",
    }
    for command, reason in refused.items():
        ran = await run(person.ssh(command))
        assert (ran.status, ran.out) == (255, b""), command
        assert reason in ran.err.decode(), command
    shell = await run(person.ssh(), stdin=b"id\n")
    assert b"a shell is denied" in shell.err
    assert not (tmp_path / "x").exists()
    events = await here.log.wait_for("exec", "T3002E", len(refused) + 1)
    assert {event.command for event in events} >= set(refused)


async def test_a_forced_command_runs_whatever_is_asked_for(here: Site) -> None:
    await here.apply(ROLE + "    command_rules: {forced: env}\n")
    person = here.person()
    for words in ((), ("id; rm x",)):
        ran = await run(person.ssh(*words))
        assert ran.status == 0
        assert f"SSH_ORIGINAL_COMMAND={''.join(words)}\n" in ran.out.decode()
    copied = await run(
        ["scp", "-q", *person.options("-P", str(here.port)), f"{ME}@127.0.0.1:/etc/hostname", "/dev/null"]
    )
    assert b"whatever is asked for" in copied.err
    (event, *_) = await here.log.wait_for("exec", "T3002I", 2)
    assert event.command == "env"


async def test_no_variable_says_what_program_a_word_is(here: Site, tmp_path: Path) -> None:
    here.post.permit_user_environment = True
    (tmp_path / "printf").write_text("#!/bin/sh\necho mine\n")
    (tmp_path / "printf").chmod(0o755)
    words = here.person().ssh("-o", f"SetEnv=PATH={tmp_path}", "--", "printf", "ok")
    assert (await run(words)).out == b"ok"  # of the shell's own
    await here.apply(RULES)
    assert (await run(words)).out == b"ok"
    words[-2:] = ["env"]
    assert f"PATH={tmp_path}" not in (await run(words)).out.decode()


async def test_a_command_that_asks_waits_for_a_moderator(here: Site) -> None:
    await here.apply(RULES)
    await here.apply(JOINER)
    visitor = guest(here)
    async with on_terminal(here.person().ssh("-tt", "--", "printf", "asked")) as shown:
        await shown.until("waits")
        sid = the_session(here)
        assert not await here.log.wait_for("session.start", count=0)
        async with joined(here, visitor, "observer", sid) as seen:
            await seen.until("it is for the command: printf asked")
            await seen.until("waits for others")
        async with joined(here, visitor, "moderator", sid):
            await shown.until("begins")
            await shown.until("asked")
            assert await shown.end() == 0


async def test_commands_approved_before_need_no_moderator(here: Site) -> None:
    command_rules = 'options: {command_rules: {allow: [{commands: ["printf **"], unmoderated: true}]}}'
    role = watched().replace("options: {forward_agent: true}", command_rules)
    await here.apply(role)
    person = here.person(roles=("access", "watched"))
    assert (await run(person.ssh("printf ok"))).out == b"ok"
    ran = await run(person.ssh("id"))
    assert ran.status == 255
    await here.apply(role.replace("unmoderated: true", "unmoderated: false"))
    assert b"requires others to be present" in (await run(person.ssh("printf ok"))).err


async def test_a_shell_ends_when_rules_for_commands_come_up(here: Site) -> None:
    async with on_terminal(here.person().ssh("-tt")) as shown:
        await here.log.wait_for("session.start")
        await here.apply(RULES)
        await shown.until("a shell is denied")
        async with asyncio.timeout(10):
            await here.log.wait_for("session.end")
