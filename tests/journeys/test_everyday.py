"""What people do every day and scripts rely on: forwards, copies, files of resources, credentials for others."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster, clean_environment, free_port, run
from harness.people import Person
from harness.processes import BIN, Started, until
from harness.terminals import OnTerminal


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a service that gives back what it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    link.sendall(link.recv(1024))

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            link.sendall(b"hello")
            return link.recv(5) == b"hello"
    except OSError:
        return False


@pytest.mark.parametrize("flag", ["-L", "-R"])
def test_a_forwarded_port_leads_to_a_service(
    alice: Person, agent: Agent, tmp_path: Path, echo: int, flag: str
) -> None:
    port = free_port()
    words = [str(BIN / "tsh"), "ssh", "-N", flag, f"{port}:127.0.0.1:{echo}", f"{LOGIN}@behind"]
    forward = Started(words, tmp_path / "log", alice.environment)
    try:
        until(lambda: answers(port), "the forwarded service")
    finally:
        forward.stop()


def test_a_port_in_use_is_named(alice: Person, agent: Agent, echo: int) -> None:
    refused = alice.tsh("ssh", "-L", f"{echo}:127.0.0.1:1", f"{LOGIN}@behind", "true")
    assert refused.status == 1
    assert f"cannot listen on 127.0.0.1:{echo}: Address already in use" in refused.err


def test_copies_name_the_path_that_fails_and_know_the_home(alice: Person, agent: Agent, tmp_path: Path) -> None:
    missing = alice.tsh("scp", f"{LOGIN}@behind:/nowhere/at/all", str(tmp_path))
    assert (missing.status, missing.err) == (1, "ERROR: /nowhere/at/all: no such file\n")
    (tmp_path / "note").write_text("text")
    homeless = alice.tsh("scp", str(tmp_path / "note"), f"{LOGIN}@behind:/nowhere/note")
    assert (homeless.status, homeless.err) == (1, "ERROR: /nowhere/note: no such file\n")
    name = f"teleport-test-{free_port()}"
    alice.tsh("scp", str(tmp_path / "note"), f"{LOGIN}@behind:~/{name}").ok()
    try:
        alice.tsh("scp", f"{LOGIN}@behind:~/{name}", str(tmp_path / "back")).ok()
        assert (tmp_path / "back").read_text() == "text"
    finally:
        (Path.home() / name).unlink()


REVIEWED = """kind: access_list
version: v1
metadata: {name: everyday}
spec: {title: Everyday, owners: [{name: nobody}], grants: {roles: [access]}}
"""


def test_a_file_of_everything_is_taken_back(cluster: Cluster, tmp_path: Path) -> None:
    backup = tmp_path / "all.yaml"
    cluster.tctl("create", "-f", "-", text=REVIEWED).ok()
    cluster.tctl("acl", "reviews", "create", "everyday").ok()
    written = cluster.tctl("create", "-f", "-", text=cluster.tctl("get", "access_list_review").ok().out)
    assert "give it with `tctl acl reviews create`" in written.err
    backup.write_text(cluster.tctl("get", "all").ok().out)
    cluster.tctl("create", "-f", str(backup)).ok()
    cluster.tctl("create", "-f", str(backup)).ok()  # though every revision in it is an old one now


def test_revisions_count_where_something_is_changed(cluster: Cluster, tmp_path: Path) -> None:
    role = tmp_path / "role.yaml"
    role.write_text("kind: role\nversion: v7\nmetadata: {name: counted}\nspec: {allow: {logins: [a]}}\n")
    cluster.tctl("create", str(role)).ok()
    role.write_text(cluster.tctl("get", "role/counted").ok().out)
    cluster.tctl("update", "-f", str(role)).ok()
    stale = cluster.tctl("update", "-f", str(role))
    assert stale.status == 1
    assert "modified concurrently" in stale.err


CONNECTOR = """kind: github
version: v3
metadata: {name: kept}
spec:
  client_id: abc
  client_secret: never-lost
  redirect_url: https://localhost/v1/webapi/github/callback
  teams_to_roles: [{organization: o, team: t, roles: [access]}]
