"""Structured logs: one event a line, with the ids that let a person follow a session across services.

Text for people, JSON for machines. Values pass through as given; whoever holds a secret wraps it (model.sensitive).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

_ROOT = "teleport"
LEVELS = {
    "TRACE": 5,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}


class Logger:
    """A named logger whose keyword arguments become fields of the line."""

    __slots__ = ("_component", "_logger")

    def __init__(self, component: str) -> None:
        self._component = component
        self._logger = logging.getLogger(f"{_ROOT}.{component}")

    def debug(self, message: str, **fields: Any) -> None:
        self._log(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._log(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._log(logging.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._log(logging.ERROR, message, fields)

    def _log(self, level: int, message: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            error = fields.get("error")
            trace = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
            debugging = self._logger.isEnabledFor(logging.DEBUG)
            self._logger.log(level, message, extra={"fields": fields}, exc_info=trace if debugging else None)


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        component = record.name.removeprefix(f"{_ROOT}.")
        fields = getattr(record, "fields", {})
        line = f"{_timestamp(record)} {record.levelname:<7} [{component}] {record.getMessage()}"
        line += "".join(f" {key}={_text(value)}" for key, value in fields.items())
        return line + (f"\n{_indented(self.formatException(record.exc_info))}" if record.exc_info else "")


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": _timestamp(record),
            "level": record.levelname.lower(),
            "component": record.name.removeprefix(f"{_ROOT}."),
            "message": record.getMessage(),
        }
        line.update({key: _text(value) for key, value in getattr(record, "fields", {}).items()})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: Any) -> str:
    if isinstance(value, BaseException):
        value = f"{type(value).__name__}: {value}"
    text = str(value)
    # a line stays a line: what strangers send must not forge another
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _indented(trace: str) -> str:
    """No line of a trace, whose messages may quote strangers, looks like a line of the log."""
    return "\n".join(f"  {_text(line)}" for line in trace.splitlines())


def get_logger(component: str) -> Logger:
    return Logger(component)


def configure(level: str = "INFO", form: Literal["text", "json"] = "text", output: TextIO | None = None) -> None:
    """Send all log lines of at least `level` to `output` (standard error unless given)."""
    handler = logging.StreamHandler(output or sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    root = logging.getLogger(_ROOT)
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(LEVELS[level.upper()])
