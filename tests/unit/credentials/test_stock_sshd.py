"""A stock sshd and a stock ssh that know nothing but our authorities accept each other by our certificates."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from authorities import Authority, alice, host

from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PrivateKey
from teleport.credentials.ssh_certificates import Permits
from teleport.foundation.clock import SystemClock
from teleport.model.identity import Identity

NOW = SystemClock().now()
USER, HOST = Authority("user", now=NOW), Authority("host", now=NOW)
LOGIN = getpass.getuser()
PERSON = msgspec.structs.replace(alice(now=NOW), logins=(LOGIN,))


class Server:
    """Gives every connection on a port of loopback an sshd with a host certificate, trusting the user authority."""

    def __init__(self, folder: Path) -> None:
        key = PrivateKey.generate("ed25519")
        write(folder / "host", key.ssh_pem())
        write(
            folder / "host-cert.pub", ssh_certificates.issue_host(host(now=NOW), key.public, HOST.ssh, NOW, ["web-1"])
        )
        write(folder / "users", USER.ssh_key.public.ssh())
        settings = {
            "HostKey": folder / "host",
            "HostCertificate": folder / "host-cert.pub",
            "TrustedUserCAKeys": folder / "users",
            "AuthorizedKeysFile": "none",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "StrictModes": "no",
            "PermitRootLogin": "yes",
        }
        write(folder / "sshd_config", "\n".join(f"{name} {value}" for name, value in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd of Debian separates its privileges
        self._command = ["/usr/sbin/sshd", "-i", "-f", str(folder / "sshd_config")]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._children: list[subprocess.Popen[bytes]] = []
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if not connection.recv(1, socket.MSG_PEEK):
                    return
                end = connection.fileno()
                self._children.append(
                    subprocess.Popen(self._command, stdin=end, stdout=end, stderr=subprocess.DEVNULL)
                )

    def stop(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)):
            pass  # a connection that says nothing ends the service
        self._thread.join(timeout=10)
        self._listener.close()
        for child in self._children:
            child.wait(timeout=10)


def write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("sshd"))
    yield made
    made.stop()


def ssh(
    server: Server, certificate: str, key: PrivateKey, folder: Path, name: str = "web-1", ca: Authority = HOST
) -> subprocess.CompletedProcess[str]:
    write(folder / "id", key.ssh_pem())
    write(folder / "id-cert.pub", certificate)
    write(folder / "known", "\n".join(ssh_certificates.known_hosts_lines(ca.trusted, [name])))
    options = {
        "UserKnownHostsFile": folder / "known",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "HostKeyAlias": name,
        "BatchMode": "yes",
    }
    words = [word for option, value in options.items() for word in ("-o", f"{option}={value}")]
    command: list[str] = [
        "ssh",
        "-F",
        "none",
        *words,
        "-i",
        str(folder / "id"),
        "-p",
        str(server.port),
        f"{LOGIN}@127.0.0.1",
        "echo in",
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def certified(key: PrivateKey, identity: Identity = PERSON, ca: Authority = USER) -> str:
    return ssh_certificates.issue_user(identity, key.public, ca.ssh, NOW, permits=Permits(port_forwarding=True))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256", "rsa-2048"])
def test_a_person_gets_in(server: Server, kind: str, tmp_path: Path) -> None:
    key = PrivateKey.generate(kind)  # type: ignore[arg-type]
    done = ssh(server, certified(key, msgspec.structs.replace(PERSON, pinned_ip="127.0.0.1")), key, tmp_path)
    assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr


@pytest.mark.parametrize("change", [{"logins": ("nobody-else",)}, {"pinned_ip": "10.9.8.7"}])
def test_another_login_or_address_does_not(server: Server, change: dict[str, object], tmp_path: Path) -> None:
    key = PrivateKey.generate("ed25519")
    assert (
        "Permission denied"
        in ssh(server, certified(key, msgspec.structs.replace(PERSON, **change)), key, tmp_path).stderr
    )


def test_another_authority_lets_nobody_in(server: Server, tmp_path: Path) -> None:
    key = PrivateKey.generate("ed25519")
    assert "Permission denied" in ssh(server, certified(key, ca=Authority("user", now=NOW)), key, tmp_path).stderr


def test_the_client_notices_another_host(server: Server, tmp_path: Path) -> None:
    key = PrivateKey.generate("ed25519")
    for name, ca in (("web-2", HOST), ("web-1", Authority("host", now=NOW))):
        done = ssh(server, certified(key), key, tmp_path, name, ca)
        assert done.returncode == 255
        assert "Host key verification failed" in done.stderr or "No ED25519 host key is known" in done.stderr