"""


def test_editing_does_not_lose_what_is_not_shown(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.tctl("create", text=CONNECTOR).ok()
    shown = cluster.tctl("get", "github/kept").ok().out
    assert "never-lost" not in shown
    assert "client_secret: never-lost" in cluster.tctl("get", "github/kept", "--with-secrets").ok().out
    masked = cluster.tctl("create", "-f", text=shown)
    assert "spec.client_secret is missing" in masked.err
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/client_id: abc/client_id: def/" "$1"\n')
    editor.chmod(0o755)
    done = cluster.tctl("edit", "github/kept", environment={"EDITOR": str(editor)}).ok()
    assert 'github "kept" has been updated' in done.out
    kept = cluster.tctl("get", "github/kept", "--with-secrets").ok().out
    assert "client_id: def" in kept
    assert "client_secret: never-lost" in kept
    cluster.tctl("rm", "github/kept").ok()


def test_what_is_created_without_a_name_or_below_a_host_is_told_and_found_by_its_own(cluster: Cluster) -> None:
    node = "kind: node\nsub_kind: openssh\nversion: v2\nspec: {addr: '192.0.2.7:22', hostname: unnamed}\n"
    said = cluster.tctl("create", text=node).ok().out
    found = re.fullmatch(r'node "([0-9a-f-]{36})" has been created\n', said)
    assert found is not None, said
    cluster.tctl("rm", f"node/{found[1]}").ok()
    desk = "kind: windows_desktop\nversion: v3\nmetadata: {name: desk}\nspec: {addr: 'd:3389', host_id: %s}\n"
    for host in ("h1", "h2"):
        cluster.tctl("create", text=desk % host).ok()
    assert len(cluster.tctl("get", "windows_desktop/desk", "--format=json").ok().json) == 2
    assert "windows_desktop/h1/desk, windows_desktop/h2/desk" in cluster.tctl("rm", "windows_desktop/desk").err
    cluster.tctl("rm", "windows_desktop/h1/desk").ok()
    cluster.tctl("rm", "windows_desktop/desk").ok()
    assert "'desk' is not found" in cluster.tctl("get", "windows_desktop/desk").err


def test_nothing_of_a_kind_prints_nothing(cluster: Cluster) -> None:
    assert cluster.tctl("get", "windows_desktop").ok().out == ""
    assert cluster.tctl("get", "windows_desktop", "--format=json").ok().json == []


def test_authorities_for_programs_that_read_bytes(cluster: Cluster) -> None:
    words = [str(BIN / "tctl"), "-c", str(cluster.config), "auth", "export"]
    environment = clean_environment(cluster.folder)
    der = subprocess.run([*words, "--type=windows"], capture_output=True, env=environment, check=True, timeout=60)
    pem = subprocess.run([*words, "--type=tls-user"], capture_output=True, env=environment, check=True, timeout=60)
    assert der.stdout == ssl.PEM_cert_to_DER_cert(pem.stdout.decode())
    assert "BEGIN CERTIFICATE" in cluster.tctl("auth", "export", "--type=tls-spiffe").ok().out


def test_forms_of_credentials_that_are_not_built_are_named(cluster: Cluster, tmp_path: Path) -> None:
    for form in ("mongodb", "db"):
        refused = cluster.tctl("auth", "sign", "--host=db", f"--format={form}", f"--out={tmp_path / 'x'}")
        assert refused.status == 1
        assert f"--format={form} is known, and not built yet: use file, openssh or tls" in refused.err


def test_credentials_for_longer_than_roles_allow_say_until_when(
    cluster: Cluster, alice: Person, tmp_path: Path
) -> None:
    words = ("auth", "sign", "--user=alice", "--overwrite", f"--out={tmp_path / 'id'}")
    assert cluster.tctl(*words, "--ttl=1h").ok().err == ""
    assert re.search(r"NOTE: valid until 20\d\d-.*Z, not for 1000h", cluster.tctl(*words, "--ttl=1000h").ok().err)


def test_credentials_for_stock_ssh_and_for_curl(
    cluster: Cluster, alice: Person, agent: Agent, tmp_path: Path
) -> None:
    out = tmp_path / "id"
    cluster.tctl("auth", "sign", "--user=alice", "--format=openssh", f"--out={out}").ok()
    known = tmp_path / "known_hosts"
    known.write_text(cluster.tctl("auth", "export", "--type=host").ok().out)
    command = f"{BIN / 'tsh'} proxy ssh %h"
    words = [
        "ssh",
        "-F",
        "none",
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        f"ProxyCommand={command}",
        "-i",
        str(out),
    ]
    done = run([*words, f"{LOGIN}@behind.{cluster.name}.example", "exit 5"], alice.environment)
    assert done.status == 5, done.err
    cluster.tctl("auth", "sign", "--user=alice", "--format=tls", f"--out={out}").ok()
    name = f"{f'{cluster.name}.example'.encode().hex()}.teleport.cluster.local"
    address = f"https://{name}:{cluster.auth_port}/v1/resources/role?limit=1"
    curl = ["curl", "-sf", "--resolve", f"{name}:{cluster.auth_port}:127.0.0.1", "--cacert", f"{out}.cas", address]
    assert run(curl, alice.environment).status != 0
    told = run([*curl, "--cert", f"{out}.crt", "--key", f"{out}.key"], alice.environment).ok()
    assert [role["kind"] for role in told.json["items"]] == ["role"]


def test_a_stopping_server_tells_its_sessions_and_leaves_none_behind(
    new_cluster: Callable[..., Cluster], tmp_path: Path
) -> None:
    cluster = new_cluster("stopping").start()
    person = Person(cluster, "dora", tmp_path / "dora")
    person.sign_up(person.invite(logins=LOGIN))
    person.log_in()
    shell = OnTerminal([str(BIN / "tsh"), "ssh", f"{LOGIN}@{cluster.name}"], person.environment)
    try:
        shell.run("echo here-$((40+2))", "here-42")
        assert cluster.process is not None
        assert cluster.process.stop(patience=15) == 0  # within seconds, and by itself
        shell.see("this node is stopping")
        assert shell.ended() != 0
    finally:
        shell.kill()
    cluster.start()
    assert cluster.tctl("get", "session_tracker", "--format=json").ok().json == []


def test_a_cluster_that_is_not_the_proxy_s_is_refused(alice: Person, agent: Agent) -> None:
    refused = alice.tsh("ls", "--cluster=elsewhere")
    assert refused.status == 1
    assert "not of 'elsewhere'; leaf clusters are not offered yet" in refused.err


class ConnectProxy:
    """An HTTP proxy that opens tunnels: to this machine, whatever name is asked for."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._open, args=(link,), daemon=True).start()

    def _open(self, link: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += link.recv(1)
        line = head.decode().splitlines()[0]
        self.asked.append(line)
        far = socket.create_connection(("127.0.0.1", int(line.split()[1].rpartition(":")[2])))
        link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self._pump, args=(far, link), daemon=True).start()
        self._pump(link, far)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()


