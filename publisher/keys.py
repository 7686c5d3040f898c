"""The two keys that only the platform holds: one opens its encrypted columns, one makes pseudonyms.

Belongs here: getting and using keys. Not here: which column is encrypted (the contract), what is derived (release.py).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

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

    def __init__(self, data_key: bytes, pseudonym_keys: bytes | Mapping[int, bytes], version: int = 1) -> None:
        """Raises SettingsError where there is no pseudonym key of this version."""
        keys = {1: pseudonym_keys} if isinstance(pseudonym_keys, bytes) else dict(pseudonym_keys)
        if version not in keys:
            raise SettingsError(
                f"there is no pseudonym key of version {version}, which the contracts name, but {', '.join(map(str, sorted(keys)))}: "
                "`publisher keys rotate --make` makes the next one"
            )
        self.version = version
        self._data_key, self._keys = data_key, keys
        self._cipher = AESGCM(data_key)
        self._pseudonym_key = keys[version]
        self._combination_key = hmac.digest(data_key, b"combinations of k-groups", "sha256")
        self.pseudonym = lru_cache(maxsize=65_536)(self._pseudonym)  # foreign keys repeat

    def under(self, version: int) -> LocalKeyring:
        """The same keys, with codes under another version. Raises SettingsError where there is none."""
        return self if version == self.version else LocalKeyring(self._data_key, self._keys, version)

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
    pseudonym_keys = read_pseudonym_keys(secrets, pseudonym_secret)
    for name, key in ((data_key_secret, data_key), *((pseudonym_secret, key) for key in pseudonym_keys.values())):
        if len(key) != KEY_BYTES:
            raise SettingsError(f"the secret {name} holds a key of {len(key)} bytes: make one of {KEY_BYTES}")
    return LocalKeyring(data_key, pseudonym_keys, max(pseudonym_keys))


def read_pseudonym_keys(secrets: SecretsManagerClient, name: str) -> dict[int, bytes]:
    """Every version of the pseudonym key. The secret is `{"keys": {"1": …, "2": …}}` in base64, or `{"key": …}` where there is only the first."""
    held = _read(secrets, name)
    try:
        each = held["keys"] if "keys" in held else {"1": held["key"]}
        keys = {int(version): base64.b64decode(key, validate=True) for version, key in each.items()}
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        keys = {}
    if not keys:
        raise SettingsError(f'the secret {name} is not JSON with "key", or "keys" by version, in base64: write it again')
    return keys


def add_pseudonym_key(secrets: SecretsManagerClient, name: str) -> int:
    """Makes the next version and keeps it beside the others; which one it is. Raises ClientError where the role may not write the secret."""
    keys = read_pseudonym_keys(secrets, name)
    version = max(keys) + 1
    keys[version] = os.urandom(KEY_BYTES)
    held = {"keys": {str(number): base64.b64encode(key).decode() for number, key in sorted(keys.items())}}
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(held))
    return version


def _secret(secrets: SecretsManagerClient, name: str, key: str) -> bytes:
    held = _read(secrets, name)
    try:
        return base64.b64decode(held[key], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise SettingsError(f'the secret {name} is not JSON with "{key}" in base64: write it again') from None


def _read(secrets: SecretsManagerClient, name: str) -> dict[str, Any]:
    try:
        text = secrets.get_secret_value(SecretId=name).get("SecretString", "")
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNUSABLE:
            raise
        raise SettingsError(
            f"there is no secret {name} that may be read: create it, or correct its name and the role's rights"
        ) from None
    try:
        held = json.loads(text)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise SettingsError(f"the secret {name} is not JSON: write it again")
    return held


def encrypt(data_key: bytes, plaintext: str) -> bytes:
    """AES-GCM as an application would write it: a format byte, a random nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(data_key).encrypt(nonce, plaintext.encode("utf-8"), None)
