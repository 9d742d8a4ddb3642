"""The frame of a program: a catalogue of commands, global flags on either side, errors in one line, exit statuses.

The module of the chosen command alone is imported. It offers `arguments(parser)` and `run(options) -> int | None`
(or a family of sub-commands, each with its own `run`). Precedence of a setting: flag, environment, then what the
command finds itself (profile, default).
"""

from __future__ import annotations

import importlib
import os
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from teleport.cli.arguments import Arguments
from teleport.foundation.errors import BadParameter, TeleportError

INTERRUPTED = 130
_COMPLETION = "teleport.cli.completion"


class Entry(NamedTuple):
    """One command of the catalogue."""

    name: str
    module: str
    help: str
    aliases: tuple[str, ...] = ()
    hidden: bool = False


class Command(Protocol):
    """What a command's module offers, besides `run(options)` where it is no family of sub-commands."""

    def arguments(self, parser: Arguments) -> None: ...


class Program(NamedTuple):
    """`environment` maps the destination of a global flag to the variables that stand in for it, first set wins."""

    name: str
    title: str
    catalogue: tuple[Entry, ...]
    global_flags: Callable[[Arguments], None]
    environment: Mapping[str, tuple[str, ...]] = {}
    examples: tuple[str, ...] = ()
    check: Callable[[Entry, Namespace], None] = lambda entry, options: None

    def entry(self, word: str) -> Entry:
        """Raises BadParameter with the names that come near."""
        for entry in self.catalogue:
            if word == entry.name or word in entry.aliases:
                return entry
        raise BadParameter(f"unknown command {word!r}{_near(word, self.catalogue)}, see `{self.name} --help`")


def common_flags(parser: Arguments) -> None:
    """The flags that every program has."""
    parser.switch("-d", "--debug", help="show stack traces and what is going on")


