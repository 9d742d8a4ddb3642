"""A dialled connection for another program: handed over as a descriptor, or joined to standard input and output."""

from __future__ import annotations

import os
import selectors
import socket

_CHUNK = 256 * 1024


def hand_over(sock: socket.socket, receiver: socket.socket) -> None:
    """Pass the descriptor over a Unix socket (SCM_RIGHTS), one byte with it, as OpenSSH reads it."""
    sock.setblocking(True)
    socket.send_fds(receiver, [b"\0"], [sock.fileno()])


def relay(sock: socket.socket, source: int = 0, target: int = 1) -> None:
    """Carry bytes both ways until both sides have ended. Blocking; regular files as input are fine."""
    if os.name == "nt":
        _relay_with_threads(sock, source, target)
        return
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ)
    try:
        selector.register(source, selectors.EVENT_READ)
    except PermissionError:
        _relay_with_threads(sock, source, target)
        return
    while selector.get_map():
        for key, _ in selector.select():
            if key.fileobj is sock:
                if not _down(sock, target):
                    return
            elif not _up(sock, source):
                selector.unregister(source)


def _down(sock: socket.socket, target: int) -> bool:
    try:
        data = sock.recv(_CHUNK)
    except OSError:
        return False
    return bool(data) and _write_all(target, data)


def _up(sock: socket.socket, source: int) -> bool:
    data = os.read(source, _CHUNK)
    try:
        if data:
            sock.sendall(data)
            return True
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return False


def _write_all(target: int, data: bytes) -> bool:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(target, view) :]
    except OSError:
        return False
    return True


def _relay_with_threads(sock: socket.socket, source: int, target: int) -> None:
    import threading

    def upward() -> None:
        while _up(sock, source):
            pass

    threading.Thread(target=upward, daemon=True).start()
    while _down(sock, target):
        pass
