"""Values of the file, each turned into its type or refused with its key and line."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import timedelta
from pathlib import Path

from teleport.foundation import durations
from teleport.foundation.errors import BadParameter
from teleport.net.address import Address
from teleport.process.config.document import Document, Position

LABEL_KEY = re.compile(r"[a-zA-Z/.0-9_:*-]+")
PIN = re.compile(r"sha256:[0-9a-f]{64}")


def split_address(text: str, default_port: int) -> Address:
    """`host`, `host:port`, `[v6]:port`, `https://host`, `:port` for every address. Raises BadParameter."""
    bare = re.sub(r"^(https?|tls|tcp)://", "", text.strip()).rstrip("/")
    if text.startswith("https://") and default_port == 3080:
        default_port = 443
    match = re.fullmatch(r"\[([^\]]*)\](?::(\d+))?|([^:\s/]*)(?::(\d+))?|([0-9a-fA-F:]+)", bare)
    if match is None:
        raise BadParameter(f"{text!r} is not an address, expected host:port")
    host = match[1] or match[3] or match[5] or ""
    port = int(match[2] or match[4] or default_port)
    if port > 65535:
        raise BadParameter(f"{text!r}: port {port} is not between 0 and 65535")
    return Address(host, port)


def address(document: Document, position: Position, text: str, default_port: int, host: str = "") -> Address:
    """`host`, where given, takes the place of the address's own."""
    try:
        found = split_address(text, default_port)
    except BadParameter as problem:
        raise document.error(position, problem.message) from None
    return Address(host, found.port) if host else found


def addresses(
    document: Document, position: Position, value: str | list[str], default_port: int
) -> tuple[Address, ...]:
    texts = [value] if isinstance(value, str) else value
    return tuple(address(document, position, text, default_port) for text in texts if text)


def duration(document: Document, position: Position, text: str, at_least: float = 0.0) -> timedelta:
    try:
        found = durations.parse(text)
    except BadParameter as problem:
        raise document.error(position, problem.message) from None
    if found.total_seconds() < at_least:
        raise document.error(position, f"{text!r} is shorter than {at_least:g}s")
    return found


def at_least(document: Document, position: Position, found: int, least: int) -> int:
    if found < least:
        raise document.error(position, f"{found}: expected {least} or more")
    return found


def labels(document: Document, position: Position, found: dict[str, str]) -> dict[str, str]:
    for key in found:
        if not LABEL_KEY.fullmatch(key):
            raise document.error((*position, key), "a label's key has letters, digits and . / _ : * - only")
    return found


def pin(document: Document, text: str) -> str:
    text = secret(document, ("teleport", "ca_pin"), text)
    if not PIN.fullmatch(text):
        raise document.error(("teleport", "ca_pin"), f"{text!r}: expected sha256: and 64 hexadecimal digits")
    return text


def secret(document: Document, position: Position, text: str) -> str:
    """The value itself, or the content of the file whose absolute path it is."""
    if not text.startswith("/"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not text"
        raise document.error(position, f"cannot read the file {text}: {reason}") from None


def base64_text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise BadParameter("configuration string is not base64 of UTF-8 text") from None
