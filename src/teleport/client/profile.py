"""Profiles: where a user has logged in, under `~/.tsh`. Standard library only; the layout is that of newer tsh.

current-profile                       name of the active profile: the proxy's host
<proxy>.yaml                          the profile
known_hosts                           host authorities for SSH
keys/<proxy>/cas/<cluster>.pem        host authorities for TLS
keys/<proxy>/<user>, <user>.pub       SSH key pair
keys/<proxy>/<user>.crt, <user>.key   TLS certificate and its own key
keys/<proxy>/<user>-ssh/<cluster>-cert.pub
keys/<proxy>/<user>-ssh/<cluster>-session-cert.pub   for the stock ssh: one session with MFA, for a moment
keys/<proxy>/<user>-status.json       what the certificates say, so that `tsh status` need not read them
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from teleport.client import plain_yaml
from teleport.client.files import check_name, make_directory, read_text, remove, write_private
from teleport.foundation.errors import BadParameter, NotFound, TeleportError

DEFAULT_WEB_PORT = 3080
DIAL_TIMEOUT = 30.0
"""Seconds that a proxy takes at most to reach a server, where it has not said so at the login."""
_KEYS: tuple[str, ...] = (
    "web_proxy_addr",
    "ssh_proxy_addr",
    "kube_proxy_addr",
    "postgres_proxy_addr",
    "mysql_proxy_addr",
    "mongo_proxy_addr",
    "user",
    "auth_type",
    "cluster",
    "forward_ports",
    "dynamic_forward_ports",
    "dir",
    "tls_routing_enabled",
    "tls_routing_conn_upgrade_required",
    "auth_connector",
    "load_all_cas",
    "mfa_mode",
    "private_key_policy",
    "piv_slot",
    "missing_cluster_details",
    "saml_slo_enabled",
    "ssh_dial_timeout",
)


def home_directory(environment: Mapping[str, str] = os.environ) -> str:
    """TELEPORT_HOME, else `~/.tsh`; asks the OS for the user's home only when no variable answers."""
    if home := environment.get("TELEPORT_HOME"):
        return os.path.abspath(home)
    if os.name == "nt" and (profile := environment.get("USERPROFILE")):
        return os.path.join(profile, ".tsh")
    if home := environment.get("HOME"):
        return os.path.join(home, ".tsh")
    return os.path.join(os.path.expanduser("~"), ".tsh")


def split_proxy(address: str) -> tuple[str, int | None]:
    """Host and web port of `--proxy`, which may be `host`, `host:web`, `host:web,ssh` or a URL."""
    text = address.strip().removeprefix("https://").rstrip("/").partition(",")[0]
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise BadParameter(f"proxy address {address!r}: expected host or host:port")
    check_name("proxy host", host)
    return host, int(port) if port else None


