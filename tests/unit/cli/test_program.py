"""The frame of our programs: where flags may stand, what comes first, how errors look."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from types import ModuleType

import pytest

from teleport.cli import completion
from teleport.cli.arguments import Arguments
from teleport.cli.program import Entry, Program, common_flags, parse, run_program, split_command
from teleport.foundation.errors import BadParameter, NotFound

MODULE = "program_under_test"


def global_flags(parser: Arguments) -> None:
    parser.add_argument("--proxy")
    parser.add_argument("-l", "--login")
    parser.switch("--insecure")
    common_flags(parser)


PROGRAM = Program(
    "prog",
    "A program.",
    (Entry("run", MODULE, "run something", ("go",)), Entry("hidden", MODULE, "not shown", hidden=True)),
    global_flags,
    {"proxy": ("TEST_PROXY", "TEST_PROXY_OLD"), "debug": ("TEST_DEBUG",)},
)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A command that remembers its options."""
    module = ModuleType(MODULE)

    def arguments(parser: Arguments) -> None:
        parser.literal_after = 1
        parser.add_argument("target")
        parser.switch("-t", "--tty")
        parser.add_argument("-L", action="append", default=[])
        parser.choice("--format", choices=("text", "json"), default="text")

    def run(options: Namespace) -> int:
        module.seen = options  # type: ignore[attr-defined]
        return 5

    module.arguments = arguments  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    for name in ("TEST_PROXY", "TEST_PROXY_OLD", "TEST_DEBUG", "TELEPORT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return module


def seen(module: ModuleType, *words: str) -> Namespace:
    assert run_program(PROGRAM, words) == 5
    found: Namespace = module.seen
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("--proxy=p", "-l", "me", "run", "host"),
        ("run", "--proxy", "p", "-l", "me", "host"),
        ("--proxy", "p", "go", "-lme", "host"),
        ("run", "host", "--login=me", "--proxy=p"),
    ],
)
def test_global_flags_stand_before_or_after_the_command(command: ModuleType, words: tuple[str, ...]) -> None:
    options = seen(command, *words)
    assert (options.proxy, options.login, options.target, options.insecure) == ("p", "me", "host", None)


def test_the_flag_nearer_to_the_command_wins(command: ModuleType) -> None:
    assert seen(command, "--proxy=a", "run", "--proxy=b", "host").proxy == "b"


