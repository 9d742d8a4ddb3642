"""File rules of roles, against the stock sftp and scp, and against a client that tries every way around."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from ssh_post import ME, ROLE, Person, Ran, Site, run, site
from ssh_upstream import stock_server

SIZE = 300_000


@pytest.fixture(params=["agent", "openssh"])
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A host that our agent serves, and one that keeps its sshd, reached through us."""
    async with site(tmp_path) as running:
        if request.param == "agent":
            yield running
            return
        async with stock_server(running):
            yield running


def is_ours(here: Site) -> bool:
    return here.post.upstream is None


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """`in` is for uploads of csv, `out` for downloads, `secret` for nobody."""
    root = (tmp_path / "ground").resolve()
    for name in ("in", "out", "secret"):
        (root / name).mkdir(parents=True)
    (root / "out" / "report.csv").write_bytes(b"figures")
    (root / "out" / "key.pem").write_bytes(b"private")
    (root / "secret" / "plan").write_bytes(b"secret")
    return root


def rules(root: Path) -> str:
    return (
        ROLE
        + f"""
    file_rules:
      deny:
      - paths: ["{root}/secret/**"]
      - extensions: [pem]
        directions: download
      allow:
      - paths: ["{root}/in/**"]
        directions: upload
        extensions: [csv]
        max_size: {SIZE}
      - paths: ["{root}/out/**"]
        directions: download
"""
    )


async def sftp(person: Person, *lines: str, cwd: Path, environment: dict[str, str] | None = None) -> Ran:
    batch = cwd / "batch"
    batch.write_text("\n".join(lines) + "\n")
    options = person.options("-P", str(person.site.port), "-o", "SendEnv=LANG")
    words = ["sftp", "-q", "-b", str(batch), *options, f"{ME}@127.0.0.1"]
    return await run(words, cwd=cwd, env={**os.environ, **(environment or {})})


async def test_what_rules_allow_passes_and_the_rest_is_refused_with_its_reason(
    here: Site, ground: Path, tmp_path: Path
) -> None:
    await here.apply(rules(ground))
    person = here.person()
    (tmp_path / "a.csv").write_bytes(b"1,2,3")
    ran = await sftp(person, f"put a.csv {ground}/in/a.csv", f"get {ground}/out/report.csv got", cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert (tmp_path / "got").read_bytes() == b"figures"
    refused = {
        f"get {ground}/secret/plan x": "options.file_rules.deny[0]",
        f"get {ground}/out/key.pem x": "options.file_rules.deny[1]",
        f"get {ground}/in/a.csv x": "no file rule of your roles allows it",
        f"put a.csv {ground}/in/a.exe": "no file rule of your roles allows it",
        f"put a.csv {ground}/out/a.csv": "no file rule of your roles allows it",
        f"rm {ground}/out/report.csv": "no file rule of your roles allows it",
        f"mkdir {ground}/new": "no file rule of your roles allows it",
    }
    for line, reason in refused.items():
        ran = await sftp(person, line, cwd=tmp_path)
        assert ran.status != 0, line
        assert reason in ran.err.decode(), line
        assert not (tmp_path / "x").exists() or not (tmp_path / "x").read_bytes()
    events = await here.log.wait_for("sftp", "TS020E", len(refused))
    assert {event.path for event in events} >= {f"{ground}/secret/plan", f"{ground}/out/key.pem"}
    assert all(event.error for event in events)
    assert sorted(os.listdir(ground / "in")) == ["a.csv"]


async def test_the_reason_is_told_in_korean_to_who_speaks_it(here: Site, ground: Path, tmp_path: Path) -> None:
    await here.apply(rules(ground))
    ran = await sftp(here.person(), f"get {ground}/secret/plan x", cwd=tmp_path, environment={"LANG": "ko_KR.UTF-8"})
    assert "다운로드 거부" in ran.err.decode()


async def test_an_upload_ends_at_the_size_that_is_allowed(here: Site, ground: Path, tmp_path: Path) -> None:
    await here.apply(rules(ground))
    (tmp_path / "large.csv").write_bytes(bytes(SIZE + 1))
    (tmp_path / "just.csv").write_bytes(bytes(SIZE))
    person = here.person()
    assert (await sftp(person, f"put just.csv {ground}/in/", cwd=tmp_path)).status == 0
    ran = await sftp(person, f"put large.csv {ground}/in/", cwd=tmp_path)
    assert ran.status != 0
    assert f'allows at most "{SIZE}" bytes' in ran.err.decode()
    assert (ground / "in" / "large.csv").stat().st_size <= SIZE


@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "old protocol"])
async def test_scp_is_ruled_alike(here: Site, ground: Path, tmp_path: Path, protocol: str) -> None:
    await here.apply(rules(ground))
    person = here.person()
    (tmp_path / "b.csv").write_bytes(b"4,5")

    async def copy(*words: str) -> Ran:
        return await run(["scp", "-q", protocol, *person.options("-P", str(here.port)), *words])

    assert (await copy(f"{tmp_path}/b.csv", f"{ME}@127.0.0.1:{ground}/in/")).status == 0
    assert (ground / "in" / "b.csv").read_bytes() == b"4,5"
    by_pattern = await copy(f"{ME}@127.0.0.1:{ground}/out/rep*", f"{tmp_path}/back")
    if is_ours(here) or protocol == "-s":
        assert by_pattern.status == 0
    else:
        assert b"what the server makes of a pattern" in by_pattern.err
        by_name = await copy("-r", "-p", f"{ME}@127.0.0.1:{ground}/out", f"{tmp_path}/tree")
        assert by_name.status != 0
        assert b"options.file_rules.deny[1]" in by_name.err
        assert os.listdir(tmp_path / "tree") == ["report.csv"]
    for words in (
        (f"{tmp_path}/b.csv", f"{ME}@127.0.0.1:{ground}/secret/"),
        (f"{ME}@127.0.0.1:{ground}/in/../secret/plan", f"{tmp_path}/x"),
    ):
        ran = await copy(*words)
        assert ran.status != 0
        assert b"options.file_rules.deny[0]" in ran.err
    await here.log.wait_for(*{"-s": ("sftp", "TS020E", 2), "-O": ("scp", "T3010E", 2)}[protocol])
    assert not (tmp_path / "x").exists()
    assert os.listdir(ground / "secret") == ["plan"]


