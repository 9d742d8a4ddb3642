"""What ssh-audit says of our SSH service: nothing weak, and the strict order against Terrapin."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ssh_post import run, site

AGAINST_QUANTUM_COMPUTERS = "does not provide protection against post-quantum attacks"
"""Told of every exchange but the hybrid ones: who takes part in one of these alone is old, and shall get in."""


async def test_ssh_audit_has_nothing_to_warn_of(tmp_path: Path) -> None:
    program = str(Path(sys.executable).parent / "ssh-audit")
    async with site(tmp_path) as here:
        ran = await run([program, "--json", "--skip-rate-test", "-p", str(here.port), "127.0.0.1"])
    found = json.loads(ran.out)
    said = [
        (kind, one["algorithm"], text)
        for kind in ("kex", "key", "enc", "mac")
        for one in found[kind]
        for level in ("fail", "warn")
        for text in one["notes"].get(level, [])
    ]
    assert {kind for kind in ("kex", "key", "enc", "mac") if not found[kind]} == set(), "nothing was looked at"
    assert [one for one in said if one[2] != AGAINST_QUANTUM_COMPUTERS] == []
    assert {kind for kind, _, _ in said} <= {"kex"}
    assert not found.get("cves"), found["cves"]
    assert "kex-strict-s-v00@openssh.com" in {one["algorithm"] for one in found["kex"]}
