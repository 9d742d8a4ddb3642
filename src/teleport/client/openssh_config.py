"""The configuration with which stock OpenSSH programs reach servers: `Host` blocks, `known_hosts`, ProxyCommand.

A shell runs the ProxyCommand. So the user's name is never part of it, the host's name stands between quotes (OpenSSH
refuses names with quotes in them), and values of ours are quoted and have their `%` doubled. For Windows, which the
kind of the paths tells, quotes are double ones and paths have the slashes that OpenSSH there takes too.
"""

from __future__ import annotations

import shlex
from pathlib import PurePath, PureWindowsPath
from typing import NamedTuple

from teleport.foundation.errors import BadParameter

_SAFE_IN_PATTERN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:")
DEFAULT_PORT = 3022


class SshConfig(NamedTuple):
    """What the text is made of. `program` is the command that starts tsh."""

    proxy: str
    proxy_host: str
    clusters: tuple[str, ...]
    known_hosts: PurePath
    key: PurePath
    session_certificate: PurePath
    certificate: PurePath
    program: tuple[str | PurePath, ...]
    port: int = DEFAULT_PORT
    pass_descriptor: bool = True

    def to_text(self) -> str:
        """Raises BadParameter when a cluster's name cannot stand in a pattern."""
        for name in (*self.clusters, self.proxy_host):
            if not name or not _SAFE_IN_PATTERN.issuperset(name):
                raise BadParameter(f"{name!r} cannot stand in an ssh configuration")
        is_windows = isinstance(self.known_hosts, PureWindowsPath)
        quoted = _windows_command_word if is_windows else _command_word
        target = '"%h:%p"' if is_windows else "'%h:%p'"
        patterns = " ".join(f"*.{cluster}" for cluster in self.clusters)
        blocks = [
            f"# Begin generated Teleport configuration for {self.proxy} by tsh",
            "",
            f"# Servers of {', '.join(self.clusters)} and the proxy",
            f"Host {patterns} {self.proxy_host}",
            f"    UserKnownHostsFile {path_word(self.known_hosts)}",
            f"    IdentityFile {path_word(self.key)}",
            # there for a moment while a session with MFA begins; tried first
            f"    CertificateFile {path_word(self.session_certificate)}",
            f"    CertificateFile {path_word(self.certificate)}",
            "    IdentitiesOnly yes",
            "    StrictHostKeyChecking yes",
            "    HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com",
        ]
        for cluster in self.clusters:
            way = ("proxy", "ssh", f"--proxy={self.proxy}", f"--cluster={cluster}")
            command: list[str | PurePath] = [*self.program, *way]
            command += ["--fdpass"] if self.pass_descriptor else []
            # ssh itself puts `exec` in front, so no shell stays behind; quoting keeps every value one word
            line = " ".join(quoted(word) for word in command)
            blocks += [
                "",
                f"Host *.{cluster} !{self.proxy_host}",
                f"    Port {self.port}",
                f"    ProxyCommand {line} -- {target}",
                *(["    ProxyUseFdpass yes"] if self.pass_descriptor else []),
            ]
        blocks += ["", "# End generated Teleport configuration"]
        return "\n".join(blocks) + "\n"


def path_word(path: PurePath) -> str:
    """A file name for a configuration line: `%` and quotation marks are not expanded. Raises BadParameter."""
    text = path.as_posix()
    if any(mark in text for mark in '"\n\r\0'):
        raise BadParameter(f"path {text!r} cannot stand in an ssh configuration")
    return '"' + text.replace("%", "%%").replace("\\", "\\\\") + '"'


def _command_word(word: str | PurePath) -> str:
    text = str(word)
    if any(mark in text for mark in "\n\r\0"):
        raise BadParameter(f"{text!r} cannot stand in an ssh configuration")
    return shlex.quote(text.replace("%", "%%"))


def _windows_command_word(word: str | PurePath) -> str:
    """For cmd.exe, which takes everything but `%` and quotation marks within quotation marks as it is."""
    text = word.as_posix() if isinstance(word, PurePath) else word
    if any(mark in text for mark in '"\n\r\0!'):
        raise BadParameter(f"{text!r} cannot stand in an ssh configuration")
    is_plain = all(letter.isalnum() or letter in "-_=.:/\\" for letter in text)
    return text if is_plain and text else '"' + text.replace("%", "%%") + '"'
