"""`teleport join openssh`: make this host's own sshd a server of a cluster; run again, renew what it was given."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.foundation.errors import BadParameter

_DEFAULT_PORT = 22


def arguments(parser: Arguments) -> None:
    openssh = parser.subcommand("openssh", "make this host's sshd a server of a cluster, or renew what it has", run)
    openssh.add_argument("--proxy-server", default="", metavar="ADDR", help="proxy of the cluster")
    openssh.add_argument("--token", default="", help="join token, or a file's absolute path; not needed to renew")
    openssh.add_argument("--join-method", default="token", metavar="METHOD", help="how to join [token]")
    openssh.add_argument("--address", default="", metavar="HOST[:PORT]", help="where the proxy reaches sshd")
    openssh.add_argument("--labels", default="", metavar="K=V,…", help="labels of this server")
    openssh.add_argument(
        "--additional-principals", default="", metavar="NAME,…", help="more names for the host certificate"
    )
    openssh.add_argument("--node-name", default="", metavar="NAME", help="name of this host [its host name]")
    openssh.add_argument("--openssh-config", default="/etc/ssh/sshd_config", metavar="FILE", help="sshd's file")
    openssh.add_argument("--openssh-keys-path", default="/etc/teleport", metavar="DIR", help="where keys are written")
    openssh.add_argument("--data-dir", default="/var/lib/teleport", metavar="DIR", help="where state is kept")
    openssh.add_argument(
        "--restart-sshd",
        nargs="?",
        const="true",
        default="true",
        metavar="true|false|COMMAND",
        help="let sshd take it up: by the service manager, not at all, or by a command of yours [true]",
    )
    openssh.add_argument("--ca-pin", action="append", default=[], metavar="PIN", help="expected host authority")
    openssh.switch("--insecure", help="do not check whom is joined")
    openssh.examples(
        "teleport join openssh --proxy-server=tele.example.com:443 --token=/run/token --labels=env=prod",
        "teleport join openssh --proxy-server=tele.example.com:443      renew, from a timer",
    )


def run(options: Namespace) -> int:
    import asyncio
    import shlex
    import socket
    from pathlib import Path

    from teleport.agent.openssh import joining, sshd_config
    from teleport.agent.registration import Enrolment
    from teleport.cli.teleport.start import labels, words
    from teleport.credentials.join.methods import method_named
    from teleport.foundation.clock import SystemClock
    from teleport.net.address import parse_address
    from teleport.process import data_dir

    if not options.proxy_server:
        raise BadParameter("--proxy-server is missing: name the proxy of the cluster, host:port")
    method_named(options.join_method)
    sshd = sshd_config.SshdConfig(Path(options.openssh_config).absolute(), Path(options.openssh_keys_path).absolute())
    sshd.check()
    proxy = parse_address(options.proxy_server, default_port=443)
    address = _address(options.address, proxy.host, proxy.port)
    host = address.rpartition(":")[0].strip("[]")
    folder = Path(options.data_dir) / "openssh"
    data_dir.prepare(folder)
    with data_dir.locked(folder):
        enrolment = Enrolment(
            server=proxy,
            token=_token(options.token),
            host_id=data_dir.host_id(folder),
            node_name=options.node_name or socket.gethostname(),
            ca_pins=tuple(options.ca_pin),
            principals=tuple(dict.fromkeys((host, *words(options.additional_principals)))),
            insecure=bool(options.insecure),
        )
        server = joining.OpensshServer(address, labels(options.labels))
        joined = asyncio.run(joining.join(folder, enrolment, server, SystemClock()))
        sshd.write(joined.credentials)
    done = "renewed as" if joined.was_known else "joined as"
    print(f"{enrolment.node_name} {done} {joined.host_id} of the cluster {joined.cluster}, reached at {address}")
    print(f"The host certificate is good until {joined.expires:%Y-%m-%d}: run this again before, without --token")
    match options.restart_sshd:
        case "false" | "no":
            print("sshd was not restarted: it takes this up at its next start")
        case "true" | "yes":
            sshd_config.restart(sshd_config.usual_restart())
        case command:
            sshd_config.restart(shlex.split(command))
    return 0


def _address(text: str, proxy_host: str, proxy_port: int) -> str:
    """Where the proxy reaches this host: as told, or by the address from which this host reaches the proxy."""
    import socket

    from teleport.net.address import parse_address

    if not text:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((proxy_host, proxy_port))  # sends nothing
            except OSError as problem:
                raise BadParameter(f"{proxy_host}: {problem.strerror}: give --address") from problem
            text = str(probe.getsockname()[0])
    return str(parse_address(text, default_port=_DEFAULT_PORT))


def _token(text: str) -> str:
    from pathlib import Path

    if not text.startswith("/"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise BadParameter(f"--token: {text}: {problem.strerror}") from problem
