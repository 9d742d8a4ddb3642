"""Listening sockets that pass from a process to its successor."""

from __future__ import annotations

import os
import socket

from teleport.net.address import Address
from teleport.net.listener import Inheritance, Listener, inheritance, listen


async def test_a_socket_is_taken_over_with_what_waits_in_it() -> None:
    (old,) = listen(Address("127.0.0.1", 0))
    port = old.getsockname()[1]
    listener = Listener([old], lambda _: None)
    assert old.fileno() in inheritance.descriptors()
    copy = os.dup(old.fileno())
    listener.close()
    assert copy not in inheritance.descriptors()
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        inheritance.receive([copy])
        (heir,) = listen(Address("127.0.0.1", port))
        with heir:
            accepted, name = heir.accept()
            accepted.close()
        assert name == client.getsockname()


async def test_what_nobody_takes_is_closed() -> None:
    (old,) = listen(Address("127.0.0.1", 0))
    port = old.getsockname()[1]
    inheritance = Inheritance()
    with old:
        inheritance.receive([os.dup(old.fileno())])
    assert inheritance.take(socket.AF_INET, "127.0.0.1", port + 1) is None
    inheritance.discard()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_other_descriptors_are_left_alone() -> None:
    reading, writing = os.pipe()
    with socket.socket() as sock:
        fresh = os.dup(sock.fileno())
        inheritance = Inheritance()
        inheritance.receive([reading, fresh, 10_000])
        assert inheritance.take(socket.AF_INET, "0.0.0.0", 0) is None
    os.close(reading)
    os.close(writing)
