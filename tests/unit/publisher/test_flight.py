"""Failed records alone are put again, later each time, and what was acknowledged is reported once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from publisher.relay import flight
from publisher.relay.flight import Flight
from publisher.relay.pack import Packed, packed_of
from publisher.sinks import Failure, MemorySink, Record


def record(partition: int) -> Packed:
    return packed_of(partition, "r1", [], [b"%d" % partition])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(flight, "BACKOFF_FIRST_SECONDS", 0.0)
    return


def test_only_failed_records_are_put_again(quick: None) -> None:
    failing = {2: 3}

    def fault(one: Record) -> str | None:
        failing[one.partition] = failing.get(one.partition, 0) - 1
        return "Throttled" if failing[one.partition] >= 0 else None

    sink = MemorySink(fault)
    on_way = Flight(sink)
    on_way.add([record(1), record(2), record(3)])
    done: list[int] = []
    while on_way.partitions:
        on_way.start()
        done += [packed.record.partition for packed in on_way.finish(5) or []]
    on_way.shut()
    assert done == [1, 3, 2]
    assert sink.puts == [3, 1, 1, 1]
    assert (on_way.retries, on_way.reasons, on_way.size_bytes) == (3, {"Throttled": 3}, 0)


def test_a_failed_record_waits_for_its_turn_while_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight.random, "uniform", lambda _low, high: high)
    monkeypatch.setattr(flight, "BACKOFF_FIRST_SECONDS", 60.0)
    monkeypatch.setattr(flight, "BACKOFF_MOST_SECONDS", 60.0)
    on_way = Flight(MemorySink(lambda one: "Throttled" if one.partition == 1 else None))
    on_way.add([record(1), record(2)])
    on_way.start()
    assert [packed.record.partition for packed in on_way.finish(5) or []] == [2]
    assert not on_way.start()
    assert 50 < (on_way.seconds_to_next() or 0) <= 60
    on_way.add([record(2)])
    assert on_way.start()
    assert [packed.record.partition for packed in on_way.finish(5) or []] == [2]
    assert on_way.partitions == {1}
    on_way.shut()


def test_a_put_that_runs_is_not_disturbed() -> None:
    leave = threading.Event()

    class Slow(MemorySink):
        def put(self, records: Sequence[Record]) -> list[Failure]:
            leave.wait(10)
            return super().put(records)

    on_way = Flight(Slow())
    on_way.add([record(1)])
    assert on_way.start()
    on_way.add([record(2)])
    assert on_way.finish(0.01) is None
    assert not on_way.start()
    leave.set()
    assert [packed.record.partition for packed in on_way.finish(5) or []] == [1]
    on_way.shut()


def test_backoff_grows_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    ceilings: list[float] = []
    monkeypatch.setattr(flight.random, "uniform", lambda _low, high: ceilings.append(high) or 0.0)
    on_way = Flight(MemorySink(lambda _: "InternalFailure"))
    on_way.add([record(1)])
    for _ in range(12):
        on_way.start()
        on_way.finish(5)
    on_way.shut()
    assert ceilings == sorted(ceilings)
    assert ceilings[0] == pytest.approx(0.1)
    assert ceilings[-1] == flight.BACKOFF_MOST_SECONDS
