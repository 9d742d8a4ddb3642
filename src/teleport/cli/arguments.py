"""The command-line grammar of all our programs: argparse, with the habits the reference asks for.

Booleans have a `--no-` form, options are never abbreviated, a usage error is a BadParameter (one line, exit
status 1), and a parser may say after how many positionals everything is literal (`tsh ssh host ls -l`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from teleport.foundation.errors import BadParameter

_WIDTH = 80


class Switch(argparse.Action):
    """`--verbose`, `-v` and `--no-verbose`."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        negated = [f"--no-{name[2:]}" for name in option_strings if name.startswith("--")]
        self.positive = list(option_strings)
        super().__init__([*option_strings, *negated], dest, nargs=0, **rest)

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        setattr(namespace, self.dest, option_string in self.positive)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # argparse asks shutil for the width, even where no help is printed; shutil takes long to import
        super().__init__(prog, width=_columns() - 2)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, Switch):
            return ", ".join(action.positive)
        return super()._format_action_invocation(action)


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size().columns) or _WIDTH
    except (OSError, ValueError):
        return _WIDTH


def _how_many(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, 1 or more")
    return int(text)


class Arguments(argparse.ArgumentParser):
    """The arguments of one command. `literal_after` is the number of positionals that end option parsing."""

    def __init__(self, *args: Any, flags_title: str = "options", **rest: Any) -> None:
        rest.setdefault("formatter_class", _Formatter)
        rest.setdefault("allow_abbrev", False)
        super().__init__(*args, **rest)
        self._optionals.title = flags_title
        self.literal_after: int | None = None
        self.inherited: Callable[[], Arguments] | None = None
        self.children: dict[str, Arguments] = {}
        self._family: argparse._SubParsersAction[Arguments] | None = None

    def switch(self, *names: str, **rest: Any) -> None:
        """A boolean option; None where the user said nothing, unless `default` is given."""
        self.add_argument(*names, action=Switch, **rest)

    def choice(self, *names: str, choices: Iterable[str], **rest: Any) -> None:
        """An option of a few words."""
        words = tuple(choices)
        self.add_argument(*names, choices=words, metavar=rest.pop("metavar", "|".join(words)), **rest)

    def count(self, *names: str, **rest: Any) -> None:
        """An option that says how many, one at least."""
        self.add_argument(*names, type=_how_many, **rest)

    def examples(self, *lines: str) -> None:
        """Shown at the end of the help."""
        self.epilog = "examples:\n" + "\n".join(f"  {line}" for line in lines)

    def subcommand(
        self, name: str, text: str, run: Callable[[argparse.Namespace], int | None], aliases: Sequence[str] = ()
    ) -> Arguments:
        """A command of a family (`tctl users add`); it takes the inherited flags too."""
        if self._family is None:
            self._family = self.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="subcommand")
        inherited = [self.inherited()] if self.inherited is not None else []
        parser = self._family.add_parser(
            name, help=text, description=text, aliases=aliases, parents=inherited, conflict_handler="resolve"
        )
        parser.set_defaults(run=run)
        self.children[name] = parser
        return parser

    def error(self, message: str) -> NoReturn:
        raise BadParameter(f"{message}, see `{self.prog} --help`")

    def takes_value(self, option: str) -> bool | None:
        """Whether this option wants the next word; None if there is no such option."""
        action = self._option_string_actions.get(option)
        return None if action is None else action.nargs != 0

    def option_names(self) -> list[str]:
        """All option strings, for completion."""
        return [
            name
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for name in (action.positive if isinstance(action, Switch) else action.option_strings)
        ]

    def choices_of(self, option: str) -> list[str]:
        """The words an option may be followed by, when it has a fixed few."""
        action = self._option_string_actions.get(option)
        return [str(word) for word in action.choices or ()] if action is not None else []

    def split_literal(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """The words to parse, and those behind the last positional, which belong to someone else."""
        if self.literal_after is None:
            return list(words), []
        seen, position = 0, 0
        while position < len(words):
            word = words[position]
            if word == "--":
                missing = position + 1 + self.literal_after - seen
                return list(words[:missing]), list(words[missing:])
            if word.startswith("-") and len(word) > 1:
                position += 2 if self._wants_next(word) else 1
                continue
            if seen == self.literal_after:
                return list(words[:position]), list(words[position:])
            seen += 1
            position += 1
        return list(words), []

    def _wants_next(self, word: str) -> bool:
        """A word of options that is not complete without the next one: `--login`, `-p`, `-Np`."""
        if word.startswith("--"):
            return "=" not in word and bool(self.takes_value(word))
        for index, letter in enumerate(word[1:], 1):
            if self.takes_value(f"-{letter}"):
                return index == len(word) - 1
        return False
