"""The relay: moves outbox rows to the stream, in order per key, losing none.

The path through this package: judging.py makes events of rows or parks them, pack.py joins the events of a partition into one record, flight.py holds
what is on its way, bookkeeping.py commits what is known of it, loop.py
drives them, telling.py says what they did.
"""

from publisher.relay.lock import wait_for_lock
from publisher.relay.loop import Relay, Until
from publisher.relay.releases import ReleaseSet, load_release_set
from publisher.relay.telling import Summary

__all__ = ["Relay", "ReleaseSet", "Summary", "Until", "load_release_set", "wait_for_lock"]