@pytest.mark.parametrize("command", ["rsync --server . .", "/usr/lib/openssh/sftp-server", "sh -c 'exec scp -f x'"])
async def test_programs_that_copy_unseen_are_refused(here: Site, ground: Path, command: str) -> None:
    await here.apply(rules(ground))
    ran = await run(here.person().ssh(command))
    assert ran.status != 0
    assert b"cannot be seen; use sftp or scp" in ran.err
    await here.log.wait_for("scp", "T3010E")


@pytest.mark.parametrize("command", ["rsync --server . .", "/usr/lib/openssh/sftp-server"])
async def test_no_program_copies_where_copies_are_forbidden(here: Site, command: str) -> None:
    await here.apply(ROLE + "    ssh_file_copy: false\n")
    ran = await run(here.person().ssh(command))
    assert b"cannot be seen; use sftp or scp" in ran.err


async def test_no_link_and_no_rename_leads_around_the_rules(here: Site, ground: Path) -> None:
    await here.apply(
        ROLE
        + f"""
    file_rules:
      deny:
      - paths: ["{ground}/secret/**"]
      - paths: ["{ground}/locked/**"]
        directions: download
"""
    )
    (ground / "locked").mkdir()
    (ground / "locked" / "sealed").write_text("sealed")
    (ground / "open").mkdir()
    (ground / "open" / "door").symlink_to(ground / "secret")
    (ground / "open" / "window").symlink_to("../secret/plan")
    person = here.person()
    async with (
        asyncssh.connect(
            "127.0.0.1", here.port, username=ME, config=None, known_hosts=str(here.directory / "known_hosts"),
            client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))], agent_path=None,
        ) as connection,
        connection.start_sftp_client() as files,
    ):  # fmt: skip
        for path in ("open/door/plan", "open/window", "open/../secret/plan", "open/door/../secret/plan"):
            with pytest.raises(asyncssh.SFTPPermissionDenied, match=r"deny\[0\]"):
                await files.open(f"{ground}/{path}", "rb")
        for attempt in (
            files.posix_rename(f"{ground}/secret/plan", f"{ground}/open/plan"),
            files.rename(f"{ground}/secret/plan", f"{ground}/open/plan"),
            files.link(f"{ground}/secret/plan", f"{ground}/open/plan"),
            files.posix_rename(f"{ground}/locked/sealed", f"{ground}/open/sealed"),
            files.link(f"{ground}/locked/sealed", f"{ground}/open/sealed"),
            files.posix_rename(f"{ground}/secret", f"{ground}/public"),
            files.truncate(f"{ground}/open/window", 0),
            files.chmod(f"{ground}/open/window", 0o777),
            files.remove(f"{ground}/open/door/plan"),
        ):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await attempt
        # what is free stays free: also a link that leads to what is not
        if is_ours(here):
            await files.symlink(f"{ground}/secret/plan", f"{ground}/open/another")
        else:
            (ground / "open" / "another").symlink_to(ground / "secret" / "plan")
            for attempt in (
                files.symlink(f"{ground}/secret", f"{ground}/open/link"),
                files.symlink("../secret/plan", f"{ground}/open/link"),
                files.symlink("../locked/sealed", f"{ground}/open/link"),
                files.symlink("door/plan", f"{ground}/open/link"),
                files.symlink("nothing-there", f"{ground}/open/link"),
                files.posix_rename(f"{ground}/open/door", f"{ground}/open/moved"),
                files.link(f"{ground}/open/door", f"{ground}/open/moved"),
            ):
                with pytest.raises(asyncssh.SFTPPermissionDenied, match="be led around"):
                    await attempt
            assert not (ground / "open" / "link").is_symlink()
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await files.open(f"{ground}/open/another", "wb")
        async with files.open(f"{ground}/open/free", "wb") as file:
            await file.write(b"free")
        await files.posix_rename(f"{ground}/open/free", f"{ground}/open/freed")
        await files.chmod(f"{ground}/open/freed", 0o600)
        # links to what is free, by what is written in them, moved where they lead to the same, and another name
        (ground / "open" / "below").mkdir()
        await files.symlink("freed", f"{ground}/open/by-name")
        await files.symlink(f"{ground}/open/below", f"{ground}/open/by-path")
        assert await files.readlink(f"{ground}/open/by-name") == "freed"
        assert await files.realpath(f"{ground}/open/by-path/../freed") == f"{ground}/open/freed"
        async with files.open(f"{ground}/open/by-name", "rb") as file:
            assert (await file.stat()).size == len(b"free")
        await files.posix_rename(f"{ground}/open/by-path", f"{ground}/open/below/moved")
        await files.link(f"{ground}/open/freed", f"{ground}/open/below/moved/one-more")
        assert (ground / "open" / "below" / "one-more").read_bytes() == b"free"
        await files.utime(f"{ground}/open/freed", (1, 1))
        await files.truncate(f"{ground}/open/freed", 2)
    assert (ground / "secret" / "plan").read_text() == "secret"
    assert sorted(os.listdir(ground / "open")) == ["another", "below", "by-name", "door", "freed", "window"]
    assert (ground / "open" / "freed").read_bytes() == b"fr"


