"""`teleport node configure`: print the file of an SSH server that joins a cluster."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.teleport.configure import cluster_of
from teleport.cli.teleport.sample import text
from teleport.cli.teleport.writing import deliver
from teleport.foundation.errors import BadParameter


def arguments(parser: Arguments) -> None:
    configure = parser.subcommand("configure", "print the file of an SSH server that joins a cluster", run)
    configure.add_argument("-o", "--output", default="stdout", metavar="WHERE", help="stdout, file or file:///path")
    configure.add_argument("--proxy", default="", metavar="ADDR", help="proxy of the cluster")
    configure.add_argument("--auth-server", default="", metavar="ADDR", help="auth server of the cluster")
    configure.add_argument("--token", default="", help="join token, or a file's absolute path")
    configure.add_argument("--labels", dest="node_labels", default="", metavar="K=V,…", help="labels of this server")
    configure.add_argument("--ca-pin", default="", metavar="PIN", help="expected host authority of the cluster")
    configure.add_argument("--join-method", default="token", metavar="METHOD", help="how to join [token]")
    configure.add_argument("--node-name", default="", metavar="NAME", help="name of this host")
    configure.add_argument("--data-dir", default="/var/lib/teleport", metavar="DIR", help="where state is kept")
    configure.examples("teleport node configure --proxy=tele.example.com:443 --token=/run/token -o file")


def run(options: Namespace) -> int:
    if bool(options.proxy) == bool(options.auth_server):
        raise BadParameter("give --proxy or --auth-server, one of the two")
    deliver(text(cluster_of(options, ("node",))), options.output)
    return 0
