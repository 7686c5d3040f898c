"""Whether finding and bronze cost more in a lake with history: the same increments into a small lake and into a large one, in turn.

Belongs here: the two lakes, the rounds, the ratio. Not here: what a run does (`ways.py`), the rows (`synthetic.py`).

The large one has a million objects of a year in its ledger and 50 million events in bronze, of a thousand batches that compaction has joined to a few files a
table; each table still knows the transaction id of every batch. Its codes take little room, since no step reads them.
"""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from benchmarks.lake.aims import Aim, say, show
from benchmarks.lake.events import SHARES, Load, rules, verify
from benchmarks.lake.site import ROUNDS, SCALE, Site, make_empty_lake, scaled, site
from benchmarks.lake.synthetic import Numbers, bronze, numbers, rows_of
from benchmarks.lake.ways import Loaded, Ours
from benchmarks.publisher.site import CONTRACTS
from lake_assets.raw import progress
from lake_assets.raw.batches import FINISHED
from publisher.contracts import Contract, load_contracts
from resources.tables import LakeTables, transaction
from tests.faults.lake_proxy import proxied

OBJECTS, EVENTS = 20, 2_000
FIRST = 100_000_000


@dataclass(frozen=True)
class History:
    """What a lake has behind it."""

    name: str
    objects: int
    events: int
    batches: int
    days: int
    files: int
    """Of one bronze table."""


SMALL = History("small", 1_000, 50_000, 1, 1, 1)
LARGE = History("large", scaled(1_000_000), scaled(50_000_000), scaled(1_000), 365, 16)


