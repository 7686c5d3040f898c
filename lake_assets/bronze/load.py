"""One batch of raw objects into bronze: each object read once, for all entities.

Belongs here: the order of the steps, and writing. Not here: which lines are events (`lines.py`), which objects can be read
(`objects.py`), counting afterwards (`conservation.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.bronze.again import Again
from lake_assets.bronze.conservation import Conservation, count_batch, held_by_object, widened
from lake_assets.bronze.erased import tell_apart
from lake_assets.bronze.lines import judge_unclear, read_lines
from lake_assets.bronze.objects import BadObject
from lake_assets.raw.batches import FETCHED_BYTES, Batch, Counts
from lake_assets.raw.session import SMALL_BYTES, interpreted
from lake_assets.transforms import schemas
from lake_assets.transforms.events import typed_events, typed_records
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import TOLD, all_names
from resources.landing import Landing
from resources.tables import LakeTables

Writer = Callable[[str, str, DataFrame], Callable[[], None]]
THREADS = 4
FEW_BYTES = 8 << 20


@dataclass(frozen=True)
class BronzeResult:
    """What a batch was. `events` counts the bronze rows of each entity that it brought, `told` the manifests and risk reports; `refused` the quarantined by reason."""

    batch: int
    objects: int
    bad_objects: int
    read: int
    events: dict[str, int]
    told: dict[str, int]
    refused: dict[str, int]
    conservation: Conservation
    calls: Mapping[str, int]
    """The lake's own requests to the landing bucket. Where Spark reads the objects, its requests are not among them; nor are reads of the tables' logs."""

    @property
    def counts(self) -> Counts:
        kept = self.conservation
        return Counts(self.read, sum(kept.bronze.values()), kept.told, kept.quarantined, kept.holds, kept.erased)


def load_batch(
    tables: LakeTables,
    landing: Landing,
    rules: Rules,
    batch: Batch,
    *,
    threads: int = THREADS,
    fetched_bytes: int = FETCHED_BYTES,
    few_bytes: int = FEW_BYTES,
    again: bool = False,
) -> BronzeResult:
    """Loads a batch: accepted events into bronze, manifests and risk reports into `ops`, all else into quarantine, one row each.

    Up to `fetched_bytes` of compressed objects are read in this process, and up to `few_bytes` of lines that are not canonical judged; more in
    Spark. Repeated, it changes nothing; `again`, it puts what the objects say now in the place of what the tables hold of it, and raises ReplayWouldLose before it
    writes. Nothing in an object stops it; it raises SparkFailed when Spark itself fails.
    """
    with interpreted(tables.spark, small=batch.size_bytes < SMALL_BYTES):
        return _load(tables, landing, rules, batch, threads, fetched_bytes, few_bytes, again)


def _load(
    tables: LakeTables,
    landing: Landing,
    rules: Rules,
    batch: Batch,
    threads: int,
    fetched_bytes: int,
    few_bytes: int,
    again: bool,
) -> BronzeResult:
    asked = landing.calls.copy()
    entities = [entity for entity in rules if entity not in TOLD]
    with read_lines(tables, landing, rules, batch, fetched_bytes) as lines, judge_unclear(lines, rules, few_bytes) as strict:
        accepted = lines.accepted + strict.accepted
        refused = strict.refused + Counter(bad.reason for bad in lines.bad)

        def of(entity: str) -> DataFrame:
            fast = lines.frame.where("canonical").where(sf.col("entity") == entity).select("object", "line")
            if strict.rows is None:
                return fast
            return fast.union(strict.rows.where("reason IS NULL").where(sf.col("entity") == entity).select("object", "line"))

        write: Writer = partial(_append, tables, batch)
        replacing = None
        if again:
            replacing = Again(tables, batch, held_by_object(tables, batch.number, entities), lines.kept)
            replacing.refuse_loss(accepted, of)
            write = replacing.write
        events = {e: typed_events(of(e), rules[e], batch.number) for e in accepted if e not in TOLD}
        names = {entity: all_names(rules, entity) for entity in events}
        events, erased = tell_apart(tables, batch, events, names, again=again, kept=lines.kept)
        jobs: list[Callable[[], None]] = []
        for entity in accepted:
            if entity in TOLD:
                jobs.append(write("ops", TOLD[entity], typed_records(of(entity), rules[entity], batch.number)))
            else:
                jobs.append(write("bronze", entity, events[entity]))
        if refused:
            jobs.append(write("ops", "quarantine", _quarantine(tables, strict.rows, lines.bad, batch)))
        _run(jobs + (replacing.rest() if replacing else []), threads)
    read = accepted.total() + refused.total() + lines.earlier.total()
    spans = widened(lines.spans, strict.spans)
    conservation = count_batch(tables, batch.number, read, entities, spans, erasures=batch.erasures)
    return BronzeResult(
        batch=batch.number,
        objects=len(batch.objects),
        bad_objects=len(lines.bad),
        read=read,
        events=dict(sorted((accepted + Counter({e: lines.earlier[e] for e in entities}) - erased).items())),
        told={name: held for entity, name in TOLD.items() if (held := accepted[entity] + lines.earlier[name])},
        refused=dict(sorted(refused.items())),
        conservation=conservation,
        calls=landing.calls - asked,
    )


def _quarantine(tables: LakeTables, strict: DataFrame | None, bad: list[BadObject], batch: Batch) -> DataFrame:
    now, columns = datetime.now(UTC), schemas.struct(schemas.QUARANTINE)
    rows: list[tuple[object, ...]] = [
        (b.object.key, b.digest, b.object.size_bytes, None, None, b.reason, [], now, batch.number) for b in bad
    ]
    objects = tables.spark.createDataFrame(rows, columns).coalesce(1)
    if strict is None:
        return objects
    values = strict.where("reason IS NOT NULL").select(
        "object", "digest", "length", "entity", "seq", "reason", "fields",
        sf.lit(now).alias("quarantined_at"), sf.lit(batch.number).cast("bigint").alias("_batch"),
    )  # fmt: skip
    return values.union(objects) if bad else values


def _append(tables: LakeTables, batch: Batch, layer: str, name: str, frame: DataFrame) -> Callable[[], None]:
    whole = frame.coalesce(batch.files)
    return lambda: tables.append(layer, name, whole, batch=batch.number, generation=batch.generation)


def _run(jobs: list[Callable[[], None]], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()
