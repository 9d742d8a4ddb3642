"""The one grammar of all predicates: label expressions, `where`, filters, templates. Text in, tree out, bounded.

The parser library is imported when the first expression is read: programs that meet none do not pay for it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from teleport.foundation.errors import BadParameter

if TYPE_CHECKING:
    from lark import Lark

MAX_LENGTH = 8192
MAX_DEPTH = 48
_EXCERPT = 60

_GRAMMAR = r"""
    ?start: either
    ?either: both ("||" both)*
    ?both: comparison ("&&" comparison)*
    ?comparison: unary (COMPARISON unary)?
    ?unary: NOT unary -> negation
          | postfix
    ?postfix: NAME -> name
            | STRING -> string
            | RAW_STRING -> raw_string
            | NUMBER -> number
            | "(" either ")"
            | postfix "." NAME -> member
            | postfix "[" either "]" -> index
            | postfix "(" [either ("," either)*] ")" -> call
    NOT: /!(?!=)/
    COMPARISON: "==" | "!="
    NAME: /[A-Za-z_][A-Za-z0-9_]*/
    STRING: /"(\\.|[^"\\\n])*"/
    RAW_STRING: /`[^`]*`/
    NUMBER: /-?[0-9]{1,15}(?![0-9A-Za-z_])/
    %ignore /[ \t\r\n]+/
"""


class Literal(msgspec.Struct, frozen=True, tag=True):
    value: str | int | bool
    column: int
    depth: int = 1


class Name(msgspec.Struct, frozen=True, tag=True):
    name: str
    column: int
    depth: int = 1


class Member(msgspec.Struct, frozen=True, tag=True):
    """`base.name`"""

    base: Node
    name: str
    column: int
    depth: int


class Index(msgspec.Struct, frozen=True, tag=True):
    """`base[key]`"""

    base: Node
    key: Node
    column: int
    depth: int


class Call(msgspec.Struct, frozen=True, tag=True):
    callee: Node
    arguments: tuple[Node, ...]
    column: int
    depth: int


class Not(msgspec.Struct, frozen=True, tag=True):
    operand: Node
    column: int
    depth: int


class Compare(msgspec.Struct, frozen=True, tag=True):
    left: Node
    right: Node
    is_equal: bool
    column: int
    depth: int


class Both(msgspec.Struct, frozen=True, tag=True):
    """`a && b && ...`"""

    operands: tuple[Node, ...]
    column: int
    depth: int


class Either(msgspec.Struct, frozen=True, tag=True):
    """`a || b || ...`"""

    operands: tuple[Node, ...]
    column: int
    depth: int


Node = Literal | Name | Member | Index | Call | Not | Compare | Both | Either


def problem(text: str, column: int, what: str) -> BadParameter:
    """The error for a mistake at `column` (from 1) of `text`."""
    start = max(0, column - 1 - _EXCERPT // 2)
    excerpt = text[start : start + _EXCERPT].lstrip()
    dots = "…" if start + _EXCERPT < len(text) else ""
    return BadParameter(f"column {column}: {what}, in {'…' if start else ''}{excerpt}{dots}")


def dotted(node: Node) -> str:
    """`a.b.c` of nested members of a name, or the empty text."""
    parts: list[str] = []
    while isinstance(node, Member):
        parts.append(node.name)
        node = node.base
    if not isinstance(node, Name):
        return ""
    return ".".join([node.name, *reversed(parts)])


@lru_cache(maxsize=512)
def parse(text: str) -> Node:
    """Raises BadParameter with the column of the mistake. At most MAX_LENGTH characters, MAX_DEPTH levels."""
    from lark.exceptions import LarkError, UnexpectedInput, UnexpectedToken, VisitError

    if len(text) > MAX_LENGTH:
        raise BadParameter(f"expression of {len(text)} characters, at most {MAX_LENGTH} are read")
    if not text.strip():
        raise BadParameter("expression is empty")
    try:
        node = _parser().parse(text)
    except VisitError as wrapped:
        raise wrapped.orig_exc from None
    except UnexpectedToken as mistake:
        at_end = mistake.token.type == "$END"
        column = len(text) + 1 if at_end else (mistake.pos_in_stream or 0) + 1
        found = "unexpected end" if at_end else f"unexpected {str(mistake.token)!r}"
        raise problem(text, column, found) from None
    except UnexpectedInput as mistake:
        position = mistake.pos_in_stream or 0
        raise problem(text, position + 1, f"unexpected {text[position : position + 1]!r}") from None
    except LarkError as mistake:
        raise BadParameter(f"expression cannot be read: {mistake}") from None
    return node  # type: ignore[return-value]


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark, Token, Transformer, v_args

    def deeper(token: int, *children: Node) -> int:
        depth = 1 + max((child.depth for child in children), default=0)
        if depth > MAX_DEPTH:
            raise BadParameter(f"column {token}: expression is nested deeper than {MAX_DEPTH} levels")
        return depth

    def column(token: Token) -> int:
        return (token.start_pos or 0) + 1

    @v_args(inline=True)
    class Builder(Transformer[Token, Node]):
        def name(self, token: Token) -> Node:
            word = str(token)
            if word in ("true", "false"):
                return Literal(word == "true", column(token))
            return Name(word, column(token))

        def string(self, token: Token) -> Node:
            return Literal(_unquoted(token, column(token)), column(token))

        def raw_string(self, token: Token) -> Node:
            return Literal(str(token)[1:-1], column(token))

        def number(self, token: Token) -> Node:
            return Literal(int(token), column(token))

        def member(self, base: Node, name: Token) -> Node:
            return Member(base, str(name), column(name), deeper(column(name), base))

        def index(self, base: Node, key: Node) -> Node:
            return Index(base, key, key.column, deeper(key.column, base, key))

        def call(self, callee: Node, *arguments: Node | None) -> Node:
            given = tuple(argument for argument in arguments if argument is not None)
            at = _start(callee)
            return Call(callee, given, at, deeper(at, callee, *given))

        def negation(self, mark: Token, operand: Node) -> Node:
            return Not(operand, column(mark), deeper(column(mark), operand))

        def comparison(self, left: Node, operator: Token, right: Node) -> Node:
            at = column(operator)
            return Compare(left, right, operator == "==", at, deeper(at, left, right))

        def both(self, *operands: Node) -> Node:
            return Both(operands, operands[0].column, deeper(operands[0].column, *operands))

        def either(self, *operands: Node) -> Node:
            return Either(operands, operands[0].column, deeper(operands[0].column, *operands))

    return Lark(_GRAMMAR, parser="lalr", transformer=Builder(), maybe_placeholders=False)


def _start(node: Node) -> int:
    """The column where `a.b.c` begins."""
    while isinstance(node, Member | Index):
        node = node.base
    return node.column


_GO_ESCAPES = {"a": "\a", "v": "\v", "'": "'", "\\": "\\"}


def _unquoted(token: str, column: int) -> str:
    """The text of a quoted string with the escapes of Go and JSON."""
    body = token[1:-1]
    if "\\" not in body:
        return body
    out: list[str] = []
    position = 0
    while position < len(body):
        character = body[position]
        if character != "\\":
            out.append(character)
            position += 1
            continue
        read, position = _escape(body, position, column)
        out.append(read)
    return "".join(out)


def _escape(body: str, position: int, column: int) -> tuple[str, int]:
    kind = body[position + 1]
    if kind in _GO_ESCAPES:
        return _GO_ESCAPES[kind], position + 2
    width = {"x": 2, "u": 4, "U": 8}.get(kind, 0)
    digits = body[position + 2 : position + 2 + width]
    try:
        if width and len(digits) == width and not 0xD800 <= int(digits, 16) <= 0xDFFF:
            return chr(int(digits, 16)), position + 2 + width
        if not width:
            return str(json.loads(f'"\\{kind}"')), position + 2
    except (ValueError, OverflowError):
        pass
    raise BadParameter(f"column {column + position + 1}: escape \\{kind} in a string is not known")
