"""tsh or tctl with a software key plugged in: `with_key.py KEY-FILE tsh login …`. A test's program, no product's."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ctap_key import SoftwareKey

from teleport.client import mfa


def main() -> int:
    key, program = Path(sys.argv[1]), sys.argv[2]
    mfa._devices = lambda: [SoftwareKey(key)]
    sys.argv = [program, *sys.argv[3:]]
    status: int = importlib.import_module(f"teleport.cli.{program}").main()
    return status


if __name__ == "__main__":
    sys.exit(main())
