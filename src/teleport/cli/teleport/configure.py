"""`teleport configure`: print a commented file for a cluster, or test one."""

from __future__ import annotations

import sys
from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.teleport.sample import Cluster, text
from teleport.cli.teleport.start import labels, words
from teleport.cli.teleport.writing import deliver
from teleport.foundation.errors import BadParameter


def arguments(parser: Arguments) -> None:
    parser.add_argument("-o", "--output", default="stdout", metavar="WHERE", help="stdout, file or file:///path")
    parser.add_argument("--test", default="", metavar="FILE", help="check a file; exit status 1 if it is wrong")
    parser.add_argument("--version", default="v3", metavar="V", help="version of the file format [v3]")
    parser.add_argument("--cluster-name", default="", metavar="NAME", help="name of the cluster")
    parser.add_argument("--node-name", default="", metavar="NAME", help="name of this host")
    parser.add_argument("--data-dir", default="/var/lib/teleport", metavar="DIR", help="where state is kept")
    parser.add_argument("--public-addr", default="", metavar="ADDR", help="public address of the proxy")
    parser.add_argument("--cert-file", default="", metavar="FILE", help="certificate chain of the proxy")
    parser.add_argument("--key-file", default="", metavar="FILE", help="its private key")
    parser.add_argument("--roles", default="auth,proxy,node", metavar="ROLES", help="services [auth,proxy,node]")
    parser.add_argument("--token", default="", help="join token, or a file's absolute path")
    parser.add_argument("--auth-server", default="", metavar="ADDR", help="auth server to join")
    parser.add_argument("--proxy", default="", metavar="ADDR", help="proxy to join")
    parser.add_argument("--ca-pin", default="", metavar="PIN", help="expected host authority")
    parser.add_argument("--join-method", default="token", metavar="METHOD", help="how to join [token]")
    parser.add_argument("--node-labels", default="", metavar="K=V,…", help="labels of the SSH service")
    parser.switch("--silent", help="print nothing but the file")
    parser.examples("teleport configure > /etc/teleport.yaml", "teleport configure --test /etc/teleport.yaml")


def run(options: Namespace) -> int:
    if options.test:
        from teleport.process.config import CommandLine, load_settings

        for line in load_settings(CommandLine(config=options.test)).idle:
            print(f"WARNING: {line}", file=sys.stderr)
        print(f"OK {options.test}")
        return 0
    if options.version != "v3":
        raise BadParameter(f"--version: {options.version!r}: files are written in version v3")
    if bool(options.cert_file) != bool(options.key_file):
        raise BadParameter("give --cert-file and --key-file together")
    deliver(text(cluster_of(options, words(options.roles))), options.output)
    return 0


def cluster_of(options: Namespace, roles: tuple[str, ...]) -> Cluster:
    """What the flags that both forms of the command share say."""
    return Cluster(
        cluster_name=getattr(options, "cluster_name", ""),
        nodename=options.node_name,
        data_dir=options.data_dir,
        public_addr=getattr(options, "public_addr", ""),
        cert_file=getattr(options, "cert_file", ""),
        key_file=getattr(options, "key_file", ""),
        roles=roles,
        labels=tuple(labels(options.node_labels).items()),
        token=options.token,
        auth_server=options.auth_server,
        proxy=options.proxy,
        ca_pin=options.ca_pin,
        join_method=options.join_method,
    )
