"""The certificate of a session with MFA, lent to the stock ssh: in a file while it starts, taken away again.

OpenSSH reads its certificates right after it has been given the connection. The private key is the profile's own,
which is not copied; the certificate is public, and good for a minute.
"""

from __future__ import annotations

import contextlib
import os
import time

from teleport.client.account import Account
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.files import read_text, remove, write_private
from teleport.client.profile import KeyPaths, ProfileStore
from teleport.client.session_mfa import prove
from teleport.foundation.errors import Unsupported

LENT_FOR = 15.0
"""Seconds within which ssh has read it."""


def reach(account: Account, wanted: Wanted, mode: str = "auto") -> Reached:
    """Prove a second factor, dial with it, and leave the certificate where what `tsh config` prints looks for it."""
    if account.profile is None:
        raise Unsupported("with an identity file the stock ssh cannot open sessions that need MFA; use `tsh ssh`")
    paths = ProfileStore(account.home).paths(account.profile)
    proven = prove(account, wanted, mode, ssh_key=read_text(paths.ssh_key))
    reached = dial(proven, wanted._replace(asks_mfa=False))
    write_private(paths.session_certificate(account.cluster), proven.ssh().certificate)
    _take_away_later(paths, account.cluster, proven.ssh().certificate)
    return reached


def _take_away_later(paths: KeyPaths, cluster: str, lent: str) -> None:
    """By a process of its own: ssh waits for the one that handed it the connection."""
    if os.fork():
        return
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.closerange(3, 256)
        time.sleep(LENT_FOR)
        path = paths.session_certificate(cluster)
        with contextlib.suppress(OSError):
            if read_text(path) == lent:  # another session may have put its own there
                remove(path)
    finally:
        os._exit(0)
