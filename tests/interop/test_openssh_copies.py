"""scp, sftp and rsync of the stock kind copy to and from our SSH service, and the log tells file by file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from ssh_post import ME, ROLE, Person, Site, run, site


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of several sizes in folders, some with awkward names."""
    root = tmp_path / "tree"
    (root / "deep" / "deeper").mkdir(parents=True)
    (root / "one").write_bytes(b"1")
    (root / "empty").write_bytes(b"")
    (root / "deep" / "한글 name").write_bytes(os.urandom(100_000))
    (root / "deep" / "deeper" / "large").write_bytes(os.urandom(3_000_000))
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def scp(person: Person, *words: str) -> list[str]:
    return ["scp", "-q", *person.options("-P", str(person.site.port)), *words]


@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "old protocol"])
async def test_scp_copies_a_tree_both_ways(here: Site, tree: Path, tmp_path: Path, protocol: str) -> None:
    person = here.person()
    up = await run(scp(person, protocol, "-r", str(tree), f"{ME}@127.0.0.1:{tmp_path}/up"))
    assert (up.status, up.err) == (0, b"")
    down = await run(scp(person, protocol, "-r", f"{ME}@127.0.0.1:{tmp_path}/up", f"{tmp_path}/down"))
    assert (down.status, down.err) == (0, b"")
    assert contents(tmp_path / "up") == contents(tmp_path / "down") == contents(tree)


async def test_every_file_of_an_sftp_copy_is_told(here: Site, tree: Path, tmp_path: Path) -> None:
    await run(scp(here.person(), "-s", "-r", str(tree), f"{ME}@127.0.0.1:{tmp_path}/up"))
    (summary,) = await here.log.wait_for("sftp_summary")
    written = {stat.path: stat.bytes_written for stat in summary.file_transfer_stats}
    assert written == {f"{tmp_path}/up/{name}": len(data) for name, data in contents(tree).items()}
    opened = await here.log.wait_for("sftp", "TS001I", 4)
    assert {event.path for event in opened} == set(written)
    assert {event.path for event in await here.log.wait_for("sftp", "TS012I")} >= {f"{tmp_path}/up/deep"}
    assert {event.sid for event in opened} == {summary.sid}


async def test_every_file_of_an_old_copy_is_told(here: Site, tree: Path, tmp_path: Path) -> None:
    await run(scp(here.person(), "-O", "-r", str(tree), f"{ME}@127.0.0.1:{tmp_path}/up"))
    uploads = await here.log.wait_for("scp", "T3005I", 4)
    assert {event.len for event in uploads} == {len(data) for data in contents(tree).values()}
    assert any(event.path.endswith("deep/한글 name") for event in uploads)
    await run(scp(here.person(), "-O", f"{ME}@127.0.0.1:{tree}/one", f"{tmp_path}/two"))
    (download,) = await here.log.wait_for("scp", "T3004I")
    assert (download.len, download.action) == (1, "download")


