"""SSH programs other than OpenSSH against one real cluster: straight to the node, or through the proxy."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from harness.cluster import Agent, Cluster, Finished, free_port, run
from harness.people import Person, converse

LOGIN = getpass.getuser()
NODE = "alpha"
PARAMIKO = """
import sys, paramiko
port, login, key, there = sys.argv[1:]
private = paramiko.{key_class}.from_private_key_file(key)
private.load_certificate(key + "-cert.pub")
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
try:
    client.connect("127.0.0.1", int(port), login, pkey=private, look_for_keys=False, allow_agent=False)
except paramiko.AuthenticationException:
    print(client.get_transport().get_banner().decode())
    raise
stdin, stdout, stderr = client.exec_command("cat; exit 6")
stdin.write(b"x" * 300000)
stdin.channel.shutdown_write()
print(len(stdout.read()), stdout.channel.recv_exit_status())
files = client.open_sftp()
with files.open(there, "w") as written:
    written.write("from paramiko")
files.rename(there, there + ".moved")
print(files.stat(there + ".moved").st_size)
client.close()
"""
LIBSSH = """
import ctypes, sys
port, login, key = sys.argv[1:]
lib = ctypes.CDLL("libssh.so.4")
for name in ("ssh_new", "ssh_channel_new", "ssh_get_error"):
    getattr(lib, name).restype = ctypes.c_void_p
P = ctypes.c_void_p
HOST, PORT, USER, STRICT = 0, 1, 4, 21
session = P(lib.ssh_new())
number = ctypes.c_uint(int(port))
lib.ssh_options_set(session, HOST, b"127.0.0.1")
lib.ssh_options_set(session, PORT, ctypes.byref(number))
lib.ssh_options_set(session, USER, login.encode())
def must(code, what):
    if code != 0:
        sys.exit(f"{what}: {ctypes.string_at(lib.ssh_get_error(session)).decode()}")
must(lib.ssh_connect(session), "connect")
private, certificate = P(), P()
must(lib.ssh_pki_import_privkey_file(key.encode(), None, None, None, ctypes.byref(private)), "key")
must(lib.ssh_pki_import_cert_file((key + "-cert.pub").encode(), ctypes.byref(certificate)), "certificate")
must(lib.ssh_pki_copy_cert_to_privkey(certificate, private), "pair")
must(lib.ssh_userauth_try_publickey(session, None, certificate), "offer")
must(lib.ssh_userauth_publickey(session, None, private), "authentication")
channel = P(lib.ssh_channel_new(session))
must(lib.ssh_channel_open_session(channel), "channel")
must(lib.ssh_channel_request_exec(channel, b"seq 1 20000; exit 4"), "exec")
buffer, total = ctypes.create_string_buffer(65536), 0
while (got := lib.ssh_channel_read(channel, buffer, 65536, 0)) > 0:
    total += got
