"""OpenSSH's own regression scripts (Debian's `openssh-tests`), those that test a server, against a node of ours.

The scripts start an sshd. What they find in its place hands each connection to a node that listens already, and their
client is the stock one with a certificate of the cluster. `docs/openssh-regression.md` has every script of the
package, with the reason where it does not apply; a script that is not in it fails here.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
from harness.cluster import LOGIN, Cluster, clean_environment
from harness.ports import free_hundred
from harness.visitors import Visitor

from teleport.engines.ssh.algorithms import CIPHERS, KEY_EXCHANGES, MACS, available

SCRIPTS = Path("/usr/lib/openssh/regress")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openssh-regression.md"
PARTS_OF_THE_RUNNER = {"test-exec", "scp-ssh-wrapper", "sshd-log-wrapper", "ssh2putty", "valgrind-unit"}
PATIENCE = 150.0


@dataclass(frozen=True)
class Script:
    """`changes` are replacements in its text; each must be found there."""

    name: str
    changes: tuple[tuple[str, str], ...] = ()
    data: int = 0
    """Bytes of the file that it copies; without it, as many as the script wants."""


def cut(text: str, first: str, last: str) -> tuple[str, str]:
    """A change that leaves out all from `first` to right before `last`; to the end where that is empty."""
    start = text.index(first)
    return text[start : text.index(last, start) if last else len(text)], ""


def _text(name: str) -> str:
    return (SCRIPTS / f"{name}.sh").read_text()


COPIES = (
    Script("scp"),
    Script("scp-uri"),
    Script("scp3"),
    Script("sftp", data=30_000),
    Script("sftp-badcmds"),
    Script("sftp-batch"),
    Script("sftp-cmds"),
    Script("sftp-glob"),
    Script("sftp-uri"),
)
PROGRAMS = (
    Script("connect"),
    Script("connect-uri"),
    Script("exit-status"),
    Script("exit-status-signal"),
    Script("host-expand"),
    Script("localcommand"),
    Script("portnum"),
    Script("proto-version"),
    Script("stderr-after-eof"),
    Script("stderr-data"),
    Script("transfer"),
    Script("yes-head"),
)
NEGOTIATIONS = (Script("kextype"), Script("try-ciphers"))


def partly() -> dict[str, Script]:
    """Those of which a part asks for settings that only sshd has; the document says which part."""
    rekey, environment, control = _text("rekey"), _text("envpass"), _text("forward-control")
    return {
        "rekey": Script(
            "rekey",
            (
                cut(rekey, 'for s in 16 1k 128k 256k; do\n\tverbose "server', "rm -f ${COPY} ${DATA}"),
                ("for s in 5 10; do", "for s in 5; do"),
            ),
        ),
        "envpass": Script(
            "envpass",
            (
                cut(environment, 'trace "pass env, don\'t accept"', 'trace "don\'t pass env, accept"'),
                cut(environment, 'trace "server setenv wins"', "rm -f $OBJ/ssh_proxy_envpass"),
            ),
        ),
        "forward-control": Script("forward-control", (cut(control, "# Usage: lperm_tests", ""),)),
    }


def forwards(base: int) -> tuple[Script, ...]:
    """With ports of this run's own in place of their fixed ones: a hundred from `base` times a hundred on."""
    control = partly()["forward-control"]
    ports = (("LFWD_PORT=3320", f"LFWD_PORT={base}90"), ("RFWD_PORT=3321", f"RFWD_PORT={base}91"))
    return (
        Script("dynamic-forward"),
        Script("forwarding", (("base=33\n", f"base={base}\n"),)),
        Script("forward-control", (*control.changes, *ports)),
        Script("multiplex", (("P=3301 ", f"P={base}92 "),)),
    )


