"""A network namespace that lets nothing in: its way out is a user-mode network to this host's loopback.

Works for root and for a plain user (who stays who he is, in a user namespace of his own).
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from harness.processes import Started, until

HOST = "10.0.2.2"
"""The loopback of this host, as seen from inside."""


class ShutIn:
    """Holds the namespace open while the test runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        own_user = [] if os.geteuid() == 0 else ["--user", "--map-current-user"]
        self._holder = Started(["unshare", *own_user, "--net", "sleep", "600"], folder / "holder.log")
        own = os.readlink("/proc/self/ns/net")
        until(lambda: self._namespace() not in ("", own), "namespace made")
        arguments = ["slirp4netns", "--configure", "--mtu=65520", str(self._holder.pid), "tap0"]
        self._network = Started(arguments, folder / "network.log")
        until(lambda: "tap0" in self._devices(), "network of the namespace")

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words in front of a command that make it run inside."""
        own_user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return ("nsenter", f"--target={self._holder.pid}", "--net", *own_user, "--")

    def _namespace(self) -> str:
        try:
            return os.readlink(f"/proc/{self._holder.pid}/ns/net")
        except OSError:
            return ""

    def _devices(self) -> str:
        done = subprocess.run([*self.prefix, "cat", "/proc/net/route"], capture_output=True, text=True, check=False)
        return done.stdout

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told: packets go unanswered."""
        os.kill(self._network.pid, signal.SIGSTOP)

    def mend(self) -> None:
        os.kill(self._network.pid, signal.SIGCONT)

    def close(self) -> None:
        self._network.kill()
        self._holder.kill()
