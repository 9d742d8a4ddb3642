"""`tctl access test`: no cluster, no network; for users' own CI."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.model.resources.role import Role
from teleport.policy import case_answers, cases, explanations, role_texts
from teleport.policy.case_answers import Outcome
from teleport.policy.cases import AccessTest, Suite
from teleport.policy.sentences import Language
from teleport.policy.world import CLUSTER, World

PASSED, FAILED = 0, 1
_MAX_FILES = 256


def arguments(parser: Arguments) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="documents of kind access_test, and resources")
    parser.switch("-v", "--verbose", help="also list the cases that pass")
    parser.examples("tctl access test cases.yaml", "tctl access test --format=json roles/*.yaml cases.yaml")


def run(options: Namespace) -> int:
    suite = _read(options.files)
    if not suite.tests or not any(test.spec.cases for test in suite.tests):
        raise BadParameter("there is no case: add a document of kind access_test, see the guide on explaining access")
    outcomes = _outcomes(suite, options.language)
    if options.format == "json":
        output.show(_document(outcomes, options.language), "json")
    else:
        _print(outcomes, options.language, verbose=bool(options.verbose))
    return PASSED if all(one.passed for one in outcomes) else FAILED


def _read(paths: Sequence[str]) -> Suite:
    """The files and those that they include, each once, relative to the file that names them."""
    whole = Suite([], [])
    seen: set[str] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop(0)
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        if len(seen) > _MAX_FILES:
            raise BadParameter(f"more than {_MAX_FILES} files are included")
        try:
            found = cases.read(_text(path))
            for one in found.resources:
                if isinstance(one, Role):
                    role_texts.check(one)  # as a cluster would, before it keeps the role
        except BadParameter as problem:
            raise BadParameter(f"{path}: {problem.message}") from problem
        whole.resources += found.resources
        whole.tests += found.tests
        waiting += [os.path.join(os.path.dirname(path), one) for one in found.includes]
    return whole


def _text(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    with open(path, encoding="utf-8-sig") as file:
        try:
            return file.read()
        except UnicodeDecodeError:
            raise BadParameter("the text is not UTF-8") from None


def _outcomes(suite: Suite, language: Language) -> list[Outcome]:
    now = SystemClock().now()
    worlds: dict[tuple[str, bool], World] = {}
    found: list[Outcome] = []
    for test in suite.tests:
        key = (test.spec.cluster or CLUSTER, bool(test.spec.presets))
        if key not in worlds:
            worlds[key] = _world(suite.resources, test)
        found += case_answers.run(worlds[key], test, now, language)
    return found


def _world(resources: Iterable[Resource], test: AccessTest) -> World:
    return World(resources, cluster=test.spec.cluster or CLUSTER, with_presets=bool(test.spec.presets))


def _print(outcomes: Sequence[Outcome], language: Language, *, verbose: bool) -> None:
    for one in outcomes:
        if one.passed and not verbose:
            continue
        for line in _lines(one, language):
            print(output.printable(line))
    failed = sum(not one.passed for one in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")


def _lines(one: Outcome, language: Language) -> Iterator[str]:
    yield f"{'pass' if one.passed else 'FAIL'}  {one.name}"
    if one.passed:
        return
    yield f"      {one.problem}"
    if one.explanation is not None:
        yield from (f"      {line}" for line in explanations.as_text(one.explanation, language).splitlines())


def _document(outcomes: Sequence[Outcome], language: Language) -> dict[str, object]:
    return {
        "passed": sum(one.passed for one in outcomes),
        "failed": sum(not one.passed for one in outcomes),
        "cases": [
            {
                "name": one.name,
                "passed": one.passed,
                "expected": one.expected,
                "found": one.found,
                **({"difference": one.problem} if not one.passed else {}),
                **({"explanation": explanations.as_plain(one.explanation, language)} if one.explanation else {}),
            }
            for one in outcomes
        ],
    }
