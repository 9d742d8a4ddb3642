"""Every parser of strangers' bytes, for a moment in each run of the tests; `make fuzz` hunts for longer."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from fuzzing.hunt import Hunt
from fuzzing.targets import TARGETS, Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import teleport

ANY = st.binary(max_size=400) | st.text(max_size=200).map(str.encode) | st.recursive(
    st.sampled_from([b"null", b"1", b'"x"', b"{}"]),
    lambda inner: st.lists(inner, max_size=4).map(lambda items: b"[" + b",".join(items) + b"]"),
    max_leaves=30,
)  # fmt: skip
SIGNS = re.compile(
    r"unpack|from_bytes|json\.loads|json\.Decoder|\.decode\(|get_string\(|fromhex|httptools|def feed\("
)
"""By these a module gives itself away that reads bytes."""
READ_BY = {
    "engines/ssh/channel": "a session at a node",
    "engines/ssh/connection": "a login at a node; a session at a node",
    "engines/ssh/file_link": "what a server of files tells",
    "engines/ssh/packet": "a node; a session at a node; a host behind a proxy",
    "engines/ssh/passing": "SFTP that passes, client; SFTP that passes, server",
    "engines/ssh/passing_exchange": "SFTP that passes, client; SFTP that passes, server",
    "engines/ssh/passing_scp": "old copy that passes, rpt; old copy that passes, rpf",
    "engines/ssh/passing_sftp": "SFTP that passes, client with rules; SFTP that passes, server with rules",
    "engines/ssh/path_probe": "SFTP that passes, server",
    "engines/ssh/remote_connection": "a host behind a proxy",
    "engines/ssh/remote_paths": "where a path leads, as a host says",
    "engines/ssh/scp_tap": "old upload as told to the log; old download as told to the log",
    "engines/ssh/scp_server": "line of an old copy; old copy that takes; old copy that gives",
    "engines/ssh/sftp_server": "SFTP conversation; SFTP request",
    "net/frame_stream": "frames of an answer to a dial; frames of an agent's hello",
    "net/frames": "frames of an agent; frames of a proxy",
    "net/http_server": "the web side",
    "tunnel/dial": "frames of an answer to a dial",
    "tunnel/direct": "frames of a proxy at a host's own port; frames of an answer to a data hello; a node",
    "tunnel/proxy_link": "frames of a proxy; frames of a proxy's hello; frames of an answer to a data hello",
    "tunnel/registry": "frames of an agent; frames of an agent's hello; frames of a data hello; agents",
    "wire/client_hello": "ClientHello; the port",
    "wire/proxy_protocol": "PROXY header; the port",
    "wire/recording": "recording",
    "wire/resumption": "stream that outlives connections",
}
"""Where bytes of strangers are read, and what hunts there: targets and, behind sockets, doors."""
OUR_OWN_WORDS = {
    "engines/ssh/algorithms": "names of algorithms that the library tells",
    "engines/ssh/answers": "how much is left in a pipe, as the kernel tells",
    "engines/ssh/child": "requests of the agent that has started it",
    "engines/ssh/file_desk": "answers of the agent that has started it",
    "engines/ssh/login_records": "books of the host that root alone writes",
    "engines/ssh/spawner": "answers of the program that it has started, before that becomes somebody else",
    "net/http_connection": "answers of a server that has proven to be ours, read by httptools",
    "net/sockets": "the first line that a CONNECT proxy of the operator's choice answers",
}
DOORS = (
    "the port", "the web side", "dials", "agents", "data connections", "a node", "a login at a node",
    "a session at a node", "a host behind a proxy",
)  # fmt: skip
CASES = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@CASES
def test_honest_input_is_read(target: Target) -> None:
    """At least one seed gets through, or fuzzing it would go no further than the first check."""
    outcomes = []
    for data in target.seeds:
        with contextlib.suppress(*target.promised):
            target.run(data)
            outcomes.append(data)
    assert outcomes or target.name.startswith(("GET ", "POST ", "PUT ", "expression", "frames"))


@CASES
def test_changed_input_breaks_nothing(target: Target) -> None:
    found = Hunt(target).run(0.25).findings
    assert not found, "\n".join(map(str, found))


@CASES
@settings(max_examples=40, deadline=2000, suppress_health_check=list(HealthCheck))
@given(data=ANY)
def test_any_input_is_refused_as_promised(target: Target, data: bytes) -> None:
    with contextlib.suppress(*target.promised):
        target.run(data)


def test_what_a_target_does_not_promise_is_found() -> None:
    """The tests above could not fail otherwise."""
    broken = Target("broken", lambda data: [][0] if b"\xff" in data else None, (ValueError,), (b"abc",))
    (finding,) = Hunt(broken).run(10).findings
    assert finding.what.startswith("IndexError")


def test_everything_that_reads_bytes_of_strangers_is_hunted() -> None:
    root = Path(teleport.__file__).parent
    folders = ("engines/ssh", "net", "tunnel", "wire")
    paths = [path for folder in folders for path in (root / folder).glob("*.py")]
    reading = {str(path.relative_to(root))[:-3] for path in paths if SIGNS.search(path.read_text())}
    assert reading >= READ_BY.keys() | OUR_OWN_WORDS.keys(), "these read nothing any more"
    left = reading - READ_BY.keys() - OUR_OWN_WORDS.keys()
    assert not left, f"{sorted(left)}: add a target to tests/support/fuzzing and name it in READ_BY"
    known = {target.name for target in TARGETS} | set(DOORS)
    assert {name for names in READ_BY.values() for name in names.split("; ")} <= known
