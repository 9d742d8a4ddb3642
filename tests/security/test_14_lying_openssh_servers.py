"""Must-refuse 14: a server without an agent whose host certificate does not prove it is not entered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest
from ssh_post import CLUSTER, HOST_ID, ROLE, Site, run, site
from ssh_upstream import stock_server

from teleport.credentials.authorities import SshAuthority
from teleport.credentials.keys import PrivateKey, PublicKey
from teleport.credentials.ssh_certificates import issue_host
from teleport.model.identity import Identity

NAMES = (HOST_ID, "web1")


def certificate(here: Site, authority: PrivateKey, names: Sequence[str], left: timedelta) -> bytes:
    """For the key that the server shows, good for as long as is `left`."""
    now = here.clock.now()
    public = asyncssh.import_private_key(here.post.host_key().private_key).export_public_key().decode()
    identity = Identity(
        username=f"{names[0]}.{CLUSTER}", cluster=CLUSTER, expires=now + left, system_role="Node", host_id=names[0]
    )
    signer = SshAuthority(kind="host", cluster=CLUSTER, signer=authority)
    issued = issue_host(identity, PublicKey.from_text(public), signer, now - timedelta(days=90), names)
    return issued.encode()


@pytest.mark.parametrize("lie", ["expired", "other names", "other authority"])
async def test_it_is_not_entered(tmp_path: Path, lie: str) -> None:
    async with site(tmp_path) as here:
        await here.apply(ROLE)
        authority = PrivateKey.generate("ed25519") if lie == "other authority" else here.host_ca
        names = ("22222222-2222-4333-8444-555555555555", "another") if lie == "other names" else NAMES
        left = timedelta(seconds=-1) if lie == "expired" else timedelta(days=1)
        async with stock_server(here, certificate(here, authority, names, left)):
            ran = await run(here.person().ssh("echo entered"))
    assert ran.status == 255
    assert b"entered" not in ran.out
    assert b"does not prove to be itself" in ran.err
    if lie == "expired":
        assert b"expired" in ran.err


async def test_one_that_proves_it_is_entered(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.apply(ROLE)
        good = certificate(here, here.host_ca, NAMES, timedelta(days=1))
        async with stock_server(here, good):
            assert (await run(here.person().ssh("echo entered"))).out == b"entered\n"
