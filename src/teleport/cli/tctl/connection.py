"""How tctl authenticates: an identity file, else this auth host's own administrator, else the tsh profile."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from typing import NamedTuple

from teleport.api.endpoint import AUTH_PORT, auth_alpn, auth_server_name, https_proxy_for, split_address
from teleport.api.sync_client import Address, SyncClient
from teleport.client import api_access, identity_file, login_record
from teleport.client.account import Choice, find
from teleport.client.identity_file import IdentityFile
from teleport.client.proving import ProvingClient
from teleport.client.tls import TlsTexts
from teleport.foundation.errors import BadParameter, NotAuthenticated

ADMIN_IDENTITY = "admin_identity"
_DEFAULT_CONFIG = "/etc/teleport.yaml"
_DEFAULT_AUTH = f"127.0.0.1:{AUTH_PORT}"


class AuthHost(NamedTuple):
    """What the configuration of this host says of its auth service."""

    data_dir: str
    address: str = _DEFAULT_AUTH


def connect(options: Namespace) -> SyncClient:
    """The API; use it as a context manager. Raises NotAuthenticated when there is no identity to use."""
    if options.identity:
        if not options.auth_server:
            raise BadParameter("an identity file does not say where its cluster is: add --auth-server")
        identity = identity_file.load(options.identity)
        return _with_identity(identity, options.auth_server, signed_by="user", mode=_mfa_mode(options))
    host = auth_host(options)
    if host is not None:
        path = os.path.join(host.data_dir, ADMIN_IDENTITY)
        if os.path.exists(path) or not _can_look_into(host.data_dir):
            return _with_identity(_load_admin(path), options.auth_server or host.address, signed_by="host")
    return _with_profile(options, host)


def auth_host(options: Namespace, environment: Mapping[str, str] = os.environ) -> AuthHost | None:
    """None when this host's configuration says that it runs no auth service."""
    if options.data_dir:
        return AuthHost(options.data_dir, _address_in(options.config))
    path = options.config or (_DEFAULT_CONFIG if os.path.exists(_DEFAULT_CONFIG) else "")
    if not path:
        from teleport.process.config import load

        return AuthHost(str(load.default_data_dir()))
    document = _read_config(path)
    service = document.get("auth_service") or {}
    if isinstance(service, dict) and str(service.get("enabled", "yes")).lower() in ("no", "false", "off", "0"):
        return None
    general = document.get("teleport")
    data_dir = general.get("data_dir") if isinstance(general, dict) else None
    return AuthHost(str(data_dir or "/var/lib/teleport"), _address_in(path))


def _address_in(path: str | None) -> str:
    """Where the auth service of a configuration listens, as seen from this host."""
    if not path:
        return _DEFAULT_AUTH
    service = _read_config(path).get("auth_service")
    listen = service.get("listen_addr") if isinstance(service, dict) else None
    if not listen:
        return _DEFAULT_AUTH
    host, port = split_address(str(listen), AUTH_PORT)
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "::") else str(listen)


def _read_config(path: str) -> dict[str, object]:
    import yaml

    with open(path, encoding="utf-8") as file:
        try:
            document = yaml.safe_load(file)
        except yaml.YAMLError as problem:
            raise BadParameter(f"{path}: {problem}") from problem
    return document if isinstance(document, dict) else {}


def _can_look_into(directory: str) -> bool:
    return not os.path.isdir(directory) or os.access(directory, os.X_OK)


def _load_admin(path: str) -> IdentityFile:
    try:
        return identity_file.load(path)
    except PermissionError:
        message = f"{path}: permission denied; run tctl as the user that runs the auth service, or with an identity"
        raise NotAuthenticated(message) from None


def _mfa_mode(options: Namespace) -> str:
    return options.mfa_mode or "auto"


def _with_identity(
    identity: IdentityFile, address: str, *, signed_by: login_record.Authority, mode: str = "auto"
) -> SyncClient:
    """Port 3025 is the auth service itself, any other a proxy that leads to it; both speak the same inside."""
    cluster = login_record.of_certificate(identity.tls_certificate, signed_by=signed_by).cluster
    host, port = split_address(address, AUTH_PORT)
    context = TlsTexts(identity.tls_certificate, identity.tls_key, identity.tls_authorities).context(
        auth_alpn(cluster)
    )
    through = https_proxy_for(host, os.environ)
    target = Address(host=host, port=port, server_name=auth_server_name(cluster), through=through)
    return ProvingClient(target, context, mode=mode)


def _with_profile(options: Namespace, host: AuthHost | None) -> SyncClient:
    try:
        account = find(Choice(proxy=options.auth_server or ""))
    except NotAuthenticated as problem:
        looked = f"no {ADMIN_IDENTITY} in {host.data_dir}, and " if host else ""
        raise NotAuthenticated(
            f"{looked}{problem.message}. Run tctl on the auth host (--config or --data-dir), log in with tsh, "
            "or use --identity with --auth-server"
        ) from None
    context = account.tls_context(auth_alpn(account.root_cluster))
    origin = f"https://{account.address}"
    return ProvingClient(api_access.address_of(account), context, origin=origin, mode=_mfa_mode(options))
