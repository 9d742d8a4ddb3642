"""The commands of tsh and its global flags."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.program import Entry, Program, common_flags
from teleport.foundation.errors import BadParameter, Unsupported

_AT = "teleport.cli.tsh."


def global_flags(parser: Arguments) -> None:
    parser.add_argument("--proxy", metavar="HOST[:PORT]", help="the proxy to talk to [TELEPORT_PROXY]")
    parser.add_argument("--user", metavar="NAME", help="your name at the cluster [TELEPORT_USER]")
    parser.add_argument("-l", "--login", metavar="NAME", help="login on remote hosts [TELEPORT_LOGIN]")
    parser.add_argument("--auth", metavar="NAME", help="local, passwordless, headless or a connector [TELEPORT_AUTH]")
    parser.switch("--headless", help="no profile here: approve ssh, scp or ls elsewhere [TELEPORT_HEADLESS]")
    parser.add_argument(
        "--mlock", metavar="MODE", help="keep headless keys unswapped: off, auto, best_effort, strict"
    )
    parser.add_argument("-c", "--cluster", metavar="NAME", help="the cluster to use [TELEPORT_CLUSTER]")
    parser.add_argument("-i", "--identity", metavar="FILE", help="use an identity file [TELEPORT_IDENTITY_FILE]")
    parser.add_argument("-J", "--jumphost", metavar="HOST[:PORT]", help="go through this proxy of the same cluster")
    parser.count("--ttl", metavar="MINUTES", help="how long a login shall last")
    parser.add_argument(
        "-k", "--add-keys-to-agent", metavar="auto|yes|no|only", help="use the ssh-agent [TELEPORT_ADD_KEYS_TO_AGENT]"
    )
    parser.add_argument("--mfa-mode", metavar="MODE", help="auto, otp, cross-platform, platform [TELEPORT_MFA_MODE]")
    parser.add_argument("--ca-pin", action="append", metavar="PIN", help="the proxy's cluster has this authority")
    parser.switch("--insecure", help="do not verify the proxy's web certificate")
    parser.switch("--skip-version-check", help="do not compare versions with the cluster")
    common_flags(parser)


def check(entry: Entry, options: Namespace) -> None:
    """Before anything is asked: words that mean nothing, and what does not work without a profile."""
    if entry.name == "login":
        _check_words(options)
    if options.headless is True and entry.name not in ("ssh", "scp", "ls"):
        raise Unsupported("--headless is for tsh ssh, tsh scp and tsh ls")


def _check_words(options: Namespace) -> None:
    from teleport.client import key_agent, mfa

    if options.add_keys_to_agent is not None:
        key_agent.mode_of(options.add_keys_to_agent)
    if options.mfa_mode is not None and options.mfa_mode not in mfa.MODES:
        raise BadParameter(f"--mfa-mode: {options.mfa_mode!r}: expected {', '.join(mfa.MODES)}")


PROGRAM = Program(
    name="tsh",
    title="Reach servers through a Teleport cluster.",
    catalogue=(
        Entry("login", f"{_AT}login", "log in to a cluster"),
        Entry("logout", f"{_AT}logout", "forget certificates and keys"),
        Entry("status", f"{_AT}status", "show who you are logged in as, and until when"),
        Entry("ls", f"{_AT}ls", "list servers"),
        Entry("ssh", f"{_AT}ssh", "run a shell or a command on a server"),
        Entry("scp", f"{_AT}scp", "copy files from and to a server"),
        Entry("sftp", f"{_AT}sftp", "browse and copy files of a server interactively"),
        Entry("config", f"{_AT}config", "print the configuration for the OpenSSH client"),
        Entry("proxy", f"{_AT}proxy", "be the ProxyCommand of another program"),
        Entry("request", f"{_AT}request", "ask for access, review what others ask for", ("requests",)),
        Entry("sessions", f"{_AT}sessions", "list sessions that run now"),
        Entry("join", f"{_AT}join", "watch, moderate or help in a session of somebody else"),
        Entry("recordings", f"{_AT}recordings", "list recorded sessions", ("recording",)),
        Entry("play", f"{_AT}play", "replay a recorded session"),
        Entry("clusters", f"{_AT}clusters", "list clusters"),
        Entry("resolve", f"{_AT}resolve", "tell which server a name leads to"),
        Entry("mfa", f"{_AT}mfa", "your second factors"),
        Entry("headless", f"{_AT}headless", "approve a command that waits on another machine"),
        Entry("env", f"{_AT}env", "print shell variables of the current login"),
        Entry("daemon", f"{_AT}daemon", "the resident process that keeps connections warm"),
        Entry("version", f"{_AT}version", "print versions"),
        Entry("completion", "", "print a completion script: bash, zsh or fish"),
        Entry("help", "", "explain a command"),
    ),
    global_flags=global_flags,
    check=check,
    environment={
        "proxy": ("TELEPORT_PROXY",),
        "user": ("TELEPORT_USER",),
        "login": ("TELEPORT_LOGIN",),
        "auth": ("TELEPORT_AUTH",),
        "cluster": ("TELEPORT_CLUSTER", "TELEPORT_SITE"),
        "identity": ("TELEPORT_IDENTITY_FILE",),
        "add_keys_to_agent": ("TELEPORT_ADD_KEYS_TO_AGENT", "TELEPORT_USE_LOCAL_SSH_AGENT"),
        "headless": ("TELEPORT_HEADLESS",),
        "mlock": ("TELEPORT_MLOCK_MODE",),
        "mfa_mode": ("TELEPORT_MFA_MODE",),
        "request_mode": ("TELEPORT_REQUEST_MODE",),
        "browser": ("TELEPORT_LOGIN_BROWSER",),
        "bind_addr": ("TELEPORT_LOGIN_BIND_ADDR",),
        "debug": ("TELEPORT_DEBUG",),
    },
    examples=(
        "tsh login --proxy=teleport.example.com --user=alice",
        "tsh ls env=prod",
        "tsh ssh root@web-1",
        "tsh scp -r notes root@web-1:/srv/",
    ),
)
