"""Where every event is: what the platform wrote, what the publisher released, what the lake holds, and how long it took.

Belongs here: the numbers of `.lake/demo.json`. Not here: the order of the demo (run.py), the search for leaks (leakscan/).

Nothing here asks the lake's own bookkeeping whether all is well: the platform's count of committed rows, the publisher's tallies and the rows
of the tables are counted each on their own, and compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from pyspark.sql import functions as sf

from demo.cloud.ministack import client
from demo.lake_keys import KeySearch
from demo.leakscan import ScanReport
from demo.platform.traffic import Traffic
from demo.stack import Stack
from lake_assets.bronze.reports import RiskReport, reports_of
from lake_assets.completeness import StateVerdict, count_verdicts, verify_manifests, verify_states
from lake_assets.gold.load import load_gold
from lake_assets.raw.batches import pending_batches
from lake_assets.raw.lake import ensure_lake
from lake_assets.raw.session import interpreted
from publisher.contracts import load_contracts
from publisher.contracts.history import signed_versions
from publisher.keys import aws_keyring
from resources.spark import close_session, open_session
from resources.tables import LakeTables


class Lake:
    """The lake's tables, through a session of the demo's own."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.contracts = load_contracts(Path(env["CONTRACTS_DIR"]))
        self.signed = signed_versions(Path(env["CONTRACTS_DIR"]))
        self.tables = LakeTables(open_session(env["SPARK_REMOTE"], "demo"), env["LAKE_URI"], client("s3", env))

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, *_: object) -> None:
        """Before the server stops: a client that is left open asks it for ten minutes to let it go."""
        close_session(self.tables.spark)

    def prepare(self) -> None:
        ensure_lake(self.tables, self.contracts, self.signed)

    def pending(self) -> list[int]:
        return pending_batches(self.tables)

    def distinct_events(self) -> int:
        return sum(self.events()[entity][1] for entity in self.contracts)

    def events(self) -> dict[str, tuple[int, int, int]]:
        """By entity: rows in bronze, different events among them, rows in silver."""
        query = " UNION ALL ".join(
            f"SELECT '{entity}' AS entity, count(*) AS bronze, count(DISTINCT _seq) AS events, "  # noqa: S608 (names from the contracts)
            f"(SELECT count(*) FROM {self.tables.sql_name('silver', entity)}) AS silver FROM {self.tables.sql_name('bronze', entity)}"
            for entity in self.contracts
        )
        with interpreted(self.tables.spark):
            rows = self.tables.spark.sql(query).collect()
        return {row.entity: (row.bronze, row.events, row.silver) for row in rows}

    def states(self) -> dict[str, StateVerdict]:
        """By entity: whether history says what the platform's digest of its table says."""
        found = verify_manifests(self.tables, self.contracts)
        return verify_states(self.tables, self.contracts, {entity: each.known for entity, each in found.items()})

    def count(self, layer: str, name: str) -> int:
        return int(self.tables.read(layer, name).count())


