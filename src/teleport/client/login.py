"""Logging in: a password and a second factor, a passkey alone, or a provider, for certificates kept in a profile."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from teleport.api.route import Request, Response, Route
from teleport.api.routes import login as routes
from teleport.api.routes import public
from teleport.client import login_record, mfa, prompt
from teleport.client.files import make_directory, together, write_private
from teleport.client.identity_file import IdentityFile
from teleport.client.profile import KeyPaths, Profile, ProfileStore, join_address
from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PrivateKey
from teleport.foundation import durations
from teleport.foundation.errors import BadParameter, NotAuthenticated, TeleportError, Unsupported

_LOCAL = ("", "local", "passwordless")


class Calling(Protocol):
    """Who calls the public API."""

    def call(self, route: Route[Request, Response], request: Request) -> Response: ...


class LoginChoice(NamedTuple):
    """How to log in. `ttl` zero leaves it to the cluster."""

    user: str
    connector: str = ""
    mfa_mode: str = "auto"
    ttl: timedelta = timedelta()
    cluster: str = ""
    one_key: bool = False
    browser: str = ""
    bind_addr: str = ""


class Credentials(NamedTuple):
    """What a login gave: two keys (or one for both) and all that was signed."""

    ssh_key: PrivateKey
    tls_key: PrivateKey
    granted: routes.LoginGranted
    connector: str = ""

    @property
    def tls_certificate(self) -> str:
        return self.granted.tls_cert.decode()

    @property
    def ssh_certificate(self) -> str:
        return self.granted.cert.decode().rstrip("\n") + "\n"


def log_in(client: Calling, choice: LoginChoice, settings: public.Ping, origin: str) -> Credentials:
    """Asks on the terminal for what is needed. Raises NotAuthenticated and Unsupported."""
    if not choice.connector and settings.auth.local.name == "passwordless":
        choice = choice._replace(connector="passwordless")
    if not choice.connector and settings.auth.oidc is not None:
        choice = choice._replace(connector=settings.auth.oidc.name)
    if choice.connector == "headless":
        raise Unsupported("--auth=headless is for tsh ssh, tsh scp and tsh ls")
    tls_key = PrivateKey.generate("ecdsa-p256")
    ssh_key = tls_key if choice.one_key else PrivateKey.generate("ed25519")
    if choice.connector not in _LOCAL:
        granted = _at_provider(client, choice, origin, ssh_key, tls_key)
        return _checked(Credentials(ssh_key, tls_key, granted, choice.connector))
    finish = routes.FinishLogin(
        ssh_pub_key=ssh_key.public.ssh().encode(),
        tls_pub_key=tls_key.public.pem.encode(),
        ttl=choice.ttl // timedelta(microseconds=1) * 1000,
        route_to_cluster=choice.cluster,
    )
    if choice.connector == "passwordless":
        if not settings.auth.allow_passwordless:
            raise Unsupported("this cluster does not allow passwordless login")
        challenge = client.call(routes.BEGIN, routes.BeginLogin(passwordless=True))
        answer = mfa.answer_challenge(totp=False, webauthn=_raw(challenge), origin=origin)
        finish = replace(finish, webauthn_challenge_response=msgspec.Raw(answer.webauthn))
    else:
        finish = _with_password(client, choice, origin, finish)
    return _checked(Credentials(ssh_key, tls_key, client.call(routes.FINISH, finish), choice.connector))


def _checked(credentials: Credentials) -> Credentials:
    if not credentials.granted.cert or not credentials.granted.tls_cert:
        raise NotAuthenticated("the cluster answered without certificates")
    return credentials


def _at_provider(
    client: Calling, choice: LoginChoice, origin: str, ssh_key: PrivateKey, tls_key: PrivateKey
) -> routes.LoginGranted:
    from teleport.api.routes.sso import StartLogin
    from teleport.client import sso

    asked = StartLogin(
        connector_id=choice.connector,
        callback="",
        seal_key=b"",
        ssh_pub_key=ssh_key.public.ssh().encode(),
        tls_pub_key=tls_key.public.pem.encode(),
        ttl=choice.ttl // timedelta(microseconds=1) * 1000,
        route_to_cluster=choice.cluster,
        proxy_host=origin.removeprefix("https://"),
    )
    return sso.log_in(client, asked, sso.Way(choice.browser, choice.bind_addr))


def _with_password(
    client: Calling, choice: LoginChoice, origin: str, finish: routes.FinishLogin
) -> routes.FinishLogin:
    password = prompt.ask_secret(f"Enter password for Teleport user {choice.user}:")
    challenge = client.call(routes.BEGIN, routes.BeginLogin(user=choice.user, password=password))
    answer = mfa.answer_challenge(
        totp=challenge.totp_challenge, webauthn=_raw(challenge), origin=origin, mode=choice.mfa_mode
    )
    response = msgspec.Raw(answer.webauthn) if answer.webauthn else None
    return replace(
        finish,
        user=choice.user,
        password=password,
        totp_code=answer.totp_code,
        webauthn_challenge_response=response,
    )


def _raw(challenge: routes.LoginChallenge) -> bytes | None:
    return bytes(challenge.webauthn_challenge) if challenge.webauthn_challenge else None


def save(
    store: ProfileStore,
    host: str,
    port: int,
    credentials: Credentials,
    connector: str = "",
    dial_timeout: timedelta = timedelta(),
) -> Profile:
    """Store profile, keys, certificates and authorities; the profile becomes the active one."""
    granted = credentials.granted
    if not granted.host_signers:
        raise NotAuthenticated("the cluster answered without its host authorities")
    record = record_of(credentials)
    profile = Profile.of(
        web_proxy_addr=join_address(host, port),
        user=granted.username,
        cluster=record.cluster,
        auth_type=connector or "local",
        ssh_dial_timeout=durations.text(dial_timeout) if dial_timeout else "",
    )
    paths = store.paths(profile)
    write_keys(paths, credentials, record.cluster)
    for signer in granted.host_signers:
        write_private(paths.tls_authority(signer.domain_name), b"".join(_lines(signer.tls_certs)))
    remember_hosts(paths.known_hosts, host, granted.host_signers)
    login_record.save(paths, record)
    store.save(profile)
    return profile


def write_keys(paths: KeyPaths, credentials: Credentials, cluster: str) -> None:
    """All of them, or those of another program that does the same: never some of each."""
    make_directory(paths.directory)
    with together(paths.directory, writes=True):
        write_private(paths.ssh_key, credentials.ssh_key.ssh_pem())
        write_private(paths.ssh_public_key, credentials.ssh_key.public.ssh() + "\n")
        write_private(paths.tls_key, credentials.tls_key.pem())
        write_private(paths.tls_certificate, credentials.tls_certificate)
        write_private(paths.ssh_certificate(cluster), credentials.ssh_certificate)


def record_of(credentials: Credentials) -> login_record.LoginRecord:
    return login_record.of_certificate(credentials.tls_certificate, permits_of(credentials.ssh_certificate))


def permits_of(ssh_certificate: str) -> tuple[str, ...]:
    """What an SSH certificate lets its holder ask a server for."""
    try:
        extensions = ssh_certificates.read_extensions(ssh_certificate)
    except TeleportError:
        return ()
    return tuple(name for name in sorted(extensions) if name.startswith("permit-"))


def remember_hosts(path: str, proxy: str, signers: tuple[routes.HostSigner, ...]) -> None:
    """Replace what `known_hosts` says of these clusters at this proxy; all other lines stay."""
    try:
        with open(path, encoding="utf-8") as file:
            kept = file.read().splitlines()
    except FileNotFoundError:
        kept = []
    lines = known_hosts_lines(proxy, signers)
    patterns = {line.split(" ")[1] for line in lines}
    kept = [line for line in kept if line and line.split(" ")[1:2] != [] and line.split(" ")[1] not in patterns]
    write_private(path, "".join(f"{line}\n" for line in [*kept, *lines]))


def known_hosts_lines(proxy: str, signers: tuple[routes.HostSigner, ...]) -> list[str]:
    """`@cert-authority <proxy>,<cluster>,*.<cluster> <key> type=host`, one for each key."""
    return [
        f"@cert-authority {proxy},{signer.domain_name},*.{signer.domain_name} {key_of(key)} type=host"
        for signer in signers
        for key in signer.checking_keys
    ]


def to_identity_file(proxy: str, credentials: Credentials) -> IdentityFile:
    """For `--out`: the one key of a login with `one_key`."""
    signers = credentials.granted.host_signers
    return IdentityFile(
        credentials.tls_key.pem(),
        credentials.ssh_key.pem() if credentials.ssh_key is credentials.tls_key else credentials.ssh_key.ssh_pem(),
        credentials.ssh_certificate,
        credentials.tls_certificate,
        tuple(line.decode() for signer in signers for line in _lines(signer.tls_certs)),
        tuple(line + "\n" for line in known_hosts_lines(proxy, signers)),
    )


def default_user(environment_user: str, stored: str) -> str:
    """The person's name at the cluster: flag or variable, else the profile's, else that of the OS."""
    if environment_user or stored:
        return environment_user or stored
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise BadParameter("who are you? use --user or TELEPORT_USER") from None


def _lines(parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(part.rstrip(b"\n") + b"\n" for part in parts)


def key_of(line: bytes) -> str:
    """Type and key of an authorized_keys line, without options and comment."""
    words = line.decode().split()
    for index, word in enumerate(words):
        if word.startswith(("ssh-", "ecdsa-")) and index + 1 < len(words):
            return f"{word} {words[index + 1]}"
    raise BadParameter("a host authority's key is not in authorized_keys form")
