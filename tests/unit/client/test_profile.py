"""Profiles: the layout on disk, who may read it, and names that must not lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_side import CLUSTER, ClientCluster

from teleport.client import account, login_record
from teleport.client.account import Choice
from teleport.client.profile import Profile, ProfileStore, home_directory, split_proxy
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound


def test_a_login_leaves_the_documented_files_readable_by_the_owner_alone(
    known_cluster: ClientCluster, home: Path
) -> None:
    known_cluster.log_in(home)
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert files == {
        "current-profile",
        "localhost.yaml",
        "known_hosts",
        f"keys/localhost/cas/{CLUSTER}.pem",
        "keys/localhost/alice",
        "keys/localhost/alice.pub",
        "keys/localhost/alice.crt",
        "keys/localhost/alice.key",
        "keys/localhost/alice-status.json",
        f"keys/localhost/alice-ssh/{CLUSTER}-cert.pub",
    }
    for path in [home, *home.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_known_hosts_marks_the_authority_of_the_cluster(known_cluster: ClientCluster, home: Path) -> None:
    known_cluster.log_in(home)
    ClientCluster("beta.example").log_in(home, host="other")
    known_cluster.log_in(home)
    lines = (home / "known_hosts").read_text().splitlines()
    assert sorted(line.split(" ")[1] for line in lines) == [
        f"localhost,{CLUSTER},*.{CLUSTER}",
        "other,beta.example,*.beta.example",
    ]
    assert all(line.startswith("@cert-authority ") and line.endswith(" type=host") for line in lines)


def test_a_profile_written_is_a_profile_read(home: Path) -> None:
    store = ProfileStore(str(home))
    profile = Profile.of(web_proxy_addr="proxy.example:443", user="o'brien@example.com", cluster="prod")
    profile.values["unknown_later_key"] = "kept"
    profile.values["forward_ports"] = ["8080:localhost:80", "yes"]
    store.save(profile)
    again = store.load("proxy.example")
    assert again.values == profile.values
    assert (again.user, again.port, store.current_name()) == ("o'brien@example.com", 443, "proxy.example")


def test_profiles_of_other_programs_are_read(home: Path) -> None:
    home.mkdir()
    (home / "p.yaml").write_text(
        "# comment\nweb_proxy_addr: p:3080\nssh_proxy_addr: p:3023\nuser: 'al''ice'\ncluster: \"prod\"\n"
        'forward_ports: []\ntls_routing_enabled: true\ndynamic_forward_ports:\n- "1080"\nextra: {a: 1}\n'
    )
    profile = ProfileStore(str(home)).load("p")
    assert (profile.user, profile.cluster, profile.values["tls_routing_enabled"]) == ("al'ice", "prod", True)


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", "", "a\nb", "a\\b"])
def test_names_that_lead_elsewhere_are_refused(name: str, home: Path) -> None:
    with pytest.raises(BadParameter):
        Profile.of(web_proxy_addr="p:3080", user=name, cluster="c")
    with pytest.raises((BadParameter, NotFound)):
        ProfileStore(str(home)).load(name)


def test_logout_forgets_everything_of_the_user(known_cluster: ClientCluster, home: Path) -> None:
    known_cluster.log_in(home)
    store = ProfileStore(str(home))
    store.delete("localhost")
    assert store.names() == []
    assert store.current_name() == ""
    assert not (home / "keys" / "localhost").exists()


def test_home_comes_from_the_environment_before_the_system() -> None:
    assert home_directory({"TELEPORT_HOME": "/x", "HOME": "/y"}) == "/x"
    assert home_directory({"HOME": "/y"}) == "/y/.tsh"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p.example", ("p.example", None)),
        ("p.example:443", ("p.example", 443)),
        ("p.example:443,3023", ("p.example", 443)),
        ("https://p.example/", ("p.example", None)),
        ("[::1]:3080", ("::1", 3080)),
    ],
)
def test_proxy_addresses(text: str, expected: tuple[str, int | None]) -> None:
    assert split_proxy(text) == expected


@pytest.mark.parametrize("text", ["", "p:x", "p:0", "p:70000", "/etc:1"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(BadParameter):
        split_proxy(text)


def test_the_record_counts_only_for_its_own_certificate(known_cluster: ClientCluster, home: Path) -> None:
    profile = known_cluster.log_in(home)
    paths = ProfileStore(str(home)).paths(profile)
    record = login_record.load(paths)
    assert (record.username, record.cluster, record.roles) == ("alice", CLUSTER, ("access", "editor"))
    other = known_cluster.granted(known_cluster.user(logins=("nobody",)))
    Path(paths.tls_certificate).write_text(other.tls_certificate)
    assert login_record.load(paths).logins == ("nobody",)
    Path(paths.status).write_text("{broken")
    assert login_record.load(paths).logins == ("nobody",)


class TestAccounts:
    def test_the_current_profile_answers_when_nothing_is_said(self, known_cluster: ClientCluster, home: Path) -> None:
        known_cluster.log_in(home, port=4000)
        found = account.find(Choice())
        assert (found.host, found.port, found.cluster, found.user) == ("localhost", 4000, CLUSTER, "alice")

    def test_flags_come_before_the_profile(self, known_cluster: ClientCluster, home: Path) -> None:
        known_cluster.log_in(home, host="one")
        known_cluster.log_in(home, host="two")
        found = account.find(Choice(proxy="one:555", cluster="leaf"))
        assert (found.host, found.port, found.cluster, found.root_cluster) == ("one", 555, "leaf", CLUSTER)

    def test_another_user_is_not_silently_used(self, known_cluster: ClientCluster, home: Path) -> None:
        known_cluster.log_in(home)
        with pytest.raises(NotAuthenticated, match="as alice, not as bob"):
            account.find(Choice(user="bob"))

    def test_an_expired_login_is_refused(self, known_cluster: ClientCluster, home: Path) -> None:
        known_cluster.log_in(home, identity=known_cluster.user(hours=-0.01))
        with pytest.raises(NotAuthenticated, match="expired"):
            account.find(Choice())
        assert account.find(Choice(), expired=True).expires < SystemClock().now()

    def test_nobody_is_logged_in(self, home: Path) -> None:
        with pytest.raises(NotAuthenticated, match="tsh login"):
            account.find(Choice())
        with pytest.raises(NotAuthenticated, match="tsh login --proxy=p"):
            account.find(Choice(proxy="p"))