@dataclass
class Account:
    """The demo's outcome. Everything is a count but `latency_s` (seconds)."""

    rows_written: int
    rows_by_way: dict[str, int]
    released: dict[str, int]
    sent_again: int
    """Of the released: rows that say other things since a k-group was assessed."""
    dead_letters: int
    bronze: dict[str, tuple[int, int, int]]
    platform_rows: dict[str, int]
    quarantined: int
    verdicts: dict[str, int]
    states: dict[str, StateVerdict]
    gold: dict[str, int]
    latency_s: dict[str, float]
    runs: int
    reports: list[RiskReport]
    leaks: ScanReport | None = field(default=None)
    keys: KeySearch | None = field(default=None)

    @property
    def events_bronze(self) -> int:
        return sum(events for _, events, _ in self.bronze.values())

    @property
    def problems(self) -> list[str]:
        """What does not add up, each in a sentence; empty when every write is accounted for."""
        found = []
        released, bad = sum(self.released.values()), sum(n for verdict, n in self.verdicts.items() if verdict != "agrees")
        if self.rows_written + self.sent_again != released + self.dead_letters:
            found.append(
                f"{self.rows_written:,} rows were written and {self.sent_again:,} sent again, and {released:,} events released with "
                f"{self.dead_letters:,} dead letters"
            )
        for entity, (_, events, silver) in self.bronze.items():
            if events != self.released.get(entity, 0):
                found.append(f"bronze/{entity} has {events:,} events of {self.released.get(entity, 0):,}")
            if silver != self.platform_rows[entity]:
                found.append(f"silver/{entity} has {silver:,} rows, the platform's table {self.platform_rows[entity]:,}")
        if self.quarantined:
            found.append(f"{self.quarantined:,} values are in quarantine")
        found += [
            f"the group {each.group} leaves with as few as {each.smallest:,} people, {each.silent:,} of whom nothing is told"
            for each in self.reports
            if 0 < each.smallest < each.k or 0 < each.silent < each.k
        ]
        if not self.reports:
            found.append("no k-group was reported on")
        if bad or not self.verdicts:
            found.append(f"{bad:,} manifests do not agree" if bad else "no manifest was compared")
        for entity in self.bronze:
            state = self.states.get(entity)
            if state is None or not state.compared:
                found.append(f"no digest of {entity} could be compared")
            elif state.differing:
                found.append(
                    f"{entity}: {len(state.differing)} of {state.compared} parts say other things than the platform's table"
                )
        found += [f"gold/{table} is empty" for table, rows in self.gold.items() if not rows]
        if self.leaks is None or not self.leaks.ok:
            found.append("the search for leaks found something, or missed one of its own controls")
        if self.keys is None or not self.keys.ok:
            found.append("a process of the lake holds a key of the platform, or could not be searched for one")
        return found

    @property
    def complete(self) -> bool:
        return not self.problems

    def report(self) -> dict[str, Any]:
        """As `.lake/demo.json` has it (design part 10)."""
        return {
            "rows_written": self.rows_written,
            "rows_by_way": self.rows_by_way,
            "events_released": sum(self.released.values()),
            "sent_again": self.sent_again,
            "dead_letters": self.dead_letters,
            "events_bronze": self.events_bronze,
            "duplicates": sum(rows - events for rows, events, _ in self.bronze.values()),
            "quarantined": self.quarantined,
            "manifests_ok": self.verdicts.get("agrees", 0),
            "manifests_bad": sum(n for verdict, n in self.verdicts.items() if verdict != "agrees"),
            "states": {
                each: {"rows": state.rows, "parts": state.compared, "differing": len(state.differing)}
                for each, state in self.states.items()
            },
            "leaks": self.leaks.hits if self.leaks else None,
            "keys_in_lake": len(self.keys.found) if self.keys else None,
            "k_groups": {each.group: {"k": each.k, "people": each.people, "smallest": each.smallest} for each in self.reports},
            "gold": self.gold,
            "latency_s": self.latency_s,
            "ingest_runs": self.runs,
            "problems": self.problems,
        }

    def text(self, elapsed: float, peak_bytes: int) -> str:
        """The account for a terminal."""
        lines = ["", f"{'':15}{'released':>10}{'in bronze':>11}{'repeats':>9}{'in silver':>11}{'in the platform':>17}"]
        for entity, (rows, events, silver) in self.bronze.items():
            numbers = f"{self.released.get(entity, 0):>10,}{events:>11,}{rows - events:>9,}{silver:>11,}{self.platform_rows[entity]:>17,}"
            lines.append(f"  {entity:13}{numbers}")
        report = self.report()
        lines += [
            "",
            f"  {self.rows_written:,} rows written by the platform and {self.sent_again:,} sent again more or less coarsely, {report['events_released']:,} events released, {report['events_bronze']:,} in bronze",
            f"  manifests: {report['manifests_ok']:,} agree, {report['manifests_bad']:,} do not; in quarantine: {self.quarantined:,}",
            f"  what the tables say: {sum(s.compared for s in self.states.values()):,} digests compared, {sum(len(s.differing) for s in self.states.values())} differ",
            *(
                f"  k-group {each.group}: {each.people:,} people in groups of {each.smallest:,} and more (k = {each.k}), {each.silent:,} of them say "
                f"nothing; as they are {each.people_below_k:,} would be in groups below {each.k}"
                for each in self.reports
            ),
            f"  gold: {', '.join(f'{name} {rows:,}' for name, rows in self.gold.items())} rows",
            f"  from commit to visible in silver: p50 {self.latency_s['p50']:.0f} s, p95 {self.latency_s['p95']:.0f} s, of {self.latency_s['sample']:,} inserts",
            f"  leaks: {report['leaks']}" + (f" ({self.leaks.summary()})" if self.leaks else ""),
            f"  keys of the platform in the lake: {report['keys_in_lake']}" + (f" ({self.keys.summary()})" if self.keys else ""),
            f"  {elapsed:.0f} s in all, {peak_bytes / 2**30:.1f} GiB of memory at the most",
        ]
        if self.problems:
            lines += ["", "NOT everything is accounted for:", *(f"  - {problem}" for problem in self.problems)]
        else:
            lines += ["", "Every write is accounted for."]
        return "\n".join(lines)


