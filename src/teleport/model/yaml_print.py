"""Plain data to YAML as people read it: block style, long text as literal blocks."""

from __future__ import annotations

from typing import cast

import yaml

_BASE: type[yaml.SafeDumper] = cast("type[yaml.SafeDumper]", getattr(yaml, "CSafeDumper", yaml.SafeDumper))


class _Dumper(_BASE):  # type: ignore[valid-type,misc]
    """No aliases; strings of several lines are literal blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    lines = text.count("\n")
    style = "|" if lines and text.strip(" \n") and "\r" not in text and "\t" not in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(documents: list[dict[str, object]]) -> str:
    """Documents separated by `---`."""
    if not documents:
        return ""
    text: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=4096,
        explicit_start=len(documents) > 1,
    )
    return text
