"""`tsh ls` against a small API: pages, forms, filters, and labels that strangers wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from client_side import ClientCluster, small_api

from teleport.cli.tsh.selectors import parse_labels
from teleport.client.http1 import encode_query
from teleport.foundation.errors import BadParameter

CLUSTER = ClientCluster()
Document = dict[str, Any]


def node(number: int, **labels: str) -> Document:
    spec: Document = {"hostname": f"host-{number:03d}", "version": "18.0.0"}
    spec |= {"use_tunnel": True} if number % 2 else {"addr": f"10.0.0.{number % 10}:3022"}
    return {"kind": "node", "version": "v2", "metadata": {"name": f"id-{number}", "labels": labels}, "spec": spec}


def pages(nodes: list[Document]) -> Callable[[str], tuple[int, object]]:
    def answer(target: str) -> tuple[int, object]:
        query = parse_qs(urlsplit(target).query)
        start, limit = int(query.get("start", ["0"])[0]), int(query["limit"][0])
        end = start + limit
        next_start = str(end) if end < len(nodes) else ""
        return 200, {"items": nodes[start:end], "next_start": next_start, "total": len(nodes)}

    return answer


def tsh(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "TELEPORT_HOME": str(home),
        "TELEPORT_NO_DAEMON": "1",
        "LANG": "C.UTF-8",
    }
    command = [sys.executable, "-m", "teleport.cli.tsh", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)


@pytest.mark.parametrize("chunked", [False, True])
def test_all_pages_come_in_one_table(tmp_path: Path, chunked: bool) -> None:
    with small_api(CLUSTER, pages([node(number, env="prod") for number in range(2500)]), chunked=chunked) as api:
        CLUSTER.log_in(tmp_path, api.port)
        lines = tsh(tmp_path, "ls").stdout.splitlines()
    assert lines[:4] == [
        "Node Name Address       Labels",
        "--------- ------------- --------",
        "host-000  10.0.0.0:3022 env=prod",
        "host-001  ⟵ Tunnel      env=prod",
    ]
    assert len(lines) == 2502
    assert len(api.asked) == 3
    assert "limit=100" in api.asked[0]


def test_an_empty_list_has_its_header(tmp_path: Path) -> None:
    with small_api(CLUSTER, pages([])) as api:
        CLUSTER.log_in(tmp_path, api.port)
        assert tsh(tmp_path, "ls").stdout == "Node Name Address Labels\n--------- ------- ------\n"
        assert tsh(tmp_path, "ls", "-f", "json").stdout == "[]\n"
        assert tsh(tmp_path, "ls", "-f", "names").stdout == ""


def test_forms(tmp_path: Path) -> None:
    nodes = [node(1, team="팀"), node(2)]
    with small_api(CLUSTER, pages(nodes)) as api:
        CLUSTER.log_in(tmp_path, api.port)
        assert json.loads(tsh(tmp_path, "ls", "--format=json").stdout) == nodes
        assert yaml.safe_load(tsh(tmp_path, "ls", "--format=yaml").stdout) == nodes
        assert tsh(tmp_path, "ls", "-f", "names").stdout == "host-001\nhost-002\n"
        assert "id-1" in tsh(tmp_path, "ls", "-v").stdout


def test_filters_are_passed_on(tmp_path: Path) -> None:
    with small_api(CLUSTER, pages([])) as api:
        CLUSTER.log_in(tmp_path, api.port)
        tsh(tmp_path, "ls", "env=prod,team=a b", "--search=web,1", '--query=labels["x"] == "ü&="')
        query = parse_qs(urlsplit(api.asked[0]).query)
    assert json.loads(query["labels"][0]) == {"env": "prod", "team": "a b"}
    assert query["search"] == ["web 1"]
    assert query["query"] == ['labels["x"] == "ü&="']


def test_labels_do_not_drive_the_terminal(tmp_path: Path) -> None:
    with small_api(CLUSTER, pages([node(1, evil="\x1b]0;title\x07\x1b[2J")])) as api:
        CLUSTER.log_in(tmp_path, api.port)
        for words in (("ls",), ("ls", "-v"), ("ls", "-f", "yaml"), ("ls", "-f", "json")):
            assert "\x1b" not in tsh(tmp_path, *words).stdout


def test_what_the_server_refuses_is_told(tmp_path: Path) -> None:
    def refuse(target: str) -> tuple[int, object]:
        return 403, {"error": {"code": "access_denied", "message": "role x may not list node", "event_id": "e-3"}}

    with small_api(CLUSTER, refuse) as api:
        CLUSTER.log_in(tmp_path, api.port)
        done = tsh(tmp_path, "ls")
    assert (done.returncode, done.stderr) == (1, "ERROR: role x may not list node (event e-3)\n")


def test_every_profile_is_asked_for_all(tmp_path: Path) -> None:
    with small_api(CLUSTER, pages([node(1)])) as api:
        CLUSTER.log_in(tmp_path, api.port)
        ClientCluster("other.example").log_in(tmp_path, 1, host="127.0.0.1")
        done = tsh(tmp_path, "ls", "-R")
    assert "localhost alpha.example host-001" in done.stdout
    assert "WARNING: 127.0.0.1: cannot connect" in done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a=b", {"a": "b"}), ('a="x,y",c=d', {"a": "x,y", "c": "d"}), ("a=", {"a": ""}), (" a = b ", {"a": "b"})],
)
def test_labels(text: str, expected: dict[str, str]) -> None:
    assert parse_labels(text) == expected


@pytest.mark.parametrize("text", ["env", "=x", "a=b,c"])
def test_labels_that_are_none(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_labels(text)


def test_queries_are_encoded_as_the_standard_library_reads_them() -> None:
    values = {"q": "a b&c=d/ü%~", "empty": ""}
    assert parse_qs(encode_query(values), keep_blank_values=True) == {name: [text] for name, text in values.items()}
