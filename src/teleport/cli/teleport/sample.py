"""Commented configuration files, as `teleport configure` and `teleport node configure` print them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """What a whole cluster's file says. Empty: the default, shown in a comment."""

    cluster_name: str = ""
    nodename: str = ""
    data_dir: str = "/var/lib/teleport"
    public_addr: str = ""
    cert_file: str = ""
    key_file: str = ""
    roles: tuple[str, ...] = ("auth", "proxy", "node")
    labels: tuple[tuple[str, str], ...] = ()
    token: str = ""
    auth_server: str = ""
    proxy: str = ""
    ca_pin: str = ""
    join_method: str = "token"


def quoted(text: str) -> str:
    """A YAML double-quoted scalar."""
    body = "".join(
        letter if letter.isprintable() and letter not in '"\\' else f"\\u{ord(letter):04x}" for letter in text
    )
    return f'"{body}"'


def _line(key: str, value: str, default: str, comment: str) -> str:
    """The key with its value, or commented out with its default."""
    shown = f"{key}: {quoted(value)}" if value else f"# {key}: {default}"
    return f"  # {comment}\n  {shown}\n"


def text(cluster: Cluster) -> str:
    parts = [
        "# Configuration of a Teleport process. An unknown key is an error that names it and its line.",
        "version: v3\n",
        _instance(cluster),
        _service(cluster, "auth", "auth_service", _auth),
        _service(cluster, "proxy", "proxy_service", _proxy),
        _service(cluster, "node", "ssh_service", _node),
    ]
    return "\n".join(parts)


def _service(cluster: Cluster, role: str, section: str, body: Callable[[Cluster], str]) -> str:
    if role not in cluster.roles:
        return f"{section}:\n  enabled: no\n"
    return f"{section}:\n  enabled: yes\n{body(cluster)}"


def _instance(cluster: Cluster) -> str:
    out = "teleport:\n"
    out += _line("nodename", cluster.nodename, "the host's own", "Name of this host in the cluster.")
    out += _line("data_dir", cluster.data_dir, "/var/lib/teleport", "Keys, state, events and recordings (mode 0700).")
    if cluster.token:
        out += "  # Asked for once, at the first start; then the stored identity is used.\n  join_params:\n"
        out += f"    method: {cluster.join_method}\n    token_name: {quoted(cluster.token)}\n"
    if cluster.proxy:
        out += _line(
            "proxy_server", cluster.proxy, "", "The proxy of the cluster; everything goes through this one port."
        )
    if cluster.auth_server and not cluster.proxy:
        out += _line("auth_server", cluster.auth_server, "", "The auth server of the cluster.")
    if cluster.ca_pin:
        out += _line("ca_pin", cluster.ca_pin, "", "Refuse a cluster whose host authority is another.")
    out += "  log:\n    output: stderr\n    severity: INFO      # DEBUG, INFO, WARN, ERROR\n"
    out += "    format:\n      output: text      # text or json\n"
    return out


def _auth(cluster: Cluster) -> str:
    out = _line("cluster_name", cluster.cluster_name, "the node name", "Fixed at the first start.")
    out += "  listen_addr: 0.0.0.0:3025\n"
    out += "  # authentication:\n  #   second_factors: [webauthn, otp]\n"
    return out


def _proxy(cluster: Cluster) -> str:
    out = "  # The one port: web page, API, SSH and tunnels.\n  web_listen_addr: 0.0.0.0:3080\n"
    out += _line("public_addr", cluster.public_addr, "proxy.example.com:3080", "What users and agents call it.")
    if cluster.cert_file:
        out += "  https_keypairs:\n"
        out += f"    - key_file: {quoted(cluster.key_file)}\n      cert_file: {quoted(cluster.cert_file)}\n"
    else:
        out += "  # https_keypairs:   # without one, a certificate of the cluster's own authority is made\n"
        out += "  #   - key_file: /etc/teleport/privkey.pem\n  #     cert_file: /etc/teleport/fullchain.pem\n"
    return out


def _node(cluster: Cluster) -> str:
    if not cluster.labels:
        commands = "  # commands:\n  #   - {name: uptime, command: [uptime, -p], period: 1m}\n"
        return f"  # labels:\n  #   env: prod\n{commands}"
    lines = "".join(f"    {quoted(key)}: {quoted(value)}\n" for key, value in cluster.labels)
    return f"  labels:\n{lines}"
