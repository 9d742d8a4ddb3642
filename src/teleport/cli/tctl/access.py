"""`tctl access explain|diff|test`: why somebody may or may not, what other roles would do, whether they are right."""

from __future__ import annotations

from teleport.cli.arguments import Arguments
from teleport.cli.tctl import access_diff, access_explain, access_test
from teleport.policy.sentences import LANGUAGES

_FORMATS = ("text", "json")


def arguments(parser: Arguments) -> None:
    explain = parser.subcommand("explain", "tell why a user may or may not do something", access_explain.run)
    access_explain.arguments(explain)
    diff = parser.subcommand("diff", "tell who would gain and lose what by roles in a file", access_diff.run)
    access_diff.arguments(diff)
    test = parser.subcommand("test", "check expectations in files, without a cluster", access_test.run)
    access_test.arguments(test)
    for one in (explain, diff, test):
        one.choice("--format", choices=_FORMATS, default="text", help="form of the output")
        one.choice("--language", choices=LANGUAGES, default="en", help="language of reasons")
