"""`tsh env`"""

from __future__ import annotations

import shlex
from argparse import Namespace

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of


def arguments(parser: Arguments) -> None:
    parser.switch("--unset", help="print commands that clear the variables")
    parser.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    parser.examples("eval $(tsh env)", "eval $(tsh env --unset)")


def run(options: Namespace) -> int:
    if options.unset:
        print("unset TELEPORT_PROXY\nunset TELEPORT_CLUSTER")
        return 0
    account = account_of(options)
    values = {"TELEPORT_PROXY": account.address, "TELEPORT_CLUSTER": account.cluster}
    if options.format != "text":
        output.show(values, options.format)
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items()))
    return 0
