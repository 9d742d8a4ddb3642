"""Everything of ours that reads bytes before it is known whose they are, and what each promises to raise."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from authenticator import SoftwareAuthenticator
from authorities import NOW, Authority, alice, host

from teleport.api.messages import decode_call
from teleport.api.route import Route
from teleport.api.routes.catalog import PUBLIC_ROUTES
from teleport.credentials import peers, ssh_certificates, totp, webauthn, x509
from teleport.credentials.keys import PrivateKey, PublicKey
from teleport.credentials.webauthn import RelyingParty
from teleport.engines.ssh import file_link, remote_paths, scp_command, scp_server, scp_tap, sftp_server
from teleport.engines.ssh.answers import Answers
from teleport.engines.ssh.file_desk import Desk, OpenFile
from teleport.engines.ssh.passing_scp import ScpPassage
from teleport.engines.ssh.passing_sftp import SftpPassage
from teleport.engines.ssh.remote_paths import Found, Question
from teleport.engines.ssh.scp_command import ScpCommand
from teleport.foundation import durations
from teleport.foundation.errors import BadParameter, NotAuthenticated, TeleportError
from teleport.model import codec
from teleport.model.resources.presets import presets
from teleport.net import address, frames
from teleport.policy import command_words, expressions, languages, templates
from teleport.policy.filters import ResourceFilter
from teleport.storage.audit.lines import read_line
from teleport.tunnel.messages import (
    AgentHello,
    DataHello,
    DataWelcome,
    DialAnswer,
    DialRequest,
    FromAgent,
    FromProxy,
    IncomingRequest,
    ProxyHello,
)
from teleport.wire import client_hello, opening, proxy_protocol, recording, resumption, session_words
from teleport.wire.errors import Incomplete, RemoteProtocolError
from teleport.wire.terminal import TerminalSize


@dataclass(frozen=True)
class Target:
    """`run` reads `data`; it may raise what is `promised` and nothing else, and it soon returns."""

    name: str
    run: Callable[[bytes], object]
    promised: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


# -- the single port


def _opening(parse: Callable[[bytes], object], limit: int) -> Callable[[bytes], None]:
    """As `net.peek` reads: the answer to a part asks for more than the part, within the limit, or stands."""

    def run(data: bytes) -> None:
        size = 1
        while size <= len(data):
            found = parse(data[:size])
            if not isinstance(found, Incomplete):
                return
            assert found.needed > size, f"asks for {found.needed} bytes after {size}"
            if found.needed > limit:
                return
            size = found.needed

    return run


def _hello(name: str, *protocols: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name or None).do_handshake()
    return outgoing.read()


HELLOS = (
    _hello("proxy.example.com", "h2", "http/1.1"),
    _hello("", "teleport-dial"),
    _hello("61.teleport.cluster.local"),
)
_V4, _V6 = ("203.0.113.9", 1234), ("2001:db8::9", 65535)
HEADERS = (
    proxy_protocol.encode_v1(_V4, _V4),
    proxy_protocol.encode_v1(_V6, _V6),
    b"PROXY UNKNOWN\r\n",
    proxy_protocol.encode_v2(_V4, _V4),
    proxy_protocol.encode_v2(_V6, _V6),
    proxy_protocol.V2_START + b"\x21\x11\x00\x13" + bytes(12) + b"\x04\x00\x04abcd",
    proxy_protocol.V2_START + b"\x20\x00\x00\x00",
)
PORT = (
    Target("ClientHello", _opening(client_hello.parse, client_hello.MAX_SIZE), (RemoteProtocolError,), HELLOS),
    Target("PROXY header", _opening(proxy_protocol.parse, proxy_protocol.MAX_SIZE), (RemoteProtocolError,), HEADERS),
    Target(
        "opening",
        _opening(opening.parse, opening.MAX_SIZE),
        (RemoteProtocolError,),
        (*HELLOS, *HEADERS, b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\0\0\0\x08\x04\xd2\x16/"),
    ),
)

# -- frames


def _frames(form: Any) -> Callable[[bytes], None]:
    decoder = msgspec.json.Decoder(form)

    def run(data: bytes) -> None:
        whole = frames.FrameDecoder(decoder)
        whole.feed(data)
        assert whole.pending <= frames.MAX_FRAME + 4
        frames.FrameDecoder(decoder).feed(data[: len(data) // 2])

    return run


_MESSAGES = (
    DialRequest(target="web-1", login="root", labels={"env": "prod"}, trace_id="x"),
    AgentHello(host_id="a", cluster="example"),
    DataHello(host_id="a", control_id="b", data_id="c"),
    DialAnswer(allowed=False, code="access_denied", message="no", cluster="example"),
    ProxyHello(proxy_id="p", control_id="b", proxies=["p"]),
    IncomingRequest(kind="node", resource_id="a", client_addr="192.0.2.1:5"),
    DataWelcome(),
)
_FRAMES = tuple(frames.encode(message) for message in _MESSAGES)
FRAMES = tuple(
    Target(f"frames of {name}", _frames(form), (RemoteProtocolError,), (*_FRAMES, b"\0\0\0\x0f" + b'{"type":"ping"}'))
    for name, form in (
        ("a dial", DialRequest),
        ("an agent's hello", AgentHello),
        ("a proxy at a host's own port", IncomingRequest),
        ("a data hello", DataHello),
        ("an answer to a dial", DialAnswer),
        ("a proxy's hello", ProxyHello),
        ("a visitor told", IncomingRequest),
        ("an answer to a data hello", DataWelcome),
        ("an agent", FromAgent),
        ("a proxy", FromProxy),
    )
)

# -- streams that outlive connections


def _resumed(data: bytes) -> None:
    """Both greetings and frames, in pieces; what is to be said to the other side stays in proportion."""
    stream = resumption.ResumableStream()
    stream.begin()
    stream.send(b"x" * 1000)
    for start in range(0, len(data), 7):
        stream.feed(data[start : start + 7])
    assert len(stream.outbox) <= resumption.GREETING_SIZE + 2000 + 8 * len(data)
    assert stream.unacknowledged <= 1000


_GREETING = resumption.MAGIC + bytes(8)
STREAMS = (
    Target(
        "stream that outlives connections",
        _resumed,
        (RemoteProtocolError,),
        (
            _GREETING + b"\x01\0\0\x03abc" + b"\x02\0\0\x08" + (1000).to_bytes(8, "big") + b"\x04\0\0\0\x03\0\0\0",
            resumption.MAGIC + (400).to_bytes(8, "big") + b"\x05\0\0\0" * 3,
        ),
    ),
    Target("address", lambda data: address.parse_address(_text(data), 1), (BadParameter,), (b"[::1]:3", b"a:1")),
)

# -- the public API


def _call(route: Route[Any, Any]) -> Callable[[bytes], None]:
    """Path values, query and body in one input, between line feeds."""

    def run(data: bytes) -> None:
        path, _, rest = data.partition(b"\n")
        query, _, body = rest.partition(b"\n")
        values = dict.fromkeys(route.path_fields, path.decode(errors="replace"))  # as servers unquote it
        decode_call(route, values, query.decode("latin-1"), body)

    return run


_CALLS = (
    b'x\n\n{"user":"alice","pass":"secret","totp_code":"123456"}',
    b'../x\na=b&type=host\n{"token":"0","password":"cGFzcw==","second_factor_token":"1"}',
    b'\nlimit=1\n{"deviceType":"totp","host_id":"","node_name":"a","role":"Node","public_ssh_key":"YQ=="}',
)
CALLS = tuple(
    Target(f"{route.method} {route.path}", _call(route), (TeleportError,), _CALLS) for route in PUBLIC_ROUTES
)

# -- proofs


class _Passkeys:
    """One challenge of each sort, and honest answers to them."""

    def __init__(self) -> None:
        self.party = RelyingParty(id="proxy.example.com", name="t", origins=("https://proxy.example.com",))
        device = SoftwareAuthenticator("https://proxy.example.com")
        options, self.registering = webauthn.begin_registration(
            self.party, b"h" * 32, "a", (), NOW, passwordless=True
        )
        self.registration = device.create_json(msgspec.json.encode(options))
        parsed = webauthn.parse_registration(self.registration)
        self.known = webauthn.finish_registration(self.party, self.registering, parsed, NOW)
        asked, self.asking = webauthn.begin_authentication(self.party, [self.known], NOW)
        self.assertion = device.get_json(msgspec.json.encode(asked))

    def register(self, data: bytes) -> None:
        parsed = webauthn.parse_registration(data)
        webauthn.challenge_of(parsed)
        webauthn.finish_registration(self.party, self.registering, parsed, NOW)

    def authenticate(self, data: bytes) -> None:
        parsed = webauthn.parse_authentication(data)
        webauthn.challenge_of(parsed)
        webauthn.finish_authentication(self.party, self.asking, parsed, [self.known], NOW)


class _Certificates:
    """Of a user and of a host, as SSH and as X.509."""

    def __init__(self) -> None:
        self.user, self.host = Authority("user"), Authority("host")
        ssh, tls = PrivateKey.generate("ed25519").public, PrivateKey.generate("ecdsa-p256").public
        self.trusted = [self.user.trusted, self.host.trusted]
        self.lines = (
            ssh_certificates.issue_user(alice(), ssh, self.user.ssh, NOW).encode(),
            ssh_certificates.issue_host(host(), ssh, self.host.ssh, NOW, ["web-1"]).encode(),
        )
        self.ders = (
            x509.to_der(x509.issue_user(alice(), tls, self.user.tls, NOW)),
            x509.to_der(x509.issue_host(host(), tls, self.host.tls, NOW)),
        )
        self.keys = (ssh.ssh().encode(), tls.pem.encode())

    def ssh_user(self, data: bytes) -> None:
        line = _text(data)
        ssh_certificates.read_user(line)
        ssh_certificates.verify_user(line, [self.user.trusted], "root", NOW, "192.0.2.1")

    def ssh_host(self, data: bytes) -> None:
        line = _text(data)
        ssh_certificates.read_host(line)
        ssh_certificates.verify_host(line, [self.host.trusted], ["web-1"], NOW)

    def peer(self, data: bytes) -> None:
        peers.verify_peer(data, self.trusted, NOW)

    def identity(self, data: bytes) -> None:
        x509.read_identity(data, "user")


_passkeys, _certificates = _Passkeys(), _Certificates()
CERTIFICATE_LINE = _certificates.lines[0].decode()
_REFUSALS = (BadParameter, NotAuthenticated)
PROOFS = (
    Target("WebAuthn registration", _passkeys.register, _REFUSALS, (_passkeys.registration,)),
    Target("WebAuthn answer", _passkeys.authenticate, _REFUSALS, (_passkeys.assertion,)),
    Target("SSH user certificate", _certificates.ssh_user, _REFUSALS, _certificates.lines),
    Target("SSH host certificate", _certificates.ssh_host, _REFUSALS, _certificates.lines),
    Target("TLS peer", _certificates.peer, _REFUSALS, _certificates.ders),
    Target("identity of a certificate", _certificates.identity, _REFUSALS, _certificates.ders),
    Target("public key", PublicKey.from_text, _REFUSALS, (*_certificates.keys, *_certificates.lines)),
    Target(
        "one-time code",
        lambda data: totp.accept("JBSWY3DPEHPK3PXP", msgspec.json.decode(data, type=str), NOW),
        (msgspec.DecodeError, UnicodeDecodeError),
        (b'"123456"', b'" 1 "'),
    ),
)

# -- documents


def _yaml(data: bytes) -> None:
    """What was read is written so that it is read as the same."""
    found = codec.from_yaml(data)
    assert codec.to_yaml(codec.from_yaml(codec.to_yaml(found))) == codec.to_yaml(found)


def _recording(data: bytes) -> None:
    reader = recording.RecordingReader()
    for start in range(0, len(data), 1000):
        reader.feed(data[start : start + 1000])


_ROLES = presets("no-login")[:3]
_DOCUMENTS = tuple(codec.to_yaml([role]).encode() for role in _ROLES)
_JSON = tuple(codec.encode_json(role) for role in _ROLES)
_PART = recording.encode_part(
    1,
    [
        recording.Started(0, recording.RecordingInfo(sid="s", user="a", login="b", started=NOW)),
        recording.Printed(1, b"hello"),
        recording.Resized(2, 80, 24),
        recording.Noted(3, b"{}"),
        recording.Ended(4, recording.RecordingEnd(ended=NOW + timedelta(seconds=1))),
    ],
)
DOCUMENTS = (
    Target("YAML", _yaml, (TeleportError,), (*_DOCUMENTS, b"kind: token\nspec: {roles: [node]}\n---\nkind: lock\n")),
    Target("JSON documents", codec.from_json, (TeleportError,), _JSON),
    Target("recording", _recording, (recording.DamagedRecording,), (_PART, _PART * 2, _PART[:40])),
    Target("audit event", read_line, (BadParameter,), (b'{"event":"exec","uid":"1","time":"2030-01-01T00:00:00Z"}',)),
    Target("terminal size", lambda data: TerminalSize.parse(_text(data)), (ValueError,), (b"80:24", b"80x24")),
    Target("duration", lambda data: durations.parse(_text(data)), (BadParameter, ValueError), (b"1h30m", b"1.5s")),
)

# -- expressions


def _expression(language: languages.Language) -> Callable[[bytes], None]:
    return lambda data: expressions.check(_text(data), language)


def _template(data: bytes) -> None:
    templates.check(_text(data))
    templates.expand([_text(data)], {"logins": ["root"], "team": ["a", "b"]})


def _query(data: bytes) -> None:
    query, _, search = _text(data).partition("\n")
    found = ResourceFilter(query, search)
    for role in _ROLES:
        found.matches(role)


_EXPRESSIONS: tuple[bytes, ...] = (
    b'contains(user.spec.roles, "x") && !equals(resource.metadata.name, "y")',
    b'labels["env"] == "prod" || regexp.match(labels.team, "^a.*$")',
    b'hasPrefix(name, "web") && search("a", "b")',
    b'split(labels["x"], ",")',
)
EXPRESSIONS = (
    *(
        Target(f"expression of {language.name}", _expression(language), (BadParameter,), _EXPRESSIONS)
        for language in (languages.LABELS, languages.WHERE, languages.FILTER, languages.SESSION_FILTER)
    ),
    Target("query", _query, (BadParameter,), _EXPRESSIONS),
    Target(
        "template", _template, (BadParameter,), (b"{{internal.logins}}", b"{{email.local(external.a)}}", b"a-{{x}}")
    ),
)

# -- files


class _Sides:
    """Of a passage; it takes what passes, and counts nothing but that."""

    def __init__(self) -> None:
        self.to_ask = bytearray()

    def to_client(self, data: bytes) -> None:
        assert data

    def to_server(self, data: bytes) -> None:
        self.to_ask += data

    def end_to_server(self) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def break_off(self, reason: str) -> None:
        assert reason


class _Clerk:
    """Allows what lies in one folder."""

    def __init__(self, *, is_governed: bool) -> None:
        self.is_governed = is_governed

    def arrive(self, home: str) -> Sequence[str]:
        return ("/srv",) if self.is_governed else ()

    def learn(self, bases: file_link.Bases) -> None:
        assert set(bases.bases) == {"/srv"}

    def answer(self, question: file_link.Question) -> file_link.Answer:
        file_link.path_of(question.path)
        return file_link.Answer(question.path.startswith("/a"), "no", limit=100)

    def take(self, told: file_link.Told) -> None:
        """As it would come from a server of ours, so it says no more than that may."""
        assert file_link.read(msgspec.json.encode(told)) == told


def _passing(is_from_client: bool, is_governed: bool) -> Callable[[bytes], None]:
    """SFTP that passes between a stranger and an end that keeps to the protocol."""

    def run(data: bytes) -> None:
        sides = _Sides()
        passage = SftpPassage(sides, _Clerk(is_governed=is_governed))
        passage.from_client(sftp_server.framed(b"\1\0\0\0\3"))
        if not is_from_client:
            for _ in range(3):
                passage.from_server(data)
                passage.from_client(b"".join(_REQUESTS))
            passage.close()
            return
        passage.from_server(sftp_server.framed(b"\2\0\0\0\3"))
        passage.from_client(data)
        server = sftp_server.Server(_BareDesk())
        for _ in range(20):
            said, sides.to_ask = sides.to_ask, bytearray()
            at = 0
            while at < len(said):
                size = int.from_bytes(said[at : at + 4], "big")
                if said[at + 4] != sftp_server.INIT:
                    packet = memoryview(bytes(said[at + 4 : at + 4 + size]))
                    passage.from_server(bytes(server.answer(packet)))
                at += 4 + size
            passage.from_client(b"")
        passage.close()

    return run


def _passing_scp(options: str, is_governed: bool) -> Callable[[bytes], None]:
    """Both ends are strangers: pieces come from each in turn."""

    def run(data: bytes) -> None:
        asked: list[Callable[[], None]] = []

        def ask(question: Question, learn: Callable[[Found | str], None]) -> None:
            question.close()
            asked.append(lambda: learn(Found(b"/a")))

        passage = ScpPassage(_Sides(), _Clerk(is_governed=is_governed), ScpCommand(options, "/a"), ask, "/home/alice")
        passage.open()
        for number, start in enumerate(range(0, len(data), 40)):
            (passage.from_server if number % 2 else passage.from_client)(data[start : start + 40])
            while asked:
                asked.pop()()
        passage.end_of_client()
        passage.close()

    return run


class _Unheard:
    """In place of the audit log: whatever is told is taken."""

    def scp(self, *_: object, **__: object) -> None: ...


def _scp_told(is_upload: bool) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        tap = scp_tap.ScpTap(_Unheard(), "sid", "/srv", is_upload=is_upload)  # type: ignore[arg-type]
        for start in range(0, len(data), 100):
            tap.hear_client(data[start : start + 100])
            tap.hear_server(data[start : start + 100])
        tap.end()

    return run


def _scp_heard(data: bytes) -> None:
    """A command that is passed on to another host, and may be a copy."""
    scp_tap.scp_tap(_Unheard(), "sid", _text(data))  # type: ignore[arg-type]


def _place(data: bytes) -> None:
    """A host says where a path leads, then what is there: kinds of answers and their bodies."""
    size = data[0] if data else 0
    said = [data[1 : size + 1], data[size + 1 :]]
    question = remote_paths.find(b"/srv/x")
    asked = next(question)
    with contextlib.suppress(StopIteration):
        for turn in range(4):
            body = said[min(turn, 1)]
            asked = question.send([(body[0] if body else 0, body[1:])] * len(asked))


_PLACE = b"\x68\0\0\0\1" + sftp_server.string(b"/srv/x") * 2 + bytes(4)
_PLACES = (
    bytes((len(_PLACE),)) + _PLACE + b"\x69\0\0\0\4\0\0\x81\xa4",
    bytes((len(_PLACE),)) + _PLACE + b"\x65\0\0\0\2" + sftp_server.string(b"no"),
    b"\x0d\x65\0\0\0\3" + sftp_server.string(b"no") + bytes(4),
)


def _purpose(data: bytes) -> None:
    """What a client says of its session: cut to what is sensible, whatever it was."""
    reason, _, invited = _text(data).partition("\n")
    said = session_words.purpose_of({session_words.REASON_VARIABLE: reason, session_words.INVITED_VARIABLE: invited})
    assert len(said.reason) <= session_words.MAX_REASON
    assert len(said.invited) <= session_words.MAX_INVITED
    assert said.reason.isprintable()


def _sftp_request(data: bytes) -> None:
    """Requests that touch no file: what is opened is a handle that does not exist."""
    kind = bytes((sftp_server.CLOSE,))
    sftp_server.Server(Desk()).answer(memoryview(kind + data))


class _BareDesk(Desk):
    """There is nothing on it, and nothing can be put there: strangers' bytes touch no file."""

    def open(self, path: bytes, flags: int, mode: int, wanted: int = 0) -> OpenFile:
        raise FileNotFoundError(errno.ENOENT, "")

    def listing(self, path: bytes) -> list[bytes]:
        return [b".", b".."]

    def _nothing(self, *_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "")

    remove = make_folder = remove_folder = rename = link = symlink = change = change_open = _nothing


