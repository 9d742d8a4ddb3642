"""As many descriptors as there may be for the process, the usual number for what it starts for others."""

from __future__ import annotations

import resource
import subprocess
import sys

PROGRAM = """
import resource, subprocess
from teleport.foundation import descriptors
descriptors.raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
child = subprocess.Popen(["sh", "-c", "read line; ulimit -Sn"], stdin=subprocess.PIPE)
descriptors.give_usual_limit(child.pid)
child.communicate(b"go\\n")
"""


def test_the_limit_is_raised_and_sessions_keep_the_usual_one() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    words = ["sh", "-c", 'ulimit -Sn 300; exec "$0" -c "$1"', sys.executable, PROGRAM]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert out == [str(hard), str(hard), "300"]
