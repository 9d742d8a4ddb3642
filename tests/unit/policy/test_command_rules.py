"""Command rules: which pattern fits which command, which rule wins, and what no shell may make of a command."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roles import role

from teleport.foundation.errors import BadParameter
from teleport.policy import command_patterns, command_words, role_texts
from teleport.policy.command_rules import CommandRules, decide
from teleport.policy.options import merge
from teleport.policy.reasons import Code

PIECES = st.sampled_from(
    ["a", "rm", " ", "'", '"', "\\", "$", "`", ";", "|", "&", "\n", "*", "?", "[x]", "~", "#", "(", ")", "{a,b}", "=",
     "!", "<", ">", "$(id)", "-", "/"]
)  # fmt: skip
COMMANDS = st.lists(PIECES, max_size=8).map("".join)


def merged(*options: dict[str, Any], **traits: list[str]) -> CommandRules:
    roles = [role(f"r{number}", options={"command_rules": one}) for number, one in enumerate(options)]
    return merge(roles, traits).command_rules


@pytest.mark.parametrize(
    ("pattern", "command", "fits"),
    [
        ("uptime", "uptime", True),
        ("uptime", "uptime -p", False),
        ("uptime **", "uptime", True),
        ("systemctl status *", "systemctl status nginx", True),
        ("systemctl status *", "systemctl status nginx sshd", False),
        ("systemctl status *", "systemctl status", False),
        ("systemctl status **", "systemctl status a b c", True),
        ("systemctl * nginx", "systemctl 'restart now' nginx", True),
        ("echo web-?", "echo web-1", True),
        ("echo web-?", "echo web-12", False),
        ("echo \\*", "echo '*'", True),
        ("echo \\*", "echo x", False),
        ("echo a\\ b", "echo 'a b'", True),
        ("echo a\\ b", "echo a b", False),
        ("echo *", "echo 'a; rm -rf /'", True),
        ("/bin/ls **", "/bin/ls /", True),
        ("/bin/ls **", "ls /", False),
        ("ls **", "/tmp/ls /", False),
        ("e.ho", "echo", False),
    ],
)
def test_patterns(pattern: str, command: str, fits: bool) -> None:
    assert decide(merged({"allow": [{"commands": [pattern]}]}), command).allowed is fits


@pytest.mark.parametrize("pattern", ["", "  ", "**", "** x", "a ** b", "a b**", "{{external.team}"])
def test_patterns_that_mean_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(BadParameter):
        role_texts.check(role(options={"command_rules": {"allow": [{"commands": [pattern]}]}}))


@pytest.mark.parametrize("forced", ["a; b", "$(x)", "'open", "a *"])
def test_a_forced_command_is_plain(forced: str) -> None:
    with pytest.raises(BadParameter, match="no plain command"):
        role_texts.check(role(options={"command_rules": {"forced": forced}}))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(COMMANDS)
def test_plain_words_are_what_a_shell_makes_of_them(command: str) -> None:
    words = command_words.plain(command)
    if words is None:
        return
    for shell in ("sh", "bash"):
        script = f"set -- {command}\nprintf '%s\\0' \"$@\""
        found = subprocess.run([shell, "-c", script], capture_output=True, cwd="/", check=True).stdout
        assert found == b"".join(word.encode() + b"\0" for word in words)


@settings(deadline=None)
@given(COMMANDS, st.sampled_from(["rm **", "a", "a *", "rm a **"]))
def test_a_command_that_fits_is_run_as_the_words_that_fit(command: str, pattern: str) -> None:
    answer = decide(merged({"allow": [{"commands": [pattern]}]}), command)
    if answer.allowed:
        assert answer.words == command_words.plain(command)
        assert command_patterns.matches(pattern, answer.words)


@pytest.mark.parametrize(
    "command",
    ["uptime; id", "uptime && id", "uptime | sh", "uptime $(id)", "uptime `id`", "uptime > /etc/x", "uptime\nid",
     "uptime ${IFS}x", "uptime &", "(uptime)", "{ uptime; }", "uptime #x", "uptime ~", "uptime *", "uptime \0",
     "uptime '", 'uptime "$HOME"', "uptime \\"],
)  # fmt: skip
def test_shell_syntax_is_refused_whatever_is_allowed(command: str) -> None:
    for rules in (merged({"allow": [{"commands": ["uptime **", "* **"]}]}), merged({"deny": [{"commands": ["x"]}]})):
        answer = decide(rules, command)
        assert answer.reason.code is Code.COMMAND_NOT_PLAIN


def test_deny_comes_before_ask_and_ask_before_allow() -> None:
    rules = merged(
        {"allow": [{"commands": ["systemctl **"]}]},
        {"ask": [{"commands": ["systemctl restart *"]}], "deny": [{"commands": ["systemctl poweroff **"]}]},
    )
    assert decide(rules, "systemctl status x").waits == ()
    asked = decide(rules, "systemctl restart x")
    assert (asked.allowed, asked.waits[0].role, asked.waits[0].moderator.modes) == (True, "r1", ["moderator"])
    assert not decide(rules, "systemctl poweroff").allowed
    assert not decide(rules, "/usr/bin/systemctl poweroff now").allowed


def test_without_rules_everything_goes_and_with_any_no_shell() -> None:
    assert decide(CommandRules(), None).allowed
    assert decide(CommandRules(), "a | b").words == ()
    rules = merged({"deny": [{"commands": ["reboot **"]}]})
    assert decide(rules, "uptime").words == ("uptime",)
    assert not decide(rules, None).allowed
    assert not decide(merged({"allow": [{"commands": ["uptime"]}]}), None).allowed


def test_only_the_role_that_requires_others_can_do_without_them() -> None:
    rules = merged({"allow": [{"commands": ["uptime"], "unmoderated": True}]}, {"allow": [{"commands": ["uptime"]}]})
    assert decide(rules, "uptime").free_of == ("r0",)


def test_a_forced_command_is_run_whatever_is_asked_for() -> None:
    rules = merged({"forced": "/usr/bin/menu --safe"})
    for asked in (None, "uptime", "a; b"):
        answer = decide(rules, asked)
        assert (answer.allowed, answer.words) == (True, ("/usr/bin/menu", "--safe"))
    assert not decide(merged({"forced": "a"}, {"forced": "b"}), "a").allowed


def test_a_trait_is_one_argument() -> None:
    rules = merged({"allow": [{"commands": ["restart {{external.service}}"]}]}, service=["web *", "db"])
    assert decide(rules, "restart db").allowed
    assert decide(rules, "restart 'web *'").allowed
    assert not decide(rules, "restart web x").allowed
    assert not decide(rules, "restart 'web x'").allowed


def test_forced_stands_alone() -> None:
    with pytest.raises(BadParameter, match="leave one out"):
        role(options={"command_rules": {"forced": "a", "allow": [{"commands": ["b"]}]}})
    with pytest.raises(BadParameter, match="none of deny"):
        role(options={"command_rules": {}})
