"""`tctl login_rule test`: what login rules make of traits, before anybody logs in with them."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import yaml

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl.connection import connect
from teleport.foundation.errors import BadParameter
from teleport.model.codec import from_yaml
from teleport.model.resources.login_rule import LoginRule
from teleport.policy import login_rules


def arguments(parser: Arguments) -> None:
    testing = parser.subcommand("test", "tell what login rules make of traits", _test)
    testing.add_argument("traits", nargs="?", metavar="FILE", help="traits as YAML or JSON (default: standard input)")
    testing.add_argument("--resource-file", metavar="FILE", action="append", help="login rules (repeatable)")
    testing.switch("--load-from-cluster", help="the rules of the cluster too")
    testing.choice("--format", choices=("yaml", "json"), default="yaml", help="form of the output")
    testing.examples("tctl login_rule test --resource-file=rule.yaml traits.yaml")


def _test(options: Namespace) -> int:
    if not options.resource_file and not options.load_from_cluster:
        raise BadParameter("which rules? use --resource-file, --load-from-cluster, or both")
    rules: dict[str, LoginRule] = {}
    if options.load_from_cluster:
        with connect(options) as client:
            rules |= {rule.name: rule for rule in client.list(LoginRule)}
    for path in options.resource_file or ():
        rules |= {rule.name: rule for rule in _rules_in(path)}
    found = login_rules.apply(rules.values(), _traits(options.traits))
    output.show({name: list(values) for name, values in found.items()}, options.format)
    return 0


def _rules_in(path: str) -> list[LoginRule]:
    found: list[LoginRule] = []
    for resource in from_yaml(_text(path)):
        if not isinstance(resource, LoginRule):
            raise BadParameter(f"{path}: {resource.kind} {resource.name!r} is no login_rule")
        login_rules.check(resource)
        found.append(resource)
    return found


def _traits(path: str | None) -> dict[str, tuple[str, ...]]:
    try:
        document: Any = yaml.safe_load(_text(path) if path else sys.stdin.read())
    except yaml.YAMLError as problem:
        raise BadParameter(f"traits: {problem}") from None
    if not isinstance(document, dict):
        raise BadParameter("traits: expected a mapping of names to values")
    return {str(name): _values(str(name), values) for name, values in document.items()}


def _values(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        return (values,)
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return tuple(values)
    raise BadParameter(f"traits: {name}: expected a text or a list of texts")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadParameter(f"{path}: {problem}") from None
