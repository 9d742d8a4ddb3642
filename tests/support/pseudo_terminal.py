"""A person at a terminal: types, reads what appears, changes the window."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Sequence


class Terminal:
    """A program of ours on a terminal of ours."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self._master = master
        self.seen = b""
        self._more = asyncio.Event()
        os.set_blocking(master, False)
        asyncio.get_running_loop().add_reader(master, self._read)

    @classmethod
    async def start(cls, argv: Sequence[str], columns: int = 80, rows: int = 24) -> Terminal:
        master, slave = os.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
            )
        finally:
            os.close(slave)
        return cls(process, master)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self.seen += data
        self._more.set()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def paste(self, text: str) -> None:
        """Type more than the terminal takes at once."""
        data = text.encode()
        loop = asyncio.get_running_loop()
        while data:
            writable = asyncio.Event()
            loop.add_writer(self._master, writable.set)
            try:
                await writable.wait()
            finally:
                loop.remove_writer(self._master)
            data = data[os.write(self._master, data[:1024]) :]

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(28)

    async def until(self, text: str, timeout: float = 60) -> bytes:
        """What has appeared, once `text` has; it is forgotten afterwards."""
        try:
            async with asyncio.timeout(timeout):
                while text.encode() not in self.seen:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} was not seen within {timeout} s: {self.seen[-2000:]!r}") from None
        end = self.seen.index(text.encode()) + len(text)
        shown, self.seen = self.seen[:end], self.seen[end:]
        return shown

    async def end(self, timeout: float = 20) -> int:
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
