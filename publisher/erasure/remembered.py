"""Who was erased, without saying who: keyed digests, so that nothing of them leaves afterwards.

Belongs here: making and asking them. Not here: what the relay does with a row of an erased person (relay/judging.py).

A backfill, a new epoch, a restore or a late write may bring up a row that an erased person still has in the platform. The digest is made under a key of the
platform's, so it tells nobody who it is, and another pseudonym key does not change it.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from publisher.contracts.model import Contract
from publisher.database import Connection
from publisher.keys import Keyring
from publisher.outbox import OutboxRow
from publisher.wire import UPSERTS


def digest_of(keyring: Keyring, namespace: str, person: str) -> bytes:
    """What stands for an erased person in the platform's database."""
    return keyring.combination(orjson.dumps(["erased", namespace, person]).decode())


class Erased:
    """The persons that were erased, of whom no row's content may leave."""

    def __init__(self, contracts: Mapping[str, Contract], keyring: Keyring, digests: frozenset[bytes] = frozenset()) -> None:
        self._namespaces = {c.entity: c.subject_namespace for c in contracts.values() if c.subject_namespace}
        self._namespaces |= {
            c.renamed_from: c.subject_namespace for c in contracts.values() if c.renamed_from and c.subject_namespace
        }
        self._keyring = keyring
        self._digests = digests

    def may_not_leave(self, row: OutboxRow) -> bool:
        """Whether the row is about an erased person and would say anything. That a row is gone may be said."""
        return row.op in UPSERTS and self.is_of(row.entity, row.subject)

    def is_of(self, entity: str, subject: str | None) -> bool:
        """Whether a row of this entity is about an erased person."""
        if not self._digests or subject is None or entity not in self._namespaces:
            return False
        return digest_of(self._keyring, str(self._namespaces[entity]), subject) in self._digests


def load_erased(connection: Connection, contracts: Mapping[str, Contract], keyring: Keyring) -> Erased:
    """All that were asked for, settled or not."""
    rows = connection.execute("SELECT DISTINCT person FROM publisher.erasures", binary=True).fetchall()
    return Erased(contracts, keyring, frozenset(bytes(row[0]) for row in rows if isinstance(row[0], bytes)))
