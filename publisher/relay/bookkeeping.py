"""What the relay commits: claims before a put, acknowledgements after it, in one transaction a round.

Belongs here: that transaction. Not here: its statements (outbox.py, manifest.py, deadletters.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from publisher import deadletters, manifest, outbox
from publisher.database import Connection
from publisher.deadletters import DeadLetter
from publisher.outbox import Claim
from publisher.relay.pack import Packed
from publisher.wire import REPORTS


def commit_round(
    connection: Connection,
    *,
    done: Sequence[Packed],
    letters: Sequence[DeadLetter],
    claimed: Sequence[Packed],
    dropped: Sequence[int] = (),
) -> None:
    """Deletes and counts what arrived, parks what cannot leave, forgets what an erasure forbids, and claims what is put next.

    One commit, flushed: until it returns, nothing of `claimed` may be put.
    """
    if not (done or letters or claimed or dropped):
        return
    with connection.transaction():
        events = [event for packed in done for event in packed.events]
        outbox.delete(connection, [*(event.seq for event in events), *dropped])
        manifest.count(connection, [event for event in events if event.entity not in REPORTS])
        manifest.mark_sent(connection, [m for packed in done for m in packed.manifests])
        deadletters.park(connection, letters)
        again = {packed.record.partition for packed in claimed}
        outbox.drop_claims(connection, [p.record.partition for p in done if p.record.partition not in again])
        outbox.store_claims(
            connection,
            [Claim(packed.record.partition, packed.release, tuple(e.seq for e in packed.events)) for packed in claimed],
        )
