"""A way through PAM for one session, by libpam itself. Runs in the small program `child` and imports nothing of ours.

The program that takes this way holds it open until the session ends: it starts the user's program as a child of its
own, passes signals on to it, and closes the session behind it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

LIBRARY = "libpam.so.0"
MAX_ANSWER = 511
_SUCCESS, _BUFFER_ERROR, _CONVERSATION_ERROR, _EXPIRED = 0, 5, 19, 12
_TTY, _RHOST, _RUSER = 3, 4, 8
_PROMPT_HIDDEN, _PROMPT, _ERROR, _INFO = 1, 2, 3, 4
_ESTABLISH, _DELETE = 2, 4
_PASSED_ON = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "CONT", "ALRM", "WINCH", "PIPE", "TSTP")
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


class PamRefused(Exception):
    """The text is for the person."""


class _Message(ctypes.Structure):
    _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]


class _Response(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]


_CONVERSE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.POINTER(_Response)), ctypes.c_void_p,
)  # fmt: skip


class _Conversation(ctypes.Structure):
    _fields_ = [("converse", _CONVERSE), ("data", ctypes.c_void_p)]


class Libraries:
    """libpam and the C library, with the types of what is called. Loaded once, before any session needs them."""

    def __init__(self) -> None:
        """Raises OSError when this host has no libpam."""
        self.pam = pam = ctypes.CDLL(LIBRARY, mode=ctypes.RTLD_GLOBAL)
        self.c = ctypes.CDLL(None)
        handle, text = ctypes.c_void_p, ctypes.c_char_p
        conversation, handles = ctypes.POINTER(_Conversation), ctypes.POINTER(handle)
        for name, arguments in {
            "pam_start": (text, text, conversation, handles),
            "pam_start_confdir": (text, text, conversation, text, handles),
            "pam_set_item": (handle, ctypes.c_int, text),
            "pam_putenv": (handle, text),
            "pam_end": (handle, ctypes.c_int),
            **{
                f"pam_{step}": (handle, ctypes.c_int)
                for step in ("authenticate", "acct_mgmt", "setcred", "open_session", "close_session")
            },
        }.items():
            if hasattr(pam, name):  # pam_start_confdir is missing in old ones
                getattr(pam, name).argtypes = arguments
        pam.pam_strerror.argtypes, pam.pam_strerror.restype = (handle, ctypes.c_int), text
        pam.pam_getenvlist.argtypes, pam.pam_getenvlist.restype = (handle,), ctypes.POINTER(handle)
        self.c.calloc.argtypes, self.c.calloc.restype = (ctypes.c_size_t, ctypes.c_size_t), ctypes.c_void_p
        self.c.strdup.argtypes, self.c.strdup.restype = (text,), ctypes.c_void_p
        self.c.free.argtypes, self.c.free.restype = (ctypes.c_void_p,), None


class Stack:
    """`wanted` is {"service", "folder", "user", "tty", "rhost", "ruser", "env", "terminal", "authenticates"}."""

    def __init__(self, libraries: Libraries, wanted: dict[str, Any]) -> None:
        """Raises PamRefused."""
        self._pam, self._c = libraries.pam, libraries.c
        self._wanted = wanted
        self._said: list[str] = []
        self._is_open = False
        self._handle = ctypes.c_void_p()
        self._conversation = _Conversation(_CONVERSE(self._converse), None)  # libpam keeps its address
        service, user = wanted["service"].encode(), wanted["user"].encode()
        conversation, handle = ctypes.byref(self._conversation), ctypes.byref(self._handle)
        if wanted["folder"]:
            status = self._pam.pam_start_confdir(service, user, conversation, wanted["folder"].encode(), handle)
        else:
            status = self._pam.pam_start(service, user, conversation, handle)
        self._check("start", status)
        for item, key in ((_TTY, "tty"), (_RHOST, "rhost"), (_RUSER, "ruser")):
            if wanted[key]:
                self._check("start", self._pam.pam_set_item(self._handle, item, wanted[key].encode()))
        for name, value in wanted["env"].items():
            self._check("environment", self._pam.pam_putenv(self._handle, f"{name}={value}".encode()))

    def check_account(self) -> None:
        """Raises PamRefused."""
        status = self._pam.pam_acct_mgmt(self._handle, 0)
        if status == _EXPIRED:
            raise PamRefused("refused by PAM (account): the password of this host user has expired")
        self._check("account", status)

    def open(self) -> None:
        """Authenticate where that is wanted, check the account, open the session. Raises PamRefused."""
        if self._wanted["authenticates"]:
            self._check("authentication", self._pam.pam_authenticate(self._handle, 0))
        self.check_account()
        # a stack without a module for it refuses: then there are none to set
        self._pam.pam_setcred(self._handle, _ESTABLISH)
        self._check("session", self._pam.pam_open_session(self._handle, 0))
        self._is_open = True

    def environment(self) -> dict[str, str]:
        """What modules and the configuration have set."""
        found: dict[str, str] = {}
        entries = self._pam.pam_getenvlist(self._handle)
        if not entries:
            return found
        index = 0
        while entries[index]:
            raw = ctypes.cast(entries[index], ctypes.c_char_p).value or b""
            name, _, value = os.fsdecode(raw).partition("=")
            found[name] = value
            self._c.free(entries[index])
            index += 1
        self._c.free(ctypes.cast(entries, ctypes.c_void_p))
        return found

    def close(self) -> None:
        status = _SUCCESS
        if self._is_open:
            self._is_open = False
            status = self._pam.pam_close_session(self._handle, 0)
            self._pam.pam_setcred(self._handle, _DELETE)
        self._pam.pam_end(self._handle, status)

    def _check(self, step: str, status: int) -> None:
        if status == _SUCCESS:
            return
        reason = os.fsdecode(self._pam.pam_strerror(self._handle, status) or b"") or f"error {status}"
        said = "; ".join(self._said)
        raise PamRefused(f"refused by PAM ({step}): {reason}" + (f" ({said})" if said else ""))

    # -- what modules say and ask

    def _converse(self, count: int, messages: Any, responses: Any, _: Any) -> int:
        try:
            answers = [self._answer(messages[number].contents) for number in range(count)]
        except (OSError, EOFError, termios.error):
            return _CONVERSATION_ERROR
        made = self._c.calloc(count, ctypes.sizeof(_Response))
        if not made:
            return _BUFFER_ERROR
        array = ctypes.cast(made, ctypes.POINTER(_Response))
        for number, answer in enumerate(answers):
            if answer is not None:
                array[number].text = self._c.strdup(answer)
        responses[0] = array
        return _SUCCESS

    def _answer(self, message: _Message) -> bytes | None:
        text = os.fsdecode(message.text or b"")
        if message.style in (_PROMPT, _PROMPT_HIDDEN):
            if not (self._wanted["terminal"] and self._wanted["authenticates"]):
                self._said.append(f"it asks {text.strip()!r}, and there is no terminal to answer on")
                raise EOFError
            return _typed(text, hidden=message.style == _PROMPT_HIDDEN)
        if message.style == _ERROR:
            self._said.append(text.strip())
        if self._wanted["terminal"]:
            _show(text if text.endswith("\n") else f"{text}\n")
        return None


def _show(text: str) -> None:
    with suppress(OSError):
        os.write(2, text.encode(errors="replace"))


def _typed(prompt: str, *, hidden: bool) -> bytes:
    """One line from the terminal. Raises EOFError when there is none."""
    before = termios.tcgetattr(0)
    attributes = termios.tcgetattr(0)
    if hidden:
        attributes[3] &= ~termios.ECHO
        attributes[3] |= termios.ECHONL
    termios.tcsetattr(0, termios.TCSANOW, attributes)
    try:
        _show(prompt)  # not before: what is typed at once would be seen
        line = os.read(0, MAX_ANSWER + 1)
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)
    if not line:
        raise EOFError
    return line.rstrip(b"\r\n")[:MAX_ANSWER]


def accompany(libraries: Libraries, stack: Stack, start: Callable[[], None], held: Sequence[int]) -> None:
    """Fork: `start` goes on as the user's program; this process stays, ends as that did, and does not return.

    `held` are descriptors that are the program's alone.
    """
    pid = os.fork()
    if pid == 0:
        os.setsid()
        start()
        os._exit(255)
    for name in _PASSED_ON:
        number = getattr(signal, f"SIG{name}")
        signal.signal(number, lambda received, _: _pass_on(pid, received))
    empty = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(empty, descriptor)
    for descriptor in held:
        os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    stack.close()
    _end_as(libraries, status)


def follow(libraries: Libraries) -> None:
    """End with the process that accompanies this one. To be called as the user: a change of user takes it back."""
    libraries.c.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _pass_on(pid: int, number: int) -> None:
    with suppress(OSError):
        os.killpg(pid, number)


def _end_as(libraries: Libraries, status: int) -> None:
    if os.WIFSIGNALED(status):
        libraries.c.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        number = os.WTERMSIG(status)
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 255)
