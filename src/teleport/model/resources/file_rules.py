"""Rules over the files that may be copied, a role option. How they are matched and combined is policy's business."""

from __future__ import annotations

from typing import Final

from teleport.model.resource import Model, one_of, require
from teleport.model.values import Size, StringList

DIRECTIONS: Final = ("download", "upload")
MAX_RULES = 200
MAX_PATHS = 200
MAX_PATH = 1024


class FileRule(Model, kw_only=True):
    """What is unset fits every file. `upload` is also whatever else changes a file or a folder."""

    paths: StringList = []
    directions: StringList = []
    extensions: StringList = []

    def check(self, where: str) -> None:
        """Raises BadParameter."""
        require(len(self.paths) <= MAX_PATHS, f"{where}.paths: {len(self.paths)} paths, at most {MAX_PATHS} are read")
        for direction in self.directions:
            one_of(direction, DIRECTIONS, f"{where}.directions")
        for extension in self.extensions:
            require(
                extension.strip(".") and "/" not in extension,
                f"{where}.extensions: {extension!r} is no extension, expected a form like csv or tar.gz",
            )


class FileDenyRule(FileRule, kw_only=True):
    """`larger_than`: only files of more bytes."""

    larger_than: Size | None = None


class FileAllowRule(FileRule, kw_only=True):
    """`max_size`: only files of at most so many bytes."""

    max_size: Size | None = None


class FileRules(Model):
    """A deny that fits wins; where there is any allow, one of them must fit."""

    deny: list[FileDenyRule] = []
    allow: list[FileAllowRule] = []

    def check(self) -> None:
        """Raises BadParameter."""
        where = "spec.options.file_rules"
        count = len(self.deny) + len(self.allow)
        require(count <= MAX_RULES, f"{where}: {count} rules, at most {MAX_RULES} are read")
        require(
            count > 0, f"{where}: neither deny nor allow has a rule; to forbid all copies set ssh_file_copy: false"
        )
        for number, rule in enumerate(self.deny):
            rule.check(f"{where}.deny[{number}]")
        for number, allowed in enumerate(self.allow):
            allowed.check(f"{where}.allow[{number}]")
