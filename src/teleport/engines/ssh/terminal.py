"""Pseudo-terminals: opened for a host user, set up as the client asked, resized while in use."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import struct
import termios
from collections.abc import Mapping
from typing import Any

from teleport.engines.ssh.host_users import HostUser
from teleport.foundation.errors import Unavailable
from teleport.wire.terminal import CONTROL_CHARACTERS, FLAGS, TerminalSize

_DISABLED = 255


class Terminal:
    """Both ends of a pseudo-terminal. The slave end is closed once a program has it."""

    def __init__(self, user: HostUser, size: TerminalSize, modes: Mapping[int, int]) -> None:
        """Raises Unavailable when the system has no more terminals."""
        try:
            self.master, self.slave = os.openpty()
        except OSError as error:
            raise Unavailable(f"no terminal can be opened: {error.strerror}") from error
        self.name = os.ttyname(self.slave)
        try:
            _give_to(self.slave, user)
            _set_modes(self.slave, modes)
            self.resize(size)
        except BaseException:
            self.close_slave()
            os.close(self.master)
            raise

    def resize(self, size: TerminalSize) -> None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))

    def close_slave(self) -> None:
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1


def _give_to(slave: int, user: HostUser) -> None:
    """Let the user open it again by name, and write(1) and the like use it through the group tty."""
    if os.geteuid() != 0:
        return
    try:
        group, mode = grp.getgrnam("tty").gr_gid, 0o620
    except KeyError:
        group, mode = user.gid, 0o600
    with contextlib.suppress(PermissionError):  # a container may forbid it: then programs still have the descriptor
        os.fchown(slave, user.uid, group)
        os.fchmod(slave, mode)


def _set_modes(slave: int, modes: Mapping[int, int]) -> None:
    attributes: list[Any] = termios.tcgetattr(slave)
    for opcode, value in modes.items():
        if opcode in CONTROL_CHARACTERS:
            index = getattr(termios, CONTROL_CHARACTERS[opcode], None)
            if index is not None:
                attributes[6][index] = bytes((0 if value == _DISABLED else value & 0xFF,))
        elif opcode in FLAGS:
            field, name = FLAGS[opcode]
            flag = getattr(termios, name, 0)
            attributes[field] = attributes[field] | flag if value else attributes[field] & ~flag
    with contextlib.suppress(termios.error):
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