def join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Profile:
    """One login at one proxy. Values of the file that are not known here are kept and written back."""

    def __init__(self, values: Mapping[str, plain_yaml.Value]) -> None:
        self.values = dict(values)
        self._require("web_proxy_addr", "user", "cluster")

    def _require(self, *keys: str) -> None:
        for key in keys:
            if not self.values.get(key):
                raise BadParameter(f"profile: {key} is missing")

    @classmethod
    def of(
        cls, *, web_proxy_addr: str, user: str, cluster: str, auth_type: str = "local", ssh_dial_timeout: str = ""
    ) -> Profile:
        return cls(
            {
                "web_proxy_addr": web_proxy_addr,
                "ssh_proxy_addr": web_proxy_addr,
                "user": check_name("user", user),
                "auth_type": auth_type,
                "cluster": check_name("cluster", cluster),
                "tls_routing_enabled": True,
                **({"ssh_dial_timeout": ssh_dial_timeout} if ssh_dial_timeout else {}),
            }
        )

    def text(self, key: str) -> str:
        """The value of a key, empty when it is not set."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)

    @property
    def name(self) -> str:
        return self.host

    @property
    def host(self) -> str:
        return split_proxy(self.text("web_proxy_addr"))[0]

    @property
    def port(self) -> int:
        return split_proxy(self.text("web_proxy_addr"))[1] or DEFAULT_WEB_PORT

    @property
    def user(self) -> str:
        return self.text("user")

    @property
    def cluster(self) -> str:
        """The selected cluster: the root, or a leaf of it."""
        return self.text("cluster")

    @property
    def dial_timeout(self) -> float:
        """Seconds that the proxy takes at most to reach a server."""
        said = self.text("ssh_dial_timeout")
        if not said:
            return DIAL_TIMEOUT
        from teleport.foundation import durations

        return durations.parse(said).total_seconds() or DIAL_TIMEOUT

    @property
    def root_cluster(self) -> str:
        """The cluster of the proxy itself."""
        return self.text("root_cluster") or self.cluster

    def to_text(self) -> str:
        known = {key: self.values[key] for key in _KEYS if key in self.values}
        return plain_yaml.write(known | self.values)


class KeyPaths:
    """Where the keys and certificates of one user at one proxy are."""

    def __init__(self, home: str, host: str, user: str) -> None:
        check_name("proxy host", host)
        check_name("user", user)
        self.home = home
        self.directory = os.path.join(home, "keys", host)
        self.ssh_key = os.path.join(self.directory, user)
        self.ssh_public_key = self.ssh_key + ".pub"
        self.tls_certificate = self.ssh_key + ".crt"
        self.tls_key = self.ssh_key + ".key"
        self.status = self.ssh_key + "-status.json"
        self.known_hosts = os.path.join(home, "known_hosts")
        self._authorities = os.path.join(self.directory, "cas")
        self._ssh_directory = self.ssh_key + "-ssh"

    def ssh_certificate(self, cluster: str) -> str:
        return os.path.join(self._ssh_directory, check_name("cluster", cluster) + "-cert.pub")

    def session_certificate(self, cluster: str) -> str:
        return os.path.join(self._ssh_directory, check_name("cluster", cluster) + "-session-cert.pub")

    def tls_authority(self, cluster: str) -> str:
        return os.path.join(self._authorities, check_name("cluster", cluster) + ".pem")

    def tls_authorities(self) -> list[str]:
        """The files of every cluster known at this proxy."""
        try:
            names = sorted(os.listdir(self._authorities))
        except FileNotFoundError:
            return []
        return [os.path.join(self._authorities, name) for name in names if name.endswith(".pem")]

    def delete_user(self) -> None:
        """All that belongs to the user here; the authorities too when nobody else is left."""
        for path in (self.ssh_key, self.ssh_public_key, self.tls_certificate, self.tls_key, self.status):
            remove(path)
        for suffix in ("-ssh", "-app", "-db", "-kube", "-windowsdesktop", "-x509.pem", ".ppk"):
            remove(self.ssh_key + suffix)
        try:
            others = [name for name in os.listdir(self.directory) if name not in ("cas", "certs.pem")]
        except FileNotFoundError:
            return
        if not others:
            remove(self.directory)


class ProfileStore:
    """All profiles under one home."""

    def __init__(self, home: str) -> None:
        self.home = home

    @property
    def _current(self) -> str:
        return os.path.join(self.home, "current-profile")

    def _path(self, name: str) -> str:
        return os.path.join(self.home, check_name("profile", name) + ".yaml")

    def current_name(self) -> str:
        """Empty when nobody is logged in."""
        try:
            return read_text(self._current).strip()
        except FileNotFoundError:
            return ""

    def select(self, name: str) -> None:
        make_directory(self.home)
        write_private(self._current, check_name("profile", name))

    def names(self) -> list[str]:
        try:
            entries = os.listdir(self.home)
        except FileNotFoundError:
            return []
        return sorted(entry[:-5] for entry in entries if entry.endswith(".yaml"))

    def load(self, name: str) -> Profile:
        """Raises NotFound."""
        try:
            return Profile(plain_yaml.read(read_text(self._path(name))))
        except FileNotFoundError:
            raise NotFound(f"not logged in at {name}, try `tsh login --proxy={name}`") from None

    def save(self, profile: Profile, *, select: bool = True) -> None:
        write_private(self._path(profile.name), profile.to_text())
        if select:
            self.select(profile.name)

    def known_authorities(self, host: str) -> list[str]:
        """PEM of the authorities that a login at this proxy brought; none for a stranger."""
        try:
            files = self.paths(self.load(host)).tls_authorities()
        except TeleportError:
            return []
        found: list[str] = []
        for path in files:
            with open(path, encoding="ascii") as file:
                found.append(file.read())
        return found

    def delete(self, name: str) -> None:
        """The profile with its keys; another one is not made current."""
        try:
            profile = self.load(name)
        except (NotFound, BadParameter):
            profile = None
        if profile is not None:
            self.paths(profile).delete_user()
        remove(self._path(name))
        if self.current_name() == name:
            remove(self._current)

    def paths(self, profile: Profile) -> KeyPaths:
        return KeyPaths(self.home, profile.host, profile.user)
