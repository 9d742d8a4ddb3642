"""Rule 16: a client can end its own remote forwards and nobody else's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
from asyncssh.packet import String, UInt32
from ssh_post import ME, Person, site


async def connect(person: Person) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1",
        person.site.port,
        username=ME,
        known_hosts=None,
        config=None,
        agent_path=None,
        client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
    )


async def test_cancelling_anothers_forward_leaves_it_alone(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        alice, mallory = await connect(here.person("alice")), await connect(here.person("mallory"))
        listener = await alice.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
        port = listener.get_port()
        mallory._send_global_request(b"cancel-tcpip-forward", String(b"127.0.0.1"), UInt32(port), want_reply=False)
        async with asyncio.timeout(20):
            await mallory.wait_closed()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await here.log.wait_for("port", "T3003I")
        assert not [event for event in here.log.events if event.code == "T3003S"]
        alice.abort()
        await alice.wait_closed()