def test_a_flag_comes_before_the_environment(command: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PROXY_OLD", "old")
    assert seen(command, "run", "host").proxy == "old"
    monkeypatch.setenv("TEST_PROXY", "new")
    assert seen(command, "run", "host").proxy == "new"
    assert seen(command, "--proxy=flag", "run", "host").proxy == "flag"
    assert seen(command, "run", "host", "--proxy=flag").proxy == "flag"


def test_booleans_have_a_negation(command: ModuleType) -> None:
    assert seen(command, "run", "-t", "h").tty is True
    assert seen(command, "run", "--tty", "--no-tty", "h").tty is False
    assert seen(command, "run", "h").tty is None


@pytest.mark.parametrize(
    ("words", "target", "literal"),
    [
        (("host", "ls", "-l"), "host", ["ls", "-l"]),
        (("host", "-t", "ls", "-t"), "host", ["ls", "-t"]),
        (("-L", "1:a:2", "host", "cmd"), "host", ["cmd"]),
        (("-tL", "1:a:2", "host", "cmd"), "host", ["cmd"]),
        (("-tL1:a:2", "host", "cmd"), "host", ["cmd"]),
        (("--login=x", "host", "--", "-x"), "host", ["-x"]),
        (("--", "host"), "host", []),
    ],
)
def test_what_follows_the_target_belongs_to_it(
    command: ModuleType, words: tuple[str, ...], target: str, literal: list[str]
) -> None:
    options = seen(command, "run", *words)
    assert (options.target, options.literal) == (target, literal)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("runn",), "unknown command 'runn' (near: run), see `prog --help`"),
        (("run",), "the following arguments are required: target, see `prog run --help`"),
        (("run", "h", "--format=xml"), "argument --format: invalid choice: 'xml'"),
        (("run", "--bogus", "h"), "unrecognized arguments: --bogus"),
        (("run", "--prox=x", "h"), "unrecognized arguments: --prox=x"),
        (("--proxy",), "argument --proxy: expected one argument"),
        (("--insecure",), "no command given"),
    ],
)
def test_usage_errors_are_one_line(
    command: ModuleType, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run_program(PROGRAM, words) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"ERROR: {message}")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (NotFound("no such thing", event_id="e-1"), "ERROR: no such thing (event e-1)\n"),
        (BadParameter("two\nlines\x1b[31m"), "ERROR: two lines [31m\n"),
        (PermissionError(13, "Permission denied", "/x"), "ERROR: /x: Permission denied\n"),
        (ValueError("odd"), "ERROR: ValueError: odd (--debug shows where)\n"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    command: ModuleType, capsys: pytest.CaptureFixture[str], problem: Exception, line: str
) -> None:
    def fail(options: Namespace) -> int:
        raise problem

    command.run = fail  # type: ignore[attr-defined]
    assert run_program(PROGRAM, ("run", "h")) == 1
    assert capsys.readouterr().err == line
    assert run_program(PROGRAM, ("run", "h", "--debug")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_told_by_the_status_alone(command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(options: Namespace) -> int:
        raise KeyboardInterrupt

    command.run = interrupt  # type: ignore[attr-defined]
    assert run_program(PROGRAM, ("run", "h")) == 130
    assert capsys.readouterr().err == ""


def test_help_lists_what_is_not_hidden_and_imports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(PROGRAM, ("--help",)) == 0
    shown = capsys.readouterr().out
    assert "run something" in shown
    assert "not shown" not in shown
    assert MODULE not in sys.modules


@pytest.mark.parametrize("words", [("help", "run"), ("run", "--help"), ("--help", "run"), ("run", "-h")])
def test_help_of_a_command(command: ModuleType, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert run_program(PROGRAM, words) == 0
    shown = capsys.readouterr().out
    assert "usage: prog run" in shown
    assert "global flags:" in shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("help", "completion"), "source <(prog completion bash)"),
        (("completion", "--help"), "source <(prog completion bash)"),
        (("help", "help"), "usage: prog [global flags] COMMAND"),
        (("help", "--help"), "usage: prog [global flags] COMMAND"),
    ],
)
def test_help_of_what_has_no_module_of_its_own(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    assert run_program(PROGRAM, words) == 0
    assert expected in capsys.readouterr().out


def test_the_command_is_found_behind_flags_with_values() -> None:
    assert split_command(PROGRAM, ["--proxy", "run", "-l", "x", "go", "a"]) == (
        ["--proxy", "run", "-l", "x"],
        "go",
        ["a"],
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], ["completion", "help", "run"]),
        (["r"], ["run"]),
        (["--p"], ["--proxy"]),
        (["run", "--f"], ["--format"]),
        (["run", "--format", ""], ["json", "text"]),
        (["completion", "z"], ["zsh"]),
        (["bogus", ""], []),
    ],
)
def test_completion_candidates(command: ModuleType, words: list[str], expected: list[str]) -> None:
    assert completion.candidates(PROGRAM, words) == expected


def test_options_are_parsed_without_running(command: ModuleType) -> None:
    options = parse(PROGRAM, PROGRAM.entry("run"), command, ["-d"], ["h"])
    assert options.debug is True


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_for_each_shell(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert run_program(PROGRAM, ("completion", shell)) == 0
    assert "prog __complete" in capsys.readouterr().out


def test_bash_completes_with_the_real_program(tmp_path: os.PathLike[str]) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "teleport.cli.tsh", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    wrapper = f'tsh() {{ "{sys.executable}" -m teleport.cli.tsh "$@"; }}\n'
    ask = 'COMP_WORDS=(tsh log); COMP_CWORD=1; _tsh_complete; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", wrapper + script + ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["login", "logout"]


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m teleport.cli.tsh --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("words", [["--help"], ["completion", "fish"]])
def test_an_output_that_cannot_be_written_is_told_and_fails(words: list[str]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "teleport.cli.tsh", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("ERROR: ")
    assert line.endswith("No space left on device")