def take_account(stack: Stack, lake: Lake, traffic: Traffic, runs: int) -> Account:
    """Counts everything once; `leaks` is left to be filled in."""
    tables = {contract.table: entity for entity, contract in lake.contracts.items()}
    with psycopg.connect(stack.env["PLATFORM_DATABASE_URL"]) as connection:
        released = dict(
            connection.execute("SELECT entity, sum(events)::bigint FROM publisher.tallies GROUP BY entity").fetchall()
        )
        again = connection.execute("SELECT coalesce(sum(resent), 0)::bigint FROM publisher.coarsenings").fetchone()
        dead = connection.execute("SELECT count(*) FROM publisher.dead_letters WHERE state IN ('parked', 'waiting')").fetchone()
        rows = {
            entity: connection.execute(
                psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
            ).fetchone()
            for table, entity in tables.items()
        }
    gold = load_gold(lake.contracts)
    return Account(
        rows_written=traffic.stats.rows_written,
        rows_by_way=traffic.stats.by_way,
        released=released,
        sent_again=int(again[0]) if again else 0,
        dead_letters=int(dead[0]) if dead else 0,
        bronze=lake.events(),
        platform_rows={entity: int(row[0]) if row else 0 for entity, row in rows.items()},
        quarantined=lake.count("ops", "quarantine"),
        verdicts=count_verdicts(lake.tables),
        states=lake.states(),
        gold={name: lake.count("gold", name) for name in gold},
        latency_s=_latency(stack, lake, traffic, tables),
        runs=runs,
        reports=reports_of(lake.tables),
    )


def _latency(stack: Stack, lake: Lake, traffic: Traffic, tables: Mapping[str, str]) -> dict[str, float]:
    """Seconds from the commit of a sample of inserts, by the platform's clock, to the end of the batch that brought them to silver."""
    keyring = aws_keyring(
        client("kms", stack.env),
        client("secretsmanager", stack.env),
        data_key_secret=stack.env["PUBLISHER_DATA_KEY_SECRET"],
        pseudonym_secret=stack.env["PUBLISHER_PSEUDONYM_SECRET"],
    )
    spark = lake.tables.spark
    finished = lake.tables.read("ops", "batches").select("_batch", sf.col("finished_at").cast("double").alias("visible_at"))
    waits: list[float] = []
    for table, entity in tables.items():
        namespace = lake.contracts[entity].key_namespace
        sample = [
            (keyring.pseudonym(namespace, str(insert.id)), insert.committed_at)
            for insert in traffic.journal
            if insert.table == table
        ]
        if not sample:
            continue
        journal = spark.createDataFrame(sample, "_key STRING, committed_at DOUBLE")
        landed = lake.tables.read("bronze", entity).where("_op = 'insert'").groupBy("_key").agg(sf.min("_batch").alias("_batch"))
        joined = (
            journal.join(landed, "_key")
            .join(finished, "_batch")
            .select((sf.col("visible_at") - sf.col("committed_at")).alias("wait"))
        )
        waits += [row.wait for row in joined.collect()]
    if len(waits) < 2:
        return {"p50": float("nan"), "p95": float("nan"), "sample": len(waits)}
    ranks = statistics.quantiles(waits, n=100)
    return {"p50": round(ranks[49], 1), "p95": round(ranks[94], 1), "max": round(max(waits), 1), "sample": len(waits)}
