"""Repeats what a predecessor had on its way: the same rows in the same records, under the same release.

Belongs here: claims that were left. Not here: making claims (bookkeeping.py).
"""

from __future__ import annotations

import logging

from publisher import outbox
from publisher.database import Connection
from publisher.errors import PermanentError
from publisher.relay.judging import event_of
from publisher.relay.pack import Packed, packed_of
from publisher.relay.releases import ReleaseSet, former_release
from publisher.release import Release

logger = logging.getLogger("publisher.relay")


def recover(connection: Connection, current: ReleaseSet) -> list[Packed]:
    """The records of all left claims. A row that cannot be released any more is left to be judged like any other."""
    claims = [claim for claim in outbox.load_claims(connection) if claim.seqs]
    rows = {row.seq: row for row in outbox.rows_of(connection, [seq for claim in claims for seq in claim.seqs])}
    releases: dict[str, Release] = {current.digest: current.release}
    packed: list[Packed] = []
    for claim in claims:
        if claim.release not in releases:
            releases[claim.release] = former_release(connection, claim.release, current.keyring)
        events = []
        for seq in claim.seqs:
            if seq not in rows:
                continue
            try:
                events.append(event_of(releases[claim.release], rows[seq]))
            except PermanentError:
                logger.warning("a claimed row cannot be released any more", extra={"fields": {"seq": seq}})
        if events:
            packed.append(packed_of(claim.partition, claim.release, events, [event.line for event in events]))
    return packed
