"""A folder for files of ours that a user's programs need: nobody could prepare it, nobody can turn its removal on
others.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

from teleport.engines.ssh.host_users import HostUser


class UserFolder:
    """Made new, for the user alone, and held by descriptor: names may be exchanged behind our back, it may not.

    `name` is the one file that is kept in it and removed with it; with `content` it is there from the start.
    """

    def __init__(self, user: HostUser, purpose: str, name: str, content: bytes | None = None) -> None:
        """Raises OSError."""
        self._name = name
        self.path = tempfile.mkdtemp(prefix=f"teleport-{purpose}-")
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if content is not None:
                self._write(content, user)
            if os.geteuid() == 0:
                os.fchown(self._descriptor, user.uid, user.gid)
        except BaseException:
            self.remove()
            raise

    def _write(self, content: bytes, user: HostUser) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._name, flags, 0o600, dir_fd=self._descriptor)
        try:
            os.write(descriptor, content)
            if os.geteuid() == 0:
                os.fchown(descriptor, user.uid, user.gid)
        finally:
            os.close(descriptor)

    @property
    def file_path(self) -> str:
        return f"{self.path}/{self._name}"

    def remove(self) -> None:
        """What the user put there beside the file stays, and the folder with it."""
        with contextlib.suppress(OSError):
            os.unlink(self._name, dir_fd=self._descriptor)
        with contextlib.suppress(OSError):
            os.rmdir(self.path)
        os.close(self._descriptor)
