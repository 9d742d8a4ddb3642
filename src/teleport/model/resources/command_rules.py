"""Rules over the commands that may be run, a role option. How they are matched and combined is policy's business."""

from __future__ import annotations

from teleport.model.resource import Model, require
from teleport.model.values import Flag, StringList

MAX_RULES = 200
MAX_COMMANDS = 200


class CommandRule(Model, kw_only=True):
    """Patterns of commands, word by word."""

    commands: StringList = []

    def check(self, where: str) -> None:
        """Raises BadParameter."""
        require(self.commands, f"{where}.commands is missing")
        count = len(self.commands)
        require(count <= MAX_COMMANDS, f"{where}.commands: {count} patterns, at most {MAX_COMMANDS} are read")


class CommandAllowRule(CommandRule, kw_only=True):
    """`unmoderated`: these need none of those whom this role requires in sessions."""

    unmoderated: Flag = False


class CommandAskRule(CommandRule, kw_only=True):
    """They wait for a moderator; `filter` says who is one, as in require_session_join. Empty: all who may join so."""

    filter: str = ""


class CommandRules(Model):
    """deny before ask before allow; where there is any allow, a command must fit one or an ask.

    `forced` is run whatever is asked for.
    """

    deny: list[CommandRule] = []
    ask: list[CommandAskRule] = []
    allow: list[CommandAllowRule] = []
    forced: str = ""

    def check(self) -> None:
        """Raises BadParameter."""
        where = "spec.options.command_rules"
        count = len(self.deny) + len(self.ask) + len(self.allow)
        require(count <= MAX_RULES, f"{where}: {count} rules, at most {MAX_RULES} are read")
        require(count or self.forced, f"{where}: none of deny, ask, allow and forced is set")
        require(not (count and self.forced), f"{where}: forced is run whatever other rules say: leave one out")
        for side in ("deny", "ask", "allow"):
            for number, rule in enumerate(getattr(self, side)):
                rule.check(f"{where}.{side}[{number}]")
