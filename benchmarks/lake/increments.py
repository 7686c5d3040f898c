"""An increment of 20 objects into seven silver tables of 100,000 rows, and into their histories.

Belongs here: that lake, its rounds, the table. Not here: what an ingest run does (`ways.py`), the rows (`synthetic.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from benchmarks.lake.aims import Aim, say, show, warm
from benchmarks.lake.events import SHARES, Load, rules, verify
from benchmarks.lake.site import ROUNDS, SCALE, Site, make_empty_lake, scaled, site
from benchmarks.lake.synthetic import each_row
from benchmarks.lake.ways import Ours
from benchmarks.publisher.site import CONTRACTS
from lake_assets.silver.anew import write_anew
from lake_assets.silver.history import update_histories
from publisher.contracts import Contract, load_contracts
from resources.lake import LakeResource

ROWS, OBJECTS, EVENTS = 100_000, 20, 2_000
FIRST = 100_000_000
"""The position of the first event of an increment: after all that is there."""


def main() -> None:
    verify(rules())
    contracts, rows = load_contracts(CONTRACTS), scaled(ROWS)
    steps: dict[str, list[float]] = {}
    with site() as at, closing(Ours(at, contracts)) as ours:
        make_empty_lake(at, ours.remote, contracts)
        ours.new_lake()
        fill(ours.lake, contracts, rows)
        for turn in range(ROUNDS + 1):
            say(f"increment {turn}")
            for name, seconds in _round(at, ours, contracts, rows, turn).items():
                steps.setdefault(name, []).append(seconds)
        mib = ours.mib()
    print(f"an increment of {OBJECTS} objects, {EVENTS:,} events, into seven silver tables of {rows:,} rows and their histories")
    print(f"{'seconds':26}{'cold':>10}{'warm':>10}")
    for name, took in steps.items():
        print(f"{name:26}{took[0]:>10.1f}{warm(took) or 0:>10.1f}")
    print(f"most memory of the Spark server: {mib:,.0f} MiB")
    show(
        [
            Aim("silver, from the queue on, warm", warm(steps["all, up to silver"]), 12, " s"),
            Aim("histories on top, warm", warm(steps["histories"]), 20, " s"),
            Aim("memory of the Spark server", mib / 1024, 3, " GiB"),
        ],
        SCALE,
    )


def fill(lake: LakeResource, contracts: Mapping[str, Contract], rows: int) -> None:
    """Silver and history of so many rows an entity, as an exchange of keys writes them."""

    def one(entity: str) -> None:
        with lake.tables(f"bench/fill/{entity}") as tables:
            events = each_row(tables.spark, rules()[entity], contracts[entity], rows)
            write_anew(tables, contracts[entity], events, 0)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, SHARES))


def _round(at: Site, ours: Ours, contracts: Mapping[str, Contract], rows: int, turn: int) -> dict[str, float]:
    more = Load(f"increment-{turn}", OBJECTS, EVENTS, first=FIRST + turn * EVENTS)
    # So many keys that the entity with most events has as many rows as its table: every key is there.
    told = at.put(more, keys_from=rows * 100 // max(SHARES.values()))
    loaded = ours.load(more, told, silver=True)
    if loaded.rows != EVENTS:
        raise RuntimeError(f"{loaded.rows} rows instead of {EVENTS}")
    began = time.perf_counter()

    if not sum(each.inserted + each.updated for each in update_histories(ours.lake.tables, contracts.values(), turn + 1)):
        raise RuntimeError("no history was moved on")
    return {**loaded.laps, "all, up to silver": loaded.seconds, "histories": time.perf_counter() - began}


if __name__ == "__main__":
    main()
