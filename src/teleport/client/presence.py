"""Proving again and again that one is there, while one moderates a session that needs a second factor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence

from teleport.client import ssh_library  # isort: skip
import asyncssh

from teleport.client import session_mfa, ssh_session
from teleport.client.account import Account
from teleport.client.dialer import Wanted
from teleport.foundation.errors import NotAuthenticated, TeleportError
from teleport.wire.joining import PRESENCE_ANSWER, PRESENCE_ASKED_EVERY, PRESENCE_VARIABLE, SESSION_VARIABLE

assert ssh_library

_CTRL_C = b"\x03"


class AtTheScreen:
    """A prompt.Conversation in the middle of a session: what is typed is an answer while one is awaited."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._answers: queue.Queue[str] = queue.Queue()
        self._typed = bytearray()
        self._ends_at = 0.0

    @property
    def is_asking(self) -> bool:
        return time.monotonic() < self._ends_at

    def take(self, typed: bytes) -> bytes:
        """What of it is meant for the session. Ctrl-C always is."""
        if not self.is_asking or _CTRL_C in typed:
            self._typed.clear()
            return typed
        self._typed += typed
        line, end, _ = bytes(self._typed).replace(b"\n", b"\r").partition(b"\r")
        if end:
            self._typed.clear()
            self._ends_at = 0.0
            self._answers.put(line.decode("utf-8", "replace"))
        return b""

    def ask_secret(self, question: str) -> str:
        """Raises NotAuthenticated when there is no answer in time."""
        self._answers = queue.Queue()
        self._ends_at = time.monotonic() + PRESENCE_ANSWER
        self.tell(question)
        try:
            return self._answers.get(timeout=PRESENCE_ANSWER)
        except queue.Empty:
            raise NotAuthenticated(f"no answer within {PRESENCE_ANSWER:g} seconds") from None

    def choose(self, question: str, choices: Sequence[str]) -> int:
        listed = ", ".join(f"{number}) {choice}" for number, choice in enumerate(choices, 1))
        answer = self.ask_secret(f"{question} {listed}")
        return int(answer) - 1 if answer.isdigit() and 1 <= int(answer) <= len(choices) else 0

    def tell(self, text: str) -> None:
        os.write(self._descriptor, f"\r\ntsh: {text}\r\n".encode())


async def keep_proving(
    connection: asyncssh.SSHClientConnection,
    prove: Callable[[], str],
    session: str,
    screen: AtTheScreen,
) -> None:
    """Until cancelled. `prove` asks the person, in a thread, and answers a certificate of now."""
    while True:
        await asyncio.sleep(PRESENCE_ASKED_EVERY)
        try:
            certificate = await _in_background(prove)
            await _send(connection, session, certificate)
            screen.tell("your presence is proven")
        except (TeleportError, asyncssh.Error, OSError) as problem:
            screen.tell(f"your presence was not proven: {problem}")


def _in_background(ask: Callable[[], str]) -> asyncio.Future[str]:
    """Ask in a thread that keeps nobody from leaving: a key that nobody touches may hold it for long."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()

    def settle(answer: str, problem: BaseException | None) -> None:
        if answered.done():
            return
        if problem is not None:
            answered.set_exception(problem)
        else:
            answered.set_result(answer)

    def run() -> None:
        answer, problem = "", None
        try:
            answer = ask()
        except Exception as raised:
            problem = raised
        with contextlib.suppress(RuntimeError):  # one has left meanwhile
            loop.call_soon_threadsafe(settle, answer, problem)

    threading.Thread(target=run, daemon=True, name="presence").start()
    return answered


def proof_of(account: Account, wanted: Wanted, mode: str, screen: AtTheScreen) -> Callable[[], str]:
    """Ask the person for a second factor, and have it certified."""

    def prove() -> str:
        screen.tell("prove that you are still there")
        return session_mfa.prove(account, wanted, mode, asking=screen).ssh().certificate

    return prove


async def _send(connection: asyncssh.SSHClientConnection, session: str, certificate: str) -> None:
    said: list[bytes] = []
    request = ssh_session.SessionRequest(
        environment={SESSION_VARIABLE: session, PRESENCE_VARIABLE: certificate.strip()}
    )
    channel, answer = await ssh_session.open_session(connection, request, (_Kept(said), _Kept(said)))
    try:
        await answer.finished
    finally:
        channel.close()
    if answer.status():
        raise NotAuthenticated(b"".join(said).decode("utf-8", "replace").strip() or "the server did not accept it")


class _Kept:
    """A sink that keeps the little it is given."""

    def __init__(self, kept: list[bytes]) -> None:
        self._kept = kept

    def write(self, data: bytes) -> bool:
        self._kept.append(data)
        return len(self._kept) < 100
