"""How the application encrypts fields: AES-256-GCM, and SQLAlchemy types that do it on the way in and out.

Belongs here: the format of a ciphertext and the column types. Not here: where the data key comes from (demo.cloud.provision).

A ciphertext is one byte of version (1), a nonce of 12 random bytes, then the ciphertext with its tag. Dates are encrypted as
ISO 8601 text, integers as decimal text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32


class Cipher:
    """Encrypts and decrypts with one data key."""

    def __init__(self, data_key: bytes) -> None:
        if len(data_key) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes, not {len(data_key)}")
        self._aead = AESGCM(data_key)

    def encrypt(self, plaintext: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._aead.encrypt(nonce, plaintext.encode(), None)

    def decrypt(self, ciphertext: bytes) -> str:
        """Raises ValueError for an unknown version, cryptography's InvalidTag for another key or a damaged ciphertext."""
        if ciphertext[:1] != VERSION:
            raise ValueError("the ciphertext has an unknown version")
        return self._aead.decrypt(ciphertext[1 : 1 + NONCE_BYTES], ciphertext[1 + NONCE_BYTES :], None).decode()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Makes this the cipher of the encrypted columns within the block, in this thread or task."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)


_active: ContextVar[Cipher | None] = ContextVar("cipher", default=None)


def active_cipher() -> Cipher:
    """The cipher of the surrounding `Cipher.active()` block; raises RuntimeError outside of one."""
    cipher = _active.get()
    if cipher is None:
        raise RuntimeError("an encrypted column was used outside of `with cipher.active():`")
    return cipher


class Encrypted(TypeDecorator[Any]):
    """The base of the encrypted column types; stored as bytea."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else active_cipher().encrypt(self.to_text(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.from_text(active_cipher().decrypt(bytes(value)))

    @staticmethod
    def to_text(value: Any) -> str:
        return str(value)

    @staticmethod
    def from_text(text: str) -> Any:
        return text


class EncryptedText(Encrypted):
    """An encrypted `str`."""

    cache_ok = True


class EncryptedDate(Encrypted):
    """An encrypted `date`."""

    cache_ok = True

    @staticmethod
    def to_text(value: date) -> str:
        return value.isoformat()

    @staticmethod
    def from_text(text: str) -> date:
        return date.fromisoformat(text)


class EncryptedInteger(Encrypted):
    """An encrypted `int`."""

    cache_ok = True

    @staticmethod
    def from_text(text: str) -> int:
        return int(text)
