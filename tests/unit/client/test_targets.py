"""What people write for servers, copies and forwards."""

from __future__ import annotations

import pytest

from teleport.client.dialer import Wanted
from teleport.client.forwarding import Forward, parse_dynamic, parse_forward
from teleport.client.targets import Location, parse_location, parse_target
from teleport.foundation.errors import BadParameter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web-1", Wanted("web-1")),
        ("root@web-1", Wanted("web-1", "root")),
        ("a@b.example@web-1", Wanted("web-1", "a@b.example")),
        ("root@[::1]", Wanted("::1", "root")),
        ("env=prod,team=db", Wanted("", labels=(("env", "prod"), ("team", "db")))),
        ("root@env=prod", Wanted("", "root", labels=(("env", "prod"),))),
    ],
)
def test_targets(text: str, expected: Wanted) -> None:
    assert parse_target(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "-oProxyCommand=x", "root@-x", "a b", "x;y", "$(x)", "`x`", "root`x`@h", "'@h", "a\nb", "=x", "h\x1b[0m"],
)
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("notes.txt", Location("notes.txt")),
        ("./a:b", Location("./a:b")),
        ("web-1:", Location("", "web-1")),
        ("web-1:/tmp/a:b", Location("/tmp/a:b", "web-1")),
        ("root@web-1:x@y", Location("x@y", "web-1", "root")),
        ("root@[::1]:/tmp", Location("/tmp", "::1", "root")),
        ("dir/a@b:c", Location("dir/a@b:c")),
    ],
)
def test_locations(text: str, expected: Location) -> None:
    assert parse_location(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80:web:8080", Forward("127.0.0.1", 80, "web", 8080)),
        ("0.0.0.0:80:web:8080", Forward("0.0.0.0", 80, "web", 8080)),
        (":80:web:8080", Forward("*", 80, "web", 8080)),
        ("[::1]:80:[fe80::1]:8080", Forward("::1", 80, "fe80::1", 8080)),
    ],
)
def test_forwards(text: str, expected: Forward) -> None:
    assert parse_forward(text) == expected


@pytest.mark.parametrize("text", ["", "80", "80:web", "x:web:80", "80:web:99999", "a:b:c:d:e"])
def test_forwards_that_are_none(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_forward(text)


def test_dynamic_forwards() -> None:
    assert parse_dynamic("1080") == Forward("127.0.0.1", 1080)
    assert parse_dynamic("[::]:1080") == Forward("::", 1080)
    with pytest.raises(BadParameter):
        parse_dynamic("a:b:c")
