"""The commands of `tsh sftp`."""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from teleport.cli import output
from teleport.foundation.errors import BadParameter

if TYPE_CHECKING:
    from asyncssh import SFTPAttrs, SFTPClient


class Browser:
    """The commands of the prompt, and where both sides are."""

    def __init__(self, client: SFTPClient, start: str, *, limit: float = 0.0, quiet: bool = False) -> None:
        """`limit`: bytes per second of copies, 0 for none."""
        self._client = client
        self._limit = limit
        self._quiet = quiet
        self._where = start or "."
        self._commands: dict[str, tuple[str, Callable[[list[str]], Awaitable[None]]]] = {
            "ls": ("ls [-l] [PATH]", self._ls),
            "cd": ("cd PATH", self._cd),
            "pwd": ("pwd", self._pwd),
            "lcd": ("lcd PATH", self._lcd),
            "lpwd": ("lpwd", self._lpwd),
            "lls": ("lls [PATH]", self._lls),
            "lmkdir": ("lmkdir PATH", self._lmkdir),
            "get": ("get [-arp] REMOTE [LOCAL]", self._get),
            "mget": ("mget [-arp] REMOTE...", self._get_many),
            "reget": ("reget [-rp] REMOTE [LOCAL]", self._get_again),
            "put": ("put [-arp] LOCAL [REMOTE]", self._put),
            "mput": ("mput [-arp] LOCAL...", self._put_many),
            "reput": ("reput [-rp] LOCAL [REMOTE]", self._put_again),
            "mkdir": ("mkdir PATH", self._mkdir),
            "rmdir": ("rmdir PATH", self._rmdir),
            "rm": ("rm PATH...", self._rm),
            "ln": ("ln [-s] OLD NEW", self._ln),
            "rename": ("rename OLD NEW", self._rename),
            "chmod": ("chmod MODE PATH...", self._chmod),
            "df": ("df [PATH]", self._df),
            "help": ("help", self._help),
        }

    async def begin(self) -> None:
        from teleport.client.sftp import Explained, from_home

        with Explained(self._where):
            self._where = str(await self._client.realpath(from_home(self._where)))

    async def do(self, name: str, words: list[str]) -> None:
        """Raises BadParameter for a command that is none."""
        from teleport.client.sftp import Explained

        if name not in self._commands:
            raise BadParameter(f"{name}: no such command, try help")
        with Explained(next((word for word in words if not word.startswith("-")), "")):
            await self._commands[name][1](words)

    def _at(self, path: str) -> str:
        return posixpath.join(self._where, path)

    async def _each(self, words: list[str], usage: str) -> list[str]:
        """The paths that are meant, wildcards expanded. Raises BadParameter, NotFound."""
        from teleport.client.places import RemotePlace

        if not words:
            raise BadParameter(usage)
        place = RemotePlace(self._client)
        return [path for word in words for path in await place.expand(self._at(word))]

    async def _ls(self, words: list[str]) -> None:
        flags, rest = _flags(words, "la")
        paths = await self._each(rest, "ls [-l] [PATH]") if rest else [self._where]
        for path in paths:
            if len(paths) > 1 or not await self._client.isdir(path):
                self._show(posixpath.basename(path), await self._client.lstat(path), flags)
                continue
            entries = [entry async for entry in self._client.scandir(path)]
            for entry in sorted(entries, key=lambda entry: str(entry.filename)):
                if "a" in flags or str(entry.filename) not in (".", ".."):
                    self._show(str(entry.filename), entry.attrs, flags)

    def _show(self, name: str, attributes: SFTPAttrs, flags: str) -> None:
        print(_entry(name, attributes.permissions, attributes.size, attributes.mtime, "l" in flags))

    async def _cd(self, words: list[str]) -> None:
        path = str(await self._client.realpath(self._at(_one(words, "cd PATH"))))
        if not await self._client.isdir(path):
            raise BadParameter(f"{path}: not a directory")
        self._where = path

    async def _pwd(self, words: list[str]) -> None:
        print(output.printable(self._where))

    async def _lcd(self, words: list[str]) -> None:
        os.chdir(_one(words, "lcd PATH"))

    async def _lpwd(self, words: list[str]) -> None:
        print(os.getcwd())

    async def _lls(self, words: list[str]) -> None:
        print("\n".join(map(output.printable, sorted(os.listdir(words[0] if words else ".")))))

    async def _lmkdir(self, words: list[str]) -> None:
        os.mkdir(_one(words, "lmkdir PATH"))

    async def _get(self, words: list[str]) -> None:
        await self._copy(words, up=False)

    async def _get_many(self, words: list[str]) -> None:
        await self._copy([*words, "."], up=False, many=True)

    async def _get_again(self, words: list[str]) -> None:
        await self._copy(["-a", *words], up=False)

    async def _put(self, words: list[str]) -> None:
        await self._copy(words, up=True)

    async def _put_many(self, words: list[str]) -> None:
        await self._copy([*words, "."], up=True, many=True)

    async def _put_again(self, words: list[str]) -> None:
        await self._copy(["-a", *words], up=True)

    async def _copy(self, words: list[str], *, up: bool, many: bool = False) -> None:
        from teleport.cli.tsh.copying import tell_skipped
        from teleport.client.copying import CopyChoice, End, copy
        from teleport.client.places import LocalPlace, RemotePlace

        flags, rest = _flags(words, "aRrpPf")
        if not 1 <= len(rest) <= 2 and not (many and len(rest) > 1):
            raise BadParameter("expected a source and perhaps a target")
        *sources, target = rest if len(rest) > 1 else [*rest, "."]
        choice = CopyChoice(
            "r" in flags.lower(), "p" in flags.lower(), self._progress(), "a" in flags, self._limit, tell_skipped
        )
        here, there = LocalPlace(), RemotePlace(self._client)
        if up:
            await copy(here, sources, End(there, self._at(target)), choice)
        else:
            await copy(there, [self._at(source) for source in sources], End(here, target), choice)

    def _progress(self) -> Callable[[str, int, int, bool], None]:
        started = time.monotonic()
        bar = output.Progress(lambda: time.monotonic() - started, quiet=self._quiet)
        return lambda name, done, total, final: bar.update(name, done, total, final=final)

    async def _mkdir(self, words: list[str]) -> None:
        await self._client.mkdir(self._at(_one(words, "mkdir PATH")))

    async def _rmdir(self, words: list[str]) -> None:
        await self._client.rmdir(self._at(_one(words, "rmdir PATH")))

    async def _rm(self, words: list[str]) -> None:
        for path in await self._each(words, "rm PATH..."):
            await self._client.remove(path)

    async def _ln(self, words: list[str]) -> None:
        flags, rest = _flags(words, "s")
        if len(rest) != 2:
            raise BadParameter("ln [-s] OLD NEW")
        if flags:
            await self._client.symlink(rest[0], self._at(rest[1]))
        else:
            await self._client.link(self._at(rest[0]), self._at(rest[1]))

    async def _df(self, words: list[str]) -> None:
        found = await self._client.statvfs(self._at(words[0]) if words else self._where)
        total, free = found.blocks * found.frsize, found.bavail * found.frsize
        print(f"{output.size(total)} in all, {output.size(free)} free")

    async def _rename(self, words: list[str]) -> None:
        if len(words) != 2:
            raise BadParameter("rename OLD NEW")
        await self._client.rename(self._at(words[0]), self._at(words[1]))

    async def _chmod(self, words: list[str]) -> None:
        if len(words) < 2 or not words[0].isdigit():
            raise BadParameter("chmod MODE PATH..., the mode in octal")
        for path in await self._each(words[1:], "chmod MODE PATH..."):
            await self._client.chmod(path, int(words[0], 8))

    async def _help(self, words: list[str]) -> None:
        print("\n".join([usage for usage, _ in self._commands.values()] + ["bye"]))


def _flags(words: list[str], known: str) -> tuple[str, list[str]]:
    flags = "".join(word[1:] for word in words if word.startswith("-"))
    if strange := [letter for letter in flags if letter not in known]:
        raise BadParameter(f"-{strange[0]} is not known here")
    return flags, [word for word in words if not word.startswith("-")]


def _one(words: list[str], usage: str) -> str:
    if len(words) != 1:
        raise BadParameter(usage)
    return words[0]


def _entry(name: str, mode: int | None, size: int | None, modified: float | None, long: bool) -> str:
    if not long:
        return output.printable(name)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(modified or 0))
    return f"{stat.filemode(mode or 0)} {size or 0:>12} {when} {output.printable(name)}"
