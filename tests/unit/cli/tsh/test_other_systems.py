"""What Unix alone has is asked for only where it is needed: `tsh` is there on Windows too."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROLOGUE = """
import importlib, pkgutil, sys
import asyncssh  # asks for what its own system has

UNIX = {"pwd", "grp", "fcntl", "termios", "tty", "pty", "resource", "uvloop", "syslog", "readline"}

class Without:
    def find_spec(self, name, path=None, target=None):
        if name in UNIX:
            raise ModuleNotFoundError(f"no module {name} on this system")

for name in UNIX:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Without())
"""
IMPORT_ALL = """
import teleport.cli.tsh as tsh
for module in pkgutil.walk_packages(tsh.__path__, f"{tsh.__name__}."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""
ASK = """
import os
os.name = "nt"
from teleport.client.login import default_user
from teleport.client.profile import home_directory
from teleport.foundation.errors import BadParameter
print(default_user("given", ""), default_user("", "kept"), home_directory({"USERPROFILE": "C:"}))
for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
try:
    default_user("", "")
except BadParameter as problem:
    print(problem)
"""


def said_without_unix(text: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROLOGUE + text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_loads() -> None:
    assert "teleport.cli.tsh.ssh\n" in said_without_unix(IMPORT_ALL)


@pytest.mark.parametrize("expected", ["given kept C:", "who are you? use --user or TELEPORT_USER"])
def test_nobody_is_looked_up_where_a_variable_or_flag_answers(expected: str) -> None:
    assert expected in said_without_unix(ASK)
