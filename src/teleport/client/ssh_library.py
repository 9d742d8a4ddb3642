"""asyncssh, imported without what a client of ours never uses: security keys, PKCS#11 and searches for foreign
libraries are 75 ms of 200. What is kept away during the import is there again afterwards.
"""

from __future__ import annotations

import ctypes.util
import sys

_UNUSED = ("fido2", "fido2.hid", "OpenSSL", "gssapi", "pkcs11")


def load() -> None:
    """Import asyncssh the short way; afterwards a plain `import asyncssh` costs nothing."""
    if "asyncssh" in sys.modules:
        return
    kept = {name: sys.modules[name] for name in _UNUSED if name in sys.modules}
    find_library = ctypes.util.find_library
    for name in _UNUSED:
        sys.modules[name] = None  # type: ignore[assignment] # what Python documents for "not importable"
    ctypes.util.find_library = lambda name: None
    try:
        import asyncssh  # noqa: F401
    finally:
        ctypes.util.find_library = find_library
        for name in _UNUSED:
            del sys.modules[name]
        sys.modules.update(kept)


load()
