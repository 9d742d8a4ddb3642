"""Rules 26, 44, 47, 50-52, 54, 61 where strangers meet the product: real programs, the one port, no inside help."""

from __future__ import annotations

import base64
import getpass
import http.client
import json
import os
import re
import socket
import ssl
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Cluster
from harness.people import PASSWORD, Browser, Person, converse, one_time_code
from harness.processes import BIN, until

from teleport.api.route import Audience
from teleport.api.routes.catalog import ROUTES
from teleport.wire.tls_names import auth_alpn, auth_server_name

LOGIN = getpass.getuser()
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("real"), "real")
    try:
        yield started.start()
    finally:
        if started.process is not None:
            started.stop()


@pytest.fixture(scope="module")
def alice(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Person:
    person = Person(cluster, "alice", tmp_path_factory.mktemp("alice"))
    person.sign_up(person.invite(logins=LOGIN))
    person.log_in()
    return person


@pytest.fixture(scope="module")
def recorded(cluster: Cluster, alice: Person) -> str:
    """The id of a session of alice."""
    converse(
        [str(BIN / "tsh"), "ssh", f"{LOGIN}@real"],
        alice.environment,
        [(r"[$#] ", "echo re''corded"), ("recorded", "exit")],
    )
    until(lambda: "sid" in alice.tsh("recordings", "ls", "--format=json").ok().out, "recording listed")
    return str(alice.tsh("recordings", "ls", "--format=json").ok().json[0]["sid"])


class Stranger:
    """Speaks HTTP to the web port from an address of its own; `first` goes before everything else."""

    def __init__(self, cluster: Cluster, address: str, first: bytes = b"", cookies: str = "") -> None:
        self._port, self._address, self._first, self._cookies = cluster.web_port, address, first, cookies

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        raw = socket.create_connection(("127.0.0.1", self._port), 10, source_address=(self._address, 0))
        raw.sendall(self._first)
        connection = http.client.HTTPSConnection("localhost", self._port)
        connection.sock = ssl._create_unverified_context().wrap_socket(raw, server_hostname="localhost")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._cookies:
            sent["Cookie"] = self._cookies
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", **sent})
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        content = answer.read() if "jsonlines" not in told.get("content-type", "") else b""
        connection.close()
        return answer.status, told, content


def example(path: str) -> str:
    return re.sub(r"\{\w+(:path)?\}", str(uuid.uuid4()), path)


# -- 26, and every other door


def test_strangers_reach_nothing_but_the_public_list(cluster: Cluster) -> None:
    stranger = Stranger(cluster, "127.26.0.1", cookies="__Host-session=" + "a" * 64)
    for route in ROUTES:
        if route.audience is not Audience.PUBLIC:
            status, _, body = stranger.ask(route.method, example(route.path), {}, Authorization=f"Bearer {'b' * 64}")
            assert status in (401, 403, 404), (route.method, route.path, status, body)


def test_auth_behind_the_proxy_answers_nobody_without_a_certificate(cluster: Cluster) -> None:
    context = ssl._create_unverified_context()
    context.set_alpn_protocols([auth_alpn("real.example")])
    name = auth_server_name("real.example")
    for route in ROUTES:
        if route.audience is Audience.PUBLIC:
            continue
        with (
            socket.create_connection(("127.0.0.1", cluster.web_port), 10) as raw,
            context.wrap_socket(raw, server_hostname=name) as tls,
        ):
            head = f"{route.method} {example(route.path)} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}"
            tls.sendall(head.encode())
            assert tls.recv(4096).startswith(b"HTTP/1.1 401 "), (route.method, route.path)


def test_replays_are_for_whom_a_rule_lets_see_them(cluster: Cluster, recorded: str, tmp_path: Path) -> None:
    stranger = Stranger(cluster, "127.26.0.2")
    paths = f"/v1/recordings/{recorded}", "/v1/recordings", "/v1/audit/events"
    for path in (*paths, f"/web/recordings/{recorded}.tar"):
        status, _, body = stranger.ask("GET", path)
        assert status in (401, 404) or b"recorded" not in body, path
    other = Person(cluster, "bob", tmp_path)
    browser = other.sign_up(other.invite(roles="access", logins=LOGIN))
    for path in paths[:2]:  # the role `access` reads events, as in the reference
        status, _, body = with_session(cluster, browser).ask("GET", path, Authorization=f"Bearer {browser.bearer}")
        has_none = status == 200 and json.loads(body)["sessions"] == []  # of one's own
        assert status in (403, 404) or has_none, (path, status, body)


def with_session(cluster: Cluster, browser: Browser) -> Stranger:
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    return Stranger(cluster, "127.26.0.3", cookies=cookies)


def test_a_cookie_alone_or_the_token_of_another_page_opens_nothing(cluster: Cluster, tmp_path: Path) -> None:
    person = Person(cluster, "carol", tmp_path)
    browser = person.sign_up(person.invite(roles="access", logins=LOGIN))
    page = with_session(cluster, browser)
    assert page.ask("GET", "/v1/whoami", Authorization=f"Bearer {browser.bearer}")[0] == 200
    for token in ("", "Bearer ", f"Bearer {'0' * len(browser.bearer)}", f"Basic {browser.bearer}"):
        assert page.ask("GET", "/v1/whoami", Authorization=token)[0] == 401, token
    status, _, _ = page.ask(
        "GET", "/v1/whoami", Authorization=f"Bearer {browser.bearer}", Origin="https://evil.example"
    )
    assert status == 403


# -- 44, 47, 52, 54: who is slowed down, whatever is claimed


def guess(stranger: Stranger, **headers: str) -> int:
    return stranger.ask("GET", f"/webapi/users/password/token/{uuid.uuid4().hex}", **headers)[0]


def proxy_header(number: int) -> bytes:
    return f"PROXY TCP4 198.51.100.{number} 198.51.100.1 1234 443\r\n".encode()


@pytest.mark.parametrize("claim", ["nothing", "headers", "PROXY headers"])
def test_guessing_of_links_is_slowed_down_whatever_address_is_claimed(
    cluster: Cluster, alice: Person, claim: str
) -> None:
    number = ["nothing", "headers", "PROXY headers"].index(claim) + 1
    address, statuses = f"127.52.0.{number}", []
    for attempt in range(1, 60):
        first = proxy_header(attempt) if claim == "PROXY headers" else b""
        told = f"198.51.100.{attempt}"
        claimed = {"teleport-client-addr": f"{told}:1", "X-Forwarded-For": told, "Forwarded": f"for={told}"}
        statuses.append(guess(Stranger(cluster, address, first), **(claimed if claim == "headers" else {})))
    assert statuses.count(404) <= 45, "a burst of 40, and what time adds"
    assert statuses[-1] == 429
    assert guess(Stranger(cluster, f"127.52.1.{number}")) == 404, "others are not slowed down"


def test_events_name_the_address_that_the_socket_tells(cluster: Cluster, alice: Person) -> None:
    stranger = Stranger(cluster, "127.54.0.1", proxy_header(9))
    wrong = {"user": "alice", "pass": "not the password"}
    stranger.ask("POST", "/webapi/mfa/login/begin", wrong, **{"teleport-client-addr": "198.51.100.9"})
    found = [event for event in cluster.events("user.login") if not event["success"]]
    assert {event["addr.remote"].rpartition(":")[0] or event["addr.remote"] for event in found} == {"127.54.0.1"}


# -- 50, 51


def next_code(person: Person) -> str:
    """That of the step that comes: accepted already, and not used."""
    return one_time_code(person.secret, time.time() + 30)


def test_cookies_on_the_wire(cluster: Cluster, tmp_path: Path) -> None:
    person = Person(cluster, "dave", tmp_path)
    person.sign_up(person.invite(roles="access"))
    csrf = Stranger(cluster, "127.50.0.1").ask("GET", "/web/login")[1]["set-cookie"]
    token = csrf.partition("=")[2].partition(";")[0]
    page = Stranger(cluster, "127.50.0.1", cookies=f"__Host-csrf={token}")
    asked = {"user": "dave", "pass": PASSWORD, "second_factor_token": next_code(person)}
    status, headers, _ = page.ask("POST", "/webapi/sessions/web", asked, X_CSRF_Token=token)
    assert status == 200
    assert {"secure", "httponly", "path=/"} <= set(headers["set-cookie"].lower().split("; "))
    for line in (csrf, headers["set-cookie"]):
        assert line.startswith("__Host-")
        assert "domain" not in line.lower()
        assert "samesite" in line.lower()


def test_a_page_changes_no_password_without_the_old_one(cluster: Cluster, tmp_path: Path) -> None:
    person = Person(cluster, "erin", tmp_path)
    browser = person.sign_up(person.invite(roles="access"))
    page, new = with_session(cluster, browser), base64.b64encode(b"another long password").decode()
    bearer = f"Bearer {browser.bearer}"

    def change(old: str, code: str) -> int:
        asked = {"old_password": old, "new_password": new, "second_factor_token": code}
        return page.ask("PUT", "/v1/users/password", asked, Authorization=bearer)[0]

    right = base64.b64encode(PASSWORD.encode()).decode()
    assert change("", next_code(person)) == 401
    assert change(base64.b64encode(b"not the old one").decode(), "000000") == 401
    assert change(right, "") == 401
    assert change(right, next_code(person)) == 200


# -- 61: what is left behind when all this is done


def test_nothing_secret_is_in_the_log_or_readable_by_others(cluster: Cluster, alice: Person, recorded: str) -> None:
    assert cluster.process is not None
    token = cluster.join_token()
    log = (cluster.folder / "log").read_text(errors="replace")
    for secret in (alice.secret, PASSWORD, token, "PRIVATE KEY", "__Host-session=", "Bearer "):
        assert secret not in log, secret[:8]
    for path in (*cluster.data_dir.rglob("*"), *alice.home.rglob("*")):
        if not path.is_symlink() and not path.is_socket():
            assert path.stat().st_mode & 0o077 == 0, path
    arguments = Path(f"/proc/{cluster.process.pid}/cmdline").read_bytes()
    assert token.encode() not in arguments
    assert os.stat(cluster.data_dir).st_mode & 0o777 == 0o700
