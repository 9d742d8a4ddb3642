"""One whole example of each other kind, as people write them, and what each refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model import codec
from teleport.model.kinds import KINDS
from teleport.model.resources.lock import Lock
from teleport.model.resources.node import Node
from teleport.model.resources.user import User

DOCUMENTS = Path(__file__).with_name("examples.yaml").read_text().split("\n---\n")[1:]


@pytest.mark.parametrize("text", DOCUMENTS, ids=[text.split("\n")[0] for text in DOCUMENTS])
def test_examples_are_read_kept_and_printed_back(text: str) -> None:
    (found,) = codec.from_yaml(text)
    assert codec.from_yaml(codec.to_yaml([found])) == [found]
    assert codec.decode_json(codec.encode_json(found), type(found)) == found


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("user", {"roles": [""]}, "spec.roles"),
    ("bot", {"max_session_ttl": "169h"}, "max_session_ttl"),
    ("bot", {"traits": [{"name": "a"}, {"name": "a"}]}, "twice"),
    ("node", {"cmd_labels": {"a b": {"command": ["x"]}}}, "cmd_labels"),
    ("node", {"cmd_labels": {"a": {"command": []}}}, "command"),
    ("lock", {"message": "x"}, "spec.target"),
    ("cert_authority", {"type": "x"}, "spec.type"),
    ("cert_authority", {"type": "host", "cluster_name": "other"}, "cluster_name"),
    ("trusted_cluster", {"web_proxy_addr": "x:1"}, "role_map"),
    ("trusted_cluster", {"web_proxy_addr": "x:1", "role_map": [{"remote": "a", "local": []}]}, "local"),
    ("github", {"client_id": "x"}, "client_secret"),
    ("github", {"client_id": "x", "client_secret": "s"}, "teams_to_roles"),
    (
        "github",
        {"client_id": "x", "client_secret": "s", "teams_to_roles": [{"organization": "o", "team": "t"}]},
        "roles",
    ),
    ("oidc", {"issuer_url": "x", "client_id": "y", "client_secret": "z"}, "redirect_url"),
    ("saml", {"acs": "x", "issuer": "y"}, "entity_descriptor"),
    ("access_request", {"user": "a"}, "spec.roles"),
    ("access_request", {"user": "a", "roles": ["b"], "state": 9}, "state"),
    ("access_list", {"title": "x", "grants": {"roles": ["a"]}}, "owners"),
    ("access_list", {"title": "x", "owners": [{"name": "a"}]}, "grants"),
    ("login_rule", {"traits_map": {"a": ["b"]}, "traits_expression": "x"}, "exactly one"),
    ("login_rule", {}, "exactly one"),
    ("login_rule", {"priority": 2**31, "traits_expression": "x"}, "priority"),
    ("device", {"asset_tag": "x", "os_type": "beos"}, "os_type"),
    ("cluster_alert", {"message": "x" * 1025}, "1024"),
    ("cluster_alert", {"message": "\x1b[31m"}, "printed"),
    ("installer", {}, "script"),
    ("db", {"protocol": "dbase", "uri": "x"}, "protocol"),
    ("db", {"protocol": "postgres"}, "uri"),
    ("app", {"uri": "gopher://x"}, "uri"),
    ("app", {"uri": "http://x", "tcp_ports": [{"port": 1}]}, "tcp_ports"),
    ("app", {"uri": "tcp://x", "tcp_ports": [{"port": 9, "end_port": 8}]}, "range"),
    ("windows_desktop", {"addr": "x", "desktop_size": {"width": 9000}}, "desktop_size"),
    ("static_host_user", {"matchers": [{"groups": ["x"]}]}, "node_labels"),
    ("discovery_config", {"discovery_group": "x", "aws": [{"regions": ["r"]}]}, "types"),
    ("workload_identity", {"spiffe": {"id": "svc"}}, "spiffe.id"),
    ("spiffe_federation", {"bundle_source": {}}, "exactly one"),
    ("session_tracker", {"session_id": "x", "kind": "tty"}, "spec.kind"),
]


@pytest.mark.parametrize(("kind", "spec", "word"), REFUSED)
def test_specs_that_are_refused(kind: str, spec: dict[str, Any], word: str) -> None:
    document = {"kind": kind, "version": KINDS[kind].type.DEFAULT_VERSION, "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(BadParameter) as refusal:
        codec.decode_document(document)
    assert word in refusal.value.message
    assert kind in refusal.value.message


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"hostname": "h", "addr": "1.2.3.4"}, "host:port"),
        ({"hostname": "h", "addr": "1.2.3.4:99999"}, "host:port"),
        ({"addr": "1.2.3.4:22"}, "hostname"),
        ({"hostname": "h", "addr": "h:22", "use_tunnel": True}, "use_tunnel"),
        ({"hostname": "h", "addr": "h:22", "cmd_labels": {"a": {"command": ["x"]}}}, "cmd_labels"),
    ],
)
def test_openssh_nodes_that_are_refused(spec: dict[str, Any], word: str) -> None:
    with pytest.raises(BadParameter, match=word):
        codec.decode_document({"kind": "node", "sub_kind": "openssh", "version": "v2", "spec": spec})


def test_names_that_become_addresses_are_bounded() -> None:
    for kind, spec in (("app", {"uri": "http://x"}), ("db", {"protocol": "mysql", "uri": "x"}), ("kube_cluster", {})):
        for name in ("a b", "-a", "a" * 64) if kind != "kube_cluster" else ("a b", "a/b"):
            with pytest.raises(BadParameter, match=r"metadata\.name"):
                codec.decode_document({"kind": kind, "metadata": {"name": name}, "spec": spec})


def test_dynamic_labels_win() -> None:
    node = codec.decode_document(
        {
            "kind": "node",
            "metadata": {"name": "n", "labels": {"a": "static", "b": "kept"}},
            "spec": {"cmd_labels": {"a": {"command": ["x"], "result": "dynamic"}}},
        }
    )
    assert isinstance(node, Node)
    assert node.labels == {"a": "dynamic", "b": "kept"}


def test_a_lock_ends_and_its_old_field_is_read() -> None:
    (lock,) = codec.from_yaml(
        "kind: lock\nmetadata: {name: l}\nspec: {target: {node: n1, user: u}, expires: 2030-01-01T00:00:00Z}\n"
    )
    assert isinstance(lock, Lock)
    assert lock.spec.target.fields() == {"user": "u", "server_id": "n1"}
    assert lock.is_in_force(datetime(2029, 12, 31, tzinfo=UTC))
    assert not lock.is_in_force(datetime(2030, 1, 1, tzinfo=UTC))


def test_kinds_of_users() -> None:
    def user(**fields: Any) -> User:
        found = codec.decode_document(
            {"kind": "user", "metadata": {"name": "a", "labels": fields.pop("labels", {})}, **fields}
        )
        assert isinstance(found, User)
        return found

    assert not user().is_sso
    assert user(spec={"created_by": {"connector": {"id": "github"}}}).is_sso
    assert user(labels={"teleport.internal/bot": "ci"}).is_bot
