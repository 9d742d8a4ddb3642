"""Sessions with several people in them, at a post without a cluster: stock OpenSSH on a terminal for each."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from pseudo_terminal import Terminal
from ssh_post import ME, Person, Site

from teleport.credentials.ssh_certificates import JOIN_PRINCIPAL

JOINER = """
kind: role
version: v7
metadata: {name: joiner}
spec:
  allow:
    join_sessions:
    - {name: all, roles: [access, "watched*"], kinds: [ssh], modes: [observer, moderator, peer]}
"""
LOOKER = """
kind: role
version: v7
metadata: {name: looker}
spec:
  allow:
    join_sessions:
    - {name: some, roles: [acc*], kinds: [ssh], modes: [observer]}
"""


def watched(name: str = "watched", on_leave: str = "terminate", *, role: str = "joiner", count: int = 1) -> str:
    """A role whose holders need somebody with `role` as moderator."""
    return f"""
kind: role
version: v7
metadata: {{name: {name}}}
spec:
  options: {{forward_agent: true}}
  allow:
    logins: [{ME}]
    node_labels: {{"*": "*"}}
    require_session_join:
    - name: four-eyes
      filter: 'contains(user.spec.roles, "{role}")'
      kinds: [ssh]
      modes: [moderator]
      count: {count}
      on_leave: {on_leave}
"""


@contextlib.asynccontextmanager
async def shell(here: Site, name: str = "alice") -> AsyncIterator[Terminal]:
    """A shell with a prompt that was seen."""
    shown = await Terminal.start(here.person(name).ssh("-tt", "--"), columns=90, rows=30)
    try:
        await set_up(shown)
        yield shown
    finally:
        await shown.close()


async def set_up(shown: Terminal) -> None:
    shown.type("PS1='ready> '; stty -echo\n")
    await shown.until("hready> ")


@contextlib.asynccontextmanager
async def on_terminal(words: list[str]) -> AsyncIterator[Terminal]:
    shown = await Terminal.start(words)
    try:
        yield shown
    finally:
        await shown.close()


def join_words(person: Person, sid: str, mode: str, *more: str) -> list[str]:
    """OpenSSH takes a name that begins with a dash from its configuration alone."""
    config = person.directory / "join"
    config.write_text(f"User {JOIN_PRINCIPAL}\n")
    said = f"SetEnv=TELEPORT_SESSION={sid} TELEPORT_JOIN_MODE={mode}"
    options = person.options("-p", str(person.site.port), "-o", said, *more)
    return ["ssh", "-F", str(config), *options[2:], "127.0.0.1"]


@contextlib.asynccontextmanager
async def joined(here: Site, person: Person, mode: str, sid: str = "") -> AsyncIterator[Terminal]:
    async with on_terminal(join_words(person, sid or the_session(here), mode, "-tt")) as shown:
        yield shown


def the_session(here: Site) -> str:
    (sid,) = here.post.sessions
    return sid


def guest(here: Site, name: str = "bob", role: str = "joiner") -> Person:
    return here.person(name, roles=(role,), logins=())