def test_programs_and_agents_go_through_an_http_proxy(cluster: Cluster, alice: Person, tmp_path: Path) -> None:
    way = ConnectProxy()
    address = f"tele.example:{cluster.web_port}"  # a name that the HTTP proxy alone knows
    environment = {**alice.environment, "HTTPS_PROXY": way.url}
    token, pin = cluster.join_token(), cluster.pin()
    words = [
        str(BIN / "teleport"), "start", "--config-string=dmVyc2lvbjogdjMK", "--roles=node", "--nodename=cached",
        f"--auth-server={address}", f"--token={token}", f"--ca-pin={pin}", f"--data-dir={tmp_path / 'agent'}",
    ]  # fmt: skip
    agent = Started(words, tmp_path / "log", environment)
    identity = cluster.identity("alice", tmp_path / "identity")
    through = ["-i", str(identity), f"--proxy={address}"]
    try:
        agent.wait_until(lambda: "cached" in cluster.node_names(), "the agent listed")
        done = run([str(BIN / "tsh"), *through, "ssh", f"{LOGIN}@cached", "echo reached"], environment)
        assert done.ok().out == "reached\n"
        assert set(way.asked) == {f"CONNECT {address} HTTP/1.1"}
        nowhere = f"127.0.0.1:{free_port()}"
        lost = run([str(BIN / "tsh"), *through, "ls"], {**environment, "HTTPS_PROXY": f"http://{nowhere}"})
        assert f"through the HTTP proxy {nowhere}" in lost.err
    finally:
        agent.stop()
        way.close()


