"""Identity files: one text with a private key, its SSH and TLS certificates, and the authorities to trust.

    PEM private key (a second one is the SSH key when the two differ)
    SSH certificate, one line
    PEM TLS certificate, then PEM certificates of the host authorities
    @cert-authority lines for SSH

Reading needs the standard library alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from teleport.client.files import write_private
from teleport.foundation.errors import BadParameter, NotFound

_MAX = 1 << 20
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n.*?-----END \1-----\n?", re.DOTALL)
_CERTIFICATE_MARK = "-cert-v01@openssh.com"
_AUTHORITY = "@cert-authority "


class IdentityFile(NamedTuple):
    """The parts as text, each with its line end."""

    tls_key: str
    ssh_key: str
    ssh_certificate: str
    tls_certificate: str
    tls_authorities: tuple[str, ...]
    host_authorities: tuple[str, ...]

    def to_text(self) -> str:
        keys = [self.tls_key] if self.ssh_key == self.tls_key else [self.tls_key, self.ssh_key]
        parts = [*keys, self.ssh_certificate, self.tls_certificate, *self.tls_authorities, *self.host_authorities]
        return "".join(part.rstrip("\n") + "\n" for part in parts if part)


def parse(text: str, name: str = "identity file") -> IdentityFile:
    """Raises BadParameter when a part is missing. The text is a secret and never quoted."""
    if len(text) > _MAX:
        raise BadParameter(f"{name} is too large to be an identity file")
    text = text.replace("\r\n", "\n")
    blocks = [(match[1], match[0]) for match in _PEM.finditer(text)]
    lines = _PEM.sub("", text).splitlines()
    keys = [block for kind, block in blocks if kind.endswith("PRIVATE KEY")]
    certificates = [block for kind, block in blocks if kind == "CERTIFICATE"]
    ssh = [line for line in lines if _CERTIFICATE_MARK in line.split(" ", 1)[0]]
    if not keys:
        raise BadParameter(f"{name}: no private key in it")
    if not certificates:
        raise BadParameter(f"{name}: no TLS certificate in it")
    return IdentityFile(
        keys[0],
        keys[-1],
        ssh[0] + "\n" if ssh else "",
        certificates[0],
        tuple(certificates[1:]),
        tuple(line + "\n" for line in lines if line.startswith(_AUTHORITY)),
    )


def load(path: str) -> IdentityFile:
    """Raises NotFound and BadParameter."""
    try:
        with open(path, encoding="utf-8") as file:
            return parse(file.read(_MAX + 1), path)
    except FileNotFoundError:
        raise NotFound(f"identity file {path} does not exist") from None
    except UnicodeDecodeError:
        raise BadParameter(f"{path}: not an identity file") from None


def save(path: str, identity: IdentityFile) -> None:
    """Written whole, readable by the owner alone."""
    import os

    write_private(os.path.abspath(path), identity.to_text())


def write_as(identity: IdentityFile, form: str, path: str) -> None:
    """In the form `file`, `openssh` (key and certificate apart) or `tls` (certificate, key, authorities)."""
    import os

    from teleport.credentials.keys import PrivateKey

    base = os.path.abspath(path)
    match form:
        case "file":
            save(path, identity)
        case "openssh":
            # ssh finds the certificate of a key only where the file tells the public half: OpenSSH's own form
            write_private(base, PrivateKey.from_pem(identity.ssh_key).ssh_pem())
            write_private(f"{base}-cert.pub", identity.ssh_certificate)
        case "tls":
            write_private(f"{base}.crt", identity.tls_certificate)
            write_private(f"{base}.key", identity.tls_key)
            write_private(f"{base}.cas", "".join(identity.tls_authorities))
        case _:
            raise BadParameter(f"format {form!r}: expected file, openssh or tls")
