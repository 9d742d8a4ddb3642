"""Templates in roles: `prefix{{expression}}suffix` over the traits of a person, expanded to a list of texts.

Namespaces: `internal` (a fixed list of names) and `external` (any trait); both read the same traits. Functions:
email.local, email.domain, regexp.replace, strings.upper, lower, replaceall, split. Where matchers stand (roles that
may be requested or reviewed): regexp.match and regexp.not_match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from teleport.foundation.errors import BadParameter
from teleport.policy import functions, patterns
from teleport.policy.functions import Texts
from teleport.policy.grammar import Call, Index, Literal, Member, Name, Node, dotted, parse, problem

Traits: TypeAlias = Mapping[str, Sequence[str]]
Expand: TypeAlias = Callable[[Traits], Texts]

MAX_LENGTH = 4096
INTERNAL = frozenset(
    {
        "logins",
        "windows_logins",
        "kubernetes_groups",
        "kubernetes_users",
        "db_names",
        "db_users",
        "db_roles",
        "aws_role_arns",
        "azure_identities",
        "gcp_service_accounts",
    }
)
_OPEN, _CLOSE = "{{", "}}"
_SIMPLE = re.compile(r"\s*(internal|external)(?:\.([A-Za-z][A-Za-z0-9_]*)|\[\"([^\"\\]+)\"\])\s*\Z")
_UNIX_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}\$?\Z")


class Template:
    """A text, with at most one expression in it."""

    __slots__ = ("_expand", "is_constant", "prefix", "suffix", "text")

    def __init__(self, text: str) -> None:
        """Raises BadParameter with the column of the mistake."""
        self.text = text
        self.prefix, expression, self.suffix = _parts(text)
        self._expand = _compiled(text, expression, len(self.prefix) + len(_OPEN)) if expression is not None else None
        self.is_constant = self._expand is None

    def expand(self, traits: Traits) -> list[str]:
        """One text for each value; none for a missing trait or a value that the functions cannot read."""
        if self._expand is None:
            return [self.text]
        try:
            values = self._expand(traits)
        except BadParameter:
            return []
        return [f"{self.prefix}{value}{self.suffix}" for value in values if value]


@lru_cache(maxsize=4096)
def template(text: str) -> Template:
    """Raises BadParameter with the column of the mistake."""
    return Template(text)


def expand(texts: Sequence[str], traits: Traits) -> list[str]:
    """All texts expanded, in order, each once. Raises BadParameter for a template that cannot be read."""
    found: dict[str, None] = {}
    for text in texts:
        if _OPEN not in text and _CLOSE not in text:
            found[text] = None
        else:
            found.update(dict.fromkeys(template(text).expand(traits)))
    return list(found)


def is_unix_name(text: str) -> bool:
    """What may be a login: letters, digits and `_ . @ -`, not starting with a mark, perhaps a `$` at the end."""
    return _UNIX_NAME.match(text) is not None


def check(text: str) -> None:
    """Raises BadParameter for a template that cannot be read."""
    template(text)


def _parts(text: str) -> tuple[str, str | None, str]:
    if _OPEN not in text and _CLOSE not in text:
        return text, None, ""
    if len(text) > MAX_LENGTH:
        raise BadParameter(f"template of {len(text)} characters, at most {MAX_LENGTH} are read")
    start, end = text.find(_OPEN), text.rfind(_CLOSE)
    if start < 0 or end < start:
        raise problem(text, max(start, end) + 1, f"expected a form like {_OPEN}external.email{_CLOSE}")
    inner = text[start + len(_OPEN) : end]
    again = inner.find(_OPEN)
    if again >= 0 or _CLOSE in text[:start]:
        raise problem(text, start + len(_OPEN) + max(again, 0) + 1, "only one expression can stand in a text")
    return text[:start], inner, text[end + len(_CLOSE) :]


def _compiled(text: str, inner: str, offset: int) -> Expand:
    simple = _SIMPLE.match(inner)
    if simple:
        return _variable(text, offset + 1, simple[1], simple[2] or simple[3])
    if not inner.strip():
        raise problem(text, offset + 1, "the expression is empty")
    # padded, so that the columns are those of the whole text
    node = parse(" " * offset + inner)
    if isinstance(node, Literal):
        raise problem(text, node.column, "expected a variable or a function")
    return _expression(text, node)


def _expression(text: str, node: Node) -> Expand:
    if isinstance(node, Literal) and isinstance(node.value, str):
        constant = (node.value,)
        return lambda _traits: constant
    if isinstance(node, Call):
        return _call(text, node)
    namespace, name = _named(node)
    if not name:
        raise problem(text, node.column, "expected internal.<trait>, external.<trait> or a function")
    return _variable(text, node.column, namespace, name)


def _named(node: Node) -> tuple[str, str]:
    if isinstance(node, Member) and isinstance(node.base, Name):
        return node.base.name, node.name
    if isinstance(node, Index) and isinstance(node.base, Name) and isinstance(node.key, Literal):
        return node.base.name, node.key.value if isinstance(node.key.value, str) else ""
    return "", ""


def _variable(text: str, column: int, namespace: str, name: str) -> Expand:
    if namespace not in ("internal", "external"):
        raise problem(text, column, f"unknown namespace {namespace!r}, expected internal or external")
    if namespace == "internal" and name not in INTERNAL:
        raise problem(
            text, column, f"unsupported variable internal.{name}, expected one of {', '.join(sorted(INTERNAL))}"
        )
    return lambda traits: tuple(traits.get(name, ()))


# name -> how many literal texts follow the first argument
_FUNCTIONS = {
    "email.local": 0,
    "email.domain": 0,
    "strings.upper": 0,
    "strings.lower": 0,
    "strings.replaceall": 2,
    "strings.split": 1,
    "regexp.replace": 2,
}


def _call(text: str, call: Call) -> Expand:
    name = dotted(call.callee)
    if name in ("regexp.match", "regexp.not_match"):
        raise problem(text, call.column, f"{name} stands only where roles are matched")
    if name not in _FUNCTIONS:
        raise problem(text, call.column, f"unknown function {name or '?'!r}, expected one of {', '.join(_FUNCTIONS)}")
    wanted = _FUNCTIONS[name] + 1
    if len(call.arguments) != wanted:
        raise problem(text, call.column, f"{name} takes {wanted} arguments, {len(call.arguments)} are given")
    values = _expression(text, call.arguments[0])
    texts = [_literal(text, argument) for argument in call.arguments[1:]]
    return _function(text, call, name, values, texts)


def _function(text: str, call: Call, name: str, values: Expand, texts: list[str]) -> Expand:
    match name:
        case "email.local":
            return lambda traits: functions.email_local(values(traits))
        case "email.domain":
            return lambda traits: functions.email_domain(values(traits))
        case "strings.upper":
            return lambda traits: functions.upper(values(traits))
        case "strings.lower":
            return lambda traits: functions.lower(values(traits))
        case "strings.split":
            return lambda traits: functions.split(values(traits), texts[0])
        case "strings.replaceall":
            return lambda traits: functions.replace_all(values(traits), texts[0], texts[1])
        case _:
            expression = _regex(text, call.arguments[1], texts[0])
            return lambda traits: functions.regexp_replace(values(traits), expression, texts[1])


def _literal(text: str, node: Node) -> str:
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    raise problem(text, node.column, "expected a text in double quotes")


def _regex(text: str, node: Node, pattern: str) -> patterns.Regex:
    try:
        return patterns.regex(pattern)
    except BadParameter as refused:
        raise problem(text, node.column, refused.message) from None


@lru_cache(maxsize=4096)
def role_matcher(text: str) -> Callable[[str], bool]:
    """The test that a literal, glob, `^regex$` or `{{regexp.match("...")}}` stands for. Raises BadParameter."""
    prefix, inner, suffix = _parts(text)
    if inner is None:
        return patterns.matcher(text)
    node = parse(" " * (len(prefix) + len(_OPEN)) + inner)
    name = dotted(node.callee) if isinstance(node, Call) else ""
    if not isinstance(node, Call) or name not in ("regexp.match", "regexp.not_match") or len(node.arguments) != 1:
        raise problem(text, node.column, 'expected regexp.match("...") or regexp.not_match("...")')
    expression = _regex(text, node.arguments[0], _literal(text, node.arguments[0]))
    wanted = name == "regexp.match"

    def matches(value: str) -> bool:
        if len(value) < len(prefix) + len(suffix) or not (value.startswith(prefix) and value.endswith(suffix)):
            return False
        return expression.matches(value[len(prefix) : len(value) - len(suffix)]) is wanted

    return matches
