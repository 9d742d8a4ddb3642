"""`teleport start`: from flags and file to running services, until a signal ends them."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.foundation.errors import BadParameter


def arguments(parser: Arguments) -> None:
    parser.add_argument("-c", "--config", default="", metavar="FILE", help="configuration file [/etc/teleport.yaml]")
    parser.add_argument("--config-string", default="", metavar="BASE64", help="the whole file as base64 text")
    parser.add_argument("-r", "--roles", default="", metavar="ROLES", help="services to start: auth,proxy,node")
    parser.add_argument("--auth-server", default="", metavar="ADDR", help="proxy or auth server to join")
    parser.add_argument("--token", default="", help="join token, or the absolute path of a file that holds it")
    parser.add_argument("--ca-pin", action="append", default=[], metavar="PIN", help="expected authority: sha256:…")
    parser.add_argument("--data-dir", default="", metavar="DIR", help="where state is kept [/var/lib/teleport]")
    parser.add_argument("--nodename", default="", metavar="NAME", help="name of this host in the cluster [host name]")
    parser.add_argument("--labels", default="", metavar="K=V,…", help="labels of the SSH service")
    parser.add_argument("-l", "--listen-ip", default="", metavar="IP", help="address to listen on [0.0.0.0]")
    parser.add_argument("--advertise-ip", default="", metavar="IP", help="address told to others")
    parser.add_argument("--pid-file", default="", metavar="FILE", help="write the process id here")
    parser.add_argument("--diag-addr", default="", metavar="ADDR", help="serve /healthz, /readyz and /metrics here")
    parser.switch("--insecure", help="do not verify certificates of servers outside the cluster; for trials only")
    parser.switch("--skip-version-check", help="start although the cluster is older than this program")
    parser.examples(
        "teleport start",
        "teleport start -c /etc/teleport.yaml --pid-file=/run/teleport.pid",
        "teleport start --roles=node --auth-server=tele.example.com:3080 --token=/run/token --labels=env=prod",
    )


def run(options: Namespace) -> int:
    from teleport.process.config import CommandLine, load_settings
    from teleport.process.run import run_process

    flags = CommandLine(
        config=options.config,
        config_string=options.config_string,
        roles=words(options.roles),
        token=options.token,
        auth_server=options.auth_server,
        ca_pins=tuple(pin for text in options.ca_pin for pin in words(text)),
        data_dir=options.data_dir,
        nodename=options.nodename,
        labels=labels(options.labels),
        listen_ip=options.listen_ip,
        advertise_ip=options.advertise_ip,
        pid_file=options.pid_file,
        diag_addr=options.diag_addr,
        insecure=bool(options.insecure),
        skip_version_check=bool(options.skip_version_check),
        debug=options.debug,
    )
    return run_process(load_settings(flags))


def words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def labels(text: str) -> dict[str, str]:
    """`env=prod,team=db`. Raises BadParameter."""
    found: dict[str, str] = {}
    for word in words(text):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise BadParameter(f"--labels: {word!r}: expected the form key=value,key=value")
        found[key] = value
    return found