print(total, lib.ssh_channel_get_exit_status(channel))
lib.ssh_disconnect(session)
"""
BOOTSTRAP = """
set -e
cd {folder}
nohup {python} -m http.server --bind 127.0.0.1 {port} > server.log 2>&1 < /dev/null &
echo "pid==$!=="
until {python} -c 'import socket; socket.create_connection(("127.0.0.1", {port}))' 2>/dev/null; do :; done
echo "listeningOn=={port}=="
cat; kill %1
"""


@dataclass(frozen=True)
class Place:
    """The cluster, its node's own port, and what a person has to get in."""

    cluster: Cluster
    person: Person
    port: int
    config: Path
    key: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return self.person.environment

    def host(self, name: str = NODE) -> str:
        return f"{name}.alpha.example"

    @property
    def ssh(self) -> str:
        """The transport of programs that bring none of their own: stock ssh through the proxy."""
        return f"ssh -F {self.config}"

    def run(self, *words: str, text: str = "", timeout: float = 60) -> Finished:
        return run(list(words), self.environment, text, timeout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("others"), free_port()
    direct = f"  listen_addr: 127.0.0.1:{port}\n  force_listen: yes\n"
    cluster = Cluster(folder / "cluster", extra=direct)
    try:
        cluster.start()
        person = Person(cluster, "alice", folder / "alice")
        person.sign_up(person.invite(logins=LOGIN))
        person.log_in()
        config = folder / "config"
        config.write_text(person.tsh("config").ok().out)
        yield Place(cluster, person, port, config, _key_pair(person, folder), folder)
    finally:
        if cluster.process is not None:
            cluster.stop()


def _key_pair(person: Person, folder: Path) -> Path:
    """The profile's own key and certificate, side by side as stock programs expect them."""
    (certificate,) = person.home.glob("tsh/keys/*/*-ssh/*.example-cert.pub")
    private = certificate.parent.with_name(certificate.parent.name.removesuffix("-ssh"))
    key = folder / "id"
    shutil.copy(private, key)
    key.chmod(0o600)
    shutil.copy(certificate, folder / "id-cert.pub")
    return key


# -- programs with an SSH of their own, straight to the node


@pytest.fixture(scope="module")
def putty(place: Place) -> list[str]:
    """PuTTY's options: the user certificate, and the host authority as PuTTY keeps them."""
    ppk = place.folder / "id.ppk"
    place.run("puttygen", str(place.key), "-O", "private", "-o", str(ppk), "--new-passphrase", "/dev/null").ok()
    authority = place.cluster.tctl("auth", "export", "--type=host").ok().out
    blob = re.search(r"(?:ssh-|ecdsa-)\S+ (\S+)", authority)
    assert blob is not None, authority
    kept = place.person.home / ".putty" / "sshhostcas"
    kept.mkdir(parents=True)
    (kept / "alpha").write_text(f"PublicKey={blob[1]}\nValidity=*\n")
    return ["-batch", "-loghost", place.host(), "-i", str(ppk), "-cert", f"{place.key}-cert.pub"]


def test_plink_runs_commands_and_knows_the_host_by_its_authority(place: Place, putty: list[str]) -> None:
    plink = ["plink", "-ssh", "-P", str(place.port), *putty, f"{LOGIN}@127.0.0.1"]
    done = place.run(*plink, "cat; echo err >&2; exit 5", text="in\n")
    assert (done.status, done.out) == (5, "in\n")
    assert "err" in done.err


@pytest.mark.parametrize("way", ["-sftp", "-scp"])
def test_pscp_copies_both_ways(place: Place, putty: list[str], tmp_path: Path, way: str) -> None:
    (tmp_path / "a").write_bytes(content := os.urandom(300_000))
    pscp = ["pscp", way, "-q", "-P", str(place.port), *putty]
    place.run(*pscp, str(tmp_path / "a"), f"{LOGIN}@127.0.0.1:{tmp_path}/b").ok()
    place.run(*pscp, f"{LOGIN}@127.0.0.1:{tmp_path}/b", str(tmp_path / "c")).ok()
    assert (tmp_path / "c").read_bytes() == content


def test_dropbear_is_refused_with_its_reason(place: Place, tmp_path: Path) -> None:
    """It knows no certificates, and only MACs of a kind that is not offered here."""
    key = tmp_path / "dropbear"
    place.run("dropbearkey", "-t", "ed25519", "-f", str(key)).ok()
    words = ["dbclient", "-y", "-y", "-i", str(key), "-p", str(place.port), f"{LOGIN}@127.0.0.1", "true"]
    done = place.run(*words)
    assert done.status == 1
    assert "No matching algo mac" in done.err


def test_libssh(place: Place, tmp_path: Path) -> None:
    program = tmp_path / "client.py"
    program.write_text(LIBSSH)
    done = place.run(sys.executable, str(program), str(place.port), LOGIN, str(place.key)).ok()
    assert done.out.split() == [str(sum(len(f"{number}\n") for number in range(1, 20001))), "4"]


def _paramiko(place: Place, folder: Path, python: str) -> Finished:
    kind = {"ssh-ed25519": "Ed25519Key", "ecdsa-sha2-nistp256": "ECDSAKey", "ssh-rsa": "RSAKey"}
    offered = Path(f"{place.key}-cert.pub").read_text().split()[0].replace("-cert-v01@openssh.com", "")
    program = folder / "client.py"
    program.write_text(PARAMIKO.replace("{key_class}", kind[offered]))
    return place.run(python, str(program), str(place.port), LOGIN, str(place.key), f"{folder}/file")


def test_paramiko(place: Place, tmp_path: Path) -> None:
    assert _paramiko(place, tmp_path, sys.executable).ok().out.split() == ["300000", "6", "13"]
    assert (tmp_path / "file.moved").read_text() == "from paramiko"


def test_a_paramiko_without_strict_key_exchange_is_told_what_to_do(place: Place, tmp_path: Path) -> None:
    """Debian's, of 2022: what it negotiates is open to Terrapin."""
    done = _paramiko(place, tmp_path, "/usr/bin/python3")
    assert done.status == 1
    assert "CVE-2023-48795" in done.out


async def test_asyncssh(place: Place, tmp_path: Path) -> None:
    authority = place.cluster.tctl("auth", "export", "--type=host").ok().out
    line = next(line for line in authority.splitlines() if "cert-authority" in line)
    known = asyncssh.import_known_hosts(re.sub(r"@cert-authority \S+", "@cert-authority *", line))
    async with asyncssh.connect(
        "127.0.0.1",
        place.port,
        username=LOGIN,
        client_keys=[str(place.key)],
        known_hosts=known,
        config=None,
        host_key_alias=place.host(),
    ) as link:
        done = await link.run("wc -c; exit 3", input="y" * 200_000)
        assert (done.exit_status, str(done.stdout).strip()) == (3, "200000")
        async with link.start_sftp_client() as files:
            async with files.open(f"{tmp_path}/f", "w") as written:
                await written.write("asyncssh")
            await files.posix_rename(f"{tmp_path}/f", f"{tmp_path}/g")
    assert (tmp_path / "g").read_text() == "asyncssh"


# -- programs that bring no SSH of their own, through the proxy


def test_lftp(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "source" / "sub"
    source.mkdir(parents=True)
    for number in range(20):
        (source / f"file {number}").write_bytes(os.urandom(5000))
    script = (
        f'set sftp:connect-program "{place.ssh} -a -x"; set net:max-retries 1; set net:timeout 20; '
        f"open -u {LOGIN}, sftp://{place.host()}; mirror -R {tmp_path}/source {tmp_path}/there; "
        f"mirror --parallel=3 {tmp_path}/there {tmp_path}/back"
    )
    place.run("lftp", "-c", script, timeout=120).ok()
    for sent in source.iterdir():
        assert (tmp_path / "back" / "sub" / sent.name).read_bytes() == sent.read_bytes()


def _can_mount() -> bool:
    """A plain user is let mount by fusermount; what nobody may is open the device where there is none."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        return False
    return True


def test_sshfs(place: Place, tmp_path: Path) -> None:
    """A folder of the node as a file system. A kernel without FUSE must say so; that is sshfs's own refusal."""
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    words = ["sshfs", "-F", str(place.config), f"{LOGIN}@{place.host()}:{tmp_path}/far", f"{tmp_path}/near"]
    done = place.run(*words)
    if not _can_mount():
        assert done.status != 0
        assert "fuse" in done.err
        return
    done.ok()
    try:
        (tmp_path / "near" / "a").write_text("mounted")
        (tmp_path / "near" / "a").rename(tmp_path / "near" / "b")
        (tmp_path / "near" / "link").symlink_to("b")
        os.chmod(tmp_path / "near" / "b", 0o640)
        assert (tmp_path / "near" / "link").read_text() == "mounted"
        assert sorted(os.listdir(tmp_path / "near")) == ["b", "link"]
        assert shutil.disk_usage(tmp_path / "near").total == shutil.disk_usage(tmp_path / "far").total
    finally:
        place.run("fusermount3", "-u", f"{tmp_path}/near").ok()
    assert (tmp_path / "far" / "b").stat().st_mode & 0o777 == 0o640


def test_rsync_both_ways(place: Place, tmp_path: Path) -> None:
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "sub" / "f").write_bytes(content := os.urandom(2 << 20))
    transport = f"ssh -p {place.port} -i {place.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    place.run("rsync", "-a", "-e", place.ssh, f"{tmp_path}/src/", f"{LOGIN}@{place.host()}:{tmp_path}/there").ok()
    place.run("rsync", "-az", "-e", transport, f"{LOGIN}@127.0.0.1:{tmp_path}/there/", f"{tmp_path}/back").ok()
    assert (tmp_path / "back" / "sub" / "f").read_bytes() == content


def test_mosh_starts_over_us_and_shows_what_the_far_side_prints(place: Place) -> None:
    mosh = ["mosh", "--experimental-remote-ip=remote", f"--ssh={place.ssh}", "--predict=never",
            f"{LOGIN}@{place.host()}", "--", "sh", "-c", "echo 'mo''shed'; read word"]  # fmt: skip
    words = ["/bin/sh", "-c", f"stty rows 24 cols 80; exec {shlex.join(mosh)}"]
    shown = converse(words, place.environment, [("moshed", "")])
    assert "moshed" in shown


@pytest.fixture(scope="module")
def ten(place: Place) -> Iterator[list[str]]:
    """The names of ten hosts: the cluster's own and nine agents."""
    token = place.cluster.join_token()
    agents = [Agent(place.cluster, place.folder / f"agent{number}", f"host{number}") for number in range(9)]
    try:
        for agent in agents:
            agent.start(token, wait=False)
        for agent in agents:
            agent.wait_listed()
        yield [NODE, *(agent.name for agent in agents)]
    finally:
        for agent in agents:
            if agent.process is not None:
                agent.process.kill()


@pytest.mark.timeout(240)
def test_ansible_reaches_ten_hosts_with_pipelining(place: Place, ten: list[str], tmp_path: Path) -> None:
    there = f"ansible_user={LOGIN} ansible_python_interpreter={sys.executable}"
    (tmp_path / "inventory").write_text("".join(f"{place.host(name)} {there}\n" for name in ten))
    environment = {
        **place.environment,
        "ANSIBLE_SSH_ARGS": f"-F {place.config} -o ControlMaster=auto -o ControlPersist=3",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(place.person.home / "cp"),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "remote"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
    }
    program = str(Path(sys.executable).parent / "ansible")
    done = run([program, "all", "-i", str(tmp_path / "inventory"), "-m", "ping"], environment, timeout=200).ok()
    assert done.out.count('"ping": "pong"') == 10


def test_the_handshake_of_a_remote_editor(place: Place, tmp_path: Path) -> None:
    """A script over exec starts a server, the channel stays, and everything else goes over a dynamic forward."""
    (tmp_path / "payload").write_bytes(content := os.urandom(3 << 20))
    socks, server = free_port(), free_port()
    words = [*place.ssh.split(), "-T", "-D", f"127.0.0.1:{socks}", f"{LOGIN}@{place.host()}", "bash"]
    editor = subprocess.Popen(
        words, env=place.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert editor.stdin is not None
        assert editor.stdout is not None
        script = BOOTSTRAP.format(folder=tmp_path, python=sys.executable, port=server)
        editor.stdin.write(script.encode())
        editor.stdin.flush()
        said = b""
        while b"listeningOn" not in said:
            line = editor.stdout.readline()
            assert line, said
            said += line
        for _ in range(5):
            assert hashlib.sha256(_fetched(socks, server)).digest() == hashlib.sha256(content).digest()
        editor.stdin.write(b"still here\n")  # the long-lived channel is read by the script's `cat`
        editor.stdin.flush()
        assert editor.stdout.readline() == b"still here\n"
        editor.stdin.close()
        assert editor.wait(30) == 0
    finally:
        editor.kill()
        editor.wait()


def _fetched(socks: int, server: int) -> bytes:
    """GET /payload through a SOCKS 5 proxy (RFC 1928)."""
    with socket.create_connection(("127.0.0.1", socks), timeout=30) as link, link.makefile("rb") as read:
        link.sendall(b"\x05\x01\x00")
        assert read.read(2) == b"\x05\x00"
        link.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + server.to_bytes(2, "big"))
        assert read.read(10)[1] == 0
        link.sendall(b"GET /payload HTTP/1.0\r\n\r\n")
        return read.read().partition(b"\r\n\r\n")[2]
