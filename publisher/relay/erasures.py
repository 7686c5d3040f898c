"""Erasures between two reads: what the tables forget, the relay's memory forgets too.

Belongs here: that memory. Not here: the tables (erasure/settle.py), what is judged afterwards (judging.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from publisher import deadletters
from publisher.database import Connection
from publisher.deadletters import DeadLetter
from publisher.erasure.remembered import load_erased
from publisher.erasure.settle import settle
from publisher.relay.flight import Flight
from publisher.relay.judging import Judge
from publisher.relay.pack import Waiting
from publisher.relay.releases import ReleaseSet

logger = logging.getLogger("publisher.relay")


def carry_out(
    connection: Connection, releases: ReleaseSet, flight: Flight, waiting: Waiting, judge: Judge, letters: Iterable[DeadLetter]
) -> frozenset[int]:
    """Purges what of erased persons is not on its way. Returns the numbers that went; `letters` are those not parked yet."""
    purged = settle(connection, flight.seqs)
    waiting.drop(purged)
    erased = load_erased(connection, releases.contracts, releases.keyring)
    judge.after_erasure(deadletters.dead_keys(connection), erased, (each for each in letters if each.seq not in purged))
    logger.info("erasure settled", extra={"fields": {"purged": len(purged)}})
    return purged
