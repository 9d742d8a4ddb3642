"""How listings are narrowed: labels, words, an expression. They combine with AND."""

from __future__ import annotations

import json
from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.foundation.errors import BadParameter


def add_selectors(parser: Arguments) -> None:
    parser.add_argument("labels", nargs="?", metavar="LABELS", help="labels that must match: k=v,k2=v2")
    parser.add_argument("--search", metavar="WORDS", help="words that must occur, separated by commas")
    parser.add_argument("--query", metavar="EXPRESSION", help="a predicate expression")


def criteria(options: Namespace) -> dict[str, str]:
    """The query fields of a list call."""
    found: dict[str, str] = {}
    if options.labels:
        found["labels"] = json.dumps(parse_labels(options.labels))
    if options.search:
        found["search"] = words_of(options.search)
    if options.query:
        found["query"] = options.query
    return found


def words_of(search: str) -> str:
    """What `--search` says, as a list call takes it."""
    return " ".join(word.strip() for word in search.split(","))


def parse_labels(text: str) -> dict[str, str]:
    """`k=v,k2="v,2"`. Raises BadParameter."""
    found: dict[str, str] = {}
    for part in _split(text):
        name, mark, value = part.partition("=")
        if not mark or not name.strip():
            raise BadParameter(f"labels {text!r}: expected k=v pairs separated by commas")
        found[_unquoted(name)] = _unquoted(value)
    return found


def _split(text: str) -> list[str]:
    parts, quoted, current = [], False, ""
    for letter in text:
        if letter == '"':
            quoted = not quoted
        if letter == "," and not quoted:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in [*parts, current] if part.strip()]


def _unquoted(text: str) -> str:
    word = text.strip()
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word
