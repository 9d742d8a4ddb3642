"""`tsh scp`"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from teleport.cli.arguments import Arguments
from teleport.cli.tsh import hosts
from teleport.client.dialer import Wanted
from teleport.client.targets import Location, parse_location
from teleport.foundation.errors import BadParameter, Unsupported

if TYPE_CHECKING:
    from asyncssh import SFTPClient


def arguments(parser: Arguments) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="sources and, last, the target; [USER@]HOST:PATH")
    parser.switch("-r", "--recursive", help="copy directories with all they hold")
    parser.switch("-p", "--preserve", help="keep modes and times")
    parser.add_argument("-P", "--port", type=int, default=0, help="port of the server")
    parser.switch("-q", "--quiet", help="no progress")
    parser.examples("tsh scp notes.txt root@web-1:/tmp/", "tsh scp -r root@web-1:/etc/nginx .")


def run(options: Namespace) -> int:
    sources, target, wanted, up = plan(options.paths)
    from teleport.cli.output import Progress
    from teleport.cli.tsh.copying import with_sftp
    from teleport.client import sftp

    bars: dict[str, Progress] = {}

    def progress(name: str, done: int, total: int, final: bool) -> None:
        bar = bars.setdefault(name, Progress(_elapsed(), quiet=bool(options.quiet)))
        bar.update(name, done, total, final=final)
        if final:
            bars.clear()

    choice = sftp.CopyChoice(bool(options.recursive), bool(options.preserve), progress)

    async def work(client: SFTPClient) -> int:
        copy = sftp.upload if up else sftp.download
        await copy(client, sources, target, choice)
        return 0

    return with_sftp(options, wanted._replace(port=options.port), work, headless=True)


def plan(paths: list[str]) -> tuple[list[str], str, Wanted, bool]:
    """Sources, target, the server, and whether it is the target. Exactly one side is remote."""
    if len(paths) < 2:
        raise BadParameter("expected sources and a target")
    *sources, target = (parse_location(path) for path in paths)
    hosts = {(source.host, source.user) for source in sources}
    if len(hosts) > 1:
        raise BadParameter("all sources must be on one side, on one server")
    source = sources[0]
    if source.host and target.host:
        raise Unsupported("copies from one server to another are not offered; copy through this machine")
    if not source.host and not target.host:
        raise BadParameter("neither side is a server: write it as HOST:PATH")
    remote: Location = source if source.host else target
    wanted = Wanted(remote.host, remote.user)
    goal = target.path or ("" if target.host else ".")
    return [location.path for location in sources], goal, wanted, bool(target.host)


def _elapsed() -> Callable[[], float]:
    started = time.monotonic()
    return lambda: time.monotonic() - started


def complete(behind: list[str], current: str) -> list[str]:
    """Servers, where no local file is meant; the shell completes files itself."""
    return [] if "/" in current or ":" in current else [f"{host}:" for host in hosts.candidates(current)]
