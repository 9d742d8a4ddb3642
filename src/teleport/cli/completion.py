"""Shell completion: `tsh completion bash|zsh|fish` prints a script, which asks the program for candidates."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from teleport.cli import program as frame
from teleport.foundation.errors import BadParameter

if TYPE_CHECKING:
    from teleport.cli.arguments import Arguments

_BASH = """\
_{name}_complete() {{
    local IFS=$'\\n'
    COMPREPLY=($({name} __complete "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
}}
complete -o default -o nosort -F _{name}_complete {name}
"""
_ZSH = """\
#compdef {name}
_{name}() {{
    local -a candidates
    candidates=("${{(@f)$({name} __complete "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
    if [[ -n "$candidates" ]]; then compadd -a candidates; else _files; fi
}}
compdef _{name} {name}
"""
_FISH = """\
complete -c {name} -f -a '({name} __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
"""
_HELP = """usage: {name} completion bash|zsh|fish

print a completion script

examples:
  source <({name} completion bash)                                   # in ~/.bashrc
  source <({name} completion zsh)                                    # in ~/.zshrc, below compinit
  {name} completion fish > ~/.config/fish/completions/{name}.fish
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def run(program: frame.Program, name: str, words: Sequence[str]) -> int:
    """`completion SHELL` prints the script; `__complete WORD... CURRENT` the candidates, one a line."""
    if name == "__complete":
        for candidate in candidates(program, list(words)):
            print(candidate)
        return 0
    if len(words) != 1 or words[0] not in SCRIPTS:
        raise BadParameter(f"usage: {program.name} completion {'|'.join(SCRIPTS)}")
    print(SCRIPTS[words[0]].format(name=program.name), end="")
    return 0


def explain(program: frame.Program) -> str:
    """The help of `completion`."""
    return _HELP.format(name=program.name).rstrip()


def candidates(program: frame.Program, words: Sequence[str]) -> list[str]:
    """What may stand where the last of `words` is being typed."""
    current = words[-1] if words else ""
    _, name, behind = frame.split_command(program, words[:-1])
    if name is None:
        found = [entry.name for entry in program.catalogue if not entry.hidden] + ["help", "completion"]
        if current.startswith("-"):
            found = frame.global_parser(program).option_names()
        return _starting(current, found)
    if name == "completion":
        return _starting(current, list(SCRIPTS))
    try:
        entry = program.entry(name)
    except BadParameter:
        return []
    module = importlib.import_module(entry.module)
    parser = frame.command_parser(program, entry, module)
    for word in behind:
        parser = parser.children.get(word, parser)
    return _starting(current, _of_command(parser, module, current, behind))


def _of_command(parser: Arguments, module: object, current: str, behind: Sequence[str]) -> list[str]:
    if current.startswith("-"):
        return parser.option_names()
    if behind and (choices := parser.choices_of(behind[-1])):
        return choices
    if parser.children:
        return list(parser.children)
    complete: Callable[[Sequence[str], str], list[str]] | None = getattr(module, "complete", None)
    return complete(behind, current) if complete else []


def _starting(prefix: str, words: Sequence[str]) -> list[str]:
    return sorted({word for word in words if word.startswith(prefix)})
