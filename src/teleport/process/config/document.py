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
_PLAIN = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "str": (str,), "int": (int,), "object": (dict,), "array": (list,),
}  # fmt: skip
_NAMES = {"bool": "yes or no", "str": "text", "int": "a number", "object": "a section", "array": "a list"}
_SWITCHES = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


class Document:
    """One parsed YAML mapping and the line (1-based) of every key in it."""

    def __init__(self, text: str, name: str) -> None:
        """Raises BadParameter for what is not one YAML mapping, uses aliases or repeats a key."""
        self.name = name
        if len(text) > MAX_BYTES:
            raise BadParameter(f"{name}: larger than {MAX_BYTES} bytes")
        self._lines: dict[Position, int] = {}
        self._words: dict[Position, str] = {}
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
        elif node.tag in _PLAIN:
            self._words[at] = node.value

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
        """Take a value as what its key expects: `"yes"` as a switch, a bare `off` or `1` as text, as Go's YAML does.

        False when that was not the problem.
        """
        message, _, path = problem.partition(" - at `$")
        places = [place for place in self._places(path.rstrip("`")) if place]
        changed = False
        for place in places:
            word = self.value(place)
            if message.startswith("Expected `bool`"):
                if isinstance(word, str) and word.lower() in _SWITCHES:
                    self._put(place, _SWITCHES[word.lower()])
                    changed = True
            elif message.startswith("Expected `str") and not isinstance(word, str) and place in self._words:
                self._put(place, self._words[place])
                changed = True
        return changed

    def _places(self, path: str) -> list[Position]:
        """Every place that a path may mean: in `tokens[...]` and `labels[...]` each of the values."""
        places: list[Position] = [()]
        for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path):
            if index == "...":
                places = [(*place, key) for place in places for key in _keys(self.value(place))]
            else:
                places = [(*place, name or int(index)) for place in places]
        return places

    def value(self, position: Position) -> Any:
        """What stands at `position`; None where nothing does."""
        found: Any = self.data
        for key in position:
            if isinstance(found, dict):
                found = found.get(key)
            else:
                found = found[key] if isinstance(found, list) and isinstance(key, int) and key < len(found) else None
        return found

    def _put(self, position: Position, value: object) -> None:
        self.value(position[:-1])[position[-1]] = value

    def _explain(self, problem: str) -> BadParameter:
        message, _, path = problem.partition(" - at `$")
        places = self._places(path.rstrip("`")) or [()]
        if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message):
            around = next((place for place in places if unknown[1] in _keys(self.value(place))), places[0])
            position = (*around, unknown[1])
            return BadParameter(f"{self.name}:{self.line(position)}: unknown key {dotted(position)}")
        expected = re.match(r"Expected `(\w+)", message)
        kind = _TYPES.get(expected[1] if expected else "", ())
        position = next((place for place in places if not isinstance(self.value(place), kind)), places[0])
        message = message.replace("Expected `bool`", "expected yes or no").replace("Expected", "expected")
        for ours, plain in _NAMES.items():
            message = re.sub(rf"\b{ours}\b", plain, message)
        return self.error(position, message.replace("`", ""))


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


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split()) or type(problem).__name__
