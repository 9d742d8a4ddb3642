"""How the C library keeps the memory that a busy process frees and takes again many times a second.

By default glibc gives blocks of a few hundred KiB back to the kernel as soon as they are free, and the kernel clears
the pages of each anew: a quarter of an agent's work on bulk traffic.
"""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_LARGE = 2 << 20
_SPARE = 8 << 20


def keep_spare_memory() -> None:
    """Keep blocks of up to 2 MiB, 8 MiB in all. C libraries that know no such setting do as they always do."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _SPARE)
