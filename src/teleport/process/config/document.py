"""YAML text to plain data that remembers on which line each key stands, so that an error can say so."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
import yaml

from teleport.foundation.errors import BadParameter

MAX_BYTES = 1 << 20
Position = tuple[str | int, ...]
T = TypeVar("T")
_SWITCHES = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


class Document:
    """One parsed YAML mapping and the line (1-based) of every key in it."""

    def __init__(self, text: str, name: str) -> None:
        """Raises BadParameter for what is not one YAML mapping, uses aliases or repeats a key."""
        self.name = name
        if len(text) > MAX_BYTES:
            raise BadParameter(f"{name}: larger than {MAX_BYTES} bytes")
        self._lines: dict[Position, int] = {}
        try:
            events = yaml.parse(text, Loader=yaml.SafeLoader)
            alias = next((event for event in events if isinstance(event, yaml.AliasEvent)), None)
            if alias is not None:
                line = alias.start_mark.line + 1 if alias.start_mark else 1
                raise BadParameter(f"{name}:{line}: YAML aliases are not supported here")
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            if node is not None:
                self._note(node, ())
            self.data: dict[str, Any] = loader.construct_document(node) if node is not None else {}
        except (yaml.YAMLError, RecursionError, ValueError) as problem:
            raise BadParameter(f"{name}: not valid YAML: {_one_line(problem)}") from None
        if not isinstance(self.data, dict):
            raise BadParameter(f"{name}: expected sections such as teleport: and auth_service:")

    def _note(self, node: yaml.Node, at: Position) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*at, str(key.value))
                if here in self._lines:
                    raise BadParameter(f"{self.name}:{key.start_mark.line + 1}: key {dotted(here)} stands here twice")
                self._lines[here] = key.start_mark.line + 1
                self._note(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[(*at, index)] = value.start_mark.line + 1
                self._note(value, (*at, index))

    def line(self, position: Position) -> int:
        """The line of the key at `position`, or of the nearest key around it."""
        while position and position not in self._lines:
            position = position[:-1]
        return self._lines.get(position, 1)

    def error(self, position: Position, message: str) -> BadParameter:
        return BadParameter(f"{self.name}:{self.line(position)}: {dotted(position)}: {message}")

    def convert(self, section: type[T]) -> T:
        """The whole document as `section`. Raises BadParameter naming the key and its line."""
        while True:
            try:
                return msgspec.convert(self.data, section, strict=True)
            except msgspec.ValidationError as problem:
                if not self._unquote(str(problem)):
                    raise self._explain(str(problem)) from None

    def _unquote(self, problem: str) -> bool:
        """Make `"yes"` where a switch is expected what it means. False when that was not the problem."""
        message, _, path = problem.partition(" - at `$")
        position = _position(path.rstrip("`"))
        if not message.startswith("Expected `bool`") or not position:
            return False
        around: Any = self.data
        for part in position[:-1]:
            around = around[part]
        word = around[position[-1]]
        if not isinstance(word, str) or word.lower() not in _SWITCHES:
            return False
        around[position[-1]] = _SWITCHES[word.lower()]
        return True

    def _explain(self, problem: str) -> BadParameter:
        message, _, path = problem.partition(" - at `$")
        position = _position(path.rstrip("`"))
        if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message):
            position = (*position, unknown[1])
            return BadParameter(f"{self.name}:{self.line(position)}: unknown key {dotted(position)}")
        message = message.replace("Expected `bool`", "expected yes or no").replace("Expected", "expected")
        message = message.replace("`", "")
        return self.error(position, message)


class _Flags(Document):
    """What the command line says: errors name the flag."""

    def error(self, position: Position, message: str) -> BadParameter:
        return BadParameter(f"--{str(position[-1]).replace('_', '-')}: {message}")


FLAGS = _Flags("", "command line")


def dotted(position: Position) -> str:
    """`teleport.storage.type`, `auth_service.tokens[0]`."""
    text = ""
    for part in position:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _position(path: str) -> Position:
    parts = re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path)
    return tuple(name if name else 0 if index == "..." else int(index) for name, index in parts)


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