WRAPPER = """#!/bin/sh
# The stock client, and what it says of algorithms cut down to what the node speaks.
last=
for word; do
  if [ "$last" = -Q ]; then
    case "$word" in
      kex) printf '%s\\n' {exchanges} ;;
      cipher) printf '%s\\n' {ciphers} ;;
      cipher-auth) printf '%s\\n' {sealed} ;;
      mac) printf '%s\\n' {macs} ;;
      key-plain) echo {key_type} ;;
      compression) echo none ;;
      *) exec ssh "$@" ;;
    esac
    exit 0
  fi
  last=$word
done
exec ssh -o HostKeyAlias={host} -o UserKnownHostsFile={authority} -o UpdateHostKeys=no "$@"
"""
STAND_IN = """#!/bin/sh
# In sshd's place: -t finds every setting in order, -i serves standard input and output, else there is a file of the
# process id until a signal ends it. The node itself listens at the port.
file= inetd= last=
for word; do
  case "$last" in -f) file=$word ;; esac
  case "$word" in -t) exit 0 ;; -i) inetd=yes ;; esac
  last=$word
done
[ -n "$inetd" ] && exec {folder}/netcat -N 127.0.0.1 {port}
pid=$(sed -n 's/^[[:space:]]*PidFile[[:space:]]*//p' "$file")
setsid {folder}/stay "$pid" </dev/null >/dev/null 2>&1 &
until [ -s "$pid" ]; do sleep 0.05; done
"""
STAY = """#!/bin/sh
sleep 600 &
trap 'kill $!; rm -f "$1"; exit 0' TERM
echo $$ > "$1"
wait
"""
SFTP_SERVER = """#!/bin/sh
exec {folder}/ssh -q -F none -i {key} -p {port} -s {login}@127.0.0.1 sftp
"""


