"""The flat YAML of profiles, read and written without a YAML library, which would cost more than the whole command.

Scalars, lists of scalars, comments. Anything richer is handed to the real parser.
"""

from __future__ import annotations

import json
import re

from teleport.foundation.errors import BadParameter

Value = str | bool | int | list[str]

_KEY = re.compile(r"([A-Za-z_][\w-]*):(?:\s+(.*))?$")
_PLAIN = re.compile(r"[A-Za-z_/][\w./@:+-]*$", re.ASCII)
_WORDS: dict[str, bool] = {"true": True, "false": False}
_NUMBER = re.compile(r"-?\d+$")
_LOOKS_TYPED = re.compile(r"(?i)(true|false|yes|no|on|off|y|n|null|~|.*:)$")


def read(text: str) -> dict[str, Value]:
    """Raises BadParameter."""
    found: dict[str, Value] = {}
    items: list[str] | None = None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#") or line == "---":
            continue
        stripped = line.lstrip()
        if stripped.startswith("- ") and items is not None:
            items.append(str(_scalar(stripped[2:])))
            continue
        match = _KEY.match(line)
        if match is None or (match[2] or "").startswith(("{", "&", "*", "|", ">", "!")):
            return _with_library(text)
        if not match[2]:
            items = []
            found[match[1]] = items
        else:
            items = None
            found[match[1]] = [] if match[2] == "[]" else _scalar(match[2])
    return {key: "" if value == [] else value for key, value in found.items()}


def write(values: dict[str, Value]) -> str:
    """Empty values are left out."""
    lines: list[str] = []
    for key, value in values.items():
        if isinstance(value, list):
            if value:
                lines += [f"{key}:", *(f"- {_text(item)}" for item in value)]
        elif value not in ("", None):
            lines.append(f"{key}: {_text(value)}")
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str | bool | int:
    word = text.strip()
    if word.startswith('"'):
        try:
            return str(json.loads(word))
        except ValueError as problem:
            raise BadParameter(f"value {word!r}: the quotation is not closed") from problem
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    word = word.partition(" #")[0].rstrip()
    if word in _WORDS:
        return _WORDS[word]
    return int(word) if _NUMBER.match(word) else word


def _text(value: str | bool | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _PLAIN.match(value) and not _LOOKS_TYPED.match(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _with_library(text: str) -> dict[str, Value]:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise BadParameter(f"not valid YAML: {problem}") from problem
    if not isinstance(document, dict):
        raise BadParameter("expected `key: value` lines")
    return {
        str(key): value if isinstance(value, (str, bool, int, list)) else str(value or "")
        for key, value in document.items()
    }
