"""How requests and answers of Routes become HTTP and back: path, query, body. Pure; both ends use it.

Numbers, times and flags travel in paths and queries as text; lists as repeated keys; mappings as JSON.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from teleport.api.json_value import read_json
from teleport.api.route import Failure, Request, Response, Route, Shape
from teleport.credentials.tokens import digest
from teleport.foundation.errors import BadParameter, TeleportError, Unavailable, from_code
from teleport.model.resource import Resource

MAX_QUERY_FIELDS = 200
ID_PREFIX = "id:"
_ID_LENGTH = 32
JSON_TYPE = "application/json"
BYTES_TYPE = "application/octet-stream"


class HttpCall(msgspec.Struct, frozen=True):
    """What to send: `target` is path and query, `body` may be empty."""

    method: str
    target: str
    body: bytes
    content_type: str


class _Field(msgspec.Struct, frozen=True):
    name: str
    encoded_name: str
    is_list: bool
    is_mapping: bool
    default: object


@functools.cache
def _fields(struct: type[msgspec.Struct]) -> tuple[_Field, ...]:
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType)
    return tuple(
        _Field(
            field.name,
            field.encode_name,
            isinstance(field.type, msgspec.inspect.ListType | msgspec.inspect.VarTupleType),
            isinstance(field.type, msgspec.inspect.DictType),
            field.default,
        )
        for field in info.fields
    )


def _text(value: object) -> str:
    plain = msgspec.to_builtins(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def encode_call(route: Route[Request, Response], request: Request) -> HttpCall:
    """The HTTP form of `request`."""
    in_path = route.path_fields
    path = route.path
    rest: dict[str, object] = {}
    query: list[tuple[str, str]] = []
    body = b""
    for field in _fields(type(request)):
        value = getattr(request, field.name)
        if field.name in in_path:
            text = _text(value)
            if not text:
                raise BadParameter(f"{route.summary or route.path}: {field.name} is empty")
            path = path.replace(f"{{{field.name}:path}}", quote(text, safe="/"))
            path = path.replace(f"{{{field.name}}}", quote(text, safe=""))
        elif route.shape is Shape.BODY and field.name == "content":
            body = value
        elif route.has_json_body:
            rest[field.encoded_name] = value
        elif value != field.default and value is not None:
            query.extend(_query_pairs(field, value))
    if route.has_json_body:
        body = msgspec.json.encode(rest)
    target = f"{path}?{urlencode(query)}" if query else path
    return HttpCall(route.method, target, body, BYTES_TYPE if route.shape is Shape.BODY else JSON_TYPE)


def _query_pairs(field: _Field, value: Any) -> Iterable[tuple[str, str]]:
    if field.is_list:
        return [(field.encoded_name, _text(item)) for item in value]
    return [(field.encoded_name, _text(value))] if value or not field.is_mapping else []


def decode_call(route: Route[Request, Response], path_values: Mapping[str, str], query: str, body: bytes) -> Request:
    """The request of an HTTP call. Raises BadParameter and names the field; unknown fields are refused."""
    values: dict[str, object] = dict(_decoded_query(route, query))
    if route.has_json_body:
        if route.path_fields:
            # one JSON object again, so that the body's values are read by the rules of JSON
            body = msgspec.json.encode({**_body_fields(body, set(route.path_fields)), **path_values})
        return _decoded_json(route, body)
    if route.shape is Shape.BODY:
        values["content"] = body
    values.update(path_values)
    try:
        return msgspec.convert(values, route.request, strict=False, dec_hook=read_json)
    except msgspec.ValidationError as error:
        raise BadParameter(f"{route.summary or route.path}: {error}") from error


def _decoded_json(route: Route[Request, Response], body: bytes) -> Request:
    try:
        return msgspec.json.decode(body or b"{}", type=route.request, dec_hook=read_json)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadParameter(f"{route.summary or route.path}: {error}") from error


def _body_fields(body: bytes, in_path: set[str]) -> dict[str, object]:
    try:
        fields = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadParameter(f"request body: {error}") from error
    if clash := in_path & fields.keys():
        raise BadParameter(f"request body: {sorted(clash)[0]} is named by the address already")
    return dict(fields)


def _decoded_query(route: Route[Request, Response], query: str) -> dict[str, object]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise BadParameter(f"query: {error}") from error
    if route.has_json_body and pairs:
        raise BadParameter(f"query: {pairs[0][0]!r} is not expected here")
    known = {field.encoded_name: field for field in _fields(route.request)}
    values: dict[str, Any] = {}
    for key, text in pairs:
        field = known.get(key)
        if field is not None and field.is_list:
            values.setdefault(key, []).append(text)
        elif key in values:
            raise BadParameter(f"query: {key} is given twice")
        elif field is not None and field.is_mapping:
            values[key] = _decoded_mapping(key, text)
        else:
            values[key] = text
    return values


def _decoded_mapping(key: str, text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadParameter(f"query: {key}: {error}") from error


def address_name(kind: type[Resource], key: str) -> str:
    """What stands for a resource in an address: its key, or an id where the name is a secret."""
    return f"{ID_PREFIX}{digest(key)[:_ID_LENGTH]}" if kind.NAME_IS_SECRET else key


def decode_answer(route: Route[Request, Response], status: int, body: bytes) -> Response:
    """The answer, or the error it carries, raised. An answer that is none of ours becomes Unavailable."""
    if status >= 400:
        raise failure(status, body)
    try:
        if route.shape is Shape.TEXT:
            return msgspec.convert({"text": body.decode()}, route.response)
        return msgspec.json.decode(body or b"{}", type=route.response, dec_hook=read_json)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(f"{route.path}: the answer is not what was expected: {error}") from error


def failure(status: int, body: bytes) -> TeleportError:
    """The error that an answer with this status and body stands for."""
    try:
        error = msgspec.json.decode(body, type=Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unavailable(f"the server answered with HTTP status {status} and no reason")
    return from_code(error.code, error.message, error.event_id)