def _sftp_conversation(data: bytes) -> None:
    """Whole packets of every sort, as `serve` cuts them."""
    with _spoken(data) as source, open(os.devnull, "wb", buffering=0) as sink:
        answers = Answers(sink.fileno(), sftp_server.LONGEST_ANSWER)
        assert sftp_server.serve(_BareDesk(), answers, source) in (0, 11)


def _scp_conversation(options: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        with _spoken(data) as source, open(os.devnull, "wb", buffering=0) as sink:
            scp_server.serve(_BareDesk(), options, b"/nowhere/at/all", source, sink.fileno())

    return run


@contextlib.contextmanager
def _spoken(data: bytes) -> Iterator[int]:
    """A descriptor that yields it, and ends."""
    descriptor = os.memfd_create("said")
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _scp_line(data: bytes) -> None:
    """What a sink of the old protocol is told: announcements and times."""
    scp_server.read_times(data[1:]) if data[:1] == b"T" else scp_server.read_announcement(data)


def _scp_command(data: bytes) -> None:
    """A command that is taken for a copy names one path, and no shell would make more of it."""
    found = scp_command.parse(_text(data), "/home/alice")
    assert found is None or ("t" in found.options) is not ("f" in found.options)


def _words(data: bytes) -> None:
    """Plain words, quoted again, are the same plain words."""
    words = command_words.plain(_text(data))
    assert words is None or command_words.plain(shlex.join(words)) == words


_TOLD = (
    b'{"do":"tell","action":1,"path":"/a","resolved":"/a","flags":1,"file":1}',
    b'{"do":"tell","action":2,"path":"/a","read":1,"written":0,"sha256":"unknown","file":1}',
    b'{"do":"ask","direction":"move","path":"/a","asked":"/a","to":"/b","size":1,"folder":false}',
    b'{"do":"bases","bases":{"/a":"/b"}}',
)
_OPEN = sftp_server.framed(b"\3\0\0\0\1" + sftp_server.string(b"/etc/motd") + b"\0\0\0\1\0\0\0\0")
_SAID = (
    b"T1 0 2 0\nD0755 0 d\nC0644 3 f\nabc\0E\n",
    b"C0644 99999 f\nabc",
    b"\1no\n\2gone\n",
)
_REQUESTS = tuple(
    sftp_server.framed(
        bytes((kind,)) + b"\0\0\0\1" + sftp_server.string(b"/a") + sftp_server.string(b"/b") + bytes(8)
    )
    for kind in (*range(3, 21), 200)
)
_ANSWERS = sftp_server.framed(b"\2\0\0\0\3") + b"".join(
    sftp_server.framed(bytes((kind,)) + number.to_bytes(4, "big") + body)
    for number in range(1, 6)
    for kind, body in (
        (sftp_server.NAME, b"\0\0\0\1" + sftp_server.string(b"/a") * 2 + bytes(4)),
        (sftp_server.HANDLE, sftp_server.string(b"h")),
        (sftp_server.STATUS, bytes(4)),
    )
)
_PASSING = (
    b"C0644 3 f\n".ljust(40, b" ") + b"\0" * 40 + b"abc\0E\n",
    b"\0" * 40 + b"D0755 0 d\nC0644 0 x\n\0E\n".ljust(40, b"\0") + b"\0" * 40,
    b"\1no\n\2gone\n",
)
_COMMANDS = (b"scp -r -t '/srv/a b'", b'scp -f "~/x" *.c', b"systemctl status ngi\\nx", b"a;b $(c)")
FILES = (
    Target("SFTP conversation", _sftp_conversation, (), (_OPEN * 2, *_REQUESTS, b"".join(_REQUESTS))),
    Target("old copy that takes", _scp_conversation("rpt"), (), _SAID),
    Target("old copy that gives", _scp_conversation("rpf"), (), (bytes(10), b"\0\1no\n\0", b"\2gone\n")),
    Target("line of an old copy", _scp_line, (scp_server.Broken,), (b"C0644 12 name", b"D0755 0 d", b"T1 0 2 0")),
    Target("command of an old copy", _scp_command, (), _COMMANDS),
    Target("words of a command", _words, (), _COMMANDS),
    *(
        Target(f"SFTP that passes, {who}{how}", _passing(is_client, is_governed), (), seeds)
        for who, is_client, seeds in (
            ("client", True, (_OPEN * 2, *_REQUESTS, b"".join(_REQUESTS))),
            ("server", False, (_ANSWERS, _ANSWERS + _ANSWERS[9:])),
        )
        for how, is_governed in (("", False), (" with rules", True))
    ),
    *(
        Target(f"old copy that passes, {options}{how}", _passing_scp(options, is_governed), (), _PASSING)
        for options in ("rpt", "rpf")
        for how, is_governed in (("", False), (" with rules", True))
    ),
    Target("old upload as told to the log", _scp_told(is_upload=True), (), _SAID),
    Target("old download as told to the log", _scp_told(is_upload=False), (), _SAID),
    Target("command that may be an old copy", _scp_heard, (), _COMMANDS),
    Target(
        "where a path leads, as a host says",
        _place,
        (remote_paths.Unresolved, sftp_server.Malformed),
        _PLACES,
    ),
    Target("purpose of a session", _purpose, (), (b"ticket 42\na, b", b"\x1b[2J\n,,")),
    Target("what a server of files tells", file_link.read, (BadParameter,), _TOLD),
    Target("SFTP request", _sftp_request, (sftp_server.Malformed,), (b"\0\0\0\1\0\0\0\4abcd", b"")),
)

TARGETS: Sequence[Target] = (*PORT, *FRAMES, *STREAMS, *CALLS, *PROOFS, *DOCUMENTS, *EXPRESSIONS, *FILES)
