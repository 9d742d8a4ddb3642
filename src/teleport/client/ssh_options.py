"""What OpenSSH users write behind `-o` and into files for `-F`, and what of it tsh does.

The first value of an option counts, as in ssh_config(5). Options whose promise tsh keeps anyway are accepted; those
that would weaken or change what it promises are refused with the reason; none is passed over in silence.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from teleport.client.forwarding import Forward, parse_dynamic, parse_forward
from teleport.foundation.errors import BadParameter, Unsupported

Pair = tuple[str, str]
"""The name of an option in small letters, and its value."""

_KEPT_ANYWAY = frozenset(
    (
        "addkeystoagent", "addressfamily", "batchmode", "canonicalizehostname", "checkhostip", "controlmaster",
        "controlpath", "controlpersist", "connectionattempts", "connecttimeout", "fingerprinthash",
        "globalknownhostsfile",
        "gssapiauthentication", "gssapidelegatecredentials", "hashknownhosts", "identitiesonly", "ipqos",
        "kbdinteractiveauthentication", "loglevel", "passwordauthentication", "preferredauthentications",
        "pubkeyauthentication", "tcpkeepalive", "updatehostkeys", "userknownhostsfile", "verifyhostkeydns",
        "visualhostkey",
    )
)  # fmt: skip
"""Harmless: there is one key, one certificate, one way to a server, and a resident client instead of a master."""

_REFUSED = {
    "proxycommand": "the way to servers leads through the cluster's proxy; use stock ssh with `tsh config`",
    "identityfile": "servers are shown the certificate of your login; an identity file goes to -i",
    "certificatefile": "servers are shown the certificate of your login; an identity file goes to -i",
    "identityagent": "servers are shown the certificate of your login; the agent to forward is SSH_AUTH_SOCK",
    "hostkeyalias": "a server proves the name that was asked for",
    "hostkeyalgorithms": "servers prove themselves by certificates of the cluster alone",
    "knownhostscommand": "servers prove themselves by certificates of the cluster alone",
    "ciphers": "the choice of ciphers is fixed",
    "macs": "the choice of ciphers is fixed",
    "kexalgorithms": "the choice of ciphers is fixed",
    "casignaturealgorithms": "the choice of ciphers is fixed",
    "pubkeyacceptedalgorithms": "the choice of ciphers is fixed",
    "localcommand": "use --local to run a command here",
    "permitlocalcommand": "use --local to run a command here",
    "tunnel": "network devices are not forwarded",
    "tunneldevice": "network devices are not forwarded",
    "rekeylimit": "keys are renewed as OpenSSH's default has it",
    "forkafterauthentication": "use -f",
    "bindaddress": "connections leave by the address that the system chooses",
    "bindinterface": "connections leave by the address that the system chooses",
    "hostbasedauthentication": "servers are shown the certificate of your login",
    "match": "conditions of Match are not evaluated; use Host",
}
_WORDS = {"yes": True, "true": True, "no": False, "false": False}


class SshOptions(NamedTuple):
    """What was chosen; None or empty where nothing was said."""

    user: str = ""
    host_name: str = ""
    port: int | None = None
    proxy_jump: str = ""
    forward_agent: bool | None = None
    forward_x11: bool | None = None
    trusted_x11: bool | None = None
    x11_timeout: float | None = None
    terminal: bool | None = None
    """True, False, or None for what fits the request."""
    escape_keys: bool | None = None
    local: tuple[Forward, ...] = ()
    remote: tuple[Forward, ...] = ()
    dynamic: tuple[Forward, ...] = ()
    clear_forwards: bool | None = None
    gateway_ports: bool | None = None
    needs_forwards: bool | None = None
    alive_interval: float | None = None
    alive_count: int | None = None
    remote_command: str = ""
    session: Literal["", "none", "subsystem", "default"] = ""
    no_input: bool | None = None
    set_variables: tuple[str, ...] = ()
    send_variables: tuple[str, ...] = ()
    quiet: bool | None = None


def pair(text: str) -> Pair:
    """`Name=value` or `Name value`, the value perhaps in quotes. Raises BadParameter."""
    name, mark, value = text.strip().partition("=") if "=" in text.split(" ")[0] else text.strip().partition(" ")
    name, value = name.strip(), value.strip().removeprefix("=").strip()
    if not mark or not name:
        raise BadParameter(f"-o {text}: expected NAME=VALUE")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return name.lower(), value


def resolve(pairs: Iterable[Pair]) -> SshOptions:
    """Raises BadParameter for a value that is none, Unsupported for an option that is refused."""
    found: dict[str, object] = {}
    for name, value in pairs:
        told = f"-o {name}={value}"
        if name in _KEPT_ANYWAY and name != "loglevel":
            continue
        if name in _REFUSED:
            raise Unsupported(f"{told}: {_REFUSED[name]}")
        reader = _READERS.get(name)
        if reader is None:
            raise Unsupported(f"{told}: tsh does not know this option, see `tsh ssh --help`")
        field, read = reader
        content = read(value, told)
        if field in _COLLECTED:
            found[field] = (*found.get(field, ()), *content)  # type: ignore[misc]
        elif content is not None or field == "terminal":
            found.setdefault(field, content)
    found.pop("", None)
    return SshOptions(**found)  # type: ignore[arg-type] # each reader gives what its field holds


_COLLECTED = frozenset(("local", "remote", "dynamic", "set_variables", "send_variables"))
_Read = Callable[[str, str], object]


def _truth(value: str, told: str) -> bool:
    if value.lower() not in _WORDS:
        raise BadParameter(f"{told}: expected yes or no")
    return _WORDS[value.lower()]


def _number(value: str, told: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 7):
        raise BadParameter(f"{told}: expected a number")
    return int(value)


def _seconds(value: str, told: str) -> float:
    from teleport.foundation import durations

    if value.isascii() and value.isdigit() and len(value) < 9:
        return float(value)
    try:
        return durations.parse(value).total_seconds()
    except BadParameter:
        raise BadParameter(f"{told}: expected seconds, or a time as 10m") from None


def _text(value: str, told: str) -> str:
    if not value:
        raise BadParameter(f"{told}: a value is missing")
    return "" if value.lower() == "none" else value


def _port(value: str, told: str) -> int:
    number = _number(value, told)
    if not 0 < number < 65536:
        raise BadParameter(f"{told}: expected a port")
    return number


def _host_key_checking(value: str, told: str) -> None:
    if value.lower() in ("no", "off", "false"):
        raise Unsupported(
            f"{told}: servers always prove themselves by the cluster's certificate, so there is nothing to ask and "
            "nothing to skip; leave the option out"
        )
    if value.lower() not in ("yes", "true", "ask", "accept-new"):
        raise BadParameter(f"{told}: expected yes, ask or accept-new")


def _terminal(value: str, told: str) -> bool | None:
    words = {**_WORDS, "force": True, "auto": None}
    if value.lower() not in words:
        raise BadParameter(f"{told}: expected yes, no, force or auto")
    return words[value.lower()]


def _escape_keys(value: str, told: str) -> bool:
    if value.lower() not in ("none", "~"):
        raise Unsupported(f"{told}: the escape character is ~, or none")
    return value == "~"


def _forwarded_agent(value: str, told: str) -> bool:
    if value.lower() not in _WORDS:
        raise Unsupported(f"{told}: the agent that is forwarded is SSH_AUTH_SOCK; expected yes or no")
    return _WORDS[value.lower()]


def _compression(value: str, told: str) -> None:
    if _truth(value, told):
        raise Unsupported(f"{told}: connections are not compressed: what is compressed before encryption leaks")


def _session_type(value: str, told: str) -> str:
    if value.lower() not in ("none", "default"):
        raise Unsupported(f"{told}: expected none or default; for subsystems there are `tsh sftp` and `tsh scp`")
    return value.lower()


def _is_quiet(value: str, told: str) -> bool:
    if not value.isalnum():
        raise BadParameter(f"{told}: expected QUIET, ERROR, INFO or DEBUG")
    return value.upper() in ("QUIET", "FATAL")


def _forward(value: str, told: str) -> tuple[Forward, ...]:
    words = value.split()
    return (parse_forward(":".join(words) if len(words) == 2 else value),)


def _dynamic(value: str, told: str) -> tuple[Forward, ...]:
    return (parse_dynamic(value),)


def _variables(value: str, told: str) -> tuple[str, ...]:
    found = tuple(shlex.split(value)) if '"' in value else (value,)
    if any("=" not in word for word in found):
        raise BadParameter(f"{told}: expected SetEnv=NAME=VALUE")
    return found


def _patterns(value: str, told: str) -> tuple[str, ...]:
    return tuple(value.split())


_READERS: dict[str, tuple[str, _Read]] = {
    "user": ("user", _text),
    "hostname": ("host_name", _text),
    "port": ("port", _port),
    "proxyjump": ("proxy_jump", _text),
    "forwardagent": ("forward_agent", _forwarded_agent),
    "forwardx11": ("forward_x11", _truth),
    "forwardx11trusted": ("trusted_x11", _truth),
    "forwardx11timeout": ("x11_timeout", _seconds),
    "requesttty": ("terminal", _terminal),
    "escapechar": ("escape_keys", _escape_keys),
    "localforward": ("local", _forward),
    "remoteforward": ("remote", _forward),
    "dynamicforward": ("dynamic", _dynamic),
    "clearallforwardings": ("clear_forwards", _truth),
    "gatewayports": ("gateway_ports", _truth),
    "exitonforwardfailure": ("needs_forwards", _truth),
    "serveraliveinterval": ("alive_interval", _seconds),
    "serveralivecountmax": ("alive_count", _number),
    "remotecommand": ("remote_command", _text),
    "sessiontype": ("session", _session_type),
    "stdinnull": ("no_input", _truth),
    "setenv": ("set_variables", _variables),
    "sendenv": ("send_variables", _patterns),
    "stricthostkeychecking": ("", _host_key_checking),
    "compression": ("", _compression),
    "loglevel": ("quiet", _is_quiet),
}
