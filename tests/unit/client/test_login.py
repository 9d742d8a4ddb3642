"""Login as a person types it: questions, second factors, what is sent; and the running ssh-agent."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from client_side import CLUSTER, ClientCluster

from teleport.api.route import Request, Response, Route
from teleport.api.routes import login as routes
from teleport.api.routes import public
from teleport.client import key_agent, login, mfa, prompt
from teleport.client.login import LoginChoice
from teleport.client.profile import ProfileStore
from teleport.foundation.errors import BadParameter, NotAuthenticated, Unavailable, Unsupported

ORIGIN = "https://localhost:3080"


class Conversation:
    """The login calls of a cluster where alice has the password `pw` and the code 123456."""

    def __init__(self, cluster: ClientCluster, *, totp: bool = True, webauthn: bytes | None = None) -> None:
        self._cluster = cluster
        self._challenge = routes.LoginChallenge(
            totp_challenge=totp, webauthn_challenge=msgspec.Raw(webauthn) if webauthn else None
        )
        self.finished: routes.FinishLogin | None = None

    def call(self, route: Route[Request, Response], request: Request) -> Response:
        if isinstance(request, routes.BeginLogin):
            return msgspec.convert(self._challenge, route.response, from_attributes=True)
        assert isinstance(request, routes.FinishLogin)
        self.finished = request
        if (request.user, request.password, request.totp_code) != ("alice", "pw", "123456"):
            raise NotAuthenticated("invalid username, password or second factor")
        granted = self._cluster.granted(self._cluster.user()).granted
        return msgspec.convert(granted, route.response, from_attributes=True)


def log_in(conversation: Conversation, choice: LoginChoice, settings: public.Ping | None = None) -> login.Credentials:
    return login.log_in(conversation, choice, settings or public.Ping(), ORIGIN)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the person types, line by line."""
    lines = io.StringIO()
    monkeypatch.setattr(sys, "stdin", lines)
    return lines


def type_lines(stream: io.StringIO, *lines: str) -> None:
    stream.write("".join(f"{line}\n" for line in lines))
    stream.seek(0)


def test_password_and_code(known_cluster: ClientCluster, typed: io.StringIO) -> None:
    type_lines(typed, "pw", "123 456")
    conversation = Conversation(known_cluster)
    credentials = log_in(conversation, LoginChoice("alice"))
    sent = conversation.finished
    assert sent is not None
    assert sent.ssh_pub_key.startswith(b"ssh-ed25519 ")
    assert sent.tls_pub_key.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert (sent.ttl, sent.pub_key) == (0, b"")
    assert credentials.ssh_key is not credentials.tls_key


def test_lifetime_travels_in_nanoseconds_and_one_key_serves_both(
    known_cluster: ClientCluster, typed: io.StringIO
) -> None:
    from datetime import timedelta

    type_lines(typed, "pw", "123456")
    conversation = Conversation(known_cluster)
    credentials = log_in(conversation, LoginChoice("alice", ttl=timedelta(minutes=90), one_key=True))
    assert conversation.finished is not None
    assert conversation.finished.ttl == 90 * 60 * 10**9
    assert conversation.finished.ssh_pub_key.startswith(b"ecdsa-sha2-nistp256 ")
    assert credentials.ssh_key is credentials.tls_key


def test_a_wrong_code_is_refused_by_the_cluster(known_cluster: ClientCluster, typed: io.StringIO) -> None:
    type_lines(typed, "pw", "000000")
    with pytest.raises(NotAuthenticated, match="invalid username, password or second factor"):
        log_in(Conversation(known_cluster), LoginChoice("alice"))


@pytest.mark.parametrize("code", ["", "12345a", "１２３４５６"])
def test_what_is_no_code_is_not_sent(known_cluster: ClientCluster, typed: io.StringIO, code: str) -> None:
    type_lines(typed, "pw", code)
    conversation = Conversation(known_cluster)
    with pytest.raises(BadParameter):
        log_in(conversation, LoginChoice("alice"))
    assert conversation.finished is None


