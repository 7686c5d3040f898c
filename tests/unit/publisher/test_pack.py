"""Packing keeps the order of each partition, its limits, and one record a partition, for any events."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.manifest import ManifestEvent
from publisher.relay import pack
from publisher.relay.pack import Packed, Waiting
from publisher.wire import ReleasedEvent, manifest


def event(partition: int, seq: int, size: int = 20) -> ReleasedEvent:
    line = f"{seq}:".encode().ljust(size, b"x")
    return ReleasedEvent("debts", "update", f"k{partition}", seq, line, partition, 0)


sizes = st.lists(st.tuples(st.integers(0, 5), st.integers(10, 120)), max_size=80)


@given(sizes)
def test_all_events_leave_in_the_order_of_their_partition(given_events: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "RECORD_LIMIT", 150)
        seqs = count(1)
        events = [event(partition, next(seqs), size) for partition, size in given_events]
        waiting, sent = Waiting(), list[Packed]()
        waiting.add(events, "r1")
        while waiting.count:
            round_ = waiting.pack(busy=())
            partitions = [packed.record.partition for packed in round_]
            assert len(partitions) == len(set(partitions))
            assert round_
            sent += round_
    assert waiting.size_bytes == 0
    for packed in sent:
        assert len(packed.record.data) <= 150
        assert packed.record.data == b"".join(e.line + b"\n" for e in packed.events)
    for partition in range(6):
        found = [e.seq for packed in sent if packed.record.partition == partition for e in packed.events]
        assert found == [e.seq for e in events if e.partition == partition]


def test_a_busy_partition_gets_no_second_record() -> None:
    waiting = Waiting()
    waiting.add([event(1, 1), event(2, 2)], "r1")
    assert [packed.record.partition for packed in waiting.pack(busy={1})] == [2]
    assert waiting.count == 1


def test_what_is_under_way_is_limited_and_each_partition_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "RECORD_LIMIT", 100)
    waiting = Waiting()
    waiting.add([event(partition, seq, 99) for seq in range(3) for partition in range(10)], "r1")
    served: list[int] = []
    while waiting.count:
        round_ = waiting.pack(busy=(), room_bytes=400)
        assert sum(len(packed.record.data) for packed in round_) <= 400
        served += [packed.record.partition for packed in round_]
    assert served == list(range(10)) * 3


def test_manifests_travel_with_events_and_are_told_apart() -> None:
    from datetime import UTC, datetime

    sent = manifest(
        of="debts",
        seq_from=1,
        seq_to=9,
        revision=0,
        closed_at=datetime(2026, 1, 1, tzinfo=UTC),
        events=1,
        dead_letters=0,
        digest=5,
    )
    waiting = Waiting()
    waiting.add([event(sent.partition, 1), ManifestEvent(1, "debts", 0, sent)], "r1")
    (packed,) = waiting.pack(busy=())
    assert [e.seq for e in packed.events] == [1]
    assert [m.of for m in packed.manifests] == ["debts"]
    assert packed.record.data.splitlines()[1] == sent.line
