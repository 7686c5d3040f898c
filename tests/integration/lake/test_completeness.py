"""Proves what completeness says where there is nothing yet, or where not everything was sent yet."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from lake_assets.assets.completeness import _arrived
from lake_assets.completeness import Completeness, Parts, complete_until, count_verdicts, verify_manifests
from lake_assets.completeness.parts import state_progress
from lake_assets.raw import progress
from lake_assets.transforms.events import typed_events, typed_records
from lake_assets.transforms.fields import Rules
from publisher import wire
from publisher.wire import BUCKETS
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake
from tests.integration.lake.test_ledger_and_completeness import BASE, Lines, Platform, closed
from tests.unit.lake.make_events import START, event, line


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


def test_manifests_that_are_missing_late_doubled_or_contradicting_are_told_and_what_is_lost_is_healed_by_digests(
    lake: Lake, rules: Rules
) -> None:
    """Of customers, whom the test above leaves alone. One story, since each step needs the tables of the one before."""
    tables, now = lake.tables, START
    lines = {
        low: [line(event(rules["customers"], seq % 7, BASE + seq)) for seq in range(low + 1, low + 11)]
        for low in range(0, 60, 10)
    }
    batch = 50

    def manifest(low: int, *, revision: int = 0, events: int = 10) -> bytes:
        return wire.manifest(
            of="customers", seq_from=BASE + low, seq_to=BASE + low + 10, revision=revision, closed_at=closed(low), events=events,
            dead_letters=0, digest=sum(map(wire.digest_of, lines[low])),
        ).line  # fmt: skip

    def send(events: Lines, manifests: Lines) -> None:
        nonlocal batch
        batch += 1
        for layer, name, sent, typed, rule in (
            ("bronze", "customers", events, typed_events, "customers"), ("ops", "manifests", manifests, typed_records, wire.MANIFEST),
        ):  # fmt: skip
            if sent:
                frame = tables.spark.createDataFrame(
                    [("o", each.decode()) for each in sent], "object STRING, line STRING"
                ).coalesce(1)
                tables.append(layer, name, typed(frame, rules[rule], batch), batch=batch)

    def after(minutes: int) -> Completeness:
        nonlocal now
        now += timedelta(minutes=minutes)
        return verify_manifests(tables, ["customers"], now)["customers"]

    def told(found: Completeness) -> list[tuple[int, int, str]]:
        return [(v.seq_from - BASE, v.seq_to - BASE, v.verdict) for v in found.open]

    # Missing, and then late. A manifest that comes twice with the same content is no matter.
    send([*lines[0], *lines[20]], [manifest(0), manifest(20), manifest(20)])
    found = after(0)
    assert (told(found), [gap.range for gap in found.awaited]) == ([], [(BASE + 10, BASE + 20)]), "each partition has its own way"
    found = after(15)
    assert (told(found), found.awaited, found.seq) == ([(10, 20, "no manifest")], (), BASE + 10)
    description = _arrived("customers", found).description or ""
    assert (
        f"customers ({BASE + 10}, {BASE + 20}] closed before {closed(20):%Y-%m-%d %H:%M:%S}: no manifest, 0 events came"
        in description
    )
    send(lines[10], [manifest(10)])
    assert (told(after(1)), after(0).seq) == ([], BASE + 30)
    assert "no manifest" not in count_verdicts(tables), "its own verdict took the place"

    # Contradicting: one range and revision with two contents, although bronze agrees with one of them. A revision settles it.
    send([], [manifest(20, events=9)])
    found = after(1)
    assert (told(found), found.seq) == ([(20, 30, "contradicts")], BASE + 30)
    assert told(after(1)) == [(20, 30, "contradicts")], "and it stays"
    send([], [manifest(20, revision=1)])
    assert told(after(1)) == []

    # Lost: events of one range, and the manifest with the events of the next. Digests are compared beyond it once nothing more comes.
    send([*lines[30][:4], *lines[50]], [manifest(30), manifest(50)])
    found = after(1)
    assert (told(found), found.known) == ([(30, 40, "missing")], BASE + 30)
    assert told(after(15)) == [(30, 40, "missing"), (40, 50, "no manifest")]
    found = after(60)
    assert (told(found), found.seq, found.known) == ([(30, 40, "missing"), (40, 50, "no manifest")], BASE + 30, BASE + 60)

    # Digests that agree as of a position before its end heal nothing; a part that none has compared neither.
    def agree(low: int, compared: range) -> None:
        parts = (
            Parts.first_told(1)
            .after((BASE + low, BASE + low + 1), 1, range(BUCKETS), ())
            .after((BASE + 55, BASE + 56), 2, compared, ())
        )
        progress.write(tables, state_progress("customers"), note=json.dumps({"parts": parts.to_json()}))

    agree(39, range(255))
    assert told(after(1)) == [(30, 40, "missing"), (40, 50, "no manifest")]
    agree(45, range(255))
    assert told(after(1)) == [(40, 50, "no manifest")]
    agree(45, range(BUCKETS))
    found = after(1)
    assert (told(found), found.seq, found.until) == ([], BASE + 60, closed(50))
    assert found.healed == (BASE + 40, BASE + 50, BASE + 55)
    assert f"what was lost of ({BASE + 40}, {BASE + 50}] is healed" in (_arrived("customers", after(1)).description or "")
    assert count_verdicts(tables)["healed"] == 2
    send(lines[30], [])
    assert told(after(1)) == [], "what comes after all does no harm"
