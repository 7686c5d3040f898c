"""The two keys that only the platform holds: one opens its encrypted columns, one makes pseudonyms.

Belongs here: getting and using keys. Not here: which column is encrypted (the contract), what is derived (release.py).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError
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
KEY_BYTES = 32
UNUSABLE = frozenset(
    {"ResourceNotFoundException", "AccessDeniedException", "InvalidCiphertextException", "NotFoundException", "DisabledException"}
)
"""Answers of KMS and Secrets Manager that repeating does not change."""


class Keyring(Protocol):
    """What the release needs of keys."""

    def decrypt(self, ciphertext: bytes) -> str:
        """The plain text. Raises RuleBroken, without a value, when it cannot be opened."""
        ...

    def pseudonym(self, namespace: str, value: str) -> str:
        """32 lower-case hex digits, the same for the same namespace and value."""
        ...

    def combination(self, text: str) -> bytes:
        """16 bytes that stand for a combination of values in the platform's own database."""
        ...


class LocalKeyring:
    """Both keys in memory: what tests use, and what AwsKeyring becomes once it has fetched them."""

    def __init__(self, data_key: bytes, pseudonym_key: bytes) -> None:
        self._cipher = AESGCM(data_key)
        self._pseudonym_key = pseudonym_key
        self._combination_key = hmac.digest(data_key, b"combinations of k-groups", "sha256")
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

    def combination(self, text: str) -> bytes:
        """See Keyring. Under a key of its own, made from the data key: another pseudonym key changes nothing here."""
        return hmac.digest(self._combination_key, text.encode(), "sha256")[:PSEUDONYM_BYTES]

    def _pseudonym(self, namespace: str, value: str) -> str:
        try:
            message = f"{namespace}:{value}".encode()
        except UnicodeEncodeError:
            raise RuleBroken("an id that is no valid text") from None
        return hmac.digest(self._pseudonym_key, message, "sha256")[:PSEUDONYM_BYTES].hex()


def aws_keyring(kms: KMSClient, secrets: SecretsManagerClient, *, data_key_secret: str, pseudonym_secret: str) -> LocalKeyring:
    """Fetches both keys: the data key wrapped by KMS, the pseudonym key as it is. Raises SettingsError for an unusable secret."""
    wrapped = _secret(secrets, data_key_secret, "wrapped")
    try:
        data_key = kms.decrypt(CiphertextBlob=wrapped)["Plaintext"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNUSABLE:
            raise
        raise SettingsError(
            f"KMS does not unwrap the secret {data_key_secret}: wrap the data key with a key of this account"
        ) from None
    pseudonym_key = _secret(secrets, pseudonym_secret, "key")
    for name, key in ((data_key_secret, data_key), (pseudonym_secret, pseudonym_key)):
        if len(key) != KEY_BYTES:
            raise SettingsError(f"the secret {name} holds a key of {len(key)} bytes: make one of {KEY_BYTES}")
    return LocalKeyring(data_key, pseudonym_key)


def _secret(secrets: SecretsManagerClient, name: str, key: str) -> bytes:
    try:
        text = secrets.get_secret_value(SecretId=name).get("SecretString", "")
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNUSABLE:
            raise
        raise SettingsError(
            f"there is no secret {name} that may be read: create it, or correct its name and the role's rights"
        ) from None
    try:
        return base64.b64decode(json.loads(text)[key], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise SettingsError(f'the secret {name} is not JSON with "{key}" in base64: write it again') from None


def encrypt(data_key: bytes, plaintext: str) -> bytes:
    """AES-GCM as an application would write it: a format byte, a random nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(data_key).encrypt(nonce, plaintext.encode("utf-8"), None)