def run_program(program: Program, arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and answer the exit status. Never raises for what a user may meet."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return _written(_status_of(program, words))


def _status_of(program: Program, words: list[str]) -> int:
    try:
        return _dispatch(program, words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_pipe()
    except SystemExit as leaving:  # --help
        return leaving.code if isinstance(leaving.code, int) else 0
    except (TeleportError, OSError) as problem:
        return _report(problem, words)
    except Exception as problem:
        return _report(problem, words)


def _dispatch(program: Program, words: list[str]) -> int:
    before, name, after = split_command(program, words)
    if name is None:
        if not before or _asks_for_help(before):
            print(overview(program))
            return 0
        if before != ["--version"]:
            global_parser(program).parse_args(before)
            raise BadParameter(f"no command given, see `{program.name} --help`")
        name, before = "version", []
    if name == "help":
        return _help(program, after)
    if name == "completion" and _asks_for_help([*before, *after]):
        return _help(program, [name])
    if name in ("completion", "__complete"):
        complete: Callable[[Program, str, Sequence[str]], int] = importlib.import_module(_COMPLETION).run
        return complete(program, name, after)
    if _asks_for_help(before):
        return _help(program, [name])
    entry = program.entry(name)
    module: Command = importlib.import_module(entry.module)
    options = parse(program, entry, module, before, after)
    program.check(entry, options)
    if options.debug:
        _show_debug()
    run: Callable[[Namespace], int | None] = getattr(options, "run", None) or getattr(module, "run")  # noqa: B009
    return run(options) or 0


def parse(
    program: Program,
    entry: Entry,
    module: Command,
    before: Sequence[str],
    after: Sequence[str],
    environment: Mapping[str, str] = os.environ,
) -> Namespace:
    """The options of one call: words before the command's name are global flags, those behind may be either."""
    options = global_parser(program).parse_args(list(before))
    parser = command_parser(program, entry, module)
    words, literal = parser.split_literal(after)
    options = parser.parse_args(words, options)
    options.literal = literal
    for destination, variables in program.environment.items():
        if getattr(options, destination, None) is None:
            setattr(
                options, destination, next((environment[name] for name in variables if environment.get(name)), None)
            )
    options.debug = truth(options.debug)
    return options


def truth(value: object) -> bool:
    """What a flag or a variable of the environment says."""
    return str(value).lower() in ("1", "true", "yes", "y", "on") if value is not None else False


def command_parser(program: Program, entry: Entry, module: Command) -> Arguments:
    """The parser of one command; it also takes the global flags, unless the command uses a letter for itself."""
    parser = Arguments(
        prog=f"{program.name} {entry.name}",
        description=entry.help,
        conflict_handler="resolve",
        parents=[global_parser(program, inherited=True)],
    )
    parser.inherited = lambda: global_parser(program, inherited=True)
    module.arguments(parser)
    return parser


def global_parser(program: Program, *, inherited: bool = False) -> Arguments:
    """The global flags; inherited ones leave no default behind, so that those before the command's name stand."""
    parser = Arguments(
        prog=program.name,
        add_help=not inherited,
        argument_default=SUPPRESS if inherited else None,
        flags_title="global flags",
    )
    program.global_flags(parser)
    return parser


def split_command(program: Program, words: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """The words before the command's name, the name (None when there is none), and the words behind it."""
    parser = global_parser(program)
    position = 0
    while position < len(words) and words[position].startswith("-"):
        word = words[position]
        position += 2 if "=" not in word and parser.takes_value(word) else 1
    if position >= len(words):
        return list(words), None, []
    return list(words[:position]), words[position], list(words[position + 1 :])


def overview(program: Program) -> str:
    """The help of the whole program; imports no command."""
    parser = global_parser(program)
    shown = [entry for entry in program.catalogue if not entry.hidden]
    width = max(len(entry.name) for entry in shown) + 2
    lines = [f"usage: {program.name} [global flags] COMMAND ...", "", program.title, "", "commands:"]
    lines += [f"  {entry.name:<{width}}{entry.help}" for entry in shown]
    lines += ["", "global flags:", *parser.format_help().partition("global flags:\n")[2].rstrip().splitlines()]
    if program.examples:
        lines += ["", "examples:", *(f"  {line}" for line in program.examples)]
    return "\n".join([*lines, "", f"`{program.name} help COMMAND` tells more about one command."])


def _asks_for_help(words: Sequence[str]) -> bool:
    return "-h" in words or "--help" in words


def _help(program: Program, words: Sequence[str]) -> int:
    words = [word for word in words if word not in ("-h", "--help")]
    if not words or words[0] == "help":
        print(overview(program))
        return 0
    if words[0] == "completion":
        explain: Callable[[Program], str] = importlib.import_module(_COMPLETION).explain
        print(explain(program))
        return 0
    entry = program.entry(words[0])
    module: Command = importlib.import_module(entry.module)
    parser = command_parser(program, entry, module)
    for word in words[1:]:
        if word not in parser.children:
            raise BadParameter(f"{parser.prog} has no command {word!r}")
        parser = parser.children[word]
    parser.print_help()
    return 0


def _near(word: str, catalogue: Sequence[Entry]) -> str:
    import difflib

    near = difflib.get_close_matches(word, [entry.name for entry in catalogue if not entry.hidden], 3)
    return f" (near: {', '.join(near)})" if near else ""


def _report(problem: Exception, words: Sequence[str]) -> int:
    """One line for people; the whole trace for those who asked for it."""
    debugging = truth(os.environ.get("TELEPORT_DEBUG")) or "--debug" in words or "-d" in words
    if debugging:
        import traceback

        traceback.print_exception(problem)
    print(f"ERROR: {one_line(problem, debugging)}", file=sys.stderr)
    return 1


def one_line(problem: Exception, debugging: bool = False) -> str:
    """What went wrong; control characters are shown, not sent to the terminal."""
    if isinstance(problem, TeleportError):
        text = str(problem)
    elif isinstance(problem, OSError) and problem.strerror:
        text = f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    else:
        text = f"{type(problem).__name__}: {problem}" + ("" if debugging else " (--debug shows where)")
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _show_debug() -> None:
    from teleport.foundation import logs

    logs.configure("DEBUG")


def _leave_pipe() -> int:
    """The reader has left: not an error, and nothing may be written any more, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _written(status: int) -> int:
    """The status, when all that was printed has been taken: a full disk is a failure that is told."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_pipe()
    except OSError as problem:
        _leave_pipe()
        if not status:  # else it was told already, or something worse was
            print(f"ERROR: the output could not be written: {one_line(problem)}", file=sys.stderr)
        return status or 1
    return status
