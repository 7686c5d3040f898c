"""Proves that a relay which stands still loses the lock, and one that works does not."""

from __future__ import annotations

import threading

import psycopg
import pytest

from publisher.database import Connection, connect
from publisher.outbox import try_lock
from publisher.relay.lock import wait_for_lock


def test_a_standby_ends_the_session_of_a_holder_that_stands_still_and_takes_over(captured: str) -> None:
    with connect(captured, "relay") as stopped, connect(captured, "relay") as standby:
        assert try_lock(stopped)
        assert wait_for_lock(standby, threading.Event(), 30.0, lease_seconds=1.0)
        with pytest.raises(psycopg.OperationalError):
            stopped.execute("SELECT 1")
        assert not try_lock_of_another(captured), "it was taken over"


def test_a_holder_that_asks_the_database_keeps_the_lock_for_however_long(captured: str) -> None:
    with connect(captured, "relay") as working, connect(captured, "relay") as standby:
        assert try_lock(working)
        assert not wait_for_lock(standby, threading.Event(), 3.0, lambda: asks(working), lease_seconds=1.5)


def test_a_long_statement_is_no_standing_still(captured: str) -> None:
    with connect(captured, "relay") as working, connect(captured, "relay") as standby:
        assert try_lock(working)
        asking = threading.Thread(target=working.execute, args=["SELECT pg_sleep(3)"])
        asking.start()
        assert not wait_for_lock(standby, threading.Event(), 2.5, lease_seconds=0.5)
        asking.join()
        assert working.execute("SELECT 1").fetchone() == (1,)


def asks(connection: Connection) -> None:
    connection.execute("SELECT 1")


def try_lock_of_another(url: str) -> bool:
    with connect(url, "relay") as third:
        return try_lock(third)