async def test_sftp_does_what_it_is_told_and_tells_what_failed(here: Site, tmp_path: Path) -> None:
    person = here.person()
    (tmp_path / "file").write_text("content")
    batch = tmp_path / "batch"
    batch.write_text(
        f"cd {tmp_path}\nmkdir made\nput file made/copy\nrename made/copy made/moved\nchmod 600 made/moved\n"
        "symlink moved made/link\nls -l made\nget made/moved back\nrm made/link\nrm made/moved\nrmdir made\n"
        "-rm not-there\n"
    )
    command = ["sftp", "-q", "-b", str(batch), *person.options("-P", str(here.port)), f"{ME}@127.0.0.1"]
    ran = await run(command, cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert (tmp_path / "back").read_text() == "content"
    assert not (tmp_path / "made").exists()
    (failed,) = await here.log.wait_for("sftp", "TS011E")
    assert (failed.path, failed.error) == (f"{tmp_path}/not-there", "no such file")
    for code in ("TS012I", "TS016I", "TS018I", "TS007I", "TS011I", "TS013I"):
        await here.log.wait_for("sftp", code)


async def test_rsync_copies_a_tree(here: Site, tree: Path, tmp_path: Path) -> None:
    person = here.person()
    shell = " ".join(["ssh", *person.options("-p", str(here.port))])
    ran = await run(["rsync", "-a", "-e", shell, f"{tree}/", f"{ME}@127.0.0.1:{tmp_path}/up/"])
    assert (ran.status, ran.err) == (0, b"")
    assert contents(tmp_path / "up") == contents(tree)


@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "old protocol"])
async def test_copies_are_refused_where_roles_forbid_them(
    here: Site, tree: Path, tmp_path: Path, protocol: str
) -> None:
    await here.apply(ROLE + "    ssh_file_copy: false\n")
    ran = await run(scp(here.person(), protocol, f"{tree}/one", f"{ME}@127.0.0.1:{tmp_path}/up"))
    assert ran.status != 0
    assert b"not allowed here by your roles" in ran.err
    assert not (tmp_path / "up").exists()
    await here.log.wait_for(*{"-s": ("sftp", "TS020E"), "-O": ("scp", "T3010E")}[protocol])


async def test_a_client_of_another_make_finds_all_of_version_three_and_the_extensions(
    here: Site, tmp_path: Path
) -> None:
    person = here.person()
    async with (
        asyncssh.connect(
            "127.0.0.1", here.port, username=ME, config=None, known_hosts=str(here.directory / "known_hosts"),
            client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))], agent_path=None,
        ) as connection,
        connection.start_sftp_client() as files,
    ):  # fmt: skip
        assert files.version == 3
        assert files.limits.max_read_len == 255 << 10
        async with files.open(f"{tmp_path}/one", "wb", asyncssh.SFTPAttrs(permissions=0o640)) as file:
            await file.write(b"0123456789")
            await file.write(b"ab", 5)
            await file.fsync()
            assert (await file.stat()).size == 10
            await file.setstat(asyncssh.SFTPAttrs(size=8))
            assert (await file.statvfs()).bsize > 0
        assert (tmp_path / "one").read_bytes() == b"01234ab7"
        async with files.open(f"{tmp_path}/one", "ab") as file:
            await file.write(b"!")
        await files.link(f"{tmp_path}/one", f"{tmp_path}/hard")
        assert (tmp_path / "hard").stat().st_nlink == 2
        await files.symlink("one", f"{tmp_path}/soft")
        assert await files.readlink(f"{tmp_path}/soft") == "one"
        assert os.readlink(tmp_path / "soft") == "one"
        await files.utime(f"{tmp_path}/soft", (7, 8), follow_symlinks=False)
        assert (await files.lstat(f"{tmp_path}/soft")).mtime == 8
        assert (await files.stat(f"{tmp_path}/soft")).size == 9
        await files.posix_rename(f"{tmp_path}/hard", f"{tmp_path}/one")
        with pytest.raises(asyncssh.SFTPFailure):
            await files.rename(f"{tmp_path}/soft", f"{tmp_path}/one")
        await files.makedirs(f"{tmp_path}/a/b/c")
        assert await files.realpath(f"{tmp_path}/a/b/../b/c") == f"{tmp_path.resolve()}/a/b/c"
        assert {entry.filename for entry in await files.readdir(f"{tmp_path}/a")} == {".", "..", "b"}
        assert (await files.statvfs(str(tmp_path))).namemax >= 255
        await files.rmtree(f"{tmp_path}/a")
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await files.stat(f"{tmp_path}/a")
    for code in ("TS001I", "TS002I", "TS007I", "TS009I", "TS010I", "TS012I", "TS013I", "TS016I", "TS018I", "TS019I"):
        await here.log.wait_for("sftp", code)
    (failed,) = await here.log.wait_for("sftp", "TS016E")
    assert failed.error == "file exists"
