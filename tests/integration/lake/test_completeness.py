"""Proves what completeness says where there is nothing yet, or where not everything was sent yet."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import SparkSession

from lake_assets.completeness import Completeness, complete_until, verify_manifests
from lake_assets.transforms.fields import Rules
from publisher import wire
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake
from tests.integration.lake.test_ledger_and_completeness import BASE, Lines, Platform, closed


def test_a_lake_that_has_no_tables_yet_is_complete_up_to_nothing(spark: SparkSession, lake_uri: str) -> None:
    """The check looks at each tick, and its first may come before the first batch."""
    assert verify_manifests(LakeTables(spark, lake_uri), ["debts"]) == {"debts": Completeness("debts", None, None, 0, ())}


def test_nothing_new_is_proven_while_a_backfill_is_due_and_all_of_it_once_it_has_ended(lake: Lake, rules: Rules) -> None:
    """One story, since each step needs the tables of the one before."""
    platform = Platform(lake, rules)

    def manifest(low: int, high: int, lines: Lines, *, due: bool, base: int = BASE) -> bytes:
        return wire.manifest(
            of="debts", seq_from=base + low, seq_to=base + high, revision=0, closed_at=closed(high), events=len(lines),
            dead_letters=0, digest=sum(map(wire.digest_of, lines)), backfill_due=due,
        ).line  # fmt: skip

    def verified() -> tuple[datetime | None, bool]:
        found = verify_manifests(lake.tables, ["debts"])["debts"]
        assert complete_until(lake.tables, "debts") == found.until
        return found.until, found.backfill_due

    def sent(low: int, high: int, *, due: bool) -> tuple[datetime | None, bool]:
        lines = platform.lines(low, high)
        platform.send(lines, [manifest(low, high, lines, due=due)])
        return verified()

    # Installed on a table that has rows.
    assert sent(0, 10, due=True) == (None, True)
    assert verified() == (None, True), "nothing new came, and it is still due"

    # What is missing from before the backfill is a gap all the same: a delete comes with no backfill.
    second = platform.lines(10, 20)
    platform.send([], [manifest(10, 20, second, due=True)])
    assert sent(20, 30, due=False) == (None, True)
    platform.send(second, [])
    assert verified() == (closed(30), False)

    # The table was rewritten: what was proven stays proven, and nothing more is, until all was sent again.
    assert sent(30, 40, due=True) == (closed(30), True)
    assert sent(40, 50, due=False) == (closed(50), False)

    # So it is in a new epoch. Of two manifests of a range, one of them repeated after the backfill became due, that one counts.
    base = BASE << 1
    platform.send([], [manifest(0, 60, [], due=each, base=base) for each in (False, True, False)])
    assert verified() == (closed(50), True)
    platform.send([], [manifest(60, 70, [], due=False, base=base)])
    assert verified() == (closed(70), False)
