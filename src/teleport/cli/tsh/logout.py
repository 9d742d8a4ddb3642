"""`tsh logout`"""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.client import key_agent
from teleport.client.profile import ProfileStore, home_directory, split_proxy
from teleport.foundation.errors import NotFound


def arguments(parser: Arguments) -> None:
    parser.examples("tsh logout", "tsh logout --proxy=teleport.example.com --user=alice")


def run(options: Namespace) -> int:
    from teleport.client import daemon_link

    store = ProfileStore(home_directory())
    daemon_link.stop(store.home)
    if not options.proxy:
        for name in store.names():
            _forget(store, name)
        print("Logged out all users from all proxies.")
        return 0
    name = split_proxy(options.proxy)[0]
    profile = store.load(name)
    if options.user and profile.user != options.user:
        raise NotFound(f"{options.user} is not logged in at {name}")
    _forget(store, name)
    print(f"Logged out {profile.user} from {name}.")
    return 0


def _forget(store: ProfileStore, name: str) -> None:
    key_agent.remove_profile(name)
    store.delete(name)
