"""Requests become HTTP and come back the same; what does not fit is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.api.messages import decode_answer, decode_call, encode_call, failure
from teleport.api.route import Route
from teleport.api.routes import audit, certificates, login, recordings, resources, users
from teleport.api.routes.catalog import ROUTES
from teleport.foundation.errors import AccessDenied, BadParameter, Unavailable


def there_and_back(route: Route[Any, Any], request: msgspec.Struct) -> msgspec.Struct:
    call = encode_call(route, request)
    path, _, query = call.target.partition("?")
    values = dict(zip(route.path_fields, _path_values(route, path), strict=True))
    answer: msgspec.Struct = decode_call(route, values, query, call.body)
    return answer


def _path_values(route: Route[Any, Any], path: str) -> list[str]:
    parts, pattern = path.split("/"), route.path.split("/")
    found = []
    for position, piece in enumerate(pattern):
        if piece.startswith("{"):
            rest = parts[position:] if piece.endswith(":path}") else parts[position : position + 1]
            found.append(unquote("/".join(rest)))
    return found


@pytest.mark.parametrize(
    ("route", "request_"),
    [
        (
            resources.LIST,
            resources.ListResources(kind="node", limit=5, labels={"env": "prod & more"}, query='a == "b"'),
        ),
        (resources.GET, resources.ResourceName("cert_authority", "user/example", with_secrets=True)),
        (resources.DELETE, resources.DeleteResource("role", "a role? yes & no/%", confirm=True)),
        (resources.PUT, resources.PutResource("role", "x", msgspec.Raw(b'{"kind":"role"}'), must_exist=True)),
        (audit.SEARCH, audit.SearchEvents(start=datetime(2030, 1, 1, tzinfo=UTC), types=("a", "b"))),
        (users.RESET, users.ResetUser(name="alice", ttl=timedelta(hours=2))),
        (certificates.ISSUE, certificates.IssueCertificates(ssh_public_key=b"\x00\xff", ttl=timedelta(minutes=1))),
        (login.FINISH, login.FinishLogin(user="a", ssh_pub_key=b"key", ttl=5, route_to_cluster="c")),
        (recordings.UPLOAD_PART, recordings.UploadPart(session_id="s", number=7, content=b"\x00\x01")),
    ],
)
def test_a_request_comes_back_the_same(route: Route[Any, Any], request_: msgspec.Struct) -> None:
    assert there_and_back(route, request_) == request_


@given(st.text(min_size=1).filter(lambda text: text.isprintable() and text.strip("/.") == text))
def test_any_name_travels_in_a_path(name: str) -> None:
    request = users.ResetUser(name=name)
    assert there_and_back(users.RESET, request) == request


def test_a_passkey_answer_passes_through_unread() -> None:
    answer = msgspec.Raw(b'{"id":"x","response":{"n":[1,2]}}')
    back = there_and_back(login.FINISH, login.FinishLogin(webauthn_challenge_response=answer))
    assert isinstance(back, login.FinishLogin)
    assert back.webauthn_challenge_response is not None
    assert msgspec.json.decode(back.webauthn_challenge_response) == msgspec.json.decode(answer)
    assert there_and_back(login.FINISH, login.FinishLogin()) == login.FinishLogin()


@pytest.mark.parametrize(
    ("route", "path", "query", "body", "named"),
    [
        (login.BEGIN, {}, "", b'{"user":"a","admin":true}', "admin"),
        (login.BEGIN, {}, "", b'{"user":7}', "user"),
        (login.BEGIN, {}, "", b"[]", "object"),
        (login.BEGIN, {}, "", b'{"user":"a"', "truncated"),
        (login.BEGIN, {}, "", b"\xff\xfe", "JSON|utf-8|malformed|invalid"),
        (login.BEGIN, {}, "", b"[" * 5000, "."),
        (login.BEGIN, {}, "user=a", b"{}", "user"),
        (users.RESET, {"name": "a"}, "", b'{"name":"b"}', "name"),
        (resources.LIST, {"kind": "node"}, "limit=many", b"", "limit"),
        (resources.LIST, {"kind": "node"}, "limit=1&limit=2", b"", "limit is given twice"),
        (resources.LIST, {"kind": "node"}, "colour=red", b"", "colour"),
        (resources.LIST, {"kind": "node"}, "labels=red", b"", "labels"),
        (resources.LIST, {"kind": "node"}, "&".join(f"x{n}=1" for n in range(300)), b"", "fields"),
    ],
)
def test_what_does_not_fit_is_named(
    route: Route[Any, Any], path: dict[str, str], query: str, body: bytes, named: str
) -> None:
    with pytest.raises(BadParameter, match=named):
        decode_call(route, path, query, body)


def test_an_empty_name_has_no_address() -> None:
    with pytest.raises(BadParameter, match="name"):
        encode_call(resources.GET, resources.ResourceName("role", ""))


@given(st.binary(max_size=200), st.text(max_size=50))
def test_garbage_is_a_bad_parameter_and_nothing_else(body: bytes, query: str) -> None:
    for route in ROUTES:
        try:
            decode_call(route, dict.fromkeys(route.path_fields, "x"), query, body)
        except BadParameter:
            continue


def test_errors_come_back_as_what_they_were() -> None:
    body = b'{"error":{"code":"access_denied","message":"no","event_id":"7"}}'
    with pytest.raises(AccessDenied) as refused:
        decode_answer(login.BEGIN, 403, body)
    assert (refused.value.message, refused.value.event_id) == ("no", "7")
    assert isinstance(failure(502, b"<html>"), Unavailable)
    with pytest.raises(Unavailable):
        decode_answer(login.BEGIN, 200, b"<html>")


def test_every_route_has_an_address_of_its_own_and_a_summary() -> None:
    addresses = [(route.method, route.path) for route in ROUTES]
    assert len(set(addresses)) == len(addresses)
    assert all(route.summary for route in ROUTES)


def test_requests_refuse_unknown_fields() -> None:
    for route in ROUTES:
        assert route.request.__struct_config__.forbid_unknown_fields, route.path
        assert set(route.path_fields) <= set(route.request.__struct_fields__), route.path
