"""YAML text to plain data, knowing the line of every value.

A careful subset: duplicate keys, unknown tags, deep nesting and alias bombs are refused; times and words like `yes`
stay strings (the field decides); the text of an unquoted number or boolean is kept for fields that are strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import msgspec
import yaml

from teleport.foundation.errors import BadParameter, LimitExceeded

MAX_TEXT = 16 * 1024 * 1024
MAX_DOCUMENT = 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_DOCUMENTS = 10_000

Path = tuple[str | int, ...]

_LOADER: type[yaml.SafeLoader] = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset(f"{_TAG}{word}" for word in ("str", "int", "bool", "null", "float", "map", "seq", "timestamp"))
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?\Z")


class Source(msgspec.Struct):
    """Where the values of one document stand. `texts` are the words behind numbers, booleans and nulls."""

    number: int
    lines: dict[Path, int]
    texts: dict[Path, str]

    def line(self, path: Path) -> int:
        """The line of the value, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


class _Node(msgspec.Struct):
    """A scalar has text, a sequence or mapping has children (of a mapping: key, value, key, value ...)."""

    kind: str
    line: int
    text: str = ""
    plain: bool = False
    children: list[_Node] = []


def documents(text: str) -> Iterator[tuple[object, Source]]:
    """Each document that is not empty. Raises BadParameter, or LimitExceeded where the text is too large."""
    if len(text) > MAX_TEXT:
        raise LimitExceeded(f"YAML text of {len(text)} characters, at most {MAX_TEXT} are allowed")
    number = 0
    try:
        for node in _compose(text):
            number += 1
            if number > MAX_DOCUMENTS:
                raise LimitExceeded(f"more than {MAX_DOCUMENTS} YAML documents")
            if node.kind == "scalar" and node.plain and node.text in _NULLS:
                continue
            source = Source(number, {}, {})
            yield _Plain(source).build(node, (), 0), source
    except yaml.YAMLError as problem:
        raise BadParameter(f"document {number + 1}{_place(problem)}: not YAML: {_reason(problem)}") from problem
    except UnicodeError as problem:
        raise BadParameter(f"document {number + 1}: the text has characters that are no Unicode text") from problem


def _place(problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    return f", line {mark.line + 1}" if mark is not None else ""


def _reason(problem: yaml.YAMLError) -> str:
    return str(getattr(problem, "problem", None) or getattr(problem, "reason", None) or "malformed")[:200]


def _compose(text: str) -> Iterator[_Node]:
    """The root node of each document. No recursion: nesting is limited here."""
    stack: list[_Node] = []
    anchors: dict[str, _Node] = {}
    start, root = 0, None
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentStartEvent):
            start, root, anchors = _index(event), None, {}
        elif isinstance(event, yaml.DocumentEndEvent):
            if _index(event) - start > MAX_DOCUMENT:
                raise LimitExceeded(f"a YAML document of more than {MAX_DOCUMENT} characters")
            if root is not None:
                yield root
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            stack.pop()
        else:
            node = _node(event, anchors)
            if node is None:
                continue
            if stack:
                stack[-1].children.append(node)
            else:
                root = node
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append(node)
                if len(stack) > MAX_DEPTH:
                    raise BadParameter(f"line {node.line}: nested more than {MAX_DEPTH} levels deep")


def _index(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _node(event: yaml.Event, anchors: dict[str, _Node]) -> _Node | None:
    line = event.start_mark.line + 1 if event.start_mark else 0
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise BadParameter(f"line {line}: the alias *{event.anchor} has no anchor")
        return anchors[event.anchor]
    if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
        return None
    if event.tag is not None and event.tag not in _TAGS and event.tag != "!":
        raise BadParameter(f"line {line}: the tag {event.tag[:80]!r} is not supported")
    if isinstance(event, yaml.ScalarEvent):
        is_plain = bool(event.implicit[0]) if event.tag is None else event.tag not in ("!", f"{_TAG}str")
        node = _Node("scalar", line, text=event.value, plain=is_plain)
    else:
        node = _Node("sequence" if isinstance(event, yaml.SequenceStartEvent) else "mapping", line, children=[])
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


class _Plain:
    """Builds plain data from nodes, aliases expanded, on a budget."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._budget = MAX_NODES

    def build(self, node: _Node, path: Path, depth: int) -> object:
        self._budget -= 1
        if self._budget < 0:
            raise LimitExceeded(f"document {self._source.number}: more than {MAX_NODES} values, aliases expanded")
        if depth > MAX_DEPTH:
            raise BadParameter(
                f"line {node.line}: nested more than {MAX_DEPTH} levels deep, or an alias inside itself"
            )
        self._source.lines[path] = node.line
        if node.kind == "sequence":
            return [self.build(child, (*path, index), depth + 1) for index, child in enumerate(node.children)]
        if node.kind == "mapping":
            return self._mapping(node, path, depth)
        value = _resolve(node.text) if node.plain else node.text
        if not isinstance(value, str):
            self._source.texts[path] = node.text
        return value

    def _mapping(self, node: _Node, path: Path, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in zip(node.children[::2], node.children[1::2], strict=True):
            if key.kind != "scalar":
                raise BadParameter(f"line {key.line}: a key must be one word, not a list or a mapping")
            if key.text in found:
                raise BadParameter(f"line {key.line}: the key {key.text[:80]!r} is there twice")
            found[key.text] = self.build(value, (*path, key.text), depth + 1)
            self._source.lines[(*path, key.text)] = key.line
        return found


def _resolve(text: str) -> object:
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
