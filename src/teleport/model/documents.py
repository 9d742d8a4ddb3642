"""What people write, made canonical before it becomes a struct.

Walks plain data along the types of a resource: accepts the other spellings of a value, forgets nulls, refuses unknown
fields by their dotted path and suggests the one that was meant.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.values import decode_hook

Path = tuple[str | int, ...]
Texts = Mapping[Path, str]
Step = Callable[[object, Path, Texts], object]
S = TypeVar("S", bound=msgspec.Struct)

MAX_DEPTH = 64
_INT64 = 2**63
_AT = re.compile(r"^(.*?)(?: - at (?:`|key in `)(.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_TOKEN = re.compile(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)")


class FieldProblem(BadParameter):
    """A BadParameter about the value at `path`."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{dotted(path)}: {message}" if path else message)
        self.path = path


def convert(document: object, kind: type[S], texts: Texts | None = None) -> S:
    """The struct, not checked. Raises FieldProblem."""
    value = _struct_step(kind)(document, (), texts or {})
    try:
        return msgspec.convert(value, kind, dec_hook=decode_hook)
    except (msgspec.ValidationError, RecursionError) as problem:
        raise problem_of(problem) from problem


def problem_of(problem: Exception) -> FieldProblem:
    """msgspec's words in ours."""
    text, where = _AT.match(str(problem)).groups()  # type: ignore[union-attr]
    path = path_of(where or "")
    for pattern, words in ((_MISSING, "is missing"), (_UNKNOWN, "is not a known field")):
        found = pattern.match(text)
        if found:
            return FieldProblem((), f"{dotted((*path, found[1]))} {words}")
    text = text.replace("`", "").replace(", got ", ", found ")
    return FieldProblem(path, text[:1].lower() + text[1:])


def path_of(where: str) -> Path:
    """The path behind msgspec's or our dotted text, up to the first unknown key."""
    tokens: list[str | int] = []
    for index, word in _TOKEN.findall(where.removeprefix("$")):
        if index == "...":
            break
        tokens.append(int(index) if index else word)
    return tuple(tokens)


def dotted(path: Path) -> str:
    """`spec.allow.rules[0].verbs`"""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part[:120]}" if out else part[:120]
    return out


@functools.cache
def _struct_step(kind: type[msgspec.Struct]) -> Step:
    names = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    hints = get_type_hints(kind, include_extras=True)
    steps: dict[str, Step] | None = None

    def step(value: object, path: Path, texts: Texts) -> object:
        nonlocal steps
        if steps is None:  # built when first used: a struct may contain itself
            steps = {encoded: _step(hints[name]) for name, encoded in names.items()}
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise FieldProblem(path, f"expected a mapping, found {_describe(value)}")
        if len(path) > MAX_DEPTH:
            raise FieldProblem(path, f"nested more than {MAX_DEPTH} levels deep")
        out: dict[str, object] = {}
        for key, inner in value.items():
            if key not in steps:
                raise FieldProblem((), _unknown((*path, str(key)), tuple(steps)))
            if inner is not None:
                out[key] = steps[key](inner, (*path, key), texts)
        return out

    return step


def _unknown(path: Path, fields: tuple[str, ...]) -> str:
    import difflib

    near = difflib.get_close_matches(str(path[-1])[:120], fields, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    return f"{dotted(path)} is not a known field{hint}"


def _describe(value: object) -> str:
    words: dict[type, str] = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return "nothing" if value is None else words.get(type(value), "a mapping")


def _step(hint: Any) -> Step:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        inner = [argument for argument in arguments if argument is not NoneType]
        return _step(inner[0]) if len(inner) == 1 else _leave
    if origin in (list, tuple):
        return _list_step(_step(arguments[0]))
    if origin is dict:
        return _dict_step(_step(arguments[1]), _empty(arguments[1]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _struct_step(hint)
    if hint is str or (origin is Literal and all(isinstance(word, str) for word in arguments)):
        return _text
    return _leave


def _annotated(hint: Any, extras: tuple[object, ...]) -> Step:
    inner = _step(hint)
    coerce = next(
        (extra.extra["coerce"] for extra in extras if isinstance(extra, msgspec.Meta) and extra.extra), None
    )
    if coerce is None:
        return inner
    takes_text = get_origin(hint) is list

    def step(value: object, path: Path, texts: Texts) -> object:
        try:
            value = coerce(_text(value, path, texts) if takes_text else value)
        except FieldProblem:
            raise
        except BadParameter as problem:
            raise FieldProblem(path, problem.message) from problem
        return inner(value, path, texts)

    return step


def _leave(value: object, path: Path, _texts: Texts) -> object:
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise FieldProblem(path, "the number is too large")
    return value


def _text(value: object, path: Path, texts: Texts) -> object:
    """A string; an unquoted number in YAML is one where a string is wanted."""
    return texts.get(path, value) if isinstance(value, bool | int | float) else value


def _list_step(inner: Step) -> Step:
    def step(value: object, path: Path, texts: Texts) -> object:
        if not isinstance(value, list | tuple):
            raise FieldProblem(path, f"expected a list, found {_describe(value)}")
        return [inner(item, (*path, index), texts) for index, item in enumerate(value)]

    return step


def _empty(hint: Any) -> object:
    """What a null under a key of a free mapping stands for; None: the key is forgotten."""
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return "" if bare is str else [] if get_origin(bare) is list else None


def _dict_step(inner: Step, empty: object) -> Step:
    def step(value: object, path: Path, texts: Texts) -> object:
        if not isinstance(value, Mapping):
            raise FieldProblem(path, f"expected a mapping, found {_describe(value)}")
        out: dict[object, object] = {}
        for key, item in value.items():
            given = empty if item is None else item
            if given is not None:
                out[key] = inner(given, (*path, str(key)), texts)
        return out

    return step
