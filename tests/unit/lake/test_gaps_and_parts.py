"""Proves which missing manifests are found, and what is remembered of each part of a table."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from lake_assets.completeness.gaps import Gap, filled, find_gaps, seen
from lake_assets.completeness.parts import Parts
from lake_assets.completeness.verdicts import GAP, LATE, NO_MANIFEST, Manifest, Verdict
from publisher.wire import BUCKETS, EPOCH_BITS

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
BASE = 1 << EPOCH_BITS


def manifest(low: int, high: int, base: int = BASE) -> Manifest:
    return Manifest("debts", base + low, base + high, 0, 3, 1, 7, NOW, False, 9)


def gaps(*manifests: Manifest, behind: int | None = None) -> list[tuple[int, int]]:
    found = find_gaps(manifests, behind)
    assert all((m.revision, m.events, m.digest, m.dead_letters) == (GAP, 0, 0, 0) for m in found)
    return [(m.seq_from - BASE, m.seq_to - BASE) for m in found]


def test_what_is_missing_between_what_has_come_is_a_gap_in_whatever_order_it_came() -> None:
    assert gaps(manifest(7, 9), manifest(0, 5), manifest(9, 12), manifest(20, 30)) == [(5, 7), (12, 20)]
    assert gaps(manifest(3, 5)) == [(0, 3)], "an epoch begins with its first range"
    assert gaps(manifest(3, 5), behind=BASE + 3) == []
    assert gaps(manifest(0, 5), manifest(5, 9)) == []
    assert gaps() == []


def test_what_is_missing_at_the_end_of_an_epoch_is_no_gap_and_at_the_beginning_of_the_next_it_is() -> None:
    assert gaps(manifest(0, 5), manifest(0, 4, base=BASE * 2)) == []
    assert gaps(manifest(0, 5), manifest(3, 4, base=BASE * 2)) == [(BASE, BASE + 3)]


def test_a_gap_that_shrinks_is_as_old_as_it_was_and_a_new_one_is_new() -> None:
    before = [Gap(BASE + 5, BASE + 9, NOW - timedelta(hours=1))]
    found = seen(find_gaps([manifest(0, 5), manifest(7, 9), manifest(12, 13)], None), before, NOW)
    assert [(gap.seq_from - BASE, gap.seq_to - BASE, gap.since) for gap in found] == [(5, 7, before[0].since), (9, 12, NOW)]


def test_a_gap_is_filled_by_a_manifest_within_it_and_by_no_other() -> None:
    told = Verdict("debts", BASE + 5, BASE + 9, GAP, 0, 0, NO_MANIFEST, 0, NOW)
    known = {told.range: told}
    assert filled(known, "debts", [manifest(0, 5), manifest(9, 12)]) == []
    assert filled(known, "debts", [manifest(7, 9)]) == [told.range]
    assert filled(known, "debts", [manifest(5, 9)]) == [], "that one's own verdict takes its place"
    assert filled(known, "customers", [manifest(7, 9)]) == []
    assert filled({told.range: Verdict("debts", *told.range[1:], GAP, 0, 0, LATE, 0, NOW)}, "debts", [manifest(7, 9)]) == []


def test_a_part_differs_until_it_is_compared_and_agrees_whatever_is_left_out_meanwhile() -> None:
    first = Parts.first_told(100).after((10, 11), 200, range(BUCKETS), {3, 4})
    assert (dict(first.differing), first.agreed_to[3], first.agreed_to[5]) == ({3: (10, 11), 4: (10, 11)}, 0, 10)
    second = first.after((20, 21), 300, {4, 5}, set())
    assert dict(second.differing) == {3: (10, 11)}
    assert (second.agreed_to[4], second.agreed_to[5], second.agreed_to[6]) == (20, 20, 10)
    assert (second.compared_at[3], second.compared_at[4]) == (200, 300)
    stale = second.after((30, 31), 400, {5}, {5, 6})  # silver is not what history says, also in a part that moves
    assert (dict(stale.differing), stale.agreed_to[5]) == ({3: (10, 11), 5: (30, 31), 6: (30, 31)}, 20)
    assert Parts.from_json(json.loads(json.dumps(stale.to_json()))) == stale
    assert len(json.dumps(Parts.first_told(100).after((10, 11), 200, range(BUCKETS), ()).to_json())) < 1500
