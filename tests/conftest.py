"""Asynchronous tests run on the event loop that the daemons run on: it has fewer abilities than asyncio's own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
import uvloop
from harness.own_mounts import keep_host_as_it_is
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell that puts us in the background says so; programs that tests interrupt would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# how long an example takes says more of what else the machine does than of the code
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    if os.geteuid() == 0 and not hasattr(config, "workerinput"):  # workers are started by who has done it
        keep_host_as_it_is()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}
