"""Secrets do not show themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from teleport.foundation.errors import BadParameter
from teleport.model import codec, labels
from teleport.model.resource import Metadata
from teleport.model.resources.token import Token, TokenSpec
from teleport.model.resources.user_secrets import MFADevice, TOTPDevice, UserSecrets, UserSecretsSpec
from teleport.model.sensitive import MASK, Secret, mask_name

NOON = datetime(2030, 1, 1, tzinfo=UTC)


def secrets() -> UserSecrets:
    device = MFADevice(
        id="d1", name="phone", added_at=NOON, totp=TOTPDevice(secret=Secret("JBSWY3DP"), used_steps=[5])
    )
    return UserSecrets(
        metadata=Metadata(name="alice"),
        spec=UserSecretsSpec(
            password_hash=Secret("$argon2id$x"), mfa_devices=[device], recovery_codes=[Secret("r1")]
        ),
    )


def test_a_secret_has_many_ways_to_be_printed_and_shows_itself_in_none() -> None:
    secret = Secret("hunter2")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>20}", "%s" % secret, repr({"a": [secret]})):  # noqa: UP031
        assert "hunter2" not in text
        assert MASK in text
    assert secret.reveal() == "hunter2"
    assert (bool(secret), bool(Secret(""))) == (True, False)


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret(b"a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_storage_keeps_secrets_and_struct_text_hides_them() -> None:
    kept = secrets()
    assert codec.decode_json(codec.encode_json(kept), UserSecrets) == kept
    assert b"JBSWY3DP" in codec.encode_json(kept)
    assert "JBSWY3DP" not in repr(kept)
    assert "argon2id" not in str(kept)


def test_without_secrets_nothing_secret_is_left() -> None:
    bare = codec.without_secrets(secrets())
    text = codec.encode_json(bare).decode()
    assert not any(word in text for word in ("JBSWY3DP", "argon2id", "r1"))
    assert json.loads(text)["spec"]["mfa_devices"][0]["totp"] == {"secret": "", "used_steps": [5]}
    assert secrets().spec.password_hash == Secret("$argon2id$x")
    token = Token(metadata=Metadata(name="abcdefghijklmnop"), spec=TokenSpec(roles=["Node"]))
    assert codec.without_secrets(token).name == "************mnop"
    assert token.name == "abcdefghijklmnop"


def test_refusals_do_not_repeat_a_secret_name() -> None:
    for document in (
        {"kind": "token", "metadata": {"name": "abcdefghijklmnop"}, "spec": {"roles": ["Nobody"]}},
        {"kind": "token", "metadata": {"name": "abcdefghijklmnop"}, "spec": {"rolls": ["Node"]}},
    ):
        with pytest.raises(BadParameter) as refusal:
            codec.decode_document(document)
        assert "abcdefgh" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "shown"), [("", ""), ("abc", "***"), ("abcde", "****e"), ("a" * 40, "*" * 32 + "a" * 8)]
)
def test_masked_names(name: str, shown: str) -> None:
    assert mask_name(name) == shown


def test_user_secrets_hold_each_device_once() -> None:
    found = secrets()
    found.check()
    assert found.device("phone") is found.device("d1")
    found.spec.mfa_devices.append(msgspec.structs.replace(found.spec.mfa_devices[0], id="d2"))
    with pytest.raises(BadParameter, match="used twice"):
        found.check()
    found.spec.mfa_devices = [MFADevice(id="d", name="n", added_at=NOON)]
    with pytest.raises(BadParameter, match="exactly one"):
        found.check()


def test_label_keys() -> None:
    labels.check_labels({"teleport.dev/origin": "x", "aws/a:b-c_*": "free text, any \u00e9"})
    for key in ("", "a b", "a\n", "é", "a=b", "x" * 257):
        with pytest.raises(BadParameter):
            labels.check_labels({key: "x"})
