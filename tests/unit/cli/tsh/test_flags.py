"""What a global flag may say is looked at before a password is asked for."""

from __future__ import annotations

import pytest

from teleport.cli.program import run_program
from teleport.cli.tsh import catalog


@pytest.mark.parametrize(
    ("flag", "variable", "expected"),
    [
        ("--mfa-mode=blah", "TELEPORT_MFA_MODE", "--mfa-mode: 'blah': expected auto, otp, cross-platform, platform"),
        ("-k=blah", "TELEPORT_ADD_KEYS_TO_AGENT", "--add-keys-to-agent=blah: expected auto, yes, no, only"),
        ("--ttl=0", "", "'0': expected a number, 1 or more"),
    ],
)
def test_a_word_that_means_nothing_is_refused_before_anything_is_asked(
    flag: str, variable: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["login", "--proxy=127.0.0.1:1", "--user=a", "--insecure"]
    assert run_program(catalog.PROGRAM, [*words, *flag.split("=")]) == 1
    assert expected in capsys.readouterr().err
    if variable:
        monkeypatch.setenv(variable, "blah")
        assert run_program(catalog.PROGRAM, words) == 1
        assert expected in capsys.readouterr().err