@dataclass
class Runner:
    """Gives each script a folder of its own and what it expects in there."""

    folder: Path
    port: int
    key: Path
    authority: Path
    host: str
    programs: Path = field(init=False)

    def __post_init__(self) -> None:
        self.programs = self.folder / "programs"
        self.programs.mkdir(parents=True)
        for name in ("netcat", "modpipe", "mkdtemp"):
            (self.programs / name).symlink_to(SCRIPTS / name)
        key_type = Path(f"{self.key}.pub").read_text().split()[0]
        stock = {kind: set(_said_of(kind)) for kind in ("kex", "cipher", "cipher-auth", "mac")}
        exchanges = [name for name in available(asyncssh.kex.get_kex_algs(), KEY_EXCHANGES) if name in stock["kex"]]
        self._write(
            "ssh",
            WRAPPER.format(
                exchanges=" ".join(exchanges),
                ciphers=" ".join(CIPHERS),
                sealed=" ".join(name for name in CIPHERS if name in stock["cipher-auth"]),
                macs=" ".join(MACS),
                key_type=key_type,
                host=self.host,
                authority=self.authority,
            ),
        )
        self.key_type = key_type
        fields = {"folder": self.programs, "port": self.port, "key": self.key, "login": LOGIN}
        self._write("sshd", STAND_IN.format(**fields))
        self._write("stay", STAY)
        self._write("sftp-server", SFTP_SERVER.format(**fields))

    def _write(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def _sources(self, folder: Path, script: Script) -> Path:
        """The package's files, with the script as changed, and old copies ending at the node."""
        for path in SCRIPTS.iterdir():
            (folder / path.name).symlink_to(path)
        text = _text(script.name)
        for old, new in script.changes:
            assert old in text, f"{script.name}: {old!r} is not in the script any more"
            text = text.replace(old, new)
        changed = folder / f"{script.name}.sh"
        changed.unlink()
        changed.write_text(text)
        wrapper = folder / "scp-ssh-wrapper.sh"
        old = 'set -- $arg\n\tshift\n\texec $SCP "$@"'
        text = wrapper.read_text()
        assert old in text
        wrapper.unlink()
        there = f"-F none -i {self.key} -p {self.port} {LOGIN}@127.0.0.1"
        wrapper.write_text(text.replace(old, f'exec {self.programs}/ssh {there} "$arg"'))
        return changed

    def run(self, script: Script) -> str:
        """Empty when the script is content; else what it said."""
        place = self.folder / script.name
        sources, work = place / "sources", place / "work"
        sources.mkdir(parents=True)
        work.mkdir()
        changed = self._sources(sources, script)
        for suffix, mode in (("", 0o600), (".pub", 0o644), ("-cert.pub", 0o644)):
            (work / f"{self.key_type}{suffix}").write_bytes(Path(f"{self.key}{suffix}").read_bytes())
            (work / f"{self.key_type}{suffix}").chmod(mode)
        for name in ("netcat", "modpipe", "mkdtemp"):
            (work / name).symlink_to(SCRIPTS / name)
        environment = {
            **clean_environment(place),
            "TEST_SHELL": "/bin/sh",
            "TEST_SSH_PORT": str(self.port),
            "TEST_SSH_SSH": str(self.programs / "ssh"),
            "TEST_SSH_SSHD": str(self.programs / "sshd"),
            "TEST_SSH_SFTPSERVER": str(self.programs / "sftp-server"),
            "TEST_SSH_UNSAFE_PERMISSIONS": "1",
            "BUILDDIR": str(SCRIPTS),
        }
        if script.data:
            (place / "data").write_bytes(os.urandom(script.data))
            environment["TEST_SSH_SSHAGENT"] = str(place / "data")
        words = ["/bin/sh", str(sources / "test-exec.sh"), str(work), str(changed)]
        with (place / "said").open("wb") as said:
            process = subprocess.Popen(
                words, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
            try:
                status: int | str = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                status = f"nothing within {PATIENCE} s"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        told = (place / "said").read_text(errors="replace")
        is_content = status == 0 and re.search(r"^ok ", told, re.MULTILINE) and "skipped" not in told.lower()
        return "" if is_content else f"-- {script.name}: {status}\n{told[-4000:]}"

    def check(self, scripts: Sequence[Script], at_once: int = 4) -> None:
        with ThreadPoolExecutor(at_once) as pool:
            troubles = [told for told in pool.map(self.run, scripts) if told]
        assert not troubles, "\n".join(troubles)


def _said_of(kind: str) -> list[str]:
    return subprocess.run(["ssh", "-Q", kind], capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder, port = tmp_path_factory.mktemp("regress"), free_hundred()
    node = f"  listen_addr: 127.0.0.1:{port}\n  force_listen: yes\n  permit_user_env: yes\n"
    cluster = Cluster(folder / "cluster", extra=node)
    try:
        cluster.start()
        visitor = Visitor(cluster, folder / "visitor")
        key = folder / "id"
        cluster.tctl("auth", "sign", f"--user={visitor.name}", "--format=openssh", f"--out={key}").ok()
        authority = folder / "authority"
        authority.write_text(cluster.tctl("auth", "export", "--type=host").ok().out)
        public = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout
        Path(f"{key}.pub").write_text(public)
        yield Runner(folder / "scripts", port, key, authority, "alpha.alpha.example")
    finally:
        if cluster.process is not None:
            cluster.stop()


@pytest.mark.timeout(400)
def test_programs_their_output_and_their_ends(runner: Runner) -> None:
    runner.check((*PROGRAMS, partly()["envpass"]))


@pytest.mark.timeout(400)
def test_copies(runner: Runner) -> None:
    runner.check(COPIES)


@pytest.mark.timeout(600)
def test_forwards_and_many_sessions_on_one_connection(runner: Runner) -> None:
    runner.check(forwards(free_hundred() // 100), at_once=1)


@pytest.mark.timeout(400)
def test_algorithms_and_new_keys(runner: Runner) -> None:
    runner.check((*NEGOTIATIONS, partly()["rekey"]))


def _documented(section: str) -> dict[str, str]:
    """The scripts of a section's table, and what the table says of them."""
    _, _, rest = DOCUMENT.read_text().partition(f"\n## {section}\n")
    found: dict[str, str] = {}
    for names, said in re.findall(r"^\| (`.+?`) \| (.+) \|$", rest.partition("\n## ")[0], re.MULTILINE):
        for name in re.findall(r"`([\w-]+)`", names):
            assert name not in found, f"{name} is there twice"
            found[name] = said
    return found


def test_every_script_of_the_package_is_run_or_has_its_reason() -> None:
    run, part = _documented("Run"), _documented("Run in part")
    out = _documented("Not run")
    whole = {script.name for script in (*COPIES, *PROGRAMS, *NEGOTIATIONS, *forwards(100))} - partly().keys()
    assert set(run) == whole
    assert set(part) == partly().keys()
    assert not (run.keys() | part.keys()) & out.keys()
    package = {path.stem for path in SCRIPTS.glob("*.sh")} - PARTS_OF_THE_RUNNER
    assert package, "the package openssh-tests is missing: scripts/install-test-programs"
    assert run.keys() | part.keys() | out.keys() == package
    assert all(len(said) > 20 for said in {**run, **part, **out}.values())