def test_nobody_answers(known_cluster: ClientCluster, typed: io.StringIO) -> None:
    with pytest.raises(BadParameter, match="the input has ended"):
        log_in(Conversation(known_cluster), LoginChoice("alice"))


class TestSecondFactors:
    def test_both_are_there_and_a_key_is_plugged_in_the_person_chooses(
        self, typed: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mfa, "has_security_key", lambda: True)
        type_lines(typed, "7", "2", "123456")
        assert mfa.answer_challenge(totp=True, webauthn=b"{}", origin=ORIGIN) == mfa.Answer("123456")

    def test_without_a_key_the_code_is_asked_for(self, typed: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mfa, "has_security_key", lambda: False)
        type_lines(typed, "123456")
        assert mfa.answer_challenge(totp=True, webauthn=b"{}", origin=ORIGIN) == mfa.Answer("123456")

    def test_only_a_key_would_do_and_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mfa, "_devices", list)
        with pytest.raises(Unsupported, match="no security key is plugged in"):
            mfa.answer_challenge(totp=False, webauthn=b"{}", origin=ORIGIN)

    def test_keys_cannot_be_used_on_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail() -> list[object]:
            raise OSError("no access to hidraw")

        monkeypatch.setattr(mfa, "_devices", fail)
        assert not mfa.has_security_key()
        with pytest.raises(Unsupported, match="no access to hidraw"):
            mfa.answer_challenge(totp=False, webauthn=b"{}", origin=ORIGIN)

    def test_codes_are_wanted_and_there_are_none(self) -> None:
        with pytest.raises(BadParameter, match="no one-time code device"):
            mfa.answer_challenge(totp=False, webauthn=b"{}", origin=ORIGIN, mode="otp")

    def test_nothing_is_asked_for(self) -> None:
        assert mfa.answer_challenge(totp=False, webauthn=None, origin=ORIGIN) == mfa.Answer()


def test_headless_and_passwordless_are_refused_by_name(known_cluster: ClientCluster) -> None:
    with pytest.raises(Unsupported, match="headless"):
        log_in(Conversation(known_cluster), LoginChoice("alice", connector="headless"))
    with pytest.raises(Unsupported, match="passwordless"):
        log_in(Conversation(known_cluster), LoginChoice("alice", connector="passwordless"))


def test_three_answers_that_are_none(typed: io.StringIO) -> None:
    type_lines(typed, "0", "x", "3", "1")
    with pytest.raises(BadParameter):
        prompt.choose("Which?", ["a", "b"])


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield path
        process.terminate()


def listed() -> str:
    return subprocess.run(["ssh-add", "-l"], capture_output=True, text=True, check=False).stdout


def test_the_agent_gets_the_key_and_loses_it(
    known_cluster: ClientCluster, home: Path, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    profile = known_cluster.log_in(home)
    paths = ProfileStore(str(home)).paths(profile)
    key_agent.add_login(paths, profile, "auto")
    key_agent.add_login(paths, profile, "yes")
    assert listed().count(f"teleport:localhost:{CLUSTER}:alice") == 1
    assert "CERT" in listed()
    key_agent.remove_profile("elsewhere")
    assert "alice" in listed()
    key_agent.remove_profile("localhost")
    assert "alice" not in listed()


def test_no_agent_matters_only_to_those_who_want_it(known_cluster: ClientCluster, home: Path) -> None:
    profile = known_cluster.log_in(home)
    paths = ProfileStore(str(home)).paths(profile)
    key_agent.add_login(paths, profile, "auto")
    key_agent.add_login(paths, profile, "no")
    with pytest.raises(Unavailable, match="ssh-agent"):
        key_agent.add_login(paths, profile, "yes")


@pytest.mark.parametrize(("text", "mode"), [("true", "auto"), ("0", "no"), ("YES", "yes")])
def test_older_words_for_the_agent(text: str, mode: str) -> None:
    assert key_agent.mode_of(text) == mode


@pytest.mark.parametrize("text", ["only", "maybe", ""])
def test_words_that_are_none(text: str) -> None:
    with pytest.raises(BadParameter):
        key_agent.mode_of(text)
