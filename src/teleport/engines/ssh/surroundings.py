"""The variables a session finds around itself."""

from __future__ import annotations

from teleport.engines.ssh import host_users
from teleport.engines.ssh.backend import Wish
from teleport.engines.ssh.displays import Display
from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.visit import Visit


def session_environment(
    visit: Visit, wish: Wish, user: HostUser, sid: str, terminal_name: str = ""
) -> dict[str, str]:
    """Clean, with who and where of this session, and what the client was allowed to set."""
    post = visit.post
    client_host, client_port = visit.connection.client_address
    local_host, local_port = _local_address(visit.link)
    ours = {
        "SSH_TELEPORT_USER": visit.identity.username,
        "SSH_TELEPORT_HOST_UUID": post.host_id,
        "SSH_TELEPORT_CLUSTER_NAME": post.cluster,
        "SSH_SESSION_ID": sid,
        "SSH_CLIENT": f"{client_host} {client_port} {local_port}",
        "SSH_CONNECTION": f"{client_host} {client_port} {local_host} {local_port}",
    }
    if post.proxy_address:
        ours["SSH_SESSION_WEBPROXY_ADDR"] = post.proxy_address
    if wish.terminal is not None:
        ours["TERM"] = wish.terminal.kind or "dumb"
    if terminal_name:
        ours["SSH_TTY"] = terminal_name
    if visit.link.agent_path:
        ours["SSH_AUTH_SOCK"] = visit.link.agent_path
    if isinstance(wish.display, Display):
        ours |= {"DISPLAY": wish.display.name, "XAUTHORITY": wish.display.authority_path}
    return host_users.environment(user, {**_wished(wish), **ours})


def _wished(wish: Wish) -> dict[str, str]:
    """Where rules decide over words, no variable of the client's says what program a word is."""
    sent = wish.variables()
    if not wish.words:
        return sent
    return {
        name: value
        for name, value in sent.items()
        if name == "SSH_ORIGINAL_COMMAND" or host_users.accepts_variable(name, False)
    }


def _local_address(link: object) -> tuple[str, int]:
    get = getattr(link, "get_extra_info", None)
    name = get("sockname") if get is not None else None
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) and len(name) >= 2 else ("", 0)
