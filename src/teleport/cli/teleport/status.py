"""`teleport status`: what the variables of a session on one of our servers say about it."""

from __future__ import annotations

import os
from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.foundation.errors import NotFound

LINES = (
    ("User ID", "SSH_TELEPORT_USER"),
    ("Cluster Name", "SSH_TELEPORT_CLUSTER_NAME"),
    ("Host UUID", "SSH_TELEPORT_HOST_UUID"),
    ("Session ID", "SSH_SESSION_ID"),
    ("Proxy", "SSH_SESSION_WEBPROXY_ADDR"),
)


def arguments(parser: Arguments) -> None:
    """No options of its own."""


def run(options: Namespace) -> int:
    if not os.environ.get("SSH_SESSION_ID"):
        raise NotFound("this shell does not run in a Teleport session: SSH_SESSION_ID is not set")
    width = max(len(title) for title, _ in LINES)
    for title, variable in LINES:
        print(f"{title:<{width}} : {os.environ.get(variable, '')}")
    return 0
