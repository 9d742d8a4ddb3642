"""The part of sshd's configuration that makes it trust a cluster: one file of ours, and one line that includes it.

Nothing of the operator's is changed but that line, and nothing is put in place that sshd itself does not accept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teleport.foundation.errors import BadParameter, NotFound, Unavailable

KEY = "ssh_host_teleport_key"
CERTIFICATE = f"{KEY}-cert.pub"
AUTHORITY = "teleport_openssh_ca.pub"
INCLUDED = "sshd.conf"
CHECK_TIMEOUT = 30.0
RESTART_TIMEOUT = 60.0


@dataclass(frozen=True)
class Credentials:
    """What sshd is given: a private key with its certificate, and whose user certificates it takes."""

    key: str
    certificate: str
    authorities: str


class SshdConfig:
    """`config` is sshd's own file, `folder` where ours are kept."""

    def __init__(self, config: Path, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or ""

    def check(self) -> None:
        """Raises NotFound, BadParameter: what is missing, before anything is asked of a cluster."""
        if not self._sshd:
            raise NotFound("sshd is not installed here: install an OpenSSH server first")
        if not self._config.is_file():
            raise NotFound(f"{self._config} does not exist: name sshd's configuration with --openssh-config")
        if any(letter.isspace() or letter in "\"'#%*?" for letter in str(self._folder)):
            raise BadParameter(f"{self._folder}: a path in sshd's configuration may not hold blanks, quotes or %")
        self._refuse_other_authority()

    def write(self, credentials: Credentials) -> None:
        """Our files and the line that includes them; as it was, when sshd would not accept it.

        Raises BadParameter with sshd's reason, and Unavailable.
        """
        host_keys = self._host_keys()
        try:
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            _write(self._folder / KEY, credentials.key)
            _write(self._folder / CERTIFICATE, credentials.certificate)
            _write(self._folder / AUTHORITY, credentials.authorities)
            _write(self._folder / INCLUDED, self._included(host_keys))
            self._include()
        except OSError as problem:
            raise Unavailable(
                f"{problem.filename or self._folder}: {problem.strerror}: run this as root"
            ) from problem

    def _included(self, host_keys: Sequence[str]) -> str:
        """Naming one host key takes the others away, so all are named."""
        ours = self._folder / KEY
        lines = [
            "# Written by `teleport join openssh`, which writes it again; put settings of your own elsewhere.",
            *(f"HostKey {path}" for path in host_keys if path != str(ours)),
            f"HostKey {ours}",
            f"HostCertificate {self._folder / CERTIFICATE}",
            f"TrustedUserCAKeys {self._folder / AUTHORITY}",
        ]
        return "\n".join(lines) + "\n"

    @property
    def _line(self) -> str:
        return f"Include {self._folder / INCLUDED}"

    def _include(self) -> None:
        text = self._config.read_text(encoding="utf-8", errors="surrogateescape")
        is_there = any(line.split() == self._line.split() for line in text.splitlines())
        # at the top: the first value counts, and what follows a Match belongs to it
        wanted = text if is_there else f"{self._line}\n{text}"
        trial = self._config.with_name(f"{self._config.name}.teleport-new")
        _write(trial, wanted, mode=self._config.stat().st_mode & 0o777)
        try:
            done = self._run(["-t", "-f", str(trial)])
            if done.returncode:
                raise BadParameter(f"sshd does not accept its configuration, which stays as it was: {_said(done)}")
            if not is_there:
                os.chown(trial, self._config.stat().st_uid, self._config.stat().st_gid)
                trial.replace(self._config)
        finally:
            trial.unlink(missing_ok=True)

    def _host_keys(self) -> list[str]:
        return [value for name, value in self._settings() if name == "hostkey" and Path(value).is_file()]

    def _refuse_other_authority(self) -> None:
        ours = str(self._folder / AUTHORITY)
        for name, value in self._settings():
            if name == "trustedusercakeys" and value not in ("none", ours):
                raise BadParameter(
                    f"{self._config} sets TrustedUserCAKeys to {value} already, and sshd heeds one file: add what "
                    "`tctl auth export --type=openssh` prints to it and create the node by hand, or take the setting "
                    "out"
                )

    def _settings(self) -> list[tuple[str, str]]:
        """As sshd understands them now."""
        done = self._run(["-T", "-f", str(self._config)])
        if done.returncode:
            raise BadParameter(f"sshd does not accept {self._config} as it is: {_said(done)}")
        pairs = (line.partition(" ") for line in done.stdout.splitlines())
        return [(name.lower(), value) for name, _, value in pairs]

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - sshd itself, no shell
                [self._sshd, *arguments], capture_output=True, text=True, timeout=CHECK_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise Unavailable(f"{self._sshd} cannot be run: {problem}") from problem


def restart(command: Sequence[str]) -> None:
    """Let sshd take up what was written. Raises Unavailable."""
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, no shell
            list(command), capture_output=True, text=True, timeout=RESTART_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Unavailable(f"sshd was not restarted: {problem}; restart it yourself") from problem
    if done.returncode:
        raise Unavailable(f"sshd was not restarted: {' '.join(command)}: {_said(done)}; restart it yourself")


def usual_restart() -> list[str]:
    """Of the service manager that is here; running sessions go on."""
    service = "ssh" if Path("/lib/systemd/system/ssh.service").exists() else "sshd"
    if Path("/run/systemd/system").is_dir():
        return ["systemctl", "reload-or-restart", service]
    return ["service", service, "reload"]


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stderr or done.stdout).split())[:500] or f"exit status {done.returncode}"


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f"{path.name}.part")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
