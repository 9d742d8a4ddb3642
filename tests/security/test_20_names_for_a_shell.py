"""Rule 20: a login never reaches a shell, whatever it is made of."""

from __future__ import annotations

import json
from pathlib import Path

import asyncssh
import pytest
from ssh_post import ROLE, site

NAMES = ["x;touch {}", "$(touch {})", "`touch {}`", "%h%u|touch {}", "-oProxyCommand=touch {}", "../../{}"]


@pytest.mark.parametrize("name", NAMES)
async def test_is_looked_up_and_nothing_else(tmp_path: Path, name: str) -> None:
    async with site(tmp_path) as here:
        login = name.format(tmp_path / "made")
        await here.apply(ROLE.replace("logins: [", f"logins: [{json.dumps(login)}, "))
        person = here.person(logins=(login,))
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "127.0.0.1", here.port, username=login, known_hosts=None, config=None, agent_path=None,
                client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
            )  # fmt: skip
        assert not (tmp_path / "made").exists()
        (event,) = await here.log.wait_for("auth", "T3007W")
        assert event.login == login