def main() -> None:
    verify(rules())
    contracts = load_contracts(CONTRACTS)
    took: dict[str, list[Loaded]] = {SMALL.name: [], LARGE.name: []}
    calls: dict[str, Counter[str]] = {}
    with site() as at:
        with closing(Ours(at, contracts)) as ours:
            make_empty_lake(at, ours.remote, contracts)
            lakes = {each.name: _lake_with(at, ours, contracts, each) for each in (SMALL, LARGE)}
            for turn in range(2 * ROUNDS + 1):
                for name in lakes if turn % 2 else reversed(lakes):
                    took[name].append(_increment(at, ours, lakes[name], f"{name}-{turn}", turn))
                    laps = ", ".join(f"{lap} {seconds:.1f}" for lap, seconds in took[name][-1].laps.items())
                    say(f"round {turn} of the {name} lake: {laps} s")
            mib = ours.mib()
        with proxied(int(at.env["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])) as proxy:
            counted = replace(at, env={**at.env, "AWS_ENDPOINT_URL": proxy.endpoint_url})
            os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint_url  # the run itself reads the tables' logs; the site puts this back
            with closing(Ours(counted, contracts, "counted")) as ours:
                for turn in (100, 101):  # the first reads the logs, as every server once does
                    for name in lakes:
                        say(f"calls of the {name} lake")
                        before = proxy.requests.copy()
                        loaded = _increment(counted, ours, lakes[name], f"{name}-{turn}", turn)
                        calls[name] = Counter(proxy.requests - before) + Counter(loaded.calls)
    _print(took, calls, mib)


def _lake_with(at: Site, ours: Ours, contracts: Mapping[str, Contract], past: History) -> str:
    """A lake with a ledger, closed batches, and bronze."""
    say(f"making the {past.name} lake")
    ours.new_lake()
    with ours.lake.tables(f"bench/ledger/{past.name}") as tables:
        _write(tables, "ops", "objects", _ledger(tables, past))
        _write(tables, "ops", "batches", _closed(tables, past))
        progress.write(tables, FINISHED, position=past.batches)

    def fill(entity: str) -> None:
        with ours.lake.tables(f"bench/{past.name}/{entity}") as tables:
            count = max(1, past.events * SHARES[entity] // 100)
            made = replace(Numbers(rows_of(past.events // 3)).of(entity), compressible=True)
            batch = f"1 + (id - 1) * {past.batches} DIV {count}"
            events = bronze(
                numbers(tables.spark, 1, count, past.files), rules()[entity], contracts[entity], made,
                landed=f"concat('raw/past/', CAST((id - 1) * {past.objects} DIV {count} AS STRING))", batch=batch,
            )  # fmt: skip
            _write(tables, "bronze", entity, events)
            _remember_ids(at, ours.uri, entity, past.batches)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, SHARES))
    return ours.uri


def _ledger(tables: LakeTables, past: History) -> object:
    day = f"date_sub(DATE '2026-11-24', CAST({past.days - 1} - (id - 1) * {past.days} DIV {past.objects} AS INT))"
    return (
        numbers(tables.spark, 1, past.objects, 2)
        .selectExpr(
            f"{day} AS day", f"1 + (id - 1) * {past.batches} DIV {past.objects} AS _batch", "id",
        )
        .selectExpr(
            "concat('raw/', date_format(day, 'yyyy/MM/dd'), '/04/platform-events-1-', uuid(), '.gz') AS object", "md5(CAST(id AS STRING)) AS etag",
            "20000L AS size_bytes", "day", "timestamp_seconds(unix_date(day) * 86400L + 4 * 3600L) AS hour", "'event' AS found_by",
            "current_timestamp() AS found_at", "_batch",
        )
    )  # fmt: skip


def _closed(tables: LakeTables, past: History) -> object:
    sums = ("bytes", "read", "bronze", "manifests", "quarantined", "erased")
    return numbers(tables.spark, 1, past.batches, 1).selectExpr(
        "id AS _batch", f"{past.objects // past.batches}L AS objects", *(f"0L AS {name}" for name in sums),
        "true AS conserved", "current_timestamp() AS finished_at",
    )  # fmt: skip


def _write(tables: LakeTables, layer: str, name: str, frame: object) -> None:
    frame.write.format("delta").mode("append").save(tables.path(layer, name))  # type: ignore[attr-defined]


def _remember_ids(at: Site, uri: str, entity: str, batches: int) -> None:
    """One more commit, with the transaction id of every batch: what appends batch by batch would have left in the log."""
    actions = [
        {"txn": {"appId": transaction("bronze", entity, 0, batch), "version": 0, "lastUpdated": 1_795_000_000_000}}
        for batch in range(1, batches + 1)
    ]
    bucket, prefix = uri.removeprefix("s3://").split("/", 1)
    body = "\n".join(json.dumps(action) for action in actions)
    at.s3.put_object(Bucket=bucket, Key=f"{prefix}/bronze/{entity}/_delta_log/{2:020d}.json", Body=body, IfNoneMatch="*")


def _increment(at: Site, ours: Ours, uri: str, name: str, turn: int) -> Loaded:
    ours.uri = uri
    more = Load(name, OBJECTS, EVENTS, first=FIRST + turn * EVENTS)
    loaded = ours.load(more, at.put(more, keys_from=100_000))
    if loaded.rows != EVENTS:
        raise RuntimeError(f"{loaded.rows} rows instead of {EVENTS}")
    return loaded


def _print(took: Mapping[str, list[Loaded]], calls: Mapping[str, Counter[str]], mib: float) -> None:
    def median(name: str, *laps: str) -> float:
        return statistics.median(sum(each.laps[lap] for lap in laps) for each in took[name][1:])

    print(f"an increment of {OBJECTS} objects, {EVENTS:,} events, after {SMALL.objects:,} objects and {SMALL.events:,} events,")
    print(f"and after {LARGE.objects:,} objects and {LARGE.events:,} events: median of {2 * ROUNDS}, in turn")
    print(f"{'':26}{'small':>10}{'large':>10}{'ratio':>8}")
    steps = [("finding, s", ("finding",)), ("bronze, s", ("bronze",)), ("closing, s", ("closing",))]
    rows = [(title, median(SMALL.name, *laps), median(LARGE.name, *laps)) for title, laps in steps]
    both = ("finding", "bronze")
    rows.append(("finding and bronze, s", median(SMALL.name, *both), median(LARGE.name, *both)))
    small, large = (calls[each.name] for each in (SMALL, LARGE))
    rows += [(f"{kind}, calls", small[kind], large[kind]) for kind in sorted({*small, *large})]
    rows.append(("all calls", small.total(), large.total()))
    for title, before, after in rows:
        print(f"{title:26}{before:>10.4g}{after:>10.4g}{after / before if before else 0:>8.2f}")
    times = {title: after / before for title, before, after in rows if before}
    show(
        [
            Aim("time with history", times["finding and bronze, s"], 1.15, " times"),
            Aim("calls with history", times["all calls"], 1.15, " times"),
            Aim("memory of the Spark server", mib / 1024, 3, " GiB"),
        ],
        SCALE,
    )


if __name__ == "__main__":
    main()
