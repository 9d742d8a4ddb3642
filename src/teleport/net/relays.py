"""The relay for this system: threads with epoll and splice on Linux, the event loop elsewhere."""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from teleport.net.relay import Relay
    from teleport.net.relay_flow import Flow as RelayFlow
else:
    from teleport.net.relay_portable import PortableFlow as RelayFlow
    from teleport.net.relay_portable import PortableRelay as Relay

__all__ = ["Relay", "RelayFlow"]
