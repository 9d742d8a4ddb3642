"""tsh's own configuration: `config/config.yaml` in its home, over `/etc/tsh.yaml`.

Aliases of the user replace those of the machine; the user's templates and headers come before the machine's.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from teleport.client.profile import home_directory
from teleport.foundation.errors import BadParameter

_GLOBAL = "/etc/tsh.yaml"
_MAX = 1 << 20
_KEYS = frozenset(("add_headers", "aliases", "proxy_templates"))
_TEMPLATE_KEYS = frozenset(("template", "proxy", "host", "cluster", "query", "search"))
_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+$")


class Route(NamedTuple):
    """Where a template leads: another proxy, host or cluster, or a search for the one server that is meant."""

    proxy: str = ""
    host: str = ""
    cluster: str = ""
    query: str = ""
    search: str = ""


class ProxyTemplate(NamedTuple):
    """`pattern` is looked for in `host:port`; its groups stand in the route as `$1`, `${1}`, `$name`."""

    pattern: re.Pattern[str]
    route: Route

    def apply(self, address: str) -> Route | None:
        match = self.pattern.search(address)
        return Route(*(_expanded(text, match) for text in self.route)) if match is not None else None


class ExtraHeaders(NamedTuple):
    """Headers for requests to proxies whose address a pattern fits."""

    proxy: str
    headers: tuple[tuple[str, str], ...]


class TshConfig(NamedTuple):
    headers: tuple[ExtraHeaders, ...] = ()
    aliases: Mapping[str, str] = {}
    templates: tuple[ProxyTemplate, ...] = ()

    def over(self, other: TshConfig) -> TshConfig:
        """This one's say comes first."""
        return TshConfig(
            self.headers + other.headers, {**other.aliases, **self.aliases}, self.templates + other.templates
        )

    def route(self, host: str, port: int) -> Route | None:
        """Of the first template that fits."""
        address = f"{host}:{port}"
        return next((found for one in self.templates if (found := one.apply(address)) is not None), None)

    def headers_for(self, proxy: str) -> dict[str, str]:
        """For a proxy's `host` or `host:port`; the first of a name counts."""
        names = {proxy, proxy.rpartition(":")[0] or proxy}
        fitting = [one for one in self.headers if any(fnmatch.fnmatchcase(name, one.proxy) for name in names)]
        return {name: value for one in reversed(fitting) for name, value in reversed(one.headers)}


def load(environment: Mapping[str, str] = os.environ) -> TshConfig:
    """Costs nothing where there are no such files. Raises BadParameter, which names the file."""
    own = _read(os.path.join(home_directory(environment), "config", "config.yaml"))
    return own.over(_read(environment.get("TELEPORT_GLOBAL_TSH_CONFIG") or _GLOBAL))


def _read(path: str) -> TshConfig:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return TshConfig()
    except UnicodeDecodeError:
        raise BadParameter(f"{path}: not a text file") from None
    if len(text) > _MAX:
        raise BadParameter(f"{path} is too large to be a configuration")
    try:
        return parse(text)
    except BadParameter as problem:
        raise BadParameter(f"{path}: {problem.message}") from None


def parse(text: str) -> TshConfig:
    """Raises BadParameter."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise BadParameter(f"not valid YAML: {problem}") from problem
    if document is None:
        return TshConfig()
    found = _mapping(document, "the file")
    _check_keys(found, _KEYS, "the file")
    return TshConfig(
        tuple(_headers(item) for item in _list(found.get("add_headers"), "add_headers")),
        {str(name): _word(text, f"alias {name}") for name, text in _mapping(found.get("aliases"), "aliases").items()},
        tuple(_template(item) for item in _list(found.get("proxy_templates"), "proxy_templates")),
    )


def _headers(item: object) -> ExtraHeaders:
    entry = _mapping(item, "add_headers")
    _check_keys(entry, frozenset(("proxy", "headers")), "add_headers")
    headers = {str(name): str(value) for name, value in _mapping(entry.get("headers"), "headers").items()}
    for name, value in headers.items():
        if not _HEADER_NAME.match(name) or not value.isprintable() or not value.isascii():
            raise BadParameter(f"add_headers: {name!r} with this value is no header")
    return ExtraHeaders(_word(entry.get("proxy"), "add_headers: proxy"), tuple(headers.items()))


def _template(item: object) -> ProxyTemplate:
    entry = _mapping(item, "proxy_templates")
    _check_keys(entry, _TEMPLATE_KEYS, "proxy_templates")
    text = _word(entry.get("template"), "proxy_templates: template")
    try:
        pattern = re.compile(text)
    except re.error as problem:
        raise BadParameter(f"proxy_templates: template {text!r} is no regular expression: {problem}") from None
    route = Route(*(str(entry.get(name) or "") for name in Route._fields))
    if not any(route):
        raise BadParameter(f"proxy_templates: {text!r} needs a proxy, host, cluster, query or search")
    if bool(route.host) + bool(route.query or route.search) > 1:
        raise BadParameter(f"proxy_templates: {text!r} has a host, so it takes no query or search")
    return ProxyTemplate(pattern, route)


def _expanded(text: str, match: re.Match[str]) -> str:
    def value(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(value, text)


def _mapping(value: object, what: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadParameter(f"{what}: expected names with values")
    return value


def _list(value: object, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadParameter(f"{what}: expected a list")
    return value


def _word(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadParameter(f"{what}: expected a text")
    return value


def _check_keys(entry: Mapping[Any, Any], known: frozenset[str], what: str) -> None:
    if strange := [str(key) for key in entry if key not in known]:
        raise BadParameter(f"{what}: {strange[0]!r} is not known, there are {', '.join(sorted(known))}")
