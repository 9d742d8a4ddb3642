"""From the words of `tsh ssh` to what is asked: flags come before `-o`, which comes before the file of `-F`."""

from __future__ import annotations

import fnmatch
import os
from argparse import Namespace
from collections.abc import Mapping

from teleport.cli.tsh import hosts
from teleport.client import ssh, ssh_options
from teleport.client.account import Account
from teleport.client.dialer import Wanted
from teleport.client.forwarding import Forward, parse_dynamic, parse_forward
from teleport.client.ssh_forwards import Forwards
from teleport.client.ssh_options import SshOptions
from teleport.client.targets import check_host, check_login, parse_target
from teleport.client.x11 import X11Choice
from teleport.foundation import durations
from teleport.foundation.errors import BadParameter, Unsupported
from teleport.wire.session_words import MAX_INVITED, MAX_REASON, Purpose


def request_of(options: Namespace, account: Account) -> ssh.SshRequest:
    """Raises BadParameter and Unsupported for what does not go together."""
    wanted = _target(options)
    chosen = _chosen(options, wanted)
    wanted = hosts.complete(_amended(wanted, chosen), account, options)
    words = " ".join(options.literal) or chosen.remote_command or None
    run_nothing = bool(options.no_remote_exec) or chosen.session == "none"
    local = tuple(options.literal) if options.local else ()
    background = bool(options.fork_after_authentication)
    if background and words is None and not run_nothing:
        raise BadParameter("-f needs a command to run, or -N")
    if options.local and not local:
        raise BadParameter("--local needs a command to run here")
    if words is not None and run_nothing and not local:
        raise BadParameter("-N runs nothing, yet there is a command")
    agent = options.forward_agent if options.forward_agent is not None else bool(chosen.forward_agent)
    return ssh.SshRequest(
        wanted._replace(port=options.port or chosen.port or 0),
        words,
        terminal=_terminal(options, chosen),
        run_nothing=run_nothing,
        local_command=local,
        forwards=_forwards(options, chosen),
        forward_agent=agent,
        x11=_x11(options, chosen),
        environment=_environment(chosen) | _purpose(options, words).variables(),
        escape_keys=_first(options.enable_escape_sequences, chosen.escape_keys, True),
        no_input=bool(options.stdin_null) or bool(chosen.no_input) or background,
        background=background,
        quiet=_first(options.quiet, chosen.quiet, False),
        resumes=_resumes(options.resume),
        alive_interval=chosen.alive_interval,
        alive_count=chosen.alive_count,
        insecure=bool(options.insecure),
        mfa_mode=options.mfa_mode or "auto",
    )


def _target(options: Namespace) -> Wanted:
    """With --search or --query, `USER@` alone is enough."""
    login, mark, host = options.target.rpartition("@")
    if (options.search or options.query) and mark and not host:
        return Wanted("", check_login(login) if login else "")
    wanted = parse_target(options.target)
    if (options.search or options.query) and wanted.name:
        raise BadParameter("--search and --query choose servers: write USER@ or USER@LABELS, not a server's name")
    return wanted


def _chosen(options: Namespace, wanted: Wanted) -> SshOptions:
    pairs = [ssh_options.pair(text) for text in options.option]
    if options.config_file:
        from teleport.client import ssh_config_file

        pairs += ssh_config_file.options_for(options.config_file, wanted.name)
    chosen = ssh_options.resolve(pairs)
    if chosen.proxy_jump:
        raise Unsupported(f"-o ProxyJump={chosen.proxy_jump}: use -J to go through another proxy of the cluster")
    return chosen


def _amended(wanted: Wanted, chosen: SshOptions) -> Wanted:
    if chosen.host_name and wanted.name:
        wanted = wanted._replace(name=check_host(chosen.host_name.replace("%h", wanted.name)))
    if chosen.user and not wanted.login:
        wanted = wanted._replace(login=check_login(chosen.user))
    return wanted


def _terminal(options: Namespace, chosen: SshOptions) -> bool | None:
    if options.tty and options.disable_tty:
        raise BadParameter("-t and -T exclude each other")
    if options.disable_tty:
        return False
    return True if options.tty else chosen.terminal


def _forwards(options: Namespace, chosen: SshOptions) -> Forwards:
    local = tuple(parse_forward(text) for text in options.forward)
    remote = tuple(parse_forward(text) for text in options.remote_forward)
    dynamic = tuple(parse_dynamic(text) for text in options.dynamic_forward)
    if not chosen.clear_forwards:
        local, remote, dynamic = local + chosen.local, remote + chosen.remote, dynamic + chosen.dynamic
    if chosen.gateway_ports:
        local, dynamic = _to_all(local), _to_all(dynamic)
    return Forwards(local, remote, dynamic, chosen.needs_forwards is not False)


def _to_all(forwards: tuple[Forward, ...]) -> tuple[Forward, ...]:
    """Where no address was said, others may use it too."""
    return tuple(one._replace(bind="*") if one.bind == "127.0.0.1" else one for one in forwards)


def _x11(options: Namespace, chosen: SshOptions) -> X11Choice | None:
    lifetime = durations.parse(options.x11_untrusted_timeout).total_seconds()
    if options.x11_trusted:
        return X11Choice(trusted=True)
    if options.x11_untrusted or (chosen.forward_x11 and options.x11_untrusted is None):
        is_trusted = bool(chosen.trusted_x11) and not options.x11_untrusted
        return X11Choice(is_trusted, lifetime if chosen.x11_timeout is None else chosen.x11_timeout)
    return None


def _resumes(asked: bool | None, environment: Mapping[str, str] = os.environ) -> bool | None:
    """As asked for; None leaves it to the sort of session. Never where the environment forbids it."""
    return asked if environment.get("TELEPORT_NO_RESUME", "").lower() in ("", "0", "no", "false") else False


def _purpose(options: Namespace, command: str | None) -> Purpose:
    invited = tuple(name.strip() for name in (options.invite or "").split(",") if name.strip())
    purpose = Purpose(options.reason or "", invited, bool(options.participant_req))
    if any(purpose) and command is not None and not options.tty:
        raise BadParameter("--reason, --invite and --participant-req are for sessions on a terminal: add -t")
    if len(purpose.reason) > MAX_REASON or not all(letter.isprintable() for letter in purpose.reason):
        raise BadParameter(f"--reason: expected one line of at most {MAX_REASON} characters")
    if len(invited) > MAX_INVITED:
        raise BadParameter(f"--invite: {MAX_INVITED} people at most")
    return purpose


def _environment(chosen: SshOptions, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    sent = {
        name: value
        for name, value in own.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in chosen.send_variables)
    }
    pairs = (text.partition("=") for text in reversed(chosen.set_variables))  # the first of a name counts
    return sent | {name: value for name, _, value in pairs}


def _first(flag: bool | None, option: bool | None, otherwise: bool) -> bool:
    return flag if flag is not None else option if option is not None else otherwise
