"""What heartbeats of agents have in common, and the labels that commands make."""

from __future__ import annotations

from teleport.model.labels import check_labels
from teleport.model.resource import Model, require
from teleport.model.resources.rotation import Rotation
from teleport.model.values import Duration, StringList


class CommandLabel(Model):
    """A label whose value a command prints every `period`; `result` is its last output."""

    period: Duration | None = None
    command: StringList = []
    result: str = ""


class Heartbeat(Model):
    """Where a resource is served from. Lives ten minutes unless it is announced again."""

    host_id: str = ""
    hostname: str = ""
    version: str = ""
    rotation: Rotation | None = None
    proxy_ids: StringList = []
    relay_group: str = ""
    relay_ids: StringList = []

    def check(self) -> None:
        """Raises BadParameter."""
        require(self.host_id, "spec.host_id is missing")
        if self.rotation is not None:
            self.rotation.check()


def check_command_labels(labels: dict[str, CommandLabel], field: str) -> None:
    """Raises BadParameter."""
    check_labels(dict.fromkeys(labels, ""), field)
    for key, label in labels.items():
        require(label.command, f"{field}.{key}: command is missing")


def merged(static: dict[str, str], dynamic: dict[str, CommandLabel]) -> dict[str, str]:
    """Static and dynamic labels; on the same key the dynamic value wins."""
    return static | {key: label.result for key, label in dynamic.items()} if dynamic else static
