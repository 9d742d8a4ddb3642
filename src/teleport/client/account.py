"""Account: who speaks to which cluster, with what. From a profile or from an identity file; the rest of the client
does not care which. Standard library only on the way of a profile.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from teleport.client import identity_file, login_record
from teleport.client.files import read_text, together
from teleport.client.login_record import LoginRecord
from teleport.client.profile import (
    DEFAULT_WEB_PORT,
    DIAL_TIMEOUT,
    Profile,
    ProfileStore,
    home_directory,
    join_address,
    split_proxy,
)
from teleport.client.tls import TlsFiles, TlsTexts
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound


class Choice(NamedTuple):
    """What flags and environment say; an empty value leaves the question to the profile."""

    proxy: str = ""
    user: str = ""
    login: str = ""
    cluster: str = ""
    identity: str = ""
    home: str = ""
    insecure: bool = False


class SshTexts(NamedTuple):
    """What SSH shows and trusts: private key (PEM), certificate line, `known_hosts` lines of the authorities."""

    key: str
    certificate: str
    host_authorities: tuple[str, ...]


class Account:
    """An identity at a proxy. `cluster` is the selected one, `root_cluster` that of the proxy."""

    def __init__(
        self,
        host: str,
        port: int,
        cluster: str,
        record: LoginRecord,
        tls: TlsFiles | TlsTexts,
        root_cluster: str = "",
    ) -> None:
        self.host = host
        self.port = port
        self.cluster = cluster
        self.root_cluster = root_cluster or cluster
        self.record = record
        self.profile: Profile | None = None
        self.identity_path = ""
        self.home = ""
        self._tls = tls
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._ssh: SshTexts | None = None

    def holding(self, record: LoginRecord, tls: TlsTexts, ssh: SshTexts) -> Account:
        """The same account with other credentials, which are in memory alone."""
        other = Account(self.host, self.port, self.cluster, record, tls, self.root_cluster)
        other.profile, other.home, other._ssh = self.profile, self.home, ssh
        return other

    def through(self, host: str, port: int) -> Account:
        """The same account at another proxy of its cluster, which proves itself by the same authorities."""
        other = Account(host, port, self.cluster, self.record, self._tls, self.root_cluster)
        other.profile, other.identity_path, other.home, other._ssh = (
            self.profile, self.identity_path, self.home, self._ssh or self.ssh()
        )  # fmt: skip
        return other

    @property
    def user(self) -> str:
        return self.record.username

    @property
    def address(self) -> str:
        return join_address(self.host, self.port)

    @property
    def dial_timeout(self) -> float:
        """Seconds that the proxy takes at most to reach a server, as it said at the login."""
        return self.profile.dial_timeout if self.profile is not None else DIAL_TIMEOUT

    @property
    def expires(self) -> datetime:
        return self.record.valid_until

    def tls_context(self, alpn: str) -> ssl.SSLContext:
        if alpn not in self._contexts:
            self._contexts[alpn] = self._tls.context(alpn)
        return self._contexts[alpn]

    def ssh(self) -> SshTexts:
        """Raises NotAuthenticated when there is no SSH certificate."""
        if self._ssh is not None:
            return self._ssh
        if self.identity_path:
            identity = identity_file.load(self.identity_path)
            if not identity.ssh_certificate:
                raise NotAuthenticated(f"{self.identity_path} holds no SSH certificate")
            return SshTexts(identity.ssh_key, identity.ssh_certificate, identity.host_authorities)
        assert self.profile is not None
        paths = ProfileStore(self.home).paths(self.profile)
        try:
            with together(paths.directory):
                key, certificate = read_text(paths.ssh_key), read_text(paths.ssh_certificate(self.cluster))
            lines = read_text(paths.known_hosts).splitlines()
        except FileNotFoundError as missing:
            raise NotAuthenticated(f"{missing.filename} is missing, run `tsh login`") from None
        mine = tuple(line for line in lines if self.host in line.split(" ")[1].split(",") if line.startswith("@"))
        return SshTexts(key, certificate, mine)


def find(choice: Choice, environment: Mapping[str, str] = os.environ, *, expired: bool = False) -> Account:
    """The account to use. Raises NotAuthenticated when there is none, or its time is over (unless `expired`)."""
    account = _of_identity(choice) if choice.identity else _of_profile(choice, environment)
    if not expired and account.record.is_expired(SystemClock().now()):
        what = choice.identity or f"the login of {account.user} at {account.host}"
        raise NotAuthenticated(f"{what} has expired" + ("" if choice.identity else ", run `tsh login`"))
    return account


def _of_identity(choice: Choice) -> Account:
    if not choice.proxy:
        raise BadParameter("an identity file does not say where its cluster is: add --proxy")
    host, port = split_proxy(choice.proxy)
    identity = identity_file.load(choice.identity)
    record = login_record.of_certificate(identity.tls_certificate)
    tls = TlsTexts(identity.tls_certificate, identity.tls_key, identity.tls_authorities)
    account = Account(host, port or DEFAULT_WEB_PORT, choice.cluster or record.cluster, record, tls, record.cluster)
    account.identity_path = choice.identity
    return account


def _of_profile(choice: Choice, environment: Mapping[str, str]) -> Account:
    home = choice.home or home_directory(environment)
    store = ProfileStore(home)
    name = split_proxy(choice.proxy)[0] if choice.proxy else store.current_name()
    if not name:
        raise NotAuthenticated("not logged in, run `tsh login --proxy=…`")
    try:
        profile = store.load(name)
    except NotFound as missing:
        raise NotAuthenticated(missing.message) from None
    if choice.user and choice.user != profile.user:
        raise NotAuthenticated(f"logged in at {name} as {profile.user}, not as {choice.user}; run `tsh login`")
    paths = store.paths(profile)
    root = profile.root_cluster
    tls = TlsFiles(paths.tls_certificate, paths.tls_key, [paths.tls_authority(root)])
    port = (split_proxy(choice.proxy)[1] if choice.proxy else None) or profile.port
    account = Account(profile.host, port, choice.cluster or profile.cluster, login_record.load(paths), tls, root)
    account.profile, account.home = profile, home
    return account
