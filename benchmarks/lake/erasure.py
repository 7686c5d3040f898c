"""Erasing 100 people from 10 million events: bronze, silver, history, gold and raw objects, by the real erasure, seconds by step.

Belongs here: a lake of that size, the clock. Not here: the erasure (`lake_assets/erasure`), the rows (`synthetic.py`).

Raw objects hold the lines of the very events that bronze has, so whatever the erasure looks for it finds in both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import accumulate
from typing import Any

from benchmarks.lake.aims import Aim, show
from benchmarks.lake.events import HOUR, SHARES, pseudonym, rules
from benchmarks.lake.site import SCALE, Site, make_empty_lake, scaled, site
from benchmarks.lake.synthetic import Numbers, bronze, line, numbers, rows_of
from benchmarks.lake.ways import Ours
from benchmarks.publisher.site import CONTRACTS
from lake_assets.assets.gold import generations
from lake_assets.catalog import Catalog
from lake_assets.erasure import requests
from lake_assets.erasure.codes import person_digest
from lake_assets.erasure.receipt import Receipt
from lake_assets.erasure.run import erase
from lake_assets.gold.engine import build
from lake_assets.raw import progress
from lake_assets.raw.batches import FINISHED
from lake_assets.raw.session import are_small, interpreted
from lake_assets.silver.anew import bury_anew, write_anew
from lake_assets.transforms import schemas
from publisher.contracts import load_contracts
from resources.lake import LakeResource

PEOPLE = 100
PER_OBJECT = 25_000
OBJECTS = scaled(400)
PER_BATCH = 25
"""Objects: some 64 MiB of gzip, as the ledger cuts them."""

BATCHES = -(-OBJECTS // PER_BATCH)
EVENTS = OBJECTS * PER_OBJECT
_BRACKETS = dict(zip(SHARES, zip([0, *accumulate(SHARES.values())], accumulate(SHARES.values()), strict=False), strict=True))
"""Which hundredths of the positions are of which entity."""


def main() -> None:
    contracts = load_contracts(CONTRACTS)
    catalog = Catalog.load()
    with site() as at, closing(Ours(at, contracts)) as ours:
        make_empty_lake(at, ours.remote, contracts)
        ours.new_lake()
        began = time.perf_counter()
        landed = _land(at, ours.lake)
        _fill(ours.lake, catalog, landed)
        print(
            f"{EVENTS:,} events in {OBJECTS} objects and in bronze, silver, history: made in {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        receipt, seconds = _erase(at, ours, catalog)
        mib = ours.mib()
    _print(receipt, seconds, mib)


def _land(at: Site, lake: LakeResource) -> list[tuple[str, str, int]]:
    """Writes the raw objects; key, etag and size of each, by the positions of its events."""
    made = Numbers(rows_of(EVENTS // 3))
    cases = " ".join(
        f"WHEN id % 100 < {high} THEN {line(rules()[entity], made.of(entity))}" for entity, (_, high) in _BRACKETS.items()
    )
    folder = f"{HOUR}erasure"
    with lake.tables("bench/land") as tables:
        lines = numbers(tables.spark, 1, EVENTS, OBJECTS).selectExpr(f"CASE {cases} END AS value")
        writer = lines.write.option("compression", "gzip").option("mapreduce.fileoutputcommitter.algorithm.version", "2")
        writer.text(f"s3a://{at.landing.bucket}/{folder}")
    found = sorted((each.key, each.etag, each.size) for each in at.landing.list(folder))
    for key, *_ in found:
        if not key.endswith(".gz"):  # Spark's mark that it is done
            at.s3.delete_object(Bucket=at.landing.bucket, Key=key)
    return [each for each in found if each[0].endswith(".gz")]


def _fill(lake: LakeResource, catalog: Catalog, landed: list[tuple[str, str, int]]) -> None:
    """The ledger, its batches, bronze, and what follows from it."""
    made = Numbers(rows_of(EVENTS // 3))
    keys = ", ".join(f"'{key}'" for key, *_ in landed)
    place = f"(id - 1) DIV {PER_OBJECT}"

    def append(tables: Any, layer: str, name: str, frame: Any) -> None:
        frame.write.format("delta").mode("append").save(tables.path(layer, name))

    def fill(entity: str) -> None:
        low, high = _BRACKETS[entity]
        with lake.tables(f"bench/fill/{entity}") as tables:
            mine = numbers(tables.spark, 1, EVENTS, BATCHES).where(f"id % 100 >= {low} AND id % 100 < {high}")
            landed_in = f"element_at(array({keys}), 1 + CAST({place} AS INT))"
            events = bronze(
                mine,
                rules()[entity],
                catalog.contracts[entity],
                made.of(entity),
                landed=landed_in,
                batch=f"1 + {place} DIV {PER_BATCH}",
            )
            append(tables, "bronze", entity, events)
            write_anew(tables, catalog.contracts[entity], tables.read("bronze", entity), BATCHES)

    with lake.tables("bench/ledger") as tables:
        rows = ", ".join(f"('{key}', '{etag}', {size}L, {1 + n // PER_BATCH}L)" for n, (key, etag, size) in enumerate(landed))
        ledger = tables.spark.sql(
            "SELECT object, etag, size_bytes, DATE '2026-11-24' AS day, TIMESTAMP '2026-11-24T04:00:00Z' AS hour, 'event' AS found_by,"
            f" current_timestamp() AS found_at, _batch FROM VALUES {rows} AS t(object, etag, size_bytes, _batch)"
        )
        append(tables, "ops", "objects", ledger.coalesce(1))
        sums = (f"0L AS {name}" for name, *_ in schemas.BATCHES if name not in ("_batch", "conserved", "finished_at"))
        closed = numbers(tables.spark, 1, BATCHES, 1).selectExpr(
            "id AS _batch", *sums, "true AS conserved", "current_timestamp() AS finished_at"
        )
        append(tables, "ops", "batches", closed)
        progress.write(tables, FINISHED, position=BATCHES)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fill, SHARES))
        bury_anew(tables, {entity: tables.read("bronze", entity) for entity in SHARES})


def _erase(at: Site, ours: Ours, catalog: Catalog) -> tuple[Receipt, dict[str, float]]:
    """Asks for the people as an operator does, and erases them."""
    with ours.lake.tables("bench/ask") as tables:
        requests.ask(tables, [person_digest(pseudonym("customers", number)) for number in range(PEOPLE)])

    def gold() -> Iterator[str]:
        for names in generations(catalog, set(catalog.gold)):
            with ThreadPoolExecutor(4) as pool:
                yield from pool.map(one, names)

    def one(name: str) -> str:
        with (
            ours.lake.tables(f"bench/gold/{name}") as tables,
            interpreted(tables.spark, small=are_small(tables, catalog.gold[name].dependencies)),
        ):
            build(catalog.gold[name], tables.spark, tables.lake_uri)
        return name

    seconds: dict[str, float] = {}
    last, began = "looking", time.perf_counter()

    def step(name: str) -> None:
        nonlocal last, began
        now = time.perf_counter()
        seconds[last], last, began = now - began, name, now
        print(f"  {seconds[list(seconds)[-1]]:8.1f} s  {list(seconds)[-1]}", flush=True)

    receipt = erase(ours.lake.tables, ours.uri, at.landing, catalog.contracts, gold, step)
    step("")
    if receipt is None or receipt.people != PEOPLE or not receipt.events:
        raise RuntimeError("the people were not erased")
    return receipt, seconds


def _print(receipt: Receipt, seconds: Mapping[str, float], mib: float) -> None:
    print(
        f"{receipt.people} people: {receipt.events:,} events out of {EVENTS:,}, {receipt.objects_rewritten} of {OBJECTS} objects written anew,"
        f" {receipt.files_searched:,} files searched, {receipt.bytes_searched / 1e9:.1f} GB, nothing found; Spark server {mib:,.0f} MiB"
    )
    show(
        [
            Aim("erasing them", sum(seconds.values()) / 60, 10, " min"),
            Aim("memory of the Spark server", mib / 1024, 3, " GiB"),
        ],
        SCALE,
    )


if __name__ == "__main__":
    main()
