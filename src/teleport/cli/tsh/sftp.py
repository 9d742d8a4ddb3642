"""`tsh sftp`: a small prompt to look around and copy."""

from __future__ import annotations

import os
import posixpath
import shlex
import stat
import sys
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh import hosts
from teleport.client.files import read_text
from teleport.client.targets import parse_location, parse_target
from teleport.foundation.errors import BadParameter, TeleportError

if TYPE_CHECKING:
    from asyncssh import SFTPClient


def arguments(parser: Arguments) -> None:
    parser.add_argument("target", metavar="[USER@]HOST[:PATH]", help="the server, and where to begin")
    parser.add_argument("-b", "--batch", metavar="FILE", help="read commands from a file, - for the input")
    parser.examples("tsh sftp root@web-1", "echo 'get /etc/hosts' | tsh sftp -b - root@web-1")


def run(options: Namespace) -> int:
    location = parse_location(options.target)
    name = f"{location.user}@{location.host}" if location.user else location.host
    wanted = parse_target(name or options.target)
    from teleport.cli.tsh.copying import with_sftp

    async def work(client: SFTPClient) -> int:
        browser = Browser(client, location.path if location.host else "")
        return await _converse(browser, options.batch)

    return with_sftp(options, wanted, work)


async def _converse(browser: Browser, batch: str | None) -> int:
    await browser.begin()
    if batch and batch != "-":
        return await _obey(browser, read_text(batch).splitlines(), stop_at_errors=True)
    if batch == "-" or not sys.stdin.isatty():
        return await _obey(browser, sys.stdin, stop_at_errors=True)
    import asyncio
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives the prompt its history and editing
    while True:
        try:
            line = await asyncio.to_thread(input, "sftp> ")
        except EOFError:
            return 0
        if await _obey(browser, [line], stop_at_errors=False) == LEFT:
            return 0


LEFT = -1


async def _obey(browser: Browser, lines: Iterable[str], *, stop_at_errors: bool) -> int:
    for line in lines:
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] in ("bye", "exit", "quit"):
            return 0 if stop_at_errors else LEFT
        try:
            await browser.do(words[0], words[1:])
        except (TeleportError, OSError) as problem:
            if stop_at_errors:
                raise
            print(output.printable(str(problem)), file=sys.stderr)
    return 0


class Browser:
    """The commands of the prompt, and where both sides are."""

    def __init__(self, client: SFTPClient, start: str) -> None:
        self._client = client
        self._where = start or "."
        self._commands: dict[str, tuple[str, Callable[[list[str]], Awaitable[None]]]] = {
            "ls": ("ls [-l] [PATH]", self._ls),
            "cd": ("cd PATH", self._cd),
            "pwd": ("pwd", self._pwd),
            "lcd": ("lcd PATH", self._lcd),
            "lpwd": ("lpwd", self._lpwd),
            "get": ("get [-r] [-p] REMOTE [LOCAL]", self._get),
            "put": ("put [-r] [-p] LOCAL [REMOTE]", self._put),
            "mkdir": ("mkdir PATH", self._mkdir),
            "rmdir": ("rmdir PATH", self._rmdir),
            "rm": ("rm PATH", self._rm),
            "rename": ("rename OLD NEW", self._rename),
            "chmod": ("chmod MODE PATH", self._chmod),
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

    async def _ls(self, words: list[str]) -> None:
        long, rest = _flags(words, "l")
        path = self._at(rest[0]) if rest else self._where
        if not await self._client.isdir(path):
            names = [await self._client.lstat(path)]
            print(_entry(posixpath.basename(path), names[0].permissions, names[0].size, names[0].mtime, "l" in long))
            return
        entries = [entry async for entry in self._client.scandir(path)]
        for entry in sorted(entries, key=lambda entry: str(entry.filename)):
            if str(entry.filename) not in (".", ".."):
                attributes = entry.attrs
                print(
                    _entry(
                        str(entry.filename), attributes.permissions, attributes.size, attributes.mtime, "l" in long
                    )
                )

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

    async def _get(self, words: list[str]) -> None:
        await self._copy(words, up=False)

    async def _put(self, words: list[str]) -> None:
        await self._copy(words, up=True)

    async def _copy(self, words: list[str], *, up: bool) -> None:
        from teleport.client.sftp import CopyChoice, download, upload

        flags, rest = _flags(words, "rp")
        if not 1 <= len(rest) <= 2:
            raise BadParameter("expected a source and perhaps a target")
        started = time.monotonic()
        bar = output.Progress(lambda: time.monotonic() - started)
        choice = CopyChoice("r" in flags, "p" in flags, lambda *args: bar.update(*args[:3], final=args[3]))
        if up:
            await upload(self._client, rest[:1], self._at(rest[1]) if len(rest) > 1 else self._where, choice)
        else:
            await download(self._client, [self._at(rest[0])], rest[1] if len(rest) > 1 else ".", choice)

    async def _mkdir(self, words: list[str]) -> None:
        await self._client.mkdir(self._at(_one(words, "mkdir PATH")))

    async def _rmdir(self, words: list[str]) -> None:
        await self._client.rmdir(self._at(_one(words, "rmdir PATH")))

    async def _rm(self, words: list[str]) -> None:
        await self._client.remove(self._at(_one(words, "rm PATH")))

    async def _rename(self, words: list[str]) -> None:
        if len(words) != 2:
            raise BadParameter("rename OLD NEW")
        await self._client.rename(self._at(words[0]), self._at(words[1]))

    async def _chmod(self, words: list[str]) -> None:
        if len(words) != 2 or not words[0].isdigit():
            raise BadParameter("chmod MODE PATH, the mode in octal")
        await self._client.chmod(self._at(words[1]), int(words[0], 8))

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


def complete(behind: list[str], current: str) -> list[str]:
    return hosts.candidates(current)
