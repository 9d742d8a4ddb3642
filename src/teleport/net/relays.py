"""The relay for this system: threads with epoll and splice on Linux, the event loop elsewhere."""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from teleport.net.relay import Relay
else:
    from teleport.net.relay_portable import PortableRelay as Relay

__all__ = ["Relay"]