def figures(cluster: Cluster) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.diag_port}/metrics", timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_figures_have_the_names_of_the_reference_and_move(
    cluster: Cluster, alice: Person, agent: Agent, tmp_path: Path
) -> None:
    before = figures(cluster)
    cluster.identity("alice", tmp_path / "identity")
    shell = OnTerminal([str(BIN / "tsh"), "ssh", f"{LOGIN}@{cluster.name}"], alice.environment)
    try:
        shell.run("echo here-$((40+2))", "here-42")
        during = figures(cluster)
        assert during["server_interactive_sessions_total"] == before["server_interactive_sessions_total"] + 1
        assert during["proxy_ssh_sessions_total"] > before["proxy_ssh_sessions_total"]
        shell.send("exit\n")
        assert shell.ended() == 0
    finally:
        shell.kill()
    until(
        lambda: figures(cluster)["rx"] > before["rx"] and figures(cluster)["tx"] > before["tx"], "bytes are counted"
    )
    after = figures(cluster)
    for name in (
        "auth_generate_requests_total", "auth_generate_seconds_count",
        "backend_write_seconds_count",
        "backend_read_requests_total", "backend_batch_read_seconds_count", "teleport_audit_emit_events",
    ):  # fmt: skip
        assert after[name] > before[name], name
    for name in (
        "user_login_total",
        "failed_login_attempts_total",
        "audit_failed_emit_events",
        "certificate_mismatch_total",
    ):
        assert name in after
    assert after['teleport_registered_servers{automatic_updates="false",version="18.0.0"}'] >= 2
    assert after["teleport_reverse_tunnels_connected"] >= 2
    assert after["user_login_total"] > 0
    assert after["process_resident_memory_bytes"] > 0


def test_shells_complete_servers_and_kinds(cluster: Cluster, alice: Person, agent: Agent) -> None:
    assert alice.tsh("__complete", "ssh", f"{LOGIN}@beh").ok().out == f"{LOGIN}@behind\n"
    assert alice.tsh("__complete", "sftp", "beh").ok().out == "behind\n"
    assert alice.tsh("__complete", "scp", "notes", f"{LOGIN}@beh").ok().out == f"{LOGIN}@behind:\n"
    assert cluster.tctl("__complete", "get", "role,cluster_n").ok().out.split() == [
        "role,cluster_name",
        "role,cluster_networking_config",
    ]


def test_a_replay_is_left_by_key_and_by_interrupt(alice: Person, agent: Agent) -> None:
    shell = OnTerminal([str(BIN / "tsh"), "ssh", f"{LOGIN}@behind"], alice.environment)
    try:
        shell.run("echo begin-$((1+1)); sleep 5; echo end; exit", "begin-2")
        assert shell.ended() == 0
    finally:
        shell.kill()
    until(lambda: bool(alice.tsh("recordings", "ls", "--format=json").ok().json), "the recording")
    sid = alice.tsh("recordings", "ls", "--format=json").ok().json[0]["sid"]
    for key, status in (("q", 0), ("\x03", 130)):
        replay = OnTerminal([str(BIN / "tsh"), "play", "--speed=0.5x", sid], alice.environment)
        try:
            replay.see("begin-2")
            replay.send(key)
            assert replay.ended() == status
        finally:
            replay.kill()


def test_a_listing_that_finds_the_disk_full_says_so(alice: Person, agent: Agent) -> None:
    environment = {name: value for name, value in alice.environment.items() if name != "TELEPORT_NO_DAEMON"}
    tsh = str(BIN / "tsh")
    try:
        run([tsh, "ls"], environment).ok()
        until(lambda: "not" not in run([tsh, "daemon", "status"], environment).out, "the resident client runs")
        for extra in ({}, {"TELEPORT_NO_DAEMON": "1"}):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run(
                    [tsh, "ls"],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={**environment, **extra},
                    check=False,
                )
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert line.endswith("No space left on device")
    finally:
        run([tsh, "daemon", "stop"], environment)
