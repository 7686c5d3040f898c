"""The application's encryption."""

from __future__ import annotations

from datetime import date

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from demo.platform.crypto import Cipher, EncryptedDate, EncryptedInteger, EncryptedText, active_cipher
from publisher.keys import LocalKeyring

KEY = bytes(range(32))
DIALECT = postgresql.dialect()


@given(st.text())
def test_the_publisher_reads_what_the_application_wrote(text: str) -> None:
    ciphertext = Cipher(KEY).encrypt(text)
    assert ciphertext[:1] == b"\x01"
    assert len(ciphertext) == 1 + 12 + len(text.encode()) + 16
    assert Cipher(KEY).decrypt(ciphertext) == LocalKeyring(KEY, KEY).decrypt(ciphertext) == text


def test_the_same_text_never_encrypts_to_the_same_bytes() -> None:
    assert len({Cipher(KEY).encrypt("same") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [(EncryptedText(), "Zoë", "Zoë"), (EncryptedDate(), date(1961, 2, 3), "1961-02-03"), (EncryptedInteger(), 184211, "184211")],
)
def test_each_type_comes_back_as_it_went_in(kind: EncryptedText, value: object, text: str) -> None:
    with Cipher(KEY).active():
        stored = kind.process_bind_param(value, DIALECT)
        assert stored is not None
        assert Cipher(KEY).decrypt(stored) == text
        assert kind.process_result_value(stored, DIALECT) == value
        assert kind.process_bind_param(None, DIALECT) is kind.process_result_value(None, DIALECT) is None


def test_a_change_or_another_key_is_noticed() -> None:
    ciphertext = Cipher(KEY).encrypt("text")
    with pytest.raises(InvalidTag):
        Cipher(bytes(32)).decrypt(ciphertext)
    with pytest.raises(InvalidTag):
        Cipher(KEY).decrypt(ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    with pytest.raises(ValueError, match="unknown version"):
        Cipher(KEY).decrypt(b"\x02" + ciphertext[1:])
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        Cipher(bytes(16))


def test_an_encrypted_column_needs_a_cipher() -> None:
    with pytest.raises(RuntimeError, match=r"cipher\.active"):
        EncryptedText().process_bind_param("text", DIALECT)
    with Cipher(KEY).active():
        with Cipher(bytes(32)).active():
            inner = active_cipher()
        assert active_cipher() is not inner
