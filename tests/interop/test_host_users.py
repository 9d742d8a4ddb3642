"""Host users that come and go with the sessions of the stock OpenSSH client: real accounts, groups and sudo rules."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from ssh_post import HOST_ID, ROLE, Person, Site, run, site

from teleport.engines.host_accounts.host_accounts import HostAccounts, WantedAccount
from teleport.engines.host_accounts.static_accounts import StaticAccounts
from teleport.foundation.errors import AlreadyExists
from teleport.foundation.service import TaskOwner

IS_ROOT = os.geteuid() == 0
SUDOERS = Path("/etc/sudoers.d")
Test = TypeVar("Test", bound=Callable[..., Coroutine[Any, Any, None]])


@pytest.fixture
def login() -> Iterator[str]:
    """A name that no other test uses; nothing of it is left."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    yield name
    for made in (name, f"{name}x"):
        if IS_ROOT and exists(made):
            subprocess.run(["userdel", "--force", "--remove", made], check=False, capture_output=True)


@pytest.fixture
def number() -> Iterator[int]:
    """For an account and its group: above those that useradd gives, and no other test's, in whatever run."""
    for found in range(61200, 65000):
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0teleport-test-account-{found}")  # an abstract name ends with the process
            except OSError:
                continue
            if found not in {entry.pw_uid for entry in pwd.getpwall()} | {entry.gr_gid for entry in grp.getgrall()}:
                yield found
                return
    raise RuntimeError("every number for accounts is taken")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    owner = TaskOwner("accounts")
    async with site(tmp_path) as running:
        running.post.accounts = accounts = HostAccounts(tmp_path, f"{HOST_ID}-{uuid.uuid4().hex[:6]}")
        owner.start(accounts.run(lambda: None))
        yield running
    await owner.close()


