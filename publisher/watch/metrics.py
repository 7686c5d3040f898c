"""The relay's metrics in Prometheus' form, made of its vitals when they are asked for: the loop itself never meets the library.

Belongs here: names, meanings, labels. Not here: counting (vitals.py), serving (server.py). Labels are entities of contracts, cloud error codes, the reasons of dead
letters, and states: never a value or a key, and never more than a few dozen.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from publisher.watch.vitals import PAGE_BOUNDS_SECONDS, State, Vitals


class VitalsCollector(Collector):
    """Reads the vitals at each scrape."""

    def __init__(self, vitals: Vitals, limit_seconds: float) -> None:
        self._vitals = vitals
        self._limit = limit_seconds

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        yield from _relay(self._vitals)
        yield from _outbox(self._vitals, self._limit)
        yield from _stream(self._vitals)


def registry(vitals: Vitals, limit_seconds: float) -> CollectorRegistry:
    """The relay's metrics and the process's own: memory, processor time, open files."""
    made = CollectorRegistry(auto_describe=False)
    made.register(VitalsCollector(vitals, limit_seconds))
    ProcessCollector(registry=made)
    return made


def _relay(v: Vitals) -> Iterator[Metric]:
    state = GaugeMetricFamily("publisher_relay_state", "1 for what the relay does now, 0 for the others.", labels=["state"])
    for each in State:
        state.add_metric([each.value], float(v.state is each))
    yield state
    yield GaugeMetricFamily("publisher_epoch", "The epoch: the high bits of every position.", value=v.epoch)
    yield GaugeMetricFamily(
        "publisher_loop_idle_seconds", "Since the loop last came round.", value=time.monotonic() - v.turned_at
    )
    yield CounterMetricFamily("publisher_sessions_lost", "Database sessions that ended by themselves.", value=v.sessions_lost)
    pages = list(accumulate(v.pages))
    bounds = [*map(str, PAGE_BOUNDS_SECONDS), "+Inf"]
    yield HistogramMetricFamily(
        "publisher_release_page_seconds", "Decrypting, deriving and releasing one page of at most 8,000 rows.",
        buckets=list(zip(bounds, map(float, pages), strict=True)), sum_value=v.page_seconds,
    )  # fmt: skip


def _outbox(v: Vitals, limit: float) -> Iterator[Metric]:
    yield GaugeMetricFamily("publisher_oldest_limit_seconds", "PUBLISHER_OLDEST_LIMIT.", value=limit)
    look, now = v.outlook, time.monotonic()
    if look is None:
        return
    oldest = look.oldest_now(now)
    if oldest is not None:
        yield GaugeMetricFamily(
            "publisher_oldest_unsent_seconds", "Age of the oldest event that waits in the outbox.", value=oldest
        )
    if look.rows is not None:
        yield GaugeMetricFamily("publisher_outbox_rows", "Rows that wait, counted up to 100,000.", value=look.rows)
    yield GaugeMetricFamily("publisher_outbox_bytes", "The outbox on disk, with its indexes.", value=look.disk_bytes)
    yield GaugeMetricFamily(
        "publisher_oldest_transaction_seconds",
        "The database server's oldest open transaction or snapshot.",
        value=look.transaction_seconds,
    )
    yield GaugeMetricFamily("publisher_outbox_look_age_seconds", "Since the outbox was last looked at.", value=now - look.at)
    yield GaugeMetricFamily(
        "publisher_dead_letters_open", "Dead letters and what waits behind them, counted up to 10,000.", value=look.letters
    )
    yield GaugeMetricFamily("publisher_manifests_unacknowledged", "Closed manifests that have not arrived.", value=look.manifests)


def _stream(v: Vitals) -> Iterator[Metric]:
    yield _by("publisher_events_sent", "Acknowledged events.", "entity", v.events)
    yield _by("publisher_bytes_sent", "Bytes of their lines.", "entity", v.bytes)
    yield CounterMetricFamily("publisher_records_sent", "Acknowledged stream records.", value=v.records)
    yield CounterMetricFamily("publisher_manifests_sent", "Acknowledged manifests.", value=v.manifests)
    yield CounterMetricFamily("publisher_events_repeated", "Events of predecessors' claims, put again.", value=v.repeated)
    yield _by("publisher_record_retries", "Records that were refused and are put again.", "reason", v.retries)
    yield _by("publisher_dead_letters", "Rows parked.", "reason", v.dead_letters)
    failing = GaugeMetricFamily("publisher_partitions_failing", "Partitions whose last record was refused.", labels=["reason"])
    for reason, number in list(v.failing.items()):
        failing.add_metric([reason], number)
    yield failing


def _by(name: str, meaning: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for key, number in list(counts.items()):
        family.add_metric([key], number)
    return family
