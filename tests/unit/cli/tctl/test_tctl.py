"""What tctl makes of flags and files before it asks the API, and of answers before it prints them."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from client_side import ClientCluster

from teleport.cli.arguments import Arguments
from teleport.cli.program import run_program
from teleport.cli.tctl import audit, connection, documents, edit, get, lock, tokens, users
from teleport.cli.tctl.catalog import PROGRAM
from teleport.cli.tctl.connection import AuthHost, auth_host
from teleport.client import identity_file, login
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter, NotAuthenticated, Unsupported
from teleport.model.kinds import kind_named

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def options(**values: object) -> Namespace:
    names = ("config", "data_dir", "auth_server", "identity", "mfa_mode")
    defaults: dict[str, object] = dict.fromkeys(names)
    return Namespace(**(defaults | values))


class TestAuthHost:
    def test_a_configuration_tells_directory_and_address(self, tmp_path: Path) -> None:
        path = tmp_path / "teleport.yaml"
        path.write_text("teleport: {data_dir: /data}\nauth_service: {enabled: yes, listen_addr: '0.0.0.0:4025'}\n")
        assert auth_host(options(config=str(path))) == AuthHost("/data", "127.0.0.1:4025")

    @pytest.mark.parametrize("word", ["no", "false", "off", '"no"'])
    def test_a_host_without_auth_is_ignored(self, tmp_path: Path, word: str) -> None:
        path = tmp_path / "teleport.yaml"
        path.write_text(f"auth_service: {{enabled: {word}}}\n")
        assert auth_host(options(config=str(path))) is None

    def test_the_flag_comes_before_the_configuration(self, tmp_path: Path) -> None:
        path = tmp_path / "teleport.yaml"
        path.write_text("teleport: {data_dir: /data}\nauth_service: {listen_addr: '10.0.0.1'}\n")
        assert auth_host(options(config=str(path), data_dir="/mine")) == AuthHost("/mine", "10.0.0.1")

    def test_broken_yaml_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "teleport.yaml"
        path.write_text("a: [")
        with pytest.raises(BadParameter, match=r"teleport\.yaml"):
            auth_host(options(config=str(path)))


class TestIdentities:
    def test_an_identity_file_needs_an_address(self) -> None:
        with pytest.raises(BadParameter, match="--auth-server"):
            connection.connect(options(identity="x"))

    def test_nothing_to_use_is_told_with_all_ways(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TELEPORT_HOME", str(tmp_path / "tsh"))
        with pytest.raises(NotAuthenticated) as refusal:
            connection.connect(options(data_dir=str(tmp_path)))
        for way in ("admin_identity", "--data-dir", "tsh", "--identity"):
            assert way in refusal.value.message

    def test_the_profile_is_used_where_no_administrator_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TELEPORT_HOME", str(tmp_path / "tsh"))
        ClientCluster().log_in(tmp_path / "tsh")
        connection.connect(options(data_dir=str(tmp_path))).close()

    def test_an_identity_file_comes_first(self, tmp_path: Path) -> None:
        cluster = ClientCluster()
        file = login.to_identity_file("p", cluster.granted(cluster.user(), one_key=True))
        identity_file.save(str(tmp_path / "id"), file)
        connection.connect(options(identity=str(tmp_path / "id"), auth_server="p:3080")).close()


class TestWords:
    def test_comma_lists(self) -> None:
        assert users.words(" a, b,,a ") == ("a", "b")
        assert users.words(None) == ()

    def test_kube_alone_also_grants_app_and_discovery(self) -> None:
        assert tokens.roles_of("kube") == ("Kube", "App", "Discovery")
        assert tokens.roles_of("node,kube") == ("Node", "Kube")
        with pytest.raises(BadParameter, match="'nod'"):
            tokens.roles_of("nod")

    def test_traits_are_those_that_were_given(self) -> None:
        given = {flag.replace("-", "_"): None for flag in users.TRAITS} | {"logins": "root,dev", "db_users": ""}
        assert users._traits(Namespace(**given), "") == {"logins": ("root", "dev"), "db_users": ()}

    def test_the_rest_of_a_lifetime(self) -> None:
        assert tokens._expiry(None) == "never"
        assert tokens._expiry(SystemClock().now() + timedelta(hours=2, seconds=1)).endswith("UTC (2h)")


class TestLocks:
    def test_ends(self) -> None:
        assert lock._end(Namespace(ttl=None, expires=None)) is None
        assert lock._end(Namespace(ttl=None, expires="2030-01-01T00:00:00Z")) == NOW

    @pytest.mark.parametrize(
        ("ttl", "expires"), [("1h", "2030-01-01T00:00:00Z"), (None, "soon"), (None, "2030-01-01")]
    )
    def test_ends_that_are_none(self, ttl: str | None, expires: str) -> None:
        with pytest.raises(BadParameter):
            lock._end(Namespace(ttl=ttl, expires=expires))

    def test_a_target_is_needed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_program(PROGRAM, ("lock", "--ttl=1h")) == 1
        assert "at least one of --user" in capsys.readouterr().err


class TestAudit:
    def test_a_line_tells_what_matters(self) -> None:
        event = {"time": "2030-01-01T02:03:04.5Z", "event": "exec", "code": "T3002I", "user": "alice",
                 "server_hostname": "web-1", "login": "root", "command": "ls", "exitCode": 0}  # fmt: skip
        assert audit.row(event) == (
            "2030-01-01 02:03:04", "exec", "T3002I", "alice", "server_hostname=web-1 login=root command=ls"
        )  # fmt: skip

    def test_spans(self) -> None:
        start, end = audit._span(Namespace(last=None, start="2030-01-01", end=None, follow=False))
        assert (start, end) == (NOW, None)
        assert audit._span(Namespace(last=None, start=None, end=None, follow=True)) == (None, None)
        with pytest.raises(BadParameter, match="excludes"):
            audit._span(Namespace(last="1h", start="2030-01-01", end=None, follow=False))


class TestDocuments:
    def test_several_documents_in_either_form(self) -> None:
        text = "kind: role\nversion: v7\nmetadata: {name: a}\n---\nkind: user\nversion: v2\nmetadata: {name: b}\n"
        assert [(each.kind, each.name) for each in documents.parse(text, "f")] == [("role", "a"), ("user", "b")]
        array = '[{"kind": "role", "version": "v7", "metadata": {"name": "a"}}]'
        assert documents.parse(array, "f")[0].name == "a"

    def test_what_is_wrong_is_told_with_file_document_and_line(self) -> None:
        text = "kind: role\nversion: v7\nmetadata: {name: a}\n---\nkind: role\nversion: v7\nmetadata: {nam: b}\n"
        with pytest.raises(BadParameter, match=r"roles\.yaml: document 2, line \d: .*nam"):
            documents.parse(text, "roles.yaml")

    def test_an_empty_file_is_no_success(self) -> None:
        with pytest.raises(BadParameter, match="no resource"):
            documents.parse("# nothing\n", "f")

    def test_names_that_are_secrets_are_not_repeated(self) -> None:
        text = "kind: token\nversion: v2\nmetadata: {name: very-secret-token-value}\nspec: {roles: [Node]}\n"
        (token,) = documents.parse(text, "f")
        assert "very-secret" not in documents.said(token, "created")

    def test_kinds_of_the_system_are_not_written(self) -> None:
        with pytest.raises(Unsupported):
            documents.refuse_unwritable(kind_named("cert_authority"))
        documents.refuse_unwritable(kind_named("role"))

    def test_everything_is_what_a_fresh_cluster_needs(self) -> None:
        names = {ref.kind.name for ref in get.all_refs()}
        assert {"role", "user", "token"} <= names
        assert not names & {"user_secrets", "ca_secrets", "web_session", "session_tracker", "node"}


def test_a_slip_in_the_name_of_an_event_is_not_read_as_silence() -> None:
    assert audit._types(Namespace(type="user.login,session.start")) == ("user.login", "session.start")
    with pytest.raises(BadParameter, match=r"no event is called 'user.logn', near: user.login"):
        audit._types(Namespace(type="user.create,user.logn"))


@pytest.mark.parametrize("limit", ["0", "-1", "x", "\u0663"])
def test_a_limit_is_a_number_from_one(limit: str) -> None:
    parser = Arguments()
    parser.count("--limit")
    assert parser.parse_args(["--limit=3"]).limit == 3
    with pytest.raises(BadParameter, match="expected a number, 1 or more"):
        parser.parse_args([f"--limit={limit}"])


class TestEditing:
    @pytest.fixture(autouse=True)
    def _no_editor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in edit.EDITORS:
            monkeypatch.delenv(name, raising=False)

    def test_the_first_editor_of_the_environment_is_used(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("EDITOR", "false")
        monkeypatch.setenv("TELEPORT_EDITOR", "sed -i s/old/new/")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        assert edit.edited("old text\n", "role") == "new text\n"
        assert list(tmp_path.glob("tctl-*")) == []

    def test_an_editor_that_fails_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VISUAL", f"{sys.executable} -c 'raise SystemExit(3)'")
        with pytest.raises(BadParameter, match="status 3"):
            edit.edited("text", "role")

    def test_a_resource_is_not_renamed(self) -> None:
        (before,) = documents.parse("kind: role\nversion: v7\nmetadata: {name: a}\n", "f")
        (after,) = documents.parse("kind: role\nversion: v7\nmetadata: {name: b}\n", "f")
        with pytest.raises(BadParameter, match="not renamed"):
            edit._check_same(before, after)
