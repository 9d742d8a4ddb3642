"""`tsh login`"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from datetime import timedelta

from teleport.api.routes.public import Ping
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh import login_requests, status
from teleport.cli.tsh.who import choice_of
from teleport.client import account, identity_file, key_agent, login, login_record, prompt, public_api
from teleport.client.account import Choice
from teleport.client.profile import ProfileStore, home_directory, join_address, split_proxy
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound, TeleportError, Unsupported

FORMATS = ("file", "openssh", "tls")


def arguments(parser: Arguments) -> None:
    parser.add_argument("to", nargs="?", metavar="CLUSTER", help="select this cluster")
    parser.add_argument("-o", "--out", metavar="FILE", help="write an identity file instead of a profile")
    parser.choice("-f", "--format", choices=FORMATS, default="file", help="form of --out")
    parser.switch("--overwrite", help="replace files that exist")
    parser.add_argument(
        "--ca-pin", action="append", metavar="PIN", help="trust the cluster whose authority has this fingerprint"
    )
    parser.add_argument("--browser", metavar="none", help="print the provider's link only [TELEPORT_LOGIN_BROWSER]")
    parser.add_argument(
        "--bind-addr",
        "--callback",
        metavar="127.0.0.1:PORT",
        help="where the provider's answer comes [TELEPORT_LOGIN_BIND_ADDR]",
    )
    parser.switch("--force", help="log in again even if the present login is valid")
    parser.add_argument("--request-id", metavar="ID,...", help="take on these approved requests; none: drop all")
    parser.add_argument("--request-roles", metavar="ROLE,...", help="ask for these roles too")
    parser.add_argument("--request-reason", metavar="TEXT", default="", help="why you ask")
    parser.add_argument("--request-reviewers", metavar="USER,...", help="who should review it")
    parser.switch("--request-nowait", help="do not wait for the decision")
    parser.examples(
        "tsh login --proxy=teleport.example.com --user=alice",
        "tsh login --proxy=teleport.example.com --auth=company",
        "tsh login --out=identity --ttl=60",
    )


def run(options: Namespace) -> int:
    store = ProfileStore(home_directory())
    proxy = options.proxy or _stored_address(store, store.current_name())
    if not proxy:
        raise BadParameter("which proxy? use --proxy=HOST[:PORT] or TELEPORT_PROXY")
    if not options.out and not options.force and _is_valid(options, proxy):
        current = account.find(choice_of(options)._replace(proxy=proxy, cluster=""))
        if options.to and options.to != current.cluster:
            raise Unsupported(f"selecting the cluster {options.to!r} is not offered yet: leaf clusters come later")
        store.select(current.host)
        if not _wants_requests(options) or not login_requests.settle(options, current):
            status.print_account(current)
            print("You were logged in already. What changed since is taken on by: tsh login --force", file=sys.stderr)
        status.show_alerts(account.find(choice_of(options)._replace(proxy=current.host, cluster="")))
        return 0
    if options.out:
        _refuse_to_overwrite(options)
    _log_in(options, store, proxy)
    return 0


def _log_in(options: Namespace, store: ProfileStore, proxy: str) -> None:
    host = split_proxy(proxy)[0]
    stored = _stored_address(store, host)
    host, port = public_api.find_proxy(proxy if split_proxy(proxy)[1] or not stored else stored)
    authorities = store.known_authorities(host)
    if options.ca_pin:
        authorities = public_api.pinned_authorities(host, port, options.ca_pin)
    with public_api.connect(host, port, insecure=bool(options.insecure), authorities=authorities) as client:
        settings = _meet(client)
        _check_version(settings.min_client_version, settings.server_version, skip=bool(options.skip_version_check))
        if settings.auth.has_motd:
            _show_motd(client)
        user = login.default_user(options.user or "", _stored_user(store, host))
        choice = login.LoginChoice(
            user=user,
            connector=options.auth or "",
            mfa_mode=options.mfa_mode or "auto",
            ttl=timedelta(minutes=options.ttl or 0),
            cluster=options.to or "",
            one_key=bool(options.out),
            browser=options.browser or "",
            bind_addr=options.bind_addr or "",
        )
        credentials = login.log_in(client, choice, settings, f"https://{join_address(host, port)}")
    if options.out:
        _write_out(options, host, credentials)
        return
    dial_timeout = timedelta(microseconds=settings.proxy.ssh.dial_timeout // 1000)
    profile = login.save(store, host, port, credentials, credentials.connector, dial_timeout)
    key_agent.add_login(store.paths(profile), profile, options.add_keys_to_agent or "auto")
    current = account.find(Choice(proxy=host, home=store.home))
    if not login_requests.settle(options, current):
        status.print_account(current)
    print("\nDid you know? `tsh ls` lists your servers, `tsh ssh user@server` opens one.", flush=True)
    status.show_alerts(account.find(Choice(proxy=host, home=store.home)))


def _meet(client: SyncClient) -> Ping:
    try:
        return public_api.ping(client)
    except NotAuthenticated as problem:
        hint = "a cluster with a certificate of its own is known by --ca-pin=sha256:… (`tctl status` prints it)"
        raise NotAuthenticated(f"{problem.message}. {hint[0].upper()}{hint[1:]}, or --insecure for a trial") from None


def _wants_requests(options: Namespace) -> bool:
    return bool(options.request_id or options.request_roles)


def _is_valid(options: Namespace, proxy: str) -> bool:
    try:
        account.find(Choice(proxy=proxy, user=options.user or ""))
    except (NotAuthenticated, NotFound, BadParameter):
        return False
    return True


def _stored_address(store: ProfileStore, name: str) -> str:
    try:
        return store.load(name).text("web_proxy_addr") if name else ""
    except TeleportError:
        return ""


def _stored_user(store: ProfileStore, name: str) -> str:
    try:
        return store.load(name).user
    except TeleportError:
        return ""


def _show_motd(client: SyncClient) -> None:
    from teleport.api.route import Empty
    from teleport.api.routes import public

    print(output.paragraphs(client.call(public.MOTD, Empty()).text), file=sys.stderr)
    if sys.stdin.isatty():
        prompt.ask("Press [ENTER] to continue.")


def _check_version(minimum: str, server: str, *, skip: bool) -> None:
    from teleport import __version__
    from teleport.foundation.versions import numbers

    if skip:
        return
    if minimum and numbers(__version__) < numbers(minimum):
        raise Unsupported(f"this tsh is {__version__}, the cluster wants {minimum} or later (--skip-version-check)")
    if server and numbers(__version__)[0] > numbers(server)[0]:
        print(f"WARNING: this tsh ({__version__}) is newer than the cluster ({server})", file=sys.stderr)


def _out_files(options: Namespace) -> list[str]:
    if options.format == "openssh":
        return [options.out, f"{options.out}-cert.pub"]
    if options.format == "tls":
        return [f"{options.out}.{suffix}" for suffix in ("crt", "key", "cas")]
    return [options.out]


def _refuse_to_overwrite(options: Namespace) -> None:
    there = [path for path in _out_files(options) if os.path.exists(path)]
    if there and not options.overwrite and not prompt.confirm(f"{', '.join(there)} exists. Replace it?"):
        raise BadParameter(f"{there[0]} exists, use --overwrite to replace it")


def _write_out(options: Namespace, host: str, credentials: login.Credentials) -> None:
    identity = login.to_identity_file(host, credentials)
    identity_file.write_as(identity, options.format, options.out)
    record = login_record.of_certificate(identity.tls_certificate)
    print(f"The certificate has been written to {options.out}")
    print(f"It is valid until {output.local_time(record.valid_until)}.")
