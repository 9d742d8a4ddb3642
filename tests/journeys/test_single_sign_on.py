"""Single sign-on at a real provider, in a real browser: with tsh, on the login page, when a group is taken away."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.chromium import chromium, chromiums, watch_for_breaches
from harness.cluster import Cluster
from harness.openid import SECRET, OpenId
from harness.people import Person
from harness.processes import BIN, Started
from playwright.sync_api import Page, expect

LOGIN = getpass.getuser()
ALICE = "alice@example.com"
ROLES = f"""kind: role
version: v7
metadata: {{name: developer}}
spec:
  allow: {{logins: [{LOGIN}], node_labels: {{"*": "*"}}}}
---
kind: role
version: v7
metadata: {{name: reader}}
spec:
  allow: {{rules: [{{resources: [role], verbs: [list, read]}}]}}
"""


@pytest.fixture
def provider(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[tuple[Cluster, OpenId]]:
    """A cluster with a connector to a provider where alice is a developer."""
    cluster = new_cluster("sso").start()
    people = {"alice": {"email": ALICE, "email_verified": True, "groups": ["dev", "all"]}}
    openid = OpenId(tmp_path / "provider", f"https://{cluster.proxy}/v1/webapi/oidc/callback", people).start()
    try:
        cluster.tctl("create", text=ROLES).ok()
        connector = openid.connector("company", {"dev": "developer", "all": "reader"}, display="Company")
        cluster.tctl("create", text=connector).ok()
        yield cluster, openid
    finally:
        openid.stop()


def link_of(login: Started) -> str:
    """What tsh prints for the browser."""
    login.wait_until(lambda: re.search(r"^\s+http\S+$", login.output(), re.MULTILINE) is not None, "the link")
    found = re.search(r"^\s+(http\S+)$", login.output(), re.MULTILINE)
    assert found is not None
    return found[1]


def log_in(person: Person, openid: OpenId, page: Page, name: str, *arguments: str) -> Started:
    """`tsh login`, and a person in the browser that it shows the link to. It has ended when this returns."""
    person.home.mkdir(parents=True, exist_ok=True)
    words = ["login", f"--proxy={person.cluster.proxy}", "--insecure", "--browser=none", "--force", *arguments]
    log = person.home / f"log-{len(list(person.home.glob('log-*')))}"
    login = Started([BIN / "tsh", *words], log, person.environment)
    page.goto(link_of(login))
    openid.log_in(page, name)
    login.process.wait(60)
    return login


def test_a_group_opens_the_servers_and_its_end_closes_them(provider: tuple[Cluster, OpenId], tmp_path: Path) -> None:
    cluster, openid = provider
    alice = Person(cluster, ALICE, tmp_path / "alice")
    with chromium(tmp_path / "profile") as browser:
        page = browser.new_page()
        login = log_in(alice, openid, page, "alice", "--auth=company")
        assert login.process.returncode == 0, login.output()
        assert "You are logged in" in page.inner_text("body")
        # neither a ticket in clear nor a certificate went through the browser
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[0-9a-f]{32}/callback\?answer=[\w=-]+", page.url)
        assert "sso" in {node["spec"]["hostname"] for node in alice.tsh("ls", "--format=json").ok().json}
        assert alice.tsh("ssh", f"{LOGIN}@sso", "echo here").ok().out == "here\n"
        held = alice.tsh("status", "--format=json").ok().json["active"]
        assert (held["username"], set(held["roles"])) == (ALICE, {"developer", "reader"})

        running = Started(
            [BIN / "tsh", "ssh", f"{LOGIN}@sso", "echo up; sleep 600"], tmp_path / "run", alice.environment
        )
        running.wait_until(lambda: "up" in running.output(), "a session")
        openid.people["alice"]["groups"] = ["all"]
        openid.save()
        login = log_in(alice, openid, page, "alice", "--auth=company")
        assert login.process.returncode == 0, login.output()
        running.process.wait(60)
        assert running.process.returncode != 0
        assert alice.tsh("ls", "--format=json").ok().json == []
        assert alice.tsh("ssh", f"{LOGIN}@sso", "echo here").status != 0
        assert alice.tsh("status", "--format=json").ok().json["active"]["roles"] == ["reader"]

        # without any group, and without a verified address, there is no login; why is for administrators
        for change, why in (({"groups": []}, "no row of claims_to_roles"), ({"email_verified": False}, "verified")):
            openid.people["alice"] = {"email": ALICE, "email_verified": True, "groups": ["dev"], **change}
            openid.save()
            login = log_in(alice, openid, page, "alice", "--auth=company")
            assert login.process.returncode != 0
            assert "single sign-on failed" in login.output()
            assert why not in login.output()
            assert "did not succeed" in page.inner_text("body")
            event = next(
                one for one in cluster.events("user.login") if one["code"] == "T1001W" and why in one["error"]
            )
            assert event["uid"] in login.output()
    good = [one for one in cluster.events("user.login") if one["code"] == "T1001I"]
    assert [(one["user"], one["method"], one["connector_id"]) for one in good] == [(ALICE, "oidc", "company")] * 2


def test_a_browser_logs_in_at_the_provider_and_only_where_it_began(
    provider: tuple[Cluster, OpenId], tmp_path: Path
) -> None:
    cluster, openid = provider
    with chromiums(tmp_path / "alice", tmp_path / "mallory") as (browser, other):
        page = browser.new_page()
        page.goto(f"https://{cluster.proxy}/web/login?next=%2Fservers%3Fsearch%3Dsso")
        page.get_by_role("link", name="Log in with Company").click()
        openid.log_in(page, "alice")
        page.wait_for_url("**/web/servers?search=sso")
        expect(page.get_by_role("cell", name="sso").first).to_be_visible()
        breaches = watch_for_breaches(page)
        page.reload()
        expect(page.get_by_role("cell", name="sso").first).to_be_visible()
        assert breaches == []
        # a link that somebody else began, and whose answer comes here, opens no session
        theirs = other.new_page()
        theirs.goto(f"https://{cluster.proxy}/web/login")
        href = theirs.get_by_role("link", name="Log in with Company").get_attribute("href")
        answer = other.request.get(f"https://{cluster.proxy}{href}", max_redirects=0)
        page.goto(answer.headers["location"])
        openid.log_in(page, "alice")
        expect(page.locator("body")).to_contain_text("single sign-on failed")
    reasons = [one["error"] for one in cluster.events("user.login") if one["code"] == "T1001W"]
    assert reasons == ["the answer came in another browser than the login began in"]


def test_the_connector_is_kept_like_any_resource_and_can_be_the_default(
    provider: tuple[Cluster, OpenId], tmp_path: Path
) -> None:
    cluster, openid = provider
    shown = cluster.tctl("get", "oidc/company").ok().out
    assert openid.issuer in shown
    assert SECRET not in shown
    assert SECRET in cluster.tctl("get", "oidc/company", "--with-secrets").ok().out
    # what was shown without the secret can be written again, and the secret stays
    cluster.tctl("create", "-f", text=shown.replace("Company", "The company")).ok()
    assert SECRET in cluster.tctl("get", "oidc/company", "--with-secrets").ok().out
    for field, value in (("mfa", {"enabled": True}), ("user_matchers", ["*@example.com"])):
        document = json.loads(openid.connector("strict", {"dev": "developer"}))
        document["spec"][field] = value
        refused = cluster.tctl("create", text=json.dumps(document))
        assert refused.status != 0
        assert f"spec.{field}" in refused.err
    cluster.tctl(
        "create", "-f", text="kind: cluster_auth_preference\nversion: v2\nspec: {type: oidc, second_factor: otp}"
    ).ok()
    alice = Person(cluster, ALICE, tmp_path / "alice")
    unknown = alice.tsh("login", f"--proxy={cluster.proxy}", "--insecure", "--auth=other", "--browser=none")
    assert unknown.status != 0
    assert "company" in unknown.err
    with chromium(tmp_path / "profile") as browser:
        login = log_in(alice, openid, browser.new_page(), "alice")
        assert login.process.returncode == 0, login.output()
    cluster.tctl("rm", "oidc/company").ok()
    events = cluster.events("oidc.created", "oidc.updated", "oidc.deleted")
    assert [event["code"] for event in events] == ["T8100I", "T8102I", "T8101I"]
