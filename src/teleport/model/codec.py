"""Resources to and from JSON and YAML.

Two doors. People's documents (`decode_document`, `from_json`, `from_yaml`): several spellings, nulls ignored,
friendly errors with the dotted path (and the line), size limits, `check()` called. Our own JSON (`decode_json`,
`encode_json`): canonical, fast, strict, unchecked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from teleport.foundation.errors import BadParameter, LimitExceeded
from teleport.model import documents, kinds
from teleport.model.resource import Resource
from teleport.model.sensitive import Secret
from teleport.model.values import decode_hook, encode_hook

if TYPE_CHECKING:
    from teleport.model.yaml_source import Source

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

MAX_DOCUMENT = 1024 * 1024
MAX_DOCUMENTS = 10_000
_ENVELOPE = ("kind", "sub_kind", "version", "metadata")
_ENCODER = msgspec.json.Encoder(enc_hook=encode_hook)
_DECODERS: dict[object, msgspec.json.Decoder[Any]] = {}
_PATH = re.compile(r"\b(?:metadata|spec|status)(?:\.[A-Za-z0-9_]+|\[\d+\])*")


def decode_document(document: Mapping[str, object]) -> Resource:
    """One resource from plain data, checked. Raises BadParameter with the dotted path."""
    resource = _convert(document, {})
    resource.check()
    return resource


def _convert(document: object, texts: documents.Texts) -> Resource:
    kind = _kind_of(document)
    try:
        return documents.convert(document, kind.type, texts)
    except documents.FieldProblem as problem:
        named = documents.FieldProblem((), f"{kind.name} {_name_of(document, kind)}: {problem.message}")
        named.path = problem.path
        raise named from problem


def _kind_of(document: object) -> kinds.Kind:
    if not isinstance(document, Mapping):
        raise BadParameter("a resource is a mapping with kind, version, metadata and spec")
    name = document.get("kind")
    if not isinstance(name, str) or not name:
        raise BadParameter("kind is missing")
    kind = kinds.KINDS.get(name.strip().lower())
    if kind is None:
        raise BadParameter(f"kind {name[:80]!r} is not known")
    version, known = document.get("version"), kind.type.VERSIONS
    if isinstance(version, str) and version and version not in known:
        raise BadParameter(f"{kind.name}: version {version[:20]!r} is not supported, expected {' or '.join(known)}")
    return kind


def _name_of(document: object, kind: kinds.Kind) -> str:
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        return "without name"
    return "******" if kind.type.NAME_IS_SECRET else repr(name[:120])


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    found = _DECODERS.get(kind)
    if found is None:
        found = _DECODERS[kind] = msgspec.json.Decoder(kind, dec_hook=decode_hook)
    return found


def decode_json(data: bytes | str, kind: type[T]) -> T:
    """Canonical JSON of ours, not checked. Raises BadParameter with the dotted path."""
    try:
        decoded: T = _decoder(kind).decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise documents.problem_of(problem) from problem
    return decoded


def encode_json(resource: object) -> bytes:
    """Canonical JSON, secrets revealed."""
    return _ENCODER.encode(resource)


def from_json(data: bytes | str) -> list[Resource]:
    """One object or an array of them, checked. Raises BadParameter, or LimitExceeded where it is too large."""
    if len(data) > MAX_DOCUMENT * 16:
        raise LimitExceeded(f"JSON of {len(data)} bytes, at most {MAX_DOCUMENT * 16} are allowed")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise BadParameter(f"not JSON: {problem}") from problem
    parts = found if isinstance(found, list) else [found]
    if len(parts) > MAX_DOCUMENTS or (not isinstance(found, list) and len(data) > MAX_DOCUMENT):
        raise LimitExceeded(f"at most {MAX_DOCUMENTS} resources of {MAX_DOCUMENT} bytes are allowed")
    out = []
    for number, part in enumerate(parts, 1):
        try:
            out.append(decode_document(part))
        except BadParameter as problem:
            if len(parts) == 1:
                raise
            raise BadParameter(f"resource {number}: {problem.message}") from problem
    return out


def to_json(resources: Iterable[Resource]) -> str:
    """An indented array, as `tctl get --format=json` prints."""
    return msgspec.json.format(msgspec.json.encode([to_plain(resource) for resource in resources]), indent=4).decode()


def from_yaml(text: bytes | str) -> list[Resource]:
    """All documents, checked. Raises BadParameter with the document's number and the line."""
    from teleport.model import yaml_source

    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            raise BadParameter(f"the text is not UTF-8: {problem.reason} at byte {problem.start}") from problem
    return [from_source(document, source) for document, source in yaml_source.documents(text.removeprefix("\ufeff"))]


def from_source(document: object, source: Source) -> Resource:
    """One document of model.yaml_source, checked. Raises BadParameter with the document's number and the line."""
    try:
        resource = _convert(document, source.texts)
        resource.check()
    except BadParameter as problem:
        raise at_source(problem, source) from problem
    return resource


def at_source(problem: BadParameter, source: Source) -> BadParameter:
    """The problem with the number of its document and the line."""
    return BadParameter(f"document {source.number}, line {_line(problem, source)}: {problem.message}")


def _line(problem: BadParameter, source: Source) -> int:
    if isinstance(problem, documents.FieldProblem) and problem.path:
        return source.line(problem.path)
    found = [source.line(documents.path_of(match)) for match in _PATH.findall(problem.message)]
    return max(found, default=source.line(()))


def to_yaml(resources: Iterable[Resource]) -> str:
    """Documents separated by `---`."""
    from teleport.model import yaml_print

    return yaml_print.dump([to_plain(resource) for resource in resources])


def to_plain(resource: Resource) -> dict[str, object]:
    """Builtins only, in printing order: kind, sub_kind, version, metadata, spec, status."""
    plain: dict[str, object] = msgspec.to_builtins(resource, enc_hook=encode_hook)
    ordered = {key: plain.pop(key) for key in _ENVELOPE if key in plain} | plain
    return {key: _without_nulls(value) for key, value in ordered.items()} if resource.PRINTS_DEFAULTS else ordered


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


R = TypeVar("R", bound=Resource)


def without_secrets(resource: R) -> R:
    """A copy for lists and logs: every Secret is emptied or gone, a secret name is masked."""
    copy = _hidden(resource)
    copy.metadata = msgspec.structs.replace(copy.metadata, name=resource.display_name)
    return copy


def _hidden(struct: S) -> S:
    optional = {field.name for field in msgspec.structs.fields(type(struct)) if field.default is None}
    changes: dict[str, object] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, Secret) and name in optional:
            changes[name] = None
        else:
            changes[name] = _hidden_value(value)
    return msgspec.structs.replace(struct, **changes)


def _hidden_value(value: object) -> object:
    if isinstance(value, Secret):
        return Secret("")
    if isinstance(value, msgspec.Struct):
        return _hidden(value)
    if isinstance(value, list):
        return [_hidden_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _hidden_value(item) for key, item in value.items()}
    return value
