"""`tsh status`"""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.client import identity_file, login_record
from teleport.client.login_record import LoginRecord
from teleport.client.profile import (
    DEFAULT_WEB_PORT,
    Profile,
    ProfileStore,
    home_directory,
    join_address,
    split_proxy,
)
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import NotAuthenticated, TeleportError

if TYPE_CHECKING:
    from teleport.client.account import Account


def arguments(parser: Arguments) -> None:
    parser.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    parser.switch("-v", "--verbose", help="show traits too")
    parser.switch("--client", help="do not ask the cluster for alerts")


def run(options: Namespace) -> int:
    if options.identity:
        return _of_identity(options)
    store = ProfileStore(home_directory())
    current = split_proxy(options.proxy)[0] if options.proxy else store.current_name()
    found = _profiles(store)
    now = SystemClock().now()
    active = next(((profile, record) for profile, record in found if profile.name == current), None)
    others = [(profile, record) for profile, record in found if profile.name != current]
    if options.format != "text":
        document = {
            "active": as_document(*active) if active else None,
            "profiles": [as_document(*pair) for pair in others],
        }
        output.show(document, options.format)
    else:
        blocks = [describe(*active, now, mark="> ", verbose=bool(options.verbose))] if active else []
        blocks += [describe(*pair, now, verbose=bool(options.verbose)) for pair in others]
        if blocks:
            print("\n\n".join(blocks))
    if active is None:
        raise NotAuthenticated("not logged in")
    if active[1].is_expired(now):
        print("\nERROR: active profile expired, run `tsh login`", file=sys.stderr)
        return 1
    if options.format == "text" and not options.client and sys.stderr.isatty():
        from teleport.client.account import Choice, find

        show_alerts(find(Choice(proxy=active[0].name, home=store.home)))
    return 0


def show_alerts(account: Account) -> None:
    """What the cluster wants people to read: on the error output, and only if the cluster answers soon."""
    from teleport.cli import alerts
    from teleport.client.alerts import on_login

    alerts.show(on_login(account))


def _of_identity(options: Namespace) -> int:
    """What the certificate in an identity file says."""
    from teleport.client.login import permits_of

    identity = identity_file.load(options.identity)
    record = login_record.of_certificate(identity.tls_certificate, permits_of(identity.ssh_certificate))
    host, port = split_proxy(options.proxy) if options.proxy else ("", None)
    url = f"https://{join_address(host, port or DEFAULT_WEB_PORT)}" if host else ""
    now = SystemClock().now()
    if options.format != "text":
        output.show({"active": document_of(url, record.cluster, record), "profiles": []}, options.format)
    else:
        print(told(url, record.cluster, record, now, "> ", verbose=bool(options.verbose)))
    if record.is_expired(now):
        print(f"\nERROR: {options.identity} has expired", file=sys.stderr)
        return 1
    return 0


def _profiles(store: ProfileStore) -> list[tuple[Profile, LoginRecord]]:
    found = []
    for name in store.names():
        try:
            profile = store.load(name)
            found.append((profile, login_record.load(store.paths(profile))))
        except TeleportError as problem:
            print(f"WARNING: profile {name}: {problem}", file=sys.stderr)
    return found


def print_account(account: Account) -> None:
    """The same for one account, after a login."""
    assert account.profile is not None
    print(describe(account.profile, account.record, SystemClock().now(), mark="> "))


def describe(profile: Profile, record: LoginRecord, now: datetime, mark: str = "  ", *, verbose: bool = False) -> str:
    url = f"https://{profile.host}:{profile.port}"
    return told(url, profile.cluster, record, now, mark, verbose=verbose)


def told(url: str, cluster: str, record: LoginRecord, now: datetime, mark: str, *, verbose: bool) -> str:
    """The fields of one login; `url` may be empty."""
    left = record.valid_until - now
    end = "[EXPIRED]" if record.is_expired(now) else f"[valid for {output.ago(left)}]"
    pairs = [
        ("Profile URL", url),
        ("Logged in as", record.username),
        ("Active requests", ", ".join(record.active_requests)),
        ("Cluster", cluster),
        ("Roles", ", ".join(record.roles)),
        *([(f"Trait {name}", ", ".join(values)) for name, values in record.traits] if verbose else []),
        ("Logins", ", ".join(login for login in record.logins if not login.startswith("-teleport-"))),
        ("Kubernetes", "disabled"),
        ("Allowed Resources", ", ".join(record.allowed_resources)),
        ("Valid until", f"{output.local_time(record.valid_until)} {end}"),
        ("Extensions", ", ".join(record.extensions)),
    ]
    wanted = ("Logins", "Kubernetes", "Extensions")
    return output.fields([(name, value) for name, value in pairs if value or name in wanted], mark)


def as_document(profile: Profile, record: LoginRecord) -> dict[str, object]:
    return document_of(f"https://{profile.host}:{profile.port}", profile.cluster, record)


def document_of(url: str, cluster: str, record: LoginRecord) -> dict[str, object]:
    """As the reference names the fields."""
    return {
        "profile_url": url,
        "username": record.username,
        "active_requests": list(record.active_requests),
        "cluster": cluster,
        "roles": list(record.roles),
        "traits": {name: list(values) for name, values in record.traits},
        "logins": [login for login in record.logins if not login.startswith("-teleport-")],
        "kubernetes_enabled": False,
        "kubernetes_cluster": record.kubernetes_cluster,
        "kubernetes_users": list(record.kubernetes_users),
        "kubernetes_groups": list(record.kubernetes_groups),
        "databases": [],
        "allowed_resources": list(record.allowed_resources),
        "valid_until": record.valid_until.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "extensions": list(record.extensions),
    }
