"""A running ssh-agent gets the keys of a login, until the login ends, and loses them at logout."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from teleport.client import login_record
from teleport.client.profile import KeyPaths, Profile
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter, TeleportError, Unavailable

if TYPE_CHECKING:
    import asyncssh

_COMMENT = "teleport:"
_TIMEOUT = 5.0
MODES = ("auto", "yes", "no", "only")


def mode_of(text: str) -> str:
    """Also the older boolean form. Raises BadParameter."""
    word = {"true": "auto", "1": "auto", "false": "no", "0": "no"}.get(text.lower(), text.lower())
    if word not in MODES:
        raise BadParameter(f"--add-keys-to-agent={text}: expected {', '.join(MODES)}")
    if word == "only":
        raise BadParameter("--add-keys-to-agent=only is not offered yet: keys are also kept in the profile")
    return word


def add_login(paths: KeyPaths, profile: Profile, mode: str) -> None:
    """Add the SSH key with its certificate. An absent agent matters only to those who said `yes`."""
    wanted = mode_of(mode)
    if wanted == "no" or (wanted == "auto" and not os.environ.get("SSH_AUTH_SOCK")):
        return
    try:
        expires = login_record.load(paths).valid_until
        asyncio.run(asyncio.wait_for(_add(paths, profile, expires), _TIMEOUT))
    except (OSError, TimeoutError, TeleportError, ValueError) as problem:
        if wanted == "yes":
            raise Unavailable(f"the ssh-agent did not take the key: {problem}") from problem
        print(f"WARNING: the ssh-agent did not take the key: {problem}", file=sys.stderr)


def remove_profile(name: str) -> None:
    """Remove all keys that logins at this proxy had added."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return
    try:
        asyncio.run(asyncio.wait_for(_remove(f"{_COMMENT}{name}:"), _TIMEOUT))
    except (OSError, TimeoutError, ValueError) as problem:
        print(f"WARNING: the ssh-agent did not answer: {problem}", file=sys.stderr)


async def _add(paths: KeyPaths, profile: Profile, expires: datetime) -> None:
    import asyncssh

    pair = asyncssh.load_keypairs([(paths.ssh_key, paths.ssh_certificate(profile.cluster))])[0]
    pair.set_comment(f"{_COMMENT}{profile.name}:{profile.cluster}:{profile.user}")
    lifetime = max(1, int((expires - SystemClock().now()).total_seconds()))
    async with await _connected() as agent:
        await _remove_from(agent, f"{_COMMENT}{profile.name}:")
        await agent.add_keys([pair], lifetime=lifetime)


async def _remove(prefix: str) -> None:
    async with await _connected() as agent:
        await _remove_from(agent, prefix)


async def _connected() -> asyncssh.SSHAgentClient:
    import asyncssh

    agent = await asyncssh.connect_agent()
    if agent is None:
        raise OSError("nobody listens at SSH_AUTH_SOCK")
    return agent


async def _remove_from(agent: asyncssh.SSHAgentClient, prefix: str) -> None:
    mine = [key for key in await agent.get_keys() if (key.get_comment() or "").startswith(prefix)]
    if mine:
        await agent.remove_keys(mine)
