"""Who was erased, without saying who: the form in which the lake remembers codes, and recognising them in bytes.

Belongs here: the digest, and looking for codes. Not here: where (bodies.py, proof.py), the table (requests.py).

A code is 128 bits of HMAC under a key of the platform's: its SHA-256 leads nobody back to it, and still tells that a code which comes is the one
that went. So nothing of an erased person is written down to erase them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pyspark.sql import Column
from pyspark.sql import functions as sf

from publisher.wire import DELETES

PERSON = "@"
"""Stands where a row's digest has its entity: no entity has this name."""

CODE = re.compile("[0-9a-f]{32}")
TOKEN = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
"""How every pseudonym looks (publisher: 128 bits, lower-case hex)."""


def person_digest(code: str) -> str:
    """What stands for a person."""
    return hashlib.sha256(f"{PERSON}:{code}".encode()).hexdigest()


def row_digest(entity: str, key: str) -> str:
    """What stands for a row of an entity."""
    return hashlib.sha256(f"{entity}:{key}".encode()).hexdigest()


def digest_column(of: str, code: Column) -> Column:
    """The same in Spark; `of` is PERSON or the entity. Null for a null."""
    return sf.sha2(sf.concat(sf.lit(f"{of}:"), code), 256)


def is_theirs(op: str, seq: int, upto: int) -> bool:
    """Whether an event of a code that was erased up to a position goes: all until then, and what only says later that the row is gone.

    A later write is of a person who came back: the platform would not send it otherwise.
    """
    return seq <= upto or op in DELETES


@dataclass(frozen=True)
class Codes:
    """Codes to look for, with the position up to which each is erased.

    `known` are those that bronze still named; `persons` and `rows` are digests of those that it named no more, since an earlier try took them out or they
    never came through: those are found by digesting every code that is met, which is slower.
    """

    known: Mapping[str, int]
    persons: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    entities: tuple[str, ...] = ()

    def without(self, codes: Iterable[str]) -> Codes:
        """The same, but some of the known ones: of persons who came back."""
        left = set(codes)
        return replace(self, known={code: upto for code, upto in self.known.items() if code not in left})

    def among(self, tokens: Iterable[str]) -> dict[str, int]:
        """Those of `tokens` that are looked for, each with its position."""
        found: dict[str, int] = {}
        for token in set(tokens):
            upto = self.known.get(token)
            if upto is None and self.persons:
                upto = self.persons.get(person_digest(token))
            if upto is None and self.rows:
                upto = next((self.rows[d] for e in self.entities if (d := row_digest(e, token)) in self.rows), None)
            if upto is not None:
                found[token] = upto
        return found

    def in_bytes(self, body: bytes) -> dict[str, int]:
        """Those that stand in `body`."""
        return self.among(token.decode() for token in set(TOKEN.findall(body)))
