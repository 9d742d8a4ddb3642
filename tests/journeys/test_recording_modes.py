"""Where sessions are recorded: at the server, at the proxy, nowhere; and who then tells of them."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster, run
from harness.people import Person
from harness.processes import BIN, until
from harness.terminals import OnTerminal
from harness.visitors import Visitor

MODE = """kind: session_recording_config
version: v2
metadata: {{name: session-recording-config}}
spec: {{mode: {mode}, proxy_checks_host_keys: {checks}}}
"""
SERVER = f"{LOGIN}@apart"
SHOWS = "ssh_service: {x11: {enabled: yes}}\n"
RULED = f"""kind: role
version: v8
metadata: {{name: ruled}}
spec:
  options:
    forward_agent: true
    permit_x11_forwarding: true
    file_rules: {{deny: [{{extensions: [pem]}}]}}
  allow: {{logins: [{LOGIN}], node_labels: {{'*': '*'}}}}
"""


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[tuple[Cluster, Person, Agent]]:
    """A proxy and an agent of another process."""
    cluster = new_cluster("gamma", "auth,proxy").start()
    person = Person(cluster, "alice", tmp_path / "alice")
    person.home.mkdir()
    person.sign_up(person.invite(logins=LOGIN))
    person.log_in()
    agent = Agent(cluster, tmp_path / "agent", "apart", settings=SHOWS).start(cluster.join_token())
    yield cluster, person, agent
    agent.stop()


def set_mode(cluster: Cluster, mode: str, checks: str = "yes") -> None:
    cluster.tctl("create", "-f", "-", text=MODE.format(mode=mode, checks=checks)).ok()


def session(person: Person, word: str) -> None:
    with OnTerminal([str(BIN / "tsh"), "ssh", SERVER], person.environment) as shell:
        shell.run(f"echo {word}-$((40+2))", f"{word}-42")
        shell.send("exit\n")
        assert shell.ended() == 0, shell.shown


def last(cluster: Cluster, kind: str, count: int) -> dict[str, Any]:
    until(lambda: len(cluster.events(kind)) >= count, f"{count} {kind}")
    found = cluster.events(kind)
    assert len(found) == count, found
    return max(found, key=lambda event: str(event["time"]))


def is_played(person: Person, sid: str, text: str) -> bool:
    return text in person.tsh("play", "--format=text", sid).out


def test_each_mode_records_where_it_says(town: tuple[Cluster, Person, Agent], tmp_path: Path) -> None:
    cluster, alice, agent = town
    session(alice, "at-node")
    end = last(cluster, "session.end", 1)
    assert (end["session_recording"], "forwarded_by" in end) == ("node", False)

    for number, mode in enumerate(("proxy", "proxy-sync"), start=2):
        set_mode(cluster, mode)
        until(lambda: "key agent" in run_without_agent(alice).err, "the proxy has heard")
        session(alice, mode)
        end = last(cluster, "session.end", number)  # told once: by the proxy alone
        assert end["session_recording"] == mode
        assert end["server_hostname"] == "apart"
        assert end["forwarded_by"]
        sid = str(end["sid"])
        until(partial(is_played, alice, sid, f"{mode}-42"), "the recording")
        assert not list((agent.folder / "data" / "recordings").glob(f"**/*{sid}*"))

    done = alice.tsh("ssh", SERVER, "echo out; exit 5")
    assert (done.status, done.out) == (5, "out\n")
    until(lambda: any(event["command"] == "echo out; exit 5" for event in cluster.events("exec")), "it is told")
    (told,) = (event for event in cluster.events("exec") if event["command"] == "echo out; exit 5")
    assert (told["exitCode"], told["server_hostname"]) == ("5", "apart")
    (tmp_path / "a").write_bytes(b"a" * 100_000)
    alice.tsh("scp", f"{tmp_path}/a", f"{SERVER}:{tmp_path}/b").ok()
    assert (tmp_path / "b").read_bytes() == b"a" * 100_000
    closed = last(cluster, "sftp_summary", 1)  # told once: by the proxy alone, which reads what passes
    (carried,) = closed["file_transfer_stats"]
    assert (carried["path"], carried["sha256"]) == (f"{tmp_path}/b", hashlib.sha256(b"a" * 100_000).hexdigest())
    assert closed["forwarded_by"]
    rules_count_and_windows_are_shown(cluster, tmp_path)
    stock_ssh_needs_its_agent(alice, tmp_path)
    nothing_of_the_key_stays(alice)

    set_mode(cluster, "off")
    until(lambda: "key agent" not in run_without_agent(alice).err, "the proxy has heard")
    session(alice, "unseen")
    assert last(cluster, "session.end", 4)["session_recording"] == "off"


def rules_count_and_windows_are_shown(cluster: Cluster, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=RULED).ok()
    vera = Visitor(cluster, tmp_path / "vera", "vera", roles="ruled")
    (tmp_path / "key.pem").write_text("private")
    (tmp_path / "key.txt").write_text("public")
    refused = vera.tsh("scp", f"{SERVER}:{tmp_path}/key.pem", f"{tmp_path}/got.pem")
    assert refused.status != 0
    assert "options.file_rules.deny[0]" in refused.err
    vera.tsh("scp", f"{SERVER}:{tmp_path}/key.txt", f"{tmp_path}/got.txt").ok()
    until(lambda: any(event["code"] == "TS020E" for event in cluster.events("sftp")), "the refusal is told")
    (told,) = (event for event in cluster.events("sftp") if event["code"] == "TS020E")
    assert (told["path"], bool(told["forwarded_by"])) == (f"{tmp_path}/key.pem", True)
    shown = run(vera.words("ssh", "-Y", SERVER, "echo $DISPLAY"), {**vera.environment, "DISPLAY": ":4711"})
    assert shown.out.startswith("localhost:"), shown.err
    until(lambda: [event["code"] for event in cluster.events("x11-forward")] == ["T3008I"], "the display is told")


def run_without_agent(alice: Person) -> Any:
    """Stock ssh without an agent: refused where the proxy must go on as the person."""
    path = alice.home / "config"
    path.write_text(alice.tsh("config").ok().out)
    return run(["ssh", "-a", "-F", str(path), f"{LOGIN}@apart.gamma.example", "true"], alice.environment)


def stock_ssh_needs_its_agent(alice: Person, tmp_path: Path) -> None:
    refused = run_without_agent(alice)
    assert refused.status != 0
    assert "ssh -A" in refused.err
    out = run(["ssh-agent", "-a", str(tmp_path / "agent.sock")], alice.environment).ok().out
    pid = int(out.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        environment = {**alice.environment, "SSH_AUTH_SOCK": str(tmp_path / "agent.sock")}
        identity = alice.cluster.folder / "alice-key"
        alice.cluster.tctl("auth", "sign", "--user=alice", "--format=openssh", f"--out={identity}").ok()
        run(["ssh-add", "-q", str(identity)], environment).ok()
        words = ["ssh", "-A", "-F", str(alice.home / "config"), f"{LOGIN}@apart.gamma.example", "echo through"]
        assert run(words, environment).ok().out == "through\n"
    finally:
        os.kill(pid, signal.SIGTERM)


def nothing_of_the_key_stays(alice: Person) -> None:
    """What tsh lends the proxy is for the login alone: programs on the server cannot use it."""
    assert alice.tsh("ssh", SERVER, "ssh-add -l").status != 0
