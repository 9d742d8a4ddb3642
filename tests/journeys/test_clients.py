"""tsh as a replacement of ssh, scp and sftp: many servers at once, options, X11, copies, its own configuration."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster, Finished, free_port, run
from harness.people import Person
from harness.processes import BIN, PATIENCE, Started, until
from harness.terminals import OnTerminal
from harness.visitors import Visitor

DROPPER = f"""kind: role
version: v8
metadata: {{name: dropper}}
spec:
  options: {{file_rules: {{allow: [{{directions: [upload]}}]}}}}
  allow: {{logins: [{LOGIN}], node_labels: {{'*': '*'}}}}
"""


def test_a_command_runs_on_all_servers_of_a_label(
    cluster: Cluster, alice: Person, agent: Agent, tmp_path: Path
) -> None:
    both = sorted(["behind", cluster.name])
    done = alice.tsh("ssh", f"--log-dir={tmp_path / 'logs'}", f"{LOGIN}@fleet=own", "echo out; echo err >&2").ok()
    assert sorted(done.out.splitlines()) == [f"[{name}] out" for name in both]
    assert sorted(done.err.splitlines()) == [f"[{name}] err" for name in both]
    assert [(tmp_path / "logs" / f"{name}.stdout").read_text() for name in both] == ["out\n", "out\n"]
    chosen = ("ssh", "--parallel=1", '--query=labels["fleet"] == "own"', f"{LOGIN}@")
    partly = alice.tsh(*chosen, f"mkdir {tmp_path}/first 2>/dev/null || exit 3")
    assert partly.status == 3, partly.err
    assert "1 of 2 servers failed:" in partly.err
    assert "exit status 3" in partly.err
    assert alice.tsh("ssh", "--search=behind", f"{LOGIN}@", "echo one").ok().out == "one\n"
    assert alice.tsh("ssh", f"{LOGIN}@place=behind", "echo one").ok().out == "one\n"  # unique: as by its name
    shell = alice.tsh("ssh", f"{LOGIN}@fleet=own")
    assert (shell.status, "choose one by its UUID" in shell.err, "behind" in shell.err) == (1, True, True)
    nobody = alice.tsh("ssh", f"{LOGIN}@env=nowhere", "true")
    assert (nobody.status, nobody.err) == (1, f"ERROR: no server fits '{LOGIN}@env=nowhere'\n")


def test_an_interrupt_ends_a_command_everywhere(alice: Person, agent: Agent, tmp_path: Path) -> None:
    command = f"echo x > {tmp_path}/$$; exec sleep 300"
    started = Started([str(BIN / "tsh"), "ssh", f"{LOGIN}@fleet=own", command], tmp_path / "log", alice.environment)
    until(lambda: len(list(tmp_path.glob("[0-9]*"))) == 2, "the command on both servers")
    pids = [int(path.name) for path in tmp_path.glob("[0-9]*")]
    os.kill(started.pid, signal.SIGINT)
    assert started.process.wait(PATIENCE) == 130
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the commands' end")


def test_a_command_goes_to_the_background_and_has_no_input(alice: Person, agent: Agent, tmp_path: Path) -> None:
    command = f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; wc -c > {tmp_path}/done"
    words = [str(BIN / "tsh"), "ssh", "-f", f"{LOGIN}@behind", command]
    assert Started(words, tmp_path / "log", alice.environment).process.wait(PATIENCE) == 0
    assert not (tmp_path / "done").exists()
    (tmp_path / "go").touch()
    until(lambda: (tmp_path / "done").exists() and (tmp_path / "done").read_text() == "0\n", "the command's end")
    assert alice.tsh("ssh", "-f", f"{LOGIN}@nowhere", "true").status == 1
    assert alice.tsh("ssh", "-n", f"{LOGIN}@behind", "wc -c", text="input").ok().out == "0\n"


def test_options_files_and_sockets_as_with_ssh(alice: Person, agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"Host b\n  HostName behind\n  User {LOGIN}\n  SetEnv LC_WORD=told\n")
    assert alice.tsh("ssh", "-F", str(tmp_path / "config"), "b", "echo $LC_WORD").ok().out == "told\n"
    refused = alice.tsh("ssh", "-o", "StrictHostKeyChecking=no", f"{LOGIN}@behind", "true")
    assert (refused.status, "nothing to skip" in refused.err) == (1, True)
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(tmp_path / "there"))
        there.listen()
        there.settimeout(30)
        forward = f"{tmp_path / 'here'}:{tmp_path / 'there'}"
        code = "import socket; s = socket.socket(1); s.connect('here'); s.sendall(b'hello')"
        words = [str(BIN / "tsh"), "ssh", "--local", "-L", forward, f"{LOGIN}@behind", "python3", "-c", code]
        started = Started(["env", "-C", str(tmp_path), *words], tmp_path / "log", alice.environment)
        link, _ = there.accept()
        link.settimeout(PATIENCE)
        assert link.recv(5) == b"hello"
        assert started.process.poll() is None  # the program has ended, what it connected to has not
        link.close()
        assert started.process.wait(PATIENCE) == 0


def test_another_proxy_of_the_cluster_by_jump_host(cluster: Cluster, alice: Person, agent: Agent) -> None:
    jumped = alice.tsh("ssh", "-J", f"someone@127.0.0.1:{cluster.web_port}", f"{LOGIN}@behind", "echo here").ok()
    assert jumped.out == "here\n"
    nowhere = alice.tsh("ssh", "-J", f"127.0.0.1:{free_port()}", f"{LOGIN}@behind", "true")
    assert "cannot connect to 127.0.0.1" in nowhere.err


def test_copies_go_on_where_they_broke_off(alice: Person, agent: Agent, tmp_path: Path) -> None:
    content = os.urandom(12_000_000)
    (tmp_path / "big").write_bytes(content)
    words = [str(BIN / "tsh"), "scp", "-l", "16000", str(tmp_path / "big"), f"{LOGIN}@behind:{tmp_path}/there"]
    slow = Started(words, tmp_path / "log", alice.environment)
    until(lambda: (tmp_path / "there").exists() and (tmp_path / "there").stat().st_size > 5_500_000, "half of it")
    slow.kill()
    assert (tmp_path / "there").stat().st_size < len(content)
    alice.tsh("scp", "--resume", str(tmp_path / "big"), f"{LOGIN}@behind:{tmp_path}/there").ok()
    assert (tmp_path / "there").read_bytes() == content
    (tmp_path / "part").write_bytes(content[:9_000_000])
    commands = f"lcd {tmp_path}\ncd {tmp_path}\nreget big part\nbye\n"
    alice.tsh("sftp", "-b", "-", f"{LOGIN}@behind", text=commands).ok()
    assert (tmp_path / "part").read_bytes() == content
    (tmp_path / "other").write_bytes(os.urandom(9_000_000))
    refused = alice.tsh("scp", "--resume", f"{LOGIN}@behind:{tmp_path}/big", str(tmp_path / "other"))
    assert (refused.status, "is no beginning of" in refused.err) == (1, True)
    (tmp_path / "other").write_bytes(content + b"more")
    longer = alice.tsh("scp", "--resume", f"{LOGIN}@behind:{tmp_path}/big", str(tmp_path / "other"))
    assert (longer.status, "is longer than" in longer.err) == (1, True)
    endless = alice.tsh("scp", f"{LOGIN}@behind:/dev/zero", str(tmp_path / "zero"))
    assert (endless.status, "/dev/zero: not a regular file, skipped" in endless.err) == (1, True)
    upload = alice.tsh("scp", "/dev/zero", f"{LOGIN}@behind:{tmp_path}/zero")
    assert (upload.status, "1 file was not copied" in upload.err) == (1, True)
    assert not (tmp_path / "zero").exists()
    alice.tsh("scp", f"{LOGIN}@behind:/proc/cpuinfo", str(tmp_path / "cpuinfo")).ok()
    assert "processor" in (tmp_path / "cpuinfo").read_text()


def test_who_may_upload_and_not_read_uploads(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=DROPPER).ok()
    dora = Visitor(cluster, tmp_path / "dora", "dora", roles="dropper")
    (tmp_path / "note.csv").write_text("kept")
    dora.tsh("scp", str(tmp_path / "note.csv"), f"{LOGIN}@behind:{tmp_path}/in.csv").ok()
    assert (tmp_path / "in.csv").read_text() == "kept"
    refused = dora.tsh("scp", f"{LOGIN}@behind:{tmp_path}/in.csv", str(tmp_path / "back"))
    assert (refused.status, "download of" in refused.err) == (1, True)


def test_trees_go_from_one_server_to_another_with_their_times(
    cluster: Cluster, alice: Person, agent: Agent, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    for number in range(40):
        (source / "deep" / f"{number}.txt").write_text(str(number))
    (source / "big").write_bytes(os.urandom(3_000_000))
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o750)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "inside").write_text("behind a link")
    (source / "folder").symlink_to(tmp_path / "elsewhere")
    (source / "file").symlink_to("run")
    os.utime(source / "deep", (1_000_000_000, 1_000_000_000))
    there = f"{LOGIN}@{cluster.name}:{tmp_path}/copy"
    alice.tsh("scp", "-r", "-p", "-q", "-C", f"{LOGIN}@behind:{source}", there).ok()
    found = {path.relative_to(tmp_path / "copy") for path in (tmp_path / "copy").rglob("*")}
    assert found == {path.relative_to(source) for path in source.rglob("*")} | {Path("folder/inside")}
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_symlink()]
    assert (tmp_path / "copy" / "file").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "copy" / "big").read_bytes() == (source / "big").read_bytes()
    assert (tmp_path / "copy" / "run").stat().st_mode & 0o777 == 0o750
    assert int((tmp_path / "copy" / "deep").stat().st_mtime) == 1_000_000_000
    (tmp_path / "picked").mkdir()
    alice.tsh("scp", f"{LOGIN}@behind:{source}/deep/1*.txt", str(tmp_path / "picked")).ok()
    assert len(list((tmp_path / "picked").iterdir())) == 11
    alice.tsh("scp", str(tmp_path / "picked" / "1?.txt"), f"{LOGIN}@behind:{tmp_path}/copy/").ok()
    assert (tmp_path / "copy" / "17.txt").read_text() == "17"
    commands = f"cd {tmp_path}/copy\nrm 1?.txt\nln -s big link\n-rm nothing\nls -l link big\ndf\n"
    shown = alice.tsh("sftp", "-b", "-", f"{LOGIN}@behind", text=commands).ok().out
    assert [line[0] for line in shown.splitlines()[:2]] == ["l", "-"]
    assert "free" in shown
    assert not list((tmp_path / "copy").glob("1?.txt"))


def test_aliases_and_templates_of_tsh_s_own_configuration(
    cluster: Cluster, alice: Person, agent: Agent, tmp_path: Path
) -> None:
    (tmp_path / "tsh.yaml").write_text(
        "aliases:\n"
        f"  up: tsh ssh {LOGIN}@$0 echo $1\n"
        "  status: bash -c '$TSH status --format=json && echo $0'\n"
        "proxy_templates:\n"
        f"- {{template: '^([a-z]+)\\.jump:\\d+$', proxy: '127.0.0.1:{cluster.web_port}', host: '$1'}}\n"
        "- {template: '^([a-z]+)\\.found:', query: 'labels[\"place\"] == \"$1\"'}\n"
        "- {template: '^all:', query: 'labels[\"fleet\"] == \"own\"'}\n"
    )
    environment = {**alice.environment, "TELEPORT_GLOBAL_TSH_CONFIG": str(tmp_path / "tsh.yaml")}

    def tsh(*words: str) -> Finished:
        return run([str(BIN / "tsh"), *words], environment)

    assert tsh("up", "behind", "one", "two").ok().out == "one two\n"
    assert tsh("up", "behind.jump", "jumped").ok().out == "jumped\n"
    assert tsh("ssh", f"{LOGIN}@behind.found", "echo found").ok().out == "found\n"
    assert "up needs 2 words" in tsh("up", "behind").err
    assert tsh("status", "told").ok().out.endswith("told\n")
    assert "finds 2 servers" in tsh("ssh", f"{LOGIN}@all", "true").err
    known = tmp_path / "known_hosts"
    known.write_text(cluster.tctl("auth", "export", "--type=host").ok().out)
    key = tmp_path / "id"
    cluster.tctl("auth", "sign", "--user=alice", "--format=openssh", f"--out={key}").ok()
    way = f"ProxyCommand={BIN / 'tsh'} proxy ssh %h:%p"
    words = ["ssh", "-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", way, "-i", str(key)]
    alias = f"HostKeyAlias=behind.{cluster.name}.example"
    assert run([*words, "-o", alias, f"{LOGIN}@behind.jump", "echo ssh"], environment).ok().out == "ssh\n"
    (tmp_path / "tsh.yaml").write_text("aliasses: {}\n")
    wrong = tsh("ls")
    assert (wrong.status, "'aliasses' is not known" in wrong.err) == (1, True)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An X server, and the variables with which its programs find it and its cookie."""
    cookie = "00112233445566778899aabbccddeeff"
    variables = {"XAUTHORITY": str(tmp_path / "client-authority")}
    subprocess.run(["xauth", "-f", str(tmp_path / "server-authority"), "add", ":0", ".", cookie], check=True)
    reading, writing = os.pipe()
    words = ["Xvfb", "-displayfd", str(writing), "-auth", str(tmp_path / "server-authority"), "-nolisten", "tcp"]
    words.append("-noreset")  # a display in use has other clients, so that cookies outlive the program that made them
    with (tmp_path / "x.log").open("w") as log:
        server = subprocess.Popen(words, pass_fds=[writing], stdout=log, stderr=log)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            variables["DISPLAY"] = f":{told.readline().strip()}"
        subprocess.run(["xauth", "add", variables["DISPLAY"], ".", cookie], env=os.environ | variables, check=True)
        yield variables
    finally:
        server.terminate()
        server.wait()


