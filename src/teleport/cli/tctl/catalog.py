"""The commands of tctl and its global flags."""

from __future__ import annotations

from teleport.cli.arguments import Arguments
from teleport.cli.program import Entry, Program, common_flags

_AT = "teleport.cli.tctl."


def global_flags(parser: Arguments) -> None:
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="this auth host's teleport.yaml [TELEPORT_CONFIG_FILE]"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="data directory of this auth host [TELEPORT_DATA_DIR]")
    parser.add_argument(
        "--auth-server", metavar="HOST[:PORT]", help="auth service or proxy to talk to [TELEPORT_AUTH_SERVER]"
    )
    parser.add_argument("-i", "--identity", metavar="FILE", help="use an identity file [TELEPORT_IDENTITY_FILE]")
    parser.switch("--insecure", help="kept for scripts: the auth service is always verified")
    parser.add_argument("--mfa-mode", metavar="MODE", help="auto, otp, cross-platform, platform [TELEPORT_MFA_MODE]")
    common_flags(parser)


PROGRAM = Program(
    name="tctl",
    title="Administer a Teleport cluster: on the auth host through its data directory, elsewhere with an identity.",
    catalogue=(
        Entry("status", f"{_AT}status", "show the cluster, its authorities and CA pins"),
        Entry("users", f"{_AT}users", "invite, list, change and remove users", ("user",)),
        Entry("tokens", f"{_AT}tokens", "join tokens for new hosts", ("token",)),
        Entry("nodes", f"{_AT}nodes", "list SSH servers and add new ones", ("node",)),
        Entry("get", f"{_AT}get", "print resources"),
        Entry("create", f"{_AT}create", "create resources from YAML or JSON"),
        Entry("update", f"{_AT}update", "change labels or lifetime of a resource, or replace it from a file"),
        Entry("edit", f"{_AT}edit", "change a resource in an editor"),
        Entry("rm", f"{_AT}rm", "remove resources", ("del",)),
        Entry("auth", f"{_AT}auth", "certificate authorities: list, export, sign"),
        Entry("audit", f"{_AT}audit", "read the audit log"),
        Entry("requests", f"{_AT}requests", "access requests: list, decide, review", ("request",)),
        Entry("access", f"{_AT}access", "explain decisions, compare roles with a file, test expectations"),
        Entry("alerts", f"{_AT}alerts", "tell users something, list and hide what is told", ("alert",)),
        Entry("acl", f"{_AT}acl", "access lists: members, reviews, whom they reach"),
        Entry("login_rule", f"{_AT}login_rule", "test login rules on traits"),
        Entry("lock", f"{_AT}lock", "lock a user, a role, a server out"),
        Entry("sessions", f"{_AT}sessions", "list running sessions, end one", ("session",)),
        Entry("recordings", f"{_AT}recordings", "list recorded sessions", ("recording",)),
        Entry("version", f"{_AT}version", "print the version"),
        Entry("completion", "", "print a completion script: bash, zsh or fish"),
        Entry("help", "", "explain a command"),
    ),
    global_flags=global_flags,
    environment={
        "config": ("TELEPORT_CONFIG_FILE",),
        "data_dir": ("TELEPORT_DATA_DIR",),
        "auth_server": ("TELEPORT_AUTH_SERVER",),
        "identity": ("TELEPORT_IDENTITY_FILE",),
        "mfa_mode": ("TELEPORT_MFA_MODE",),
        "debug": ("TELEPORT_DEBUG",),
    },
    examples=(
        "tctl users add alice --roles=access --logins=alice,root",
        "tctl tokens add --type=node",
        "tctl get role/access > role.yaml; tctl create -f role.yaml",
        "tctl audit ls --last=1h --type=session.start",
    ),
)
