"""Proves that each object is registered once however it is found, and that the lake knows how far it is complete."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest

from lake_assets.completeness import complete_until, count_verdicts, verify_manifests
from lake_assets.raw.batches import Counts, advance, finish_batch, finished_below, pending_batches, read_batch
from lake_assets.raw.ledger import register
from lake_assets.transforms.events import typed_events, typed_records
from lake_assets.transforms.fields import Rules
from publisher import wire
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import START, event, line

BASE = 1 << wire.EPOCH_BITS
Lines = list[bytes]


@pytest.fixture(scope="module")
def keys(lake: Lake) -> list[str]:
    """The tests of the ledger share it: each goes on where the one before stopped."""
    hour = datetime.now(UTC).strftime("raw/%Y/%m/%d/%H/")
    keys = [f"{hour}s-1-{n}.gz" for n in range(5)]
    for key in keys:
        lake.s3.put_object(Bucket=lake.landing.bucket, Key=key, Body=gzip.compress(key.encode()))
    return keys


def test_notified_objects_become_batches_within_both_bounds(lake: Lake, keys: list[str]) -> None:
    found = register(lake.tables, lake.landing, lake.notifications, batch_objects=2)
    assert (found.new, found.by_event, found.batches) == (5, 5, (1, 2, 3))
    assert [len(read_batch(lake.tables, number).objects) for number in found.batches] == [2, 2, 1]
    assert lake.notifications.approximate_depth() == 0
    assert lake.notifications.receive() == []


def test_a_listing_finds_what_no_notification_told_of_and_says_so(lake: Lake, keys: list[str]) -> None:
    key = keys[0].replace("-0.gz", "-lost.gz")
    lake.s3.put_object(Bucket=lake.landing.bucket, Key=key, Body=b"x")
    lake.notifications.delete(lake.notifications.receive())
    found = register(lake.tables, lake.landing, lake.notifications, list_hours=1)
    assert (found.new, found.by_listing, found.known, found.batches) == (1, 1, 5, (4,))


def test_finding_nothing_changes_nothing(lake: Lake, keys: list[str]) -> None:
    before = lake.tables.version("ops", "objects")
    found = register(lake.tables, lake.landing, lake.notifications, list_hours=1)
    assert (found.new, found.batches) == (0, ())
    assert lake.tables.version("ops", "objects") == before


def test_an_event_outside_the_raw_prefix_is_not_registered(lake: Lake, keys: list[str]) -> None:
    lake.s3.put_object(Bucket=lake.landing.bucket, Key="errors/format/x.gz", Body=b"x")
    assert register(lake.tables, lake.landing, lake.notifications).new == 0


def test_batches_wait_until_they_are_finished_in_any_order(lake: Lake, keys: list[str]) -> None:
    assert pending_batches(lake.tables) == [1, 2, 3, 4]
    finish_batch(lake.tables, read_batch(lake.tables, 2), Counts(1, 1, 0, 0, True))
    assert advance(lake.tables) == 0
    assert pending_batches(lake.tables) == [1, 3, 4]
    finish_batch(lake.tables, read_batch(lake.tables, 1), Counts(1, 1, 0, 0, True))
    assert pending_batches(lake.tables) == [3, 4]
    assert advance(lake.tables) == 2 == finished_below(lake.tables)
    assert pending_batches(lake.tables) == [3, 4]


def test_the_progress_passes_a_batch_whose_run_died_after_closing_it(lake: Lake, keys: list[str]) -> None:
    finish_batch(lake.tables, read_batch(lake.tables, 3), Counts(1, 1, 0, 0, True))
    finish_batch(lake.tables, read_batch(lake.tables, 4), Counts(1, 1, 0, 0, True))
    assert advance(lake.tables) == 4 == finished_below(lake.tables)
    assert pending_batches(lake.tables) == []


def test_a_batch_that_the_ledger_does_not_have_is_an_error(lake: Lake, keys: list[str]) -> None:
    with pytest.raises(LookupError, match="no batch 77"):
        read_batch(lake.tables, 77)


class Platform:
    """What a platform sends of debts, range by range."""

    def __init__(self, lake: Lake, rules: Rules) -> None:
        self.lake, self.rules, self.batch = lake, rules, 0

    def lines(self, low: int, high: int) -> Lines:
        return [line(event(self.rules["debts"], seq % 7, BASE + seq)) for seq in range(low + 1, high + 1)]

    def manifest(self, low: int, high: int, lines: Lines, *, revision: int = 0, epoch: int = 0) -> bytes:
        return wire.manifest(
            of="debts", seq_from=(BASE << epoch) + low, seq_to=(BASE << epoch) + high, revision=revision, closed_at=closed(high),
            events=len(lines), dead_letters=0, digest=sum(map(wire.digest_of, lines)),
        ).line  # fmt: skip

    def send(self, events: Lines, manifests: Lines) -> None:
        """A batch, as bronze writes it."""
        self.batch += 1
        tables, columns = self.lake.tables, "object STRING, line STRING"
        for layer, name, lines, typed, rule in (
            ("bronze", "debts", events, typed_events, self.rules["debts"]),
            ("ops", "manifests", manifests, typed_records, self.rules[wire.MANIFEST]),
        ):
            if lines:
                frame = tables.spark.createDataFrame([("o", each.decode()) for each in lines], columns).coalesce(1)
                tables.append(layer, name, typed(frame, rule, self.batch), batch=self.batch)


def closed(high: int) -> datetime:
    return START + timedelta(minutes=high)


def test_completeness_from_the_first_range_to_a_revision_and_a_new_epoch(lake: Lake, rules: Rules) -> None:
    """One story, since each step needs the tables of the one before."""
    tables, platform = lake.tables, Platform(lake, rules)

    def verified() -> tuple[datetime | None, list[str]]:
        found = verify_manifests(tables, ["debts", "creditors"])
        assert found["creditors"].until is None
        assert complete_until(tables, "debts") == found["debts"].until
        return found["debts"].until, [verdict.verdict for verdict in found["debts"].open]

    assert verified() == (None, [])
    first, second, third = platform.lines(0, 10), platform.lines(10, 20), platform.lines(20, 30)

    # Repeats count once; a later range that agrees proves nothing while an earlier one is missing.
    platform.send([*first, *first[:3], *third], [platform.manifest(20, 30, third), platform.manifest(10, 20, second)])
    assert verified() == (None, ["missing"])
    platform.send([], [platform.manifest(0, 10, first)])
    assert verified() == (closed(10), ["missing"])
    platform.send(second, [])
    assert verified() == (closed(30), [])
    before = tables.version("ops", "completeness"), tables.version("ops", "progress")
    assert verified() == (closed(30), [])
    assert (tables.version("ops", "completeness"), tables.version("ops", "progress")) == before

    # An event that the platform did not count, and one whose content is another.
    fourth, fifth = platform.lines(30, 40), platform.lines(40, 50)
    other = line(event(rules["debts"], 41 % 7, BASE + 41, salt=5))
    platform.send([*fourth, other, *fifth[1:]], [platform.manifest(30, 40, fourth[:-1]), platform.manifest(40, 50, fifth)])
    assert verified() == (closed(30), ["extra", "contradicts"])

    # A revision counts, and mends; so it does far behind, where a dead letter was replayed late.
    platform.send([], [platform.manifest(30, 40, fourth, revision=1), platform.manifest(40, 50, [other, *fifth[1:]], revision=1)])
    assert verified() == (closed(50), [])
    late = line(event(rules["debts"], 3, BASE + 10, op="update", salt=9))
    platform.send([], [platform.manifest(0, 10, [*first, late], revision=1)])
    assert verified() == (closed(50), ["missing"])
    assert verified() == (closed(50), ["missing"])
    platform.send([late], [])
    assert verified() == (closed(50), [])

    # An empty range keeps a quiet entity fresh; an epoch begins a chain of its own; a gap within one does not.
    platform.send([], [platform.manifest(50, 60, []), platform.manifest(0, 5, [], epoch=1), platform.manifest(7, 9, [], epoch=1)])
    assert verified() == (closed(5), [])
    assert count_verdicts(tables) == {"agrees": 8}
