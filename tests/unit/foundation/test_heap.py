"""Memory that is freed and taken again at once is not cleared anew by the kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from teleport.foundation.heap import keep_spare_memory
if sys.argv[1] == "keeping":
    keep_spare_memory()
def work():
    for _ in range(100):
        blocks = [bytearray(500_000) for _ in range(4)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(("how", "is_cleared"), [("keeping", False), ("usual", True)])
def test_blocks_of_bulk_traffic_are_kept(how: str, is_cleared: bool) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 10_000) is is_cleared, done.stdout
