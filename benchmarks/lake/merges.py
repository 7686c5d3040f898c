"""A MERGE of 500 keys into silver tables of 1,000 to 8 million rows: what it costs as a table grows.

Belongs here: the tables, the curve. Not here: the MERGE (`silver/current.py`), the rows (`synthetic.py`).

With deletion vectors, which leave a file as it is and note which of its rows hold no more; and without, where each file that holds a key is written anew.
"""

from __future__ import annotations

import time
from contextlib import closing

from benchmarks.lake.aims import Aim, say, show, warm
from benchmarks.lake.events import SHARES, rules
from benchmarks.lake.site import ROUNDS, SCALE, make_empty_lake, scaled, site
from benchmarks.lake.synthetic import Numbers, bronze, each_row, numbers
from benchmarks.lake.ways import Ours
from benchmarks.publisher.site import CONTRACTS
from lake_assets.bronze.conservation import BatchContents
from lake_assets.silver.current import merge_batch
from lake_assets.transforms import schemas
from publisher.contracts import Contract, load_contracts
from resources.lake import LakeResource

ENTITY = "payments"
KEYS = 500
ROWS = (1_000, 100_000, 2_000_000, 8_000_000)
VECTORS = "delta.enableDeletionVectors"
ANEW_UPTO = 100_000
"""Rows up to which it is measured without vectors as well: into 2 million such a MERGE takes a minute and more."""
FIRST = 100_000_000


def main() -> None:
    contracts = load_contracts(CONTRACTS)
    contract = contracts[ENTITY]
    took: dict[tuple[int, bool], list[float]] = {}
    with site() as at, closing(Ours(at, contracts)) as ours:
        make_empty_lake(at, ours.remote, contracts)
        for size in ROWS:
            rows = max(KEYS, scaled(size))
            say(f"{rows:,} rows")
            ours.new_lake()
            _fill(ours.lake, contract, rows)
            for vectors in (True, False) if size <= ANEW_UPTO else (True,):
                _allow_vectors(ours.lake, vectors)
                for turn in range(ROUNDS + 1):
                    took.setdefault((size, vectors), []).append(_merge(ours.lake, contract, rows, turn + (0 if vectors else 100)))
                say(
                    f"{'with' if vectors else 'without'} deletion vectors: {', '.join(f'{s:.1f}' for s in took[size, vectors])} s"
                )
        mib = ours.mib()
    _print(took, mib)


def _fill(lake: LakeResource, contract: Contract, rows: int) -> None:
    columns = [name for name, *_ in schemas.silver(contract)]
    with lake.tables(f"bench/silver/{rows}") as tables:
        frame = each_row(tables.spark, rules()[ENTITY], contract, rows).select(*columns)
        tables.append("silver", ENTITY, frame, batch=0)


def _allow_vectors(lake: LakeResource, allowed: bool) -> None:
    with lake.tables(f"bench/vectors/{allowed}") as tables:
        name, value = tables.sql_name("silver", ENTITY), str(allowed).lower()
        tables.spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('{VECTORS}' = '{value}')").collect()


def _merge(lake: LakeResource, contract: Contract, rows: int, turn: int) -> float:
    """The seconds of one batch's MERGE, its session included; its events are in bronze before the clock starts."""
    batch = turn + 1
    with lake.tables(f"bench/events/{batch}") as tables:
        made = Numbers(dict.fromkeys(SHARES, rows), deletes=False).of(ENTITY)
        events = bronze(
            numbers(tables.spark, FIRST + batch * KEYS, KEYS), rules()[ENTITY], contract, made, landed="''", batch=str(batch)
        )
        tables.append("bronze", ENTITY, events.dropDuplicates(["_key"]), batch=batch)
    began = time.perf_counter()
    with lake.tables(f"silver/{ENTITY}/{batch}") as tables:
        merged = merge_batch(tables, contract, batch, BatchContents(KEYS, 0, 0))
    seconds = time.perf_counter() - began
    if not merged.updated:
        raise RuntimeError("a MERGE found none of its keys")
    return seconds


def _print(took: dict[tuple[int, bool], list[float]], mib: float) -> None:
    print(f"a MERGE of {KEYS} keys into silver/{ENTITY}: seconds, median of {ROUNDS} (times as long as into the smallest)")
    print(f"{'rows':>12}{'deletion vectors':>24}{'files written anew':>24}")
    for size in ROWS:
        cells = (
            f"{warm(took[size, vectors]):>15.2f} ({_ratio(took, size, vectors):>5.2f})"
            if (size, vectors) in took
            else "not measured"
            for vectors in (True, False)
        )
        print(f"{scaled(size):>12,}" + "".join(f"{cell:>24}" for cell in cells))
    show(
        [
            Aim("into the largest as into the smallest, with deletion vectors", _ratio(took, ROWS[-1], True), 2.5, " times"),
            Aim("memory of the Spark server", mib / 1024, 3, " GiB"),
        ],
        SCALE,
    )


def _ratio(took: dict[tuple[int, bool], list[float]], size: int, vectors: bool) -> float:
    return (warm(took[size, vectors]) or 0) / (warm(took[ROWS[0], vectors]) or 1)


if __name__ == "__main__":
    main()
