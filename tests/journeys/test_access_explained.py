"""Why somebody may or may not, asked of a running cluster; what other roles would do, before they are applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster, Finished
from harness.people import Person

ROLE = """
kind: role
version: v7
metadata: {{name: {name}}}
spec:
  options: {{max_session_ttl: {ttl}}}
  allow: {{logins: [{logins}], node_labels: {{place: {place}}}}}
"""


@pytest.fixture(scope="module")
def dave(cluster: Cluster, agent: Agent, alice: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    folder = tmp_path_factory.mktemp("dave")
    role = folder / "role.yaml"
    role.write_text(ROLE.format(name="behind-only", ttl="8h", logins=LOGIN, place="behind"))
    cluster.tctl("create", "-f", str(role)).ok()
    person = Person(cluster, "dave", folder)
    try:
        person.sign_up(person.invite(roles="behind-only"))
        yield person
    finally:
        cluster.tctl("users", "rm", "dave").ok()  # a worker may come back to this module


class TestExplain:
    def ask(self, cluster: Cluster, *flags: str) -> Finished:
        return cluster.tctl("access", "explain", *flags).ok()

    def test_a_server_by_host_name_and_by_uuid(self, cluster: Cluster, dave: Person) -> None:
        told = self.ask(cluster, "--user=dave", "--resource=node/behind", f"--login={LOGIN}", "--format=json").json
        assert told["allowed"], told
        assert told["decision"]["roles"] == ["behind-only"]
        refused = self.ask(cluster, "--user=dave", "--resource=node/behind", "--login=nobody", "--format=json").json
        assert refused["decision"]["reason"]["code"] == "nothing_allows"
        (story,) = [one for one in refused["roles"] if one["role"] == "behind-only"]
        assert [check["is_met"] for check in story["allow"]] == [True, False]

    def test_as_other_roles(self, cluster: Cluster, dave: Person) -> None:
        flags = ("--user=dave", "--as-roles=auditor", "--resource=node/behind", f"--login={LOGIN}")
        assert ": DENIED" in self.ask(cluster, *flags).out.splitlines()[0]
        assert ": 거부" in self.ask(cluster, *flags, "--language=ko").out.splitlines()[0]

    def test_actions(self, cluster: Cluster, dave: Person) -> None:
        assert "DENIED" in self.ask(cluster, "--user=dave", "--verb=update", "--kind=role").out
        out = self.ask(cluster, "--user=dave", "--as-roles=editor", "--verb=update", "--kind=role").out
        assert 'allowed by role "editor"' in out

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (("--user=dave", "--resource=node/absent", "--login=x"), "absent"),
            (("--user=nobody-here", "--resource=node/behind", "--login=x"), "nobody-here"),
            (("--user=dave", "--as-roles=absent", "--resource=node/behind"), "absent"),
            (("--user=dave",), "what?"),
            (("--resource=node/behind",), "who?"),
            (("--user=dave", "--resource=role/editor"), "--verb"),
        ],
    )
    def test_what_cannot_be_asked(self, cluster: Cluster, dave: Person, flags: tuple[str, ...], message: str) -> None:
        done = cluster.tctl("access", "explain", *flags)
        assert done.status == 1
        assert message in done.err


class TestDiff:
    def test_who_gains_and_loses_what(self, cluster: Cluster, dave: Person, tmp_path: Path) -> None:
        wider = tmp_path / "wider.yaml"
        wider.write_text(ROLE.format(name="behind-only", ttl="2h", logins="other", place='"*"'))
        done = cluster.tctl("access", "diff", "-f", str(wider))
        assert done.status == 2, done.err
        lines = [line.strip() for line in done.out.splitlines()]
        assert "dave" in lines
        assert "+ log in as other: node alpha, behind" in lines
        assert f"- log in as {LOGIN}: node behind" in lines
        assert "~ max_session_ttl: 8h0m0s -> 2h0m0s" in lines
        (user,) = cluster.tctl("access", "diff", "-f", str(wider), "--format=json").json["users"]
        assert user["user"] == "dave"
        assert {one["what"] for one in user["gained"]} == {"log in as other", "see"}

    def test_no_change_has_status_0(self, cluster: Cluster, dave: Person, tmp_path: Path) -> None:
        same = tmp_path / "same.yaml"
        same.write_text(cluster.tctl("get", "role/behind-only").ok().out)
        done = cluster.tctl("access", "diff", "-f", str(same))
        assert (done.status, done.out) == (0, "Nobody gains or loses anything.\n")

    def test_a_file_without_roles_or_with_a_broken_one(self, cluster: Cluster, tmp_path: Path) -> None:
        other = tmp_path / "other.yaml"
        other.write_text("kind: user\nversion: v2\nmetadata: {name: x}\nspec: {roles: [access]}\n")
        assert cluster.tctl("access", "diff", "-f", str(other)).status == 1
        other.write_text(ROLE.format(name="x", ttl="8h", logins='"{{broken"', place="x").replace("{{{{", "{{"))
        assert cluster.tctl("access", "diff", "-f", str(other)).status == 1


class TestWhyNot:
    def test_for_oneself(self, dave: Person, agent: Agent) -> None:
        dave.log_in()
        done = dave.tsh("ls", f"--why-not={LOGIN}@behind").ok()
        assert done.out == 'access to node "behind" allowed by role "behind-only".\n'
        refused = dave.tsh("ls", "--why-not=nobody@behind")
        assert refused.status == 1
        assert f"Logins that are open to you there: {LOGIN}" in refused.out

    def test_the_hidden_and_the_absent_are_alike(self, dave: Person) -> None:
        dave.log_in()
        hidden, absent = (dave.tsh("ls", f"--why-not={LOGIN}@{name}") for name in ("alpha", "no-such-host"))
        assert (hidden.status, hidden.out) == (absent.status, absent.out)
        assert dave.tsh("ls", "--why-not=alpha", "--format=json").json["allowed"] is False
