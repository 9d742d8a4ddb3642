"""Rule 5: an offered key proves nothing, and the rights are those of the key that signed."""

from __future__ import annotations

from pathlib import Path

import raw_ssh as raw
from raw_ssh import RawClient, String, UInt32, raw_client
from ssh_post import Site, run, site
from ssh_proofs import key_of, request, signature


async def open_session(client: RawClient) -> int:
    client.say(raw.CHANNEL_OPEN, String(b"session"), UInt32(0), UInt32(1 << 20), UInt32(1 << 15))
    return await client.until(91, 92)


async def test_an_offer_opens_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as here, raw_client(here.port) as client:
        client.say(raw.USERAUTH_REQUEST, request(here.person(), signed=False))
        assert await client.until(raw.USERAUTH_PK_OK, raw.USERAUTH_FAILURE) == raw.USERAUTH_PK_OK
        assert await open_session(client) == raw.DISCONNECT


async def test_one_certificate_offered_and_another_key_signing_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as here, raw_client(here.port) as client:
        alice, mallory = here.person("alice"), here.person("mallory")
        client.say(raw.USERAUTH_REQUEST, request(alice, signed=False))
        await client.until(raw.USERAUTH_PK_OK)
        body = request(alice, signed=True)
        client.say(raw.USERAUTH_REQUEST, body, signature(client, key_of(mallory), body))
        assert await client.until(raw.USERAUTH_SUCCESS, raw.USERAUTH_FAILURE) == raw.USERAUTH_FAILURE
        assert await open_session(client) == raw.DISCONNECT


async def test_the_rights_are_those_of_the_certificate_that_signed(tmp_path: Path) -> None:
    async with site(tmp_path) as here, raw_client(here.port) as client:
        alice, bob = here.person("alice"), here.person("bob")
        client.say(raw.USERAUTH_REQUEST, request(alice, signed=False))
        await client.until(raw.USERAUTH_PK_OK)
        body = request(bob, signed=True)
        client.say(raw.USERAUTH_REQUEST, body, signature(client, key_of(bob), body))
        assert await client.until(raw.USERAUTH_SUCCESS, raw.USERAUTH_FAILURE) == raw.USERAUTH_SUCCESS
        assert _who(here) == "bob"


def _who(here: Site) -> str:
    (admission,) = here.engine._admissions._admitted
    return admission.identity.username


async def test_reasons_are_told_to_nobody_who_has_not_signed(tmp_path: Path) -> None:
    async with site(tmp_path) as here, raw_client(here.port) as client:
        person = here.person(logins=("daemon",))
        client.say(raw.USERAUTH_REQUEST, request(person, signed=False))
        assert await client.until(53, raw.USERAUTH_PK_OK, raw.USERAUTH_FAILURE) == raw.USERAUTH_PK_OK
        refused = await run(person.ssh("true"))
        assert b"is not for login" in refused.err
