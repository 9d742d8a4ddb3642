"""The configuration with which stock OpenSSH programs reach servers: `Host` blocks, `known_hosts`, ProxyCommand.

A shell runs the ProxyCommand. So the user's name is never part of it, the host's name stands between quotes (OpenSSH
refuses names with quotes in them), and values of ours are quoted and have their `%` doubled.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

from teleport.foundation.errors import BadParameter

_SAFE_IN_PATTERN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:")
DEFAULT_PORT = 3022


class SshConfig(NamedTuple):
    """What the text is made of. `program` is the command that starts tsh."""

    proxy: str
    proxy_host: str
    clusters: tuple[str, ...]
    known_hosts: str
    key: str
    session_certificate: str
    certificate: str
    program: tuple[str, ...]
    port: int = DEFAULT_PORT
    pass_descriptor: bool = True

    def to_text(self) -> str:
        """Raises BadParameter when a cluster's name cannot stand in a pattern."""
        for name in (*self.clusters, self.proxy_host):
            if not name or not _SAFE_IN_PATTERN.issuperset(name):
                raise BadParameter(f"{name!r} cannot stand in an ssh configuration")
        patterns = " ".join(f"*.{cluster}" for cluster in self.clusters)
        blocks = [
            f"# Servers of {', '.join(self.clusters)} through {self.proxy}",
            f"Host {patterns} {self.proxy_host}",
            f"    UserKnownHostsFile {_word(self.known_hosts)}",
            f"    IdentityFile {_word(self.key)}",
            # there for a moment while a session with MFA begins; tried first
            f"    CertificateFile {_word(self.session_certificate)}",
            f"    CertificateFile {_word(self.certificate)}",
            "    IdentitiesOnly yes",
            "    StrictHostKeyChecking yes",
            "    HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com",
        ]
        for cluster in self.clusters:
            command = [*self.program, "proxy", "ssh", f"--proxy={self.proxy}", f"--cluster={cluster}"]
            command += ["--fdpass"] if self.pass_descriptor else []
            # ssh itself puts `exec` in front, so no shell stays behind; quoting keeps every value one word
            line = " ".join(_command_word(word) for word in command)
            blocks += [
                "",
                f"Host *.{cluster} !{self.proxy_host}",
                f"    Port {self.port}",
                f"    ProxyCommand {line} -- '%h:%p'",
                *(["    ProxyUseFdpass yes"] if self.pass_descriptor else []),
            ]
        return "\n".join(blocks) + "\n"


def _word(text: str) -> str:
    """A file name for a configuration line: `%` and quotation marks are not expanded."""
    if any(mark in text for mark in '"\n\r\0'):
        raise BadParameter(f"path {text!r} cannot stand in an ssh configuration")
    return '"' + text.replace("%", "%%").replace("\\", "\\\\") + '"'


def _command_word(text: str) -> str:
    if any(mark in text for mark in "\n\r\0"):
        raise BadParameter(f"{text!r} cannot stand in an ssh configuration")
    return shlex.quote(text.replace("%", "%%"))
