"""Servers with a stock sshd: registered, reached through the proxy, decided, recorded and audited there."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster, run
from harness.people import Person
from harness.ports import free_port
from harness.processes import BIN, until
from harness.stock_sshd import StockSshd
from harness.terminals import OnTerminal
from harness.visitors import Visitor

SERVER = f"{LOGIN}@stock"
OVER_SSH = f"{LOGIN}@stock.alpha.example"


@pytest.fixture(scope="module")
def stock(cluster: Cluster, alice: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockSshd]:
    server = StockSshd(cluster, tmp_path_factory.mktemp("stock"), "stock")
    server.trust()
    try:
        server.start().register()
        until(lambda: alice.tsh("ssh", SERVER, "true").status == 0, "the server is reached")
        yield server
    finally:
        server.stop()
        server.unregister()  # a worker that is given tests of other modules in between makes it anew


@pytest.fixture(scope="module")
def config(alice: Person, stock: StockSshd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "config"
    path.write_text(alice.tsh("config").ok().out)
    return path


def ssh(alice: Person, config: Path, *words: str, text: str = "", program: str = "ssh") -> Any:
    return run([program, "-F", str(config), *words], alice.environment, text)


def node_name(cluster: Cluster, hostname: str) -> str:
    nodes = cluster.tctl("nodes", "ls", "--format=json").ok().json
    return next(str(node["metadata"]["name"]) for node in nodes if node["spec"]["hostname"] == hostname)


def told(cluster: Cluster, hostname: str, kind: str, **fields: Any) -> dict[str, Any]:
    """The first such event of that server, once it is there."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = [
            event
            for event in cluster.events(kind)
            if event.get("server_hostname") == hostname and fields.items() <= event.items()
        ]
        return bool(found)

    until(is_there, f"{kind} of {hostname}")
    return found[0]


def test_it_is_listed_and_runs_commands(alice: Person, cluster: Cluster, stock: StockSshd) -> None:
    assert "stock" in alice.tsh("ls").ok().out
    done = alice.tsh("ssh", SERVER, "echo out; echo err >&2; exit 3")
    assert (done.status, done.out) == (3, "out\n")
    assert "err" in done.err
    event = told(cluster, "stock", "exec", command="echo out; echo err >&2; exit 3")
    assert event["server_id"] == node_name(cluster, "stock")
    assert event["server_sub_kind"] == "openssh"
    assert event["forwarded_by"]
    assert (event["user"], event["login"], event["exitCode"]) == ("alice", LOGIN, "3")
    assert "ID alice" in stock.log  # sshd's own log says who came


def test_a_terminal_is_recorded_with_its_size_signals_and_status(
    alice: Person, cluster: Cluster, stock: StockSshd
) -> None:
    arguments = [str(BIN / "tsh"), "ssh", SERVER]
    with OnTerminal(arguments, alice.environment, columns=93) as shell:
        shell.run("stty size", r"40 93")
        shell.run("echo re''corded", r"recorded")
        shell.run("sh -c 'echo rea\"\"dy; exec sleep 100'", r"ready")
        shell.send("\x03")
        shell.run("echo a''fter", r"after")
        sessions = alice.tsh("sessions", "ls").ok().out
        assert "stock" in sessions
        shell.send("exit 7\n")
        assert shell.ended() == 7
    end = told(cluster, "stock", "session.end", user="alice")
    assert end["server_id"] == node_name(cluster, "stock")
    assert end["session_recording"] == "node"
    sid = str(end["sid"])
    until(lambda: "recorded" in alice.tsh("play", "--format=text", sid).out, "the recording is there")


def test_stock_ssh_copies_both_ways(alice: Person, config: Path, cluster: Cluster, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "a").write_bytes(content)
    for flag in ("-O", "-s"):
        ssh(alice, config, flag, f"{tmp_path}/a", f"{OVER_SSH}:{tmp_path}/b{flag}", program="scp").ok()
        ssh(alice, config, flag, f"{OVER_SSH}:{tmp_path}/b{flag}", f"{tmp_path}/c{flag}", program="scp").ok()
        assert hashlib.sha256((tmp_path / f"c{flag}").read_bytes()).digest() == hashlib.sha256(content).digest()
    whole = hashlib.sha256(content).hexdigest()
    for code, carried in (("TS002I", "bytes_written"), ("TS002I", "bytes_read")):
        told(cluster, "stock", "sftp", code=code, path=f"{tmp_path}/b-s", sha256=whole, **{carried: len(content)})
    for action in ("upload", "download"):
        told(cluster, "stock", "scp", path=f"{tmp_path}/b-O", action=action, len=len(content), sha256=whole)
    environment = {"LC_NAME": "set-by-client"}
    done = run(
        ["ssh", "-F", str(config), "-o", "SendEnv=LC_NAME", OVER_SSH, "echo $LC_NAME; kill -KILL $$"],
        {**alice.environment, **environment},
    )
    assert done.out == "set-by-client\n"
    assert done.status == 255  # ended by a signal, which ssh says like this


