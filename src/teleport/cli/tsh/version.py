"""`tsh version`"""

from __future__ import annotations

import sys
from argparse import Namespace

from teleport import __version__
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.version import runtime, version_line
from teleport.client.profile import ProfileStore, home_directory, split_proxy
from teleport.foundation.errors import TeleportError


def arguments(parser: Arguments) -> None:
    parser.switch("--client", help="only the version of this program")
    parser.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")


def run(options: Namespace) -> int:
    proxy = "" if options.client else options.proxy or ProfileStore(home_directory()).current_name()
    server, address = _ask(proxy, insecure=bool(options.insecure)) if proxy else ("", "")
    if options.format != "text":
        document = {"version": __version__, "gitref": "", "runtime": runtime()}
        if address:
            document |= {"proxyVersion": server, "proxyPublicAddress": address}
        output.show(document, options.format)
        return 0
    print(version_line())
    if address:
        print(f"Proxy version: {server}\nProxy: {address}")
    return 0


def _ask(proxy: str, *, insecure: bool) -> tuple[str, str]:
    """Version and address of the proxy; what it cannot tell is left out with a warning."""
    from teleport.client import public_api

    try:
        store = ProfileStore(home_directory())
        known = store.load(split_proxy(proxy)[0]).text("web_proxy_addr") if proxy in store.names() else proxy
        host, port = public_api.find_proxy(known)
        authorities = store.known_authorities(host)
        with public_api.connect(host, port, insecure=insecure, authorities=authorities) as client:
            answer = public_api.ping(client)
    except TeleportError as problem:
        print(f"WARNING: {problem}", file=sys.stderr)
        return "", ""
    return answer.server_version, f"{host}:{port}"