def test_windows_of_programs_there_are_shown_here(
    new_cluster: Callable[..., Cluster], tmp_path: Path, screen: dict[str, str]
) -> None:
    cluster = new_cluster("windows", extra="  x11: {enabled: yes}\n").start()
    (tmp_path / "role.yaml").write_text(
        "kind: role\nversion: v7\nmetadata: {name: windows}\n"
        "spec:\n  options: {permit_x11_forwarding: true}\n"
        "  allow: {logins: ['{{internal.logins}}'], node_labels: {'*': '*'}}\n"
    )
    cluster.tctl("create", str(tmp_path / "role.yaml")).ok()
    person = Person(cluster, "xena", tmp_path / "xena")
    person.sign_up(person.invite(roles="windows", logins=LOGIN))
    person.log_in()

    def tsh(*words: str, variables: dict[str, str] = screen) -> Finished:
        return run([str(BIN / "tsh"), "ssh", *words], {**person.environment, **variables})

    host = f"{LOGIN}@{cluster.name}"
    trusted = tsh("-Y", host, "xdpyinfo; xauth list").ok()
    assert "dimensions:" in trusted.out
    assert "00112233445566778899aabbccddeeff" not in trusted.out  # the display's own cookie never leaves this side
    untrusted = tsh("-X", host, "xdpyinfo")
    assert "dimensions:" in untrusted.ok().out
    assert "SECURITY" in trusted.out
    assert tsh("-o", "ForwardX11=yes", host, "xdpyinfo").ok().out
    assert tsh("-X", host, "XAUTHORITY=/dev/null xdpyinfo").status != 0
    blind = tsh("-X", host, "echo [$DISPLAY]", variables={})
    assert (blind.status, blind.out) == (0, "[]\n")
    assert "DISPLAY is not set" in blind.err
    role = cluster.tctl("get", "role/windows").ok().out
    (tmp_path / "role.yaml").write_text(role.replace("x11_forwarding: true", "x11_forwarding: false"))
    cluster.tctl("create", "-f", str(tmp_path / "role.yaml")).ok()
    until(lambda: "X11 is not forwarded" in tsh("-Y", host, "true").err, "the role's new word")


