"""People who hold an identity file that an administrator signed: no sign-up, no login, ready at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.cluster import LOGIN, Cluster, Finished, clean_environment, run
from harness.processes import BIN
from harness.terminals import OnTerminal


@dataclass
class Visitor:
    """A user of a cluster with `roles`, allowed in as whoever runs the tests."""

    cluster: Cluster
    home: Path
    name: str = "vera"
    roles: str = "access,editor,auditor"
    proxy: str = ""
    identity: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.identity = self.home / "identity"
        self.proxy = self.proxy or self.cluster.proxy
        self.cluster.tctl("users", "add", self.name, f"--roles={self.roles}", f"--logins={LOGIN}").ok()
        self.renew()

    def renew(self, ttl: str = "1h") -> None:
        words = ["auth", "sign", f"--user={self.name}", f"--out={self.identity}", f"--ttl={ttl}", "--overwrite"]
        self.cluster.tctl(*words).ok()

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(self.home), "TELEPORT_NO_DAEMON": "1"}

    def words(self, *arguments: str) -> list[str]:
        command, *others = arguments
        return [str(BIN / "tsh"), command, "-i", str(self.identity), f"--proxy={self.proxy}", *others]

    def tsh(self, *arguments: str, text: str = "", timeout: float = 60) -> Finished:
        return run(self.words(*arguments), self.environment, text, timeout)

    def reaches(self, host: str) -> bool:
        done = self.tsh("ssh", f"{LOGIN}@{host}", "echo reached")
        return done.status == 0 and done.out == "reached\n"

    def terminal(self, host: str, *flags: str) -> OnTerminal:
        """An interactive session; a prompt was seen when it returns."""
        session = OnTerminal(self.words("ssh", *flags, f"{LOGIN}@{host}"), self.environment)
        try:
            session.run("PS1='rea''dy> '; stty -echo", r"ready> $")  # its echo, in pieces, is no prompt
        except BaseException:
            session.__exit__(None, None, None)
            raise
        return session
