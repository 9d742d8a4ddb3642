"""`tsh status`, `env`, `logout`: what is shown of profiles, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from client_side import CLUSTER, ClientCluster

from teleport.cli.program import run_program
from teleport.cli.tsh.catalog import PROGRAM
from teleport.client import identity_file, login


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PROXY", "USER", "CLUSTER", "DEBUG", "IDENTITY_FILE"):
        monkeypatch.delenv(f"TELEPORT_{name}", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("TELEPORT_HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path


def tsh(*words: str) -> int:
    return run_program(PROGRAM, words)


def test_the_active_profile_is_marked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClientCluster("beta.example").log_in(home, host="beta")
    ClientCluster().log_in(home)
    assert tsh("status") == 0
    active, other = capsys.readouterr().out.split("\n\n")
    assert active.startswith("> Profile URL:")
    assert other.startswith("  Profile URL:")
    for line in ("Logged in as: alice", f"Cluster:      {CLUSTER}", "Roles:        access, editor", "[valid for 5"):
        assert line in active
    assert "beta.example" in other


def test_the_document_has_the_keys_of_the_reference(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClientCluster().log_in(home)
    assert tsh("status", "--format=json") == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"active", "profiles"}
    active = document["active"]
    assert set(active) == {
        "profile_url", "username", "active_requests", "cluster", "roles", "traits", "logins", "kubernetes_enabled",
        "kubernetes_cluster", "kubernetes_users", "kubernetes_groups", "databases", "allowed_resources",
        "valid_until", "extensions",
    }  # fmt: skip
    assert (active["logins"], active["traits"]) == (["root", "alice"], {"team": ["db", "web"]})


def test_who_is_not_logged_in_gets_status_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tsh("status") == 1
    assert "not logged in" in capsys.readouterr().err
    cluster = ClientCluster()
    cluster.log_in(home, identity=cluster.user(hours=-0.1))
    assert tsh("status") == 1
    assert "[EXPIRED]" in capsys.readouterr().out


def test_variables_for_the_shell(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClientCluster().log_in(home, 4444)
    assert tsh("env") == 0
    assert capsys.readouterr().out == (f"export TELEPORT_PROXY=localhost:4444\nexport TELEPORT_CLUSTER={CLUSTER}\n")
    assert tsh("env", "--unset") == 0
    assert capsys.readouterr().out == "unset TELEPORT_PROXY\nunset TELEPORT_CLUSTER\n"


def test_logout_of_one_leaves_the_other(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ClientCluster("beta.example").log_in(home, host="beta")
    ClientCluster().log_in(home)
    assert tsh("logout", "--proxy=localhost", "--user=bob") == 1
    assert tsh("logout", "--proxy=localhost") == 0
    assert tsh("status", "--proxy=beta") == 0
    assert tsh("logout") == 0
    assert not list(home.rglob("*.key"))
    assert "Logged out all users" in capsys.readouterr().out


def test_the_proxy_of_the_environment_selects_the_profile(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ClientCluster("beta.example").log_in(home, host="beta")
    ClientCluster().log_in(home)
    monkeypatch.setenv("TELEPORT_PROXY", "beta:3080")
    assert tsh("env") == 0
    assert "beta.example" in capsys.readouterr().out
    assert tsh("env", "--proxy=localhost") == 0
    assert CLUSTER in capsys.readouterr().out


def test_no_user_of_the_system_is_looked_up_where_variables_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On domain-joined Windows hosts the look-up takes seconds, or fails."""
    import getpass

    from teleport.cli.tsh import hosts
    from teleport.client import account, login
    from teleport.client.account import Choice

    def fail() -> str:
        raise AssertionError("looked up")

    monkeypatch.setattr(getpass, "getuser", fail)
    ClientCluster().log_in(home)
    assert login.default_user("alice", "") == "alice"
    assert hosts.default_login(account.find(Choice()), {"LOGNAME": "me"}) == "me"
    cluster = ClientCluster("one.example")
    cluster.log_in(home, identity=cluster.user(logins=("deploy",)), host="one")
    assert hosts.default_login(account.find(Choice()), {}) == "deploy"


def test_an_identity_file_is_shown_without_a_login(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = ClientCluster()
    for hours, status in ((1.0, 0), (-0.1, 1)):
        identity_file.save(
            str(home / "id"), login.to_identity_file("localhost", cluster.granted(cluster.user(hours=hours)))
        )
        assert tsh("-i", str(home / "id"), "status") == status
        told = capsys.readouterr()
        assert "Logged in as: alice" in told.out
        assert "permit-pty" in told.out.partition("Extensions:")[2]
        assert "not logged in" not in told.err
    assert tsh("-i", str(home / "id"), "--proxy=tele.example", "status", "--format=json") == 1
    assert json.loads(capsys.readouterr().out)["active"]["profile_url"] == "https://tele.example:3080"
