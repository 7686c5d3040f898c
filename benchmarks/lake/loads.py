"""From objects to bronze: few large objects, many small ones, an increment on top, and nothing new; ours and its peers' in turn.

Belongs here: what is loaded, in which order, the table. Not here: the ways (`ways.py`), the peers' programs (`peers.py`).

Cold: from starting a process of its own until its first load is done, into a lake that has its tables already (ours) or none (theirs). Warm: the median
of the loads after it, each into a new lake, the ways in turn, so that a drift of the machine meets all of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

from pyspark.errors import PySparkException

from benchmarks.lake.aims import Aim, show, warm
from benchmarks.lake.events import Load, rules, verify
from benchmarks.lake.site import ROUNDS, SCALE, Site, make_empty_lake, peers_installed, scaled, site
from benchmarks.lake.ways import Ours, PeersProcess, Streaming, Told, Way, fields
from benchmarks.publisher.site import CONTRACTS
from publisher.contracts import load_contracts

PEERS = ("dlt", "polars + deltalake", "duckdb + deltalake")
OURS = "Pushlake"
STREAMING = "Spark streaming"
LARGE, SMALL, MORE, NOTHING = "few large", "many small", "20 more objects", "nothing new"
PATIENCE = 240.0
"""Seconds of loads after which a way has no more warm rounds than one."""


@dataclass
class Times:
    """Seconds by what was loaded, in the order of the rounds: the first is cold."""

    took: dict[str, list[float]] = field(default_factory=dict)
    mib: float = 0.0

    def add(self, what: str, seconds: float) -> None:
        self.took.setdefault(what, []).append(seconds)

    def warm(self, what: str) -> float | None:
        return warm(self.took.get(what, []))

    @property
    def enough(self) -> bool:
        """Whether it has had a warm round, and all the time that it gets."""
        return len(self.took.get(NOTHING, [])) > 1 and sum(map(sum, self.took.values())) > PATIENCE


def main() -> None:
    verify(rules())
    large = Load("large", scaled(40), scaled(1_000_000))
    small = Load("small", scaled(4000), scaled(100_000))
    more = Load("small-more", 20, 2_000, first=small.events + 1, beside=small.name)
    with site() as at:
        told = {load.name: at.put(load, keys_from=max(100, load.events // 3)) for load in (large, small)}
        ways: dict[str, Callable[[], Way]] = {OURS: lambda: Ours(at, load_contracts(CONTRACTS))}
        packages = peers_installed()
        for name in PEERS if packages else ():
            ways[name] = lambda name=name: PeersProcess(at, name, fields(), packages)  # type: ignore[misc]
        ways[STREAMING] = lambda: Streaming(at, fields())
        with closing(Ours(at, load_contracts(CONTRACTS))) as ours:
            make_empty_lake(at, ours.remote, load_contracts(CONTRACTS))
        times = _measure(at, ways, large, small, more, told)
    _print(times, large, small)


def _measure(
    at: Site, ways: dict[str, Callable[[], Way]], large: Load, small: Load, more: Load, told: dict[str, Told]
) -> dict[str, Times]:
    times = {name: Times() for name in ways}
    with ExitStack() as stack:
        running: dict[str, Way] = {}
        for turn in range(ROUNDS + 1):
            for name, start in ways.items() if turn % 2 == 0 else reversed(ways.items()):
                if times[name].enough:
                    continue
                began = time.perf_counter()
                if name not in running:
                    running[name] = start()
                    stack.callback(running[name].close)
                way, since = running[name], time.perf_counter() - began
                try:
                    _one_round(at, way, times[name], large, small, more, told, since)
                except (RuntimeError, PySparkException) as error:
                    times[name].took.clear()
                    print(f"{name} could not be run: {str(error).splitlines()[0][:200]}", flush=True)
                finally:
                    at.remove(more)
        for name, way in running.items():
            with suppress(OSError):
                times[name].mib = way.mib()
    return times


def _one_round(
    at: Site, way: Way, times: Times, large: Load, small: Load, more: Load, told: dict[str, Told], starting: float
) -> None:
    steps: list[tuple[str, Load, Told]] = [(LARGE, large, told[large.name])]
    steps += [(SMALL, small, told[small.name]), (MORE, more, []), (NOTHING, more, [])]
    for what, load, objects in steps:
        if what in (LARGE, SMALL):
            way.new_lake()
        if what == MORE:  # put now: whoever looks for himself must not have seen them before
            objects = at.put(more, keys_from=small.events // 3)
        loaded = way.load(load, objects)
        expected = load.events if objects else 0
        if loaded.rows != expected:
            raise RuntimeError(f"{what}: {loaded.rows} rows instead of {expected}")
        times.add(what, loaded.seconds + (starting if what == LARGE else 0.0))


def _print(times: dict[str, Times], large: Load, small: Load) -> None:
    print(
        f"bronze, from gzip objects in one emulator of S3 to Delta tables in it; BENCH_SCALE={SCALE:g}, median of up to {ROUNDS} warm rounds"
    )
    print(
        f"few large: {large.objects} objects, {large.events:,} events; many small: {small.objects:,} objects, {small.events:,} events"
    )
    heads = (LARGE + ", cold", LARGE, SMALL, MORE, NOTHING)
    print(f"{'seconds (theirs : ours)':26}" + "".join(f"{head:>24}" for head in heads) + f"{'peak MiB':>10}{'warm':>6}")
    ours = times[OURS]
    if not ours.took:
        sys.exit("Nothing to compare with: see above.")
    for name, each in times.items():
        if not each.took:
            continue
        cells = [(each.took[LARGE][0], ours.took[LARGE][0]), *((each.warm(what), ours.warm(what)) for what in heads[1:])]
        print(f"{name:26}" + "".join(_cell(*cell) for cell in cells) + f"{each.mib:>10,.0f}{len(each.took[NOTHING]) - 1:>6}")
    print("Ours validates, quarantines and accounts for each line, and counts the tables afterwards; the peers parse and append.")
    print(
        "The number in brackets is how many times as long as ours a peer took. Peers but dlt and Spark are told which objects are new."
    )
    show(_aims(times), SCALE)


def _aims(times: dict[str, Times]) -> list[Aim]:
    def ratio(what: str, of: str, to: str) -> float | None:
        over, under = (times[name].warm(what) if name in times else None for name in (of, to))
        return over / under if over and under else None

    dlt, polars, duckdb = PEERS
    return [
        Aim(f"{LARGE}: {dlt}'s time to ours", ratio(LARGE, dlt, OURS), 5, " times", least=True),
        Aim(f"{LARGE}: our time to {polars}'s", ratio(LARGE, OURS, polars), 1.5, " times"),
        Aim(f"{LARGE}: our time to {duckdb}'s", ratio(LARGE, OURS, duckdb), 2.5, " times"),
        Aim(f"{SMALL}: {dlt}'s time to ours", ratio(SMALL, dlt, OURS), 3, " times", least=True),
        Aim(f"{SMALL}: {STREAMING}'s time to ours", ratio(SMALL, STREAMING, OURS), 3, " times", least=True),
        Aim(NOTHING, times[OURS].warm(NOTHING), 1, " s"),
        Aim("memory of the Spark server", times[OURS].mib / 1024, 3, " GiB"),
    ]


def _cell(seconds: float | None, ours: float | None) -> str:
    if seconds is None or ours is None:
        return f"{'':>24}"
    return f"{seconds:>15.1f} ({seconds / ours:>5.2f})"


if __name__ == "__main__":
    main()
