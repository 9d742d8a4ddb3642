"""`tsh scp`"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from teleport.cli.arguments import Arguments
from teleport.cli.tsh import denials, hosts
from teleport.client.dialer import Wanted
from teleport.client.targets import Location, parse_location
from teleport.foundation.errors import BadParameter

if TYPE_CHECKING:
    from asyncssh import SFTPClient


class Plan(NamedTuple):
    """What goes where. A side without a server is this machine."""

    sources: list[str]
    source: Wanted | None
    target: str
    target_server: Wanted | None


def arguments(parser: Arguments) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="sources and, last, the target; [USER@]HOST:PATH")
    parser.switch("-r", "--recursive", help="copy directories with all they hold")
    parser.switch("-p", "--preserve", help="keep modes and times")
    parser.add_argument("-P", "--port", type=int, default=0, help="port of the server")
    parser.switch("-q", "--quiet", help="no progress")
    parser.add_argument("-l", "--limit", metavar="KBIT", help="at most so many Kbit/s (a name: the login)")
    parser.switch("--resume", help="go on with files that are there in part")
    parser.switch("-C", "--compress", help="kept for scripts; connections are not compressed")
    denials.add_flags(parser)
    parser.examples(
        "tsh scp notes.txt root@web-1:/tmp/",
        "tsh scp -r root@web-1:/etc/nginx .",
        "tsh scp --resume -l 8000 root@web-1:/var/backups/*.tar .",
        "tsh scp root@web-1:/etc/hosts root@web-2:/tmp/",
    )


def run(options: Namespace) -> int:
    plan = plan_of(options.paths)
    limit = _limit(options)
    from teleport.cli.output import Progress
    from teleport.cli.tsh.copying import tell_skipped, with_sftp
    from teleport.client.copying import CopyChoice, End, copy
    from teleport.client.places import LocalPlace, RemotePlace

    bars: dict[str, Progress] = {}

    def progress(name: str, done: int, total: int, final: bool) -> None:
        bar = bars.setdefault(name, Progress(_elapsed(), quiet=bool(options.quiet)))
        bar.update(name, done, total, final=final)
        if final:
            del bars[name]

    choice = CopyChoice(
        bool(options.recursive), bool(options.preserve), progress, bool(options.resume), limit, tell_skipped
    )

    async def work(clients: Sequence[SFTPClient]) -> int:
        remote = iter([RemotePlace(client) for client in clients])
        source = next(remote) if plan.source else LocalPlace()
        target = next(remote) if plan.target_server else LocalPlace()
        await copy(source, plan.sources, End(target, plan.target), choice)
        return 0

    servers = [one._replace(port=options.port) for one in (plan.source, plan.target_server) if one is not None]
    return with_sftp(options, servers, work, headless=True)


def plan_of(paths: list[str]) -> Plan:
    """Sources are on one side; the other may be another server. Raises BadParameter."""
    if len(paths) < 2:
        raise BadParameter("expected sources and a target")
    *sources, target = (parse_location(path) for path in paths)
    if len({(source.host, source.user) for source in sources}) > 1:
        raise BadParameter("all sources must be on one side, on one server")
    if not sources[0].host and not target.host:
        raise BadParameter("neither side is a server: write it as HOST:PATH")
    goal = target.path or ("" if target.host else ".")
    return Plan([one.path for one in sources], _server(sources[0]), goal, _server(target))


def _server(location: Location) -> Wanted | None:
    return Wanted(location.host, location.user) if location.host else None


def _limit(options: Namespace) -> float:
    """Bytes per second. `-l` means a login with every other command, so a name is taken for one here too."""
    text = options.limit or "0"
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text) * 1000 / 8
    options.login = text
    return 0.0


def _elapsed() -> Callable[[], float]:
    started = time.monotonic()
    return lambda: time.monotonic() - started


def complete(behind: list[str], current: str) -> list[str]:
    """Servers, where no local file is meant; the shell completes files itself."""
    return [] if "/" in current or ":" in current else [f"{host}:" for host in hosts.candidates(current)]
