"""`tsh config`"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import PurePath

from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client.openssh_config import DEFAULT_PORT, SshConfig
from teleport.client.profile import ProfileStore
from teleport.foundation.errors import BadParameter


def arguments(parser: Arguments) -> None:
    parser.add_argument("-p", "--port", type=int, default=DEFAULT_PORT, help="port of the servers")
    parser.examples("tsh config > ssh_config; ssh -F ssh_config root@web-1.example.com")


def run(options: Namespace) -> int:
    account = account_of(options)
    if account.profile is None:
        raise BadParameter("an identity file has no known_hosts of its own; log in with `tsh login`")
    paths = ProfileStore(account.home).paths(account.profile)
    config = SshConfig(
        proxy=account.address,
        proxy_host=account.host,
        clusters=(account.root_cluster,),
        known_hosts=PurePath(paths.known_hosts),
        key=PurePath(paths.ssh_key),
        session_certificate=PurePath(paths.session_certificate(account.cluster)),
        certificate=PurePath(paths.ssh_certificate(account.cluster)),
        program=program(),
        port=options.port,
        pass_descriptor=os.name != "nt",
    )
    if os.name == "nt" and os.environ.get("TELEPORT_HOME"):
        print("# TELEPORT_HOME must be set as it is now where ssh runs with this configuration")
    print(config.to_text(), end="")
    return 0


def program() -> tuple[str | PurePath, ...]:
    """The command that starts this program again, with the home directory it uses now."""
    started = sys.argv[0]
    path = os.path.abspath(started) if os.path.basename(started) == "tsh" else _on_path()
    is_known = path and os.access(path, os.X_OK)
    command = (PurePath(path),) if is_known else (PurePath(sys.executable), "-m", "teleport.cli.tsh")
    home = os.environ.get("TELEPORT_HOME")
    return ("env", f"TELEPORT_HOME={os.path.abspath(home)}", *command) if home and os.name != "nt" else command


def _on_path() -> str:
    import shutil

    return shutil.which("tsh") or ""
