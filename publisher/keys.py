"""The two keys that only the platform holds: one opens its encrypted columns, one makes pseudonyms.

Belongs here: getting and using keys. Not here: which column is encrypted (the contract), what is derived (release.py).
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from publisher.errors import RuleBroken, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

FORMAT = b"\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
PSEUDONYM_BYTES = 16


class Keyring(Protocol):
    """What the release needs of keys."""

    def decrypt(self, ciphertext: bytes) -> str:
        """The plain text. Raises RuleBroken, without a value, when it cannot be opened."""
        ...

    def pseudonym(self, namespace: str, value: str) -> str:
        """32 lower-case hex digits, the same for the same namespace and value."""
        ...


class LocalKeyring:
    """Both keys in memory: what tests use, and what AwsKeyring becomes once it has fetched them."""

    def __init__(self, data_key: bytes, pseudonym_key: bytes) -> None:
        self._cipher = AESGCM(data_key)
        self._pseudonym_key = pseudonym_key
        self.pseudonym = lru_cache(maxsize=65_536)(self._pseudonym)  # foreign keys repeat

    def decrypt(self, ciphertext: bytes) -> str:
        """See Keyring."""
        if ciphertext[:1] != FORMAT or len(ciphertext) < 1 + NONCE_BYTES + TAG_BYTES:
            raise RuleBroken("not in the form that the application encrypts to")
        try:
            plain = self._cipher.decrypt(ciphertext[1 : 1 + NONCE_BYTES], ciphertext[1 + NONCE_BYTES :], None)
        except InvalidTag:
            raise RuleBroken("decryption failed: another data key, or the bytes were changed") from None
        try:
            return plain.decode("utf-8")
        except UnicodeDecodeError:
            raise RuleBroken("decrypts to something that is not text") from None

    def _pseudonym(self, namespace: str, value: str) -> str:
        digest = hmac.digest(self._pseudonym_key, f"{namespace}:{value}".encode(), "sha256")
        return digest[:PSEUDONYM_BYTES].hex()


def aws_keyring(
    kms: KMSClient, secrets: SecretsManagerClient, *, data_key_secret: str, pseudonym_secret: str
) -> LocalKeyring:
    """Fetches both keys: the data key wrapped by KMS, the pseudonym key as it is. Raises SettingsError for an unusable secret."""
    wrapped = _secret(secrets, data_key_secret, "wrapped")
    data_key = kms.decrypt(CiphertextBlob=base64.b64decode(wrapped))["Plaintext"]
    pseudonym_key = base64.b64decode(_secret(secrets, pseudonym_secret, "key"))
    if len(pseudonym_key) < 32:
        raise SettingsError(f"the secret {pseudonym_secret} holds a key of under 32 bytes: make one of 32")
    return LocalKeyring(data_key, pseudonym_key)


def _secret(secrets: SecretsManagerClient, name: str, key: str) -> str:
    text = secrets.get_secret_value(SecretId=name).get("SecretString", "")
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f'the secret {name} is not JSON with the key "{key}": write it again') from None


def encrypt(data_key: bytes, plaintext: str) -> bytes:
    """AES-GCM as an application would write it: a format byte, a random nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(data_key).encrypt(nonce, plaintext.encode("utf-8"), None)