def test_forwards_go_through_the_server(alice: Person, config: Path, cluster: Cluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            for _ in range(2):
                accepted, _ = listener.accept()
                with accepted:
                    accepted.sendall(accepted.recv(100).upper())

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert ssh(alice, config, "-W", f"127.0.0.1:{port}", OVER_SSH, text="there").ok().out == "THERE"
        told(cluster, "stock", "port", addr=f"127.0.0.1:{port}")
        # and from the server back to the client
        far = free_port()
        call = (
            f"import socket; s = socket.create_connection(('127.0.0.1', {far})); s.sendall(b'back'); print(s.recv(9))"
        )
        words = ["-o", "ExitOnForwardFailure=yes", OVER_SSH, f'{sys.executable} -c "{call}"']
        assert ssh(alice, config, "-R", f"{far}:127.0.0.1:{port}", *words).ok().out == "b'BACK'\n"
        thread.join(0)


def test_the_key_agent_goes_along_when_roles_allow(alice: Person, config: Path, tmp_path: Path) -> None:
    path = tmp_path / "agent"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], alice.environment).ok()
    out = run(["ssh-agent", "-a", str(path)], alice.environment).ok().out
    pid = int(out.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        environment = {**alice.environment, "SSH_AUTH_SOCK": str(path)}
        run(["ssh-add", "-q", str(tmp_path / "key")], environment).ok()
        done = run(["ssh", "-A", "-F", str(config), OVER_SSH, "ssh-add -l"], environment).ok()
        assert "ED25519" in done.out
        assert run(["ssh", "-a", "-F", str(config), OVER_SSH, "ssh-add -l"], environment).status != 0
    finally:
        os.kill(pid, signal.SIGTERM)


def test_what_is_not_registered_or_does_not_prove_itself_is_refused(
    alice: Person, cluster: Cluster, stock: StockSshd, tmp_path: Path
) -> None:
    refused = alice.tsh("ssh", f"{LOGIN}@127.0.0.2", "true")
    assert refused.status != 0
    assert "There is no" in refused.err
    impostor = StockSshd(cluster, tmp_path / "impostor", "impostor", names="another-host")
    impostor.trust()
    try:
        impostor.start().register()
        until(lambda: "impostor" in alice.tsh("ls").out, "listed")
        done = alice.tsh("ssh", f"{LOGIN}@impostor", "true")
        assert done.status != 0
        assert "does not prove to be itself" in done.err
        nobody = alice.tsh("ssh", "no-such-login@stock", "true")
        assert nobody.status != 0
    finally:
        impostor.stop()
    done = alice.tsh("ssh", f"{LOGIN}@impostor", "true")
    assert "cannot be reached" in done.err
    ice = cluster.tctl("create", "-f", "-", text=stock.document("openssh-ec2-ice"))
    assert ice.status != 0
    assert "openssh-ec2-ice" in ice.err


def test_a_server_joins_by_one_command_and_renews_by_it(alice: Person, cluster: Cluster, tmp_path: Path) -> None:
    server = StockSshd(cluster, tmp_path / "joining", "joining").plain()
    before = server.config.read_text()
    try:
        server.start()
        reload = f"--restart-sshd=kill -HUP {(server.folder / 'pid').read_text().strip()}"
        said = server.join(f"--token={cluster.join_token()}", "--labels=env=stock,place=joined", reload).ok().out
        assert "joined as" in said
        assert "run this again before" in said
        assert server.config.read_text() == f"Include {server.folder / 'keys' / 'sshd.conf'}\n{before}"
        for name in ("ssh_host_teleport_key", "sshd.conf", "teleport_openssh_ca.pub"):
            assert (server.folder / "keys" / name).stat().st_mode & 0o77 == 0
        assert f"HostKey {server.folder / 'plain'}\n" in (server.folder / "keys" / "sshd.conf").read_text()
        until(lambda: alice.tsh("ssh", f"{LOGIN}@place=joined", "echo in").out == "in\n", "the server is reached")
        nodes = cluster.tctl("nodes", "ls", "--format=json").ok().json
        (expires,) = (node["metadata"]["expires"] for node in nodes if node["spec"]["hostname"] == "joining")
        assert str(expires)[:10] in said  # it stays for as long as its host certificate is good
        first = (server.folder / "keys" / "ssh_host_teleport_key-cert.pub").read_bytes()
        edited = server.config.read_bytes()
        # again, without a token and with other labels
        assert "renewed as" in server.join("--labels=env=stock,place=renewed", reload).ok().out
        assert server.config.read_bytes() == edited
        assert (server.folder / "keys" / "ssh_host_teleport_key-cert.pub").read_bytes() != first
        until(lambda: alice.tsh("ssh", f"{LOGIN}@place=renewed", "echo in").out == "in\n", "it is reached again")
    finally:
        server.stop()


def test_what_sshd_does_not_accept_is_not_put_in_place(cluster: Cluster, tmp_path: Path) -> None:
    server = StockSshd(cluster, tmp_path / "broken", "broken").plain()
    server.config.write_text(server.config.read_text() + "NoSuchSetting yes\n")
    before = server.config.read_bytes()
    done = server.join("--token=unused")
    assert done.status != 0
    assert "NoSuchSetting" in done.err
    assert server.config.read_bytes() == before
    server.write_config(HostKey=server.folder / "plain", TrustedUserCAKeys=server.folder / "plain.pub")
    done = server.join("--token=unused")
    assert done.status != 0
    assert "TrustedUserCAKeys" in done.err


def test_recorded_servers_are_not_reached_through_forwards(
    alice: Person, config: Path, agent: Agent, cluster: Cluster, stock: StockSshd
) -> None:
    """A session within a forward would be seen by nobody."""
    for through in (OVER_SSH, f"{LOGIN}@behind.alpha.example"):
        for host in ("127.0.0.1", "localhost"):
            refused = ssh(alice, config, "-W", f"{host}:{stock.port}", through, text="SSH-2.0-x")
            assert refused.status != 0
            assert "use `tsh ssh stock`" in refused.err
    told(cluster, "behind", "port", addr=f"127.0.0.1:{stock.port}", code="T3003E")


WATCHING = f"""kind: role
version: v7
metadata: {{name: stock-watched}}
spec:
  allow:
    logins: ['{LOGIN}']
    node_labels: {{'*': '*'}}
    require_session_join:
    - {{name: four-eyes, filter: 'contains(user.spec.roles, "stock-helper")', kinds: [ssh], modes: [moderator],
       count: 1, on_leave: pause}}
---
kind: role
version: v7
metadata: {{name: stock-helper}}
spec:
  allow:
    join_sessions:
    - {{name: all, roles: [stock-watched], kinds: [ssh], modes: [moderator]}}
"""


def sessions_of(visitor: Visitor, owner: str) -> list[dict[str, Any]]:
    found = visitor.tsh("sessions", "ls", "--format=json").ok().json
    return [one for one in found if one["spec"]["host_user"] == owner]


def test_a_session_there_is_moderated_by_tsh(cluster: Cluster, stock: StockSshd, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=WATCHING).ok()
    owner = Visitor(cluster, tmp_path / "owner", "odette", roles="stock-watched")
    helper = Visitor(cluster, tmp_path / "helper", "max", roles="stock-helper")
    proof = tmp_path / "proof"
    refused = owner.tsh("scp", __file__, f"{SERVER}:{proof}")
    assert refused.status != 0
    assert "requires others to be present" in refused.err
    with OnTerminal(owner.words("ssh", SERVER), owner.environment) as own:
        own.see("requires that others are present")
        own.send(f"touch {proof}\n")
        until(lambda: bool(sessions_of(helper, "odette")), "session listed")
        sid = str(sessions_of(helper, "odette")[0]["metadata"]["name"])
        words = helper.words("join", "--mode=moderator", sid)
        with OnTerminal(words, helper.environment) as watching:
            own.see("the session begins")
            own.run("echo seen-$((1+1))", "seen-2")
            watching.see("seen-2")
            watching.send("\x03")
            assert watching.ended() == 0
        own.see("the session is paused")
        own.send(f"touch {proof}\n")
        with OnTerminal(words, helper.environment) as watching:
            own.see("the session goes on")
            own.run("echo again-$((1+1))", "again-2")
            watching.send("t")
            assert own.ended() != 0
        assert "terminated by max" in own.shown
    assert not proof.exists()