async def test_a_denied_folder_is_denied_under_its_real_name_too(here: Site, ground: Path, tmp_path: Path) -> None:
    (ground / "alias").symlink_to("secret")
    await here.apply(ROLE + f'    file_rules: {{deny: [{{paths: ["{ground}/alias/**"]}}]}}\n')
    for name in ("alias", "secret"):
        ran = await sftp(here.person(), f"get {ground}/{name}/plan x", cwd=tmp_path)
        assert b"deny[0]" in ran.err, name


async def test_rules_that_come_up_end_a_copy_that_was_begun_without(here: Site, ground: Path) -> None:
    person = here.person()
    async with asyncssh.connect(
        "127.0.0.1", here.port, username=ME, config=None, known_hosts=str(here.directory / "known_hosts"),
        client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))], agent_path=None,
    ) as connection:  # fmt: skip
        files = await connection.start_sftp_client()
        assert await files.exists(f"{ground}/secret/plan")
        await here.apply(rules(ground))
        await files.wait_closed()


async def test_the_log_knows_what_was_carried(here: Site, ground: Path, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    (tmp_path / "large").write_bytes(content)
    (ground / "out" / "link").symlink_to(ground / "in" / "large")
    lines = (f"put large {ground}/in/large", f"get {ground}/out/link back", f"reget {ground}/in/large part")
    (tmp_path / "part").write_bytes(content[:1000])
    ran = await sftp(here.person(), *lines, cwd=tmp_path)
    assert ran.status == 0, ran.err
    whole = hashlib.sha256(content).hexdigest()
    up, down, rest = await here.log.wait_for("sftp", "TS002I", 3)
    assert (up.path, up.bytes_written, up.sha256) == (f"{ground}/in/large", len(content), whole)
    assert (down.path, down.bytes_read, down.sha256) == (f"{ground}/out/link", len(content), whole)
    assert (rest.bytes_read, rest.sha256) == (len(content) - 1000, "unknown")
    opened = await here.log.wait_for("sftp", "TS001I", 3)
    assert opened[1].resolved_path == f"{ground}/in/large"
    (summary,) = await here.log.wait_for("sftp_summary")
    assert [one.sha256 for one in summary.file_transfer_stats] == [whole, whole, "unknown"]


async def test_the_log_knows_what_an_old_copy_carried(here: Site, ground: Path, tmp_path: Path) -> None:
    content = os.urandom(700_000)
    (tmp_path / "large").write_bytes(content)
    person = here.person()
    for target in (f"{ground}/in/", f'"$(dirname {ground}/in/x)"/other'):  # without a shell, and by one
        words = ["scp", "-q", "-O", *person.options("-P", str(here.port)), f"{tmp_path}/large"]
        ran = await run([*words, f"{ME}@127.0.0.1:{target}"])
        assert ran.status == 0, ran.err
    events = await here.log.wait_for("scp", "T3005I", 2)
    assert [(event.len, event.sha256) for event in events] == [
        (len(content), hashlib.sha256(content).hexdigest())
    ] * 2
