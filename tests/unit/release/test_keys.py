"""The platform's two keys: what they open, what they refuse, and that no refusal says anything of what was sealed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.errors import RuleBroken, SettingsError
from publisher.keys import LocalKeyring, aws_keyring, encrypt
from tests.unit.release.rows import DATA_KEY, PSEUDONYM_KEY, keyring

SEALED = encrypt(DATA_KEY, "canary-4711")


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_what_is_encrypted_is_read_again(text: str) -> None:
    assert keyring().decrypt(encrypt(DATA_KEY, text)) == text


def test_the_format_is_that_which_the_application_writes() -> None:
    """A format byte, a nonce of 12 bytes, ciphertext and tag: opened here without our code."""
    assert SEALED[:1] == b"\x01"
    assert AESGCM(DATA_KEY).decrypt(SEALED[1:13], SEALED[13:], None) == b"canary-4711"
    assert encrypt(DATA_KEY, "canary-4711") != SEALED, "a nonce is never used twice"


@pytest.mark.parametrize("position", range(1, len(SEALED)))
def test_one_changed_bit_anywhere_is_noticed(position: int) -> None:
    changed = bytearray(SEALED)
    changed[position] ^= 1

    with pytest.raises(RuleBroken, match=r"^decryption failed: another data key, or the bytes were changed$"):
        keyring().decrypt(bytes(changed))


@pytest.mark.parametrize(
    "sealed",
    [b"", b"\x01", b"\x01" + bytes(27), b"\x02" + SEALED[1:], b"canary-4711 in plain text as it should never be"],
    ids=["empty", "format only", "too short", "another format", "plain text"],
)
def test_another_format_is_refused_in_words(sealed: bytes) -> None:
    with pytest.raises(RuleBroken, match=r"^not in the form that the application encrypts to$"):
        keyring().decrypt(sealed)


def test_another_key_is_refused() -> None:
    with pytest.raises(RuleBroken, match="another data key"):
        LocalKeyring(bytes(32), PSEUDONYM_KEY).decrypt(SEALED)


def test_what_decrypts_to_no_text_is_refused() -> None:
    sealed = b"\x01" + bytes(12) + AESGCM(DATA_KEY).encrypt(bytes(12), b"canary \xff\xfe", None)

    with pytest.raises(RuleBroken, match=r"^decrypts to something that is not text$"):
        keyring().decrypt(sealed)


def test_a_pseudonym_by_its_definition() -> None:
    key = bytes.fromhex("0b" * 32)
    expected = hmac.new(key, b"customer:7", hashlib.sha256).digest()[:16].hex()

    assert LocalKeyring(DATA_KEY, key).pseudonym("customer", "7") == expected
    assert expected == "9e18ad62524d786e1b956f29b97db04b", "as openssl computes it: dgst -sha256 -mac HMAC -macopt hexkey:0b0b…"


def test_a_pseudonym_depends_on_key_namespace_and_value() -> None:
    other = LocalKeyring(DATA_KEY, bytes(32))
    codes = {
        keyring().pseudonym("customer", "7"),
        keyring().pseudonym("customer", "8"),
        keyring().pseudonym("debt", "7"),
        other.pseudonym("customer", "7"),
    }

    assert len(codes) == 4


class Secrets:
    """Secrets Manager, as far as the publisher calls it."""

    def __init__(self, secrets: dict[str, str], error: str = "ResourceNotFoundException") -> None:
        self.secrets = secrets
        self.error = error

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        if SecretId not in self.secrets:
            raise ClientError({"Error": {"Code": self.error, "Message": "canary"}}, "GetSecretValue")
        return {"SecretString": self.secrets[SecretId]}


class Kms:
    """KMS, which here unwraps by turning the bytes round."""

    def __init__(self, error: str | None = None) -> None:
        self.error = error

    def decrypt(self, CiphertextBlob: bytes) -> dict[str, bytes]:  # noqa: N803 - AWS's name
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "canary"}}, "Decrypt")
        return {"Plaintext": CiphertextBlob[::-1]}


def secret(**keys: Any) -> str:
    return json.dumps(
        {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in keys.items()}
    )


GOOD = {"data": secret(wrapped=DATA_KEY[::-1]), "pseudonym": secret(version=1, key=PSEUDONYM_KEY)}


def fetched(secrets: Secrets, kms: Kms | None = None) -> LocalKeyring:
    return aws_keyring(kms or Kms(), secrets, data_key_secret="data", pseudonym_secret="pseudonym")  # type: ignore[arg-type]


def test_both_keys_are_fetched_and_the_data_key_unwrapped() -> None:
    keys = fetched(Secrets(GOOD))

    assert keys.decrypt(SEALED) == "canary-4711"
    assert keys.pseudonym("customer", "7") == keyring().pseudonym("customer", "7")


@pytest.mark.parametrize("name", ["data", "pseudonym"])
@pytest.mark.parametrize(
    "content",
    [
        "",
        "canary",
        "[]",
        "{}",
        '{"wrapped": 5, "key": 5}',
        '{"wrapped": "canary!", "key": "canary!"}',
        secret(wrapped=b"canary", key=b"canary"),
    ],
)
def test_an_unusable_secret_is_named_and_not_shown(name: str, content: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        fetched(Secrets(GOOD | {name: content}))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("error", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_secret_that_cannot_be_read_says_what_to_do(error: str) -> None:
    with pytest.raises(SettingsError, match="there is no secret pseudonym that may be read"):
        fetched(Secrets({"data": GOOD["data"]}, error))


def test_a_data_key_that_kms_does_not_unwrap_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="KMS does not unwrap the secret data"):
        fetched(Secrets(GOOD), Kms("InvalidCiphertextException"))


def test_a_passing_failure_of_aws_is_not_taken_for_a_wrong_setting() -> None:
    with pytest.raises(ClientError):
        fetched(Secrets({}, "ThrottlingException"))
    with pytest.raises(ClientError):
        fetched(Secrets(GOOD), Kms("KMSInternalException"))