def exists(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def group_exists(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(grp.getgrnam(name))
    return False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.05)


def role(login: str, mode: str, *conditions: str, shell: str = "/bin/bash") -> str:
    wanted = "".join(f"    {one}\n" for one in (f"logins: [{login}]", *conditions))
    start, _, _ = ROLE.partition("    logins:")
    options = f"  options: {{create_host_user_mode: {mode}, create_host_user_default_shell: {shell}}}\n"
    return start + wanted + '    node_labels: {"*": "*"}\n' + options


def person(here: Site, login: str, **identity: Any) -> Person:
    return here.person("bob", logins=(login,), **identity)


def rules_of(login: str) -> list[Path]:
    return [path for path in SUDOERS.iterdir() if path.name.endswith(f"-{login}")]


async def is_refused(here: Site, login: str) -> None:
    await here.apply(role(login, "keep"))
    ran = await run(person(here, login).ssh("--", "true", login=login))
    assert ran.status == 255
    assert "does not run as root: it cannot create it" in ran.err.decode()


def as_root(test: Test) -> Test:
    """Root alone makes accounts: for anybody else the test is that they are told so."""
    return test if IS_ROOT else cast("Test", is_refused)


@as_root
async def test_an_account_comes_with_the_first_session_and_goes_with_the_last(here: Site, login: str) -> None:
    group = f"g{login}"
    conditions = (f"host_groups: [{group}, users]", "host_sudoers: ['ALL=(root) NOPASSWD: /usr/bin/id']")
    await here.apply(role(login, "insecure-drop", *conditions))
    bob = person(here, login)
    command = "id -Gn; pwd; echo $SHELL; sudo -n id -u; sudo -n true; touch left-over; read x"
    client = await asyncio.create_subprocess_exec(
        *bob.ssh("--", command, login=login), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    async with asyncio.timeout(30):
        groups = (await client.stdout.readline()).decode().split()
        home, shell, uid = [(await client.stdout.readline()).decode().strip() for _ in range(3)]
    assert sorted(groups) == sorted([login, group, "users", "teleport-system"])
    assert (home, shell, uid) == (f"/home/{login}", "/bin/bash", "0")
    assert len(rules_of(login)) == 1
    assert rules_of(login)[0].stat().st_mode & 0o777 == 0o440
    assert (await run(bob.ssh("--", "true", login=login))).status == 0
    assert exists(login), "another session still uses it"
    client.stdin.close()  # type: ignore[union-attr]
    await client.wait()
    await until(lambda: not exists(login))
    await until(lambda: not Path(home).exists())
    assert not rules_of(login)
    await until(lambda: not group_exists(group))
    assert not group_exists(login)
    assert group_exists("users")


@as_root
async def test_a_kept_account_stays_with_its_files_and_without_its_rules(here: Site, login: str, number: int) -> None:
    await here.apply(role(login, "keep", "host_sudoers: ['ALL=(root) NOPASSWD: /usr/bin/id']"))
    bob = person(here, login, traits={"host_user_uid": (f"{number}",), "host_user_gid": (f"{number}",)})
    ran = await run(bob.ssh("--", "id -u; id -g; id -Gn; touch mine", login=login))
    assert ran.out.decode().split() == [f"{number}", f"{number}", login, "teleport-keep"], ran.err
    await until(lambda: not rules_of(login))
    assert Path(f"/home/{login}/mine").exists()
    await here.apply(role(login, "insecure-drop", "host_groups: [users]"))
    ran = await run(bob.ssh("--", "id -Gn", login=login))
    assert sorted(ran.out.decode().split()) == sorted([login, "teleport-keep", "users"])
    assert exists(login), "what is kept stays kept"


@as_root
async def test_an_account_that_was_here_before_is_left_as_it_is(here: Site, login: str) -> None:
    subprocess.run(["useradd", "--create-home", login], check=True)
    rules = "host_sudoers: ['ALL=(ALL) NOPASSWD: ALL']"
    await here.apply(role(login, "insecure-drop", "host_groups: [users]", rules))
    ran = await run(person(here, login).ssh("--", "id -Gn", login=login))
    assert ran.out.decode().split() == [login]
    assert not rules_of(login)
    await here.connections.close()
    assert exists(login)


@as_root
async def test_rules_end_with_the_last_session_whatever_still_runs(here: Site, login: str) -> None:
    await here.apply(role(login, "insecure-drop", "host_sudoers: ['ALL=(root) NOPASSWD: /usr/bin/id']"))
    command = "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $!"
    ran = await run(person(here, login).ssh("--", command, login=login))
    await until(lambda: not rules_of(login))
    assert exists(login), "a program of it still runs"
    os.kill(int(ran.out), 9)
    await until(lambda: not exists(login))


@as_root
async def test_an_account_left_behind_is_removed_at_the_next_start(tmp_path: Path, login: str) -> None:
    before = HostAccounts(tmp_path, HOST_ID)
    rules = ("ALL=(root) NOPASSWD: /usr/bin/id",)
    await before.borrow(login, WantedAccount("insecure-drop", sudoers=rules))
    assert exists(login)
    assert rules_of(login)
    process = subprocess.Popen(["setpriv", f"--reuid={login}", "--clear-groups", "sleep", "60"])
    await until(lambda: Path(f"/proc/{process.pid}").stat().st_uid == pwd.getpwnam(login).pw_uid)
    owner = TaskOwner("accounts")
    owner.start(HostAccounts(tmp_path, HOST_ID).run(lambda: None))
    try:
        await asyncio.sleep(0)
        assert exists(login), "a process of it still runs"
        process.kill()
        process.wait()
        await until(lambda: not exists(login))
        await until(lambda: not rules_of(login))
    finally:
        await owner.close()


@as_root
@pytest.mark.parametrize(
    ("conditions", "traits", "reason"),
    [
        (("host_sudoers: ['ALL=(root NOPASSWD']",), {}, "visudo refuses"),
        (("host_sudoers: [\"ALL=(root) /bin/true\\nmallory ALL=(ALL) ALL\"]",), {}, "one printable line"),
        (("host_groups: ['a:b']",), {}, "no host group can be called"),
        ((), {"host_user_uid": ("0",)}, "expected 1 to"),
        ((), {"host_user_uid": ("many",)}, "expected a number"),
        ((), {"host_user_uid": ("1",)}, "not unique"),
    ],
)  # fmt: skip
async def test_what_no_account_may_be_is_refused_with_the_reason(
    here: Site, login: str, conditions: tuple[str, ...], traits: dict[str, tuple[str, ...]], reason: str
) -> None:
    await here.apply(role(login, "insecure-drop", *conditions))
    ran = await run(person(here, login, traits=traits).ssh("--", "true", login=login))
    assert ran.status == 255
    assert reason in ran.err.decode()
    await until(lambda: not exists(login))
    assert not rules_of(login)


async def test_no_account_is_made_where_the_operator_does_not_want_it(here: Site, login: str) -> None:
    here.post.accounts = None
    await here.apply(role(login, "keep"))
    ran = await run(person(here, login).ssh("--", "true", login=login))
    assert ran.status == 255
    assert "does not exist" in ran.err.decode()


async def test_who_is_not_root_says_that_it_makes_no_accounts(
    here: Site, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    await is_refused(here, login)


STATIC = """
kind: static_host_user
version: v2
metadata: {{name: {login}}}
spec:
  matchers:
  - node_labels: {{env: [{env}]}}
    groups: [users]
    uid: {uid}
    sudoers: ['ALL=(root) NOPASSWD: /usr/bin/id']
"""


@as_root
async def test_static_accounts_are_kept_where_their_labels_match(here: Site, login: str, number: int) -> None:
    accounts = here.post.accounts
    assert accounts is not None
    owner = TaskOwner("static")
    owner.start(StaticAccounts(here.replica, accounts, lambda: here.node).run(lambda: None))
    try:
        here.cluster.put(STATIC.format(login=f"{login}x", env="other", uid=number))
        await here.apply(STATIC.format(login=login, env="test", uid=number))
        await until(lambda: bool(rules_of(login)))
        assert pwd.getpwnam(login).pw_uid == number
        assert not exists(f"{login}x")
        subprocess.run(["useradd", f"{login}x"], check=True)
        with pytest.raises(AlreadyExists):
            await accounts.establish(f"{login}x", WantedAccount("static"))
        await accounts.establish(f"{login}x", WantedAccount("static", takes_ownership=True))
        assert f"{login}x" in grp.getgrnam("teleport-static").gr_mem
        here.cluster.remove("static_host_user", login)
        await until(lambda: not rules_of(login))
        assert exists(login)
    finally:
        await owner.close()
