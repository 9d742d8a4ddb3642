"""The API as an OpenAPI 3.1 document, generated from Routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from teleport.api.json_value import describe_json
from teleport.api.messages import BYTES_TYPE, JSON_TYPE
from teleport.api.route import Audience, Failure, Route, Shape

_REFERENCE = "#/components/schemas/{name}"


def document(routes: Iterable[Route[Any, Any]], version: str) -> dict[str, Any]:
    """An OpenAPI document, JSON-ready."""
    routes = tuple(routes)
    types = {kind for route in routes for kind in (route.request, route.response)} | {Failure}
    ordered = sorted(types, key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE, schema_hook=describe_json)
    by_type = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path.replace(":path}", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Teleport",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"certificate": {"type": "mutualTLS", "description": "A certificate of the cluster."}},
        },
    }


def _operation(
    route: Route[Any, Any], by_type: dict[Any, dict[str, Any]], components: dict[str, Any]
) -> dict[str, Any]:
    fields = components[by_type[route.request]["$ref"].rsplit("/", 1)[1]]
    properties: dict[str, Any] = fields.get("properties", {})
    required = set(fields.get("required", ()))
    in_path = route.path_fields
    in_query = [] if route.has_json_body else [name for name in properties if name not in (*in_path, "content")]
    operation: dict[str, Any] = {
        "summary": route.summary,
        "x-audience": route.audience.value,
        "security": [] if route.audience is Audience.PUBLIC else [{"certificate": []}],
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": properties[name]} for name in in_path),
            *(
                {"name": name, "in": "query", "required": name in required, "schema": properties[name]}
                for name in in_query
            ),
        ],
        "responses": {
            "200": {"description": "Done.", "content": _answer_content(route, by_type[route.response])},
            "default": {"description": "Refused.", "content": {JSON_TYPE: {"schema": by_type[Failure]}}},
        },
    }
    if route.shape is Shape.BODY:
        operation["requestBody"] = {"content": {BYTES_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
    elif route.has_json_body:
        body = {name: schema for name, schema in properties.items() if name not in in_path}
        schema = {"type": "object", "properties": body, "required": sorted(required - set(in_path))}
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": schema}}}
    return operation


def _answer_content(route: Route[Any, Any], schema: dict[str, Any]) -> dict[str, Any]:
    match route.shape:
        case Shape.LINES:
            return {"application/jsonlines": {"schema": schema}}
        case Shape.DOWNLOAD:
            return {BYTES_TYPE: {"schema": {"type": "string", "format": "binary"}}}
        case Shape.TEXT:
            return {"text/plain": {"schema": {"type": "string"}}}
        case _:
            return {JSON_TYPE: {"schema": schema}}
