"""`tsh sftp`: a small prompt to look around and copy."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh import denials, hosts
from teleport.cli.tsh.sftp_browser import Browser
from teleport.client.files import read_text
from teleport.client.targets import parse_location, parse_target
from teleport.foundation.errors import TeleportError

if TYPE_CHECKING:
    from asyncssh import SFTPClient


def arguments(parser: Arguments) -> None:
    parser.add_argument("target", metavar="[USER@]HOST[:PATH]", help="the server, and where to begin")
    parser.add_argument("-b", "--batch", metavar="FILE", help="read commands from a file, - for the input")
    parser.add_argument("-P", "--port", type=int, default=0, help="port of the server")
    parser.add_argument("--limit", type=int, metavar="KBIT", help="so many Kbit/s at most")
    parser.switch("-q", "--quiet", help="no progress")
    parser.switch("-C", "--compress", help="kept for scripts; connections are not compressed")
    denials.add_flags(parser)
    parser.examples("tsh sftp root@web-1", "echo 'get /etc/hosts' | tsh sftp -b - root@web-1")


def run(options: Namespace) -> int:
    location = parse_location(options.target)
    name = f"{location.user}@{location.host}" if location.user else location.host
    wanted = parse_target(name or options.target)
    from teleport.cli.tsh.copying import with_sftp

    async def work(clients: Sequence[SFTPClient]) -> int:
        start = location.path if location.host else ""
        limit = (options.limit or 0) * 1000 / 8
        browser = Browser(clients[0], start, limit=limit, quiet=bool(options.quiet))
        return await _converse(browser, options.batch)

    return with_sftp(options, [wanted._replace(port=options.port)], work)


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
        may_fail = words[0].startswith("-")
        try:
            await browser.do(words[0].removeprefix("-"), words[1:])
        except (TeleportError, OSError) as problem:
            if stop_at_errors and not may_fail:
                raise
            print(output.printable(str(problem)), file=sys.stderr)
    return 0


def complete(behind: list[str], current: str) -> list[str]:
    return hosts.candidates(current)
