"""Rule 9: packets of the key exchange cannot be removed unseen; nothing unexpected is taken during it."""

from __future__ import annotations

from pathlib import Path

import raw_ssh as raw
from raw_ssh import String, raw_client
from ssh_post import Person, Site, run, site
from ssh_proofs import key_of, request, signature


async def log_in(here: Site, person: Person, **options: object) -> int:
    async with raw_client(here.port, **options) as client:  # type: ignore[arg-type]
        body = request(person, signed=True)
        client.say(raw.USERAUTH_REQUEST, body, signature(client, key_of(person), body))
        return await client.until(raw.USERAUTH_SUCCESS, raw.USERAUTH_FAILURE)


async def test_without_the_strict_order_only_ciphers_that_do_not_need_it_are_served(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        person, loose = here.person(), [b"ext-info-c"]
        assert await log_in(here, person, encryption_algs=["aes128-ctr"]) == raw.USERAUTH_SUCCESS
        assert (
            await log_in(here, person, encryption_algs=["aes128-ctr"], extra_kex_algs=loose) == raw.USERAUTH_FAILURE
        )
        gcm = ["aes128-gcm@openssh.com"]
        assert await log_in(here, person, encryption_algs=gcm, extra_kex_algs=loose) == raw.USERAUTH_SUCCESS


async def test_weak_ciphers_are_not_spoken(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        for cipher in ("chacha20-poly1305@openssh.com", "aes128-cbc", "3des-cbc"):
            ran = await run(here.person().ssh("-o", f"Ciphers={cipher}", "--", "true"))
            assert b"no matching cipher" in ran.err
        for exchange in ("diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"):
            ran = await run(here.person().ssh("-o", f"KexAlgorithms={exchange}", "--", "true"))
            assert b"no matching key exchange" in ran.err


async def test_an_ignored_packet_inside_the_first_key_exchange_ends_it(tmp_path: Path) -> None:
    async with site(tmp_path) as here, raw_client(here.port, injected=(raw.IGNORE, String(b"unexpected"))) as client:
        assert await client.until(6, 21) == raw.DISCONNECT
