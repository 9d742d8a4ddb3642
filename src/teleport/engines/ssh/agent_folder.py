"""The folder of a forwarded key agent's socket: nobody could prepare it, nobody can turn its removal on others."""

from __future__ import annotations

import contextlib
import os
import tempfile

from teleport.engines.ssh.host_users import HostUser

_SOCKET = "agent.sock"


class AgentFolder:
    """Made new, for the user alone, and held by descriptor: names may be exchanged behind our back, it may not."""

    def __init__(self, user: HostUser) -> None:
        """Raises OSError."""
        self.path = tempfile.mkdtemp(prefix="teleport-agent-")
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.geteuid() == 0:
                os.fchown(self._descriptor, user.uid, user.gid)
        except BaseException:
            self.remove()
            raise

    @property
    def socket_path(self) -> str:
        return f"{self.path}/{_SOCKET}"

    def remove(self) -> None:
        """What the user put there beside the socket stays, and the folder with it."""
        with contextlib.suppress(OSError):
            os.unlink(_SOCKET, dir_fd=self._descriptor)
        with contextlib.suppress(OSError):
            os.rmdir(self.path)
        os.close(self._descriptor)