def test_the_reason_of_a_session_is_in_the_audit_log(cluster: Cluster, alice: Person, agent: Agent) -> None:
    words = [str(BIN / "tsh"), "ssh", "--reason=ticket 7", "--invite=bob", f"{LOGIN}@behind"]
    with OnTerminal(words, alice.environment) as shell:
        shell.run("env | grep -c TELEPORT_SESSION_; exit", r"\b0\r\n")  # for the cluster, not for programs
        shell.ended()
    until(lambda: any(event.get("reason") == "ticket 7" for event in cluster.events("session.start")), "the event")


class CutWay:
    """A way to a port of this machine that can be cut, again and again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            self._links += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close_down(self) -> None:
        """Cut, and let nobody through from now on."""
        self._port = 9
        self.cut()

    def cut(self) -> None:
        links, self._links = self._links, []
        for link in links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def close(self) -> None:
        self._listener.close()
        self.cut()


def test_keys_work_on_a_session_that_may_be_resumed_and_giving_up_ends_it(
    cluster: Cluster, alice: Person, agent: Agent
) -> None:
    way = CutWay(cluster.web_port)
    words = [str(BIN / "tsh"), "ssh", "-J", f"127.0.0.1:{way.port}", f"{LOGIN}@behind"]
    try:
        with OnTerminal(words, alice.environment) as shell:
            shell.run("PS1='rea''dy> '; stty -echo", r"ready> $")
            pid = shell.run("echo shell=$$=", r"shell=\d+=").split("=")[1]
            # the program says so itself: between two commands an interrupt of the shell's own can go lost
            shell.run("sh -c 'echo be\"\"gun; exec sleep 1000'", r"begun\r")
            shell.send("\x03")
            shell.see(r"ready> $")
            way.close_down()
            shell.see("the connection is lost, trying again", 20)
            shell.send("\r~.")
            assert shell.ended(10) != 0
        until(lambda: not Path(f"/proc/{pid}").exists(), "the shell is hung up", 20)
    finally:
        way.close()


def test_a_session_goes_on_when_its_connection_is_lost(cluster: Cluster, alice: Person, agent: Agent) -> None:
    way = CutWay(cluster.web_port)
    words = [str(BIN / "tsh"), "ssh", "-t", "-J", f"127.0.0.1:{way.port}", f"{LOGIN}@behind", "sh"]
    try:
        with OnTerminal(words, alice.environment) as shell:
            shell.run("echo begin-$((1+1))", "begin-2")
            way.cut()
            shell.run("i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo no-$i; done", "no-100\r")
            for number in (500, 1500, 2500):
                shell.see(f"no-{number}\r")
                way.cut()
            shell.see("no-4000\r")
            counted = re.findall(r"^no-(\d+)\r$", shell.shown, re.MULTILINE)
            assert counted == [str(number) for number in range(1, 4001)]
            shell.send("exit 7\n")
            assert shell.ended() == 7
        with OnTerminal([*words[:2], "--no-resume", *words[2:]], alice.environment) as shell:
            shell.run("echo begin-$((1+1))", "begin-2")
            way.cut()
            assert shell.ended() == 255
            shell.shows("the connection was lost")
    finally:
        way.close()
