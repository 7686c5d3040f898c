"""What must hold after faults: the lake's tables are those of a run that nothing disturbed, row for row.

Belongs here: reading both and comparing. Not here: faults.

Left out is only what a split into batches decides: the number of the batch, times of the lake's own clock, and of a key's tombstones all
but the one that holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pyspark.sql import SparkSession

from resources.spark import spark_errors
from resources.tables import LakeTables

OWN = ("_batch", "quarantined_at", "found_at", "found_by")
"""Columns that say when and how the lake came to a row, and nothing of the row."""

Rows = Counter[tuple[str, str]]


def every_row(tables: LakeTables, entities: Iterable[str]) -> Rows:
    """The rows of all tables that events lead to, as `(table, JSON)`, with how often each is there. One statement a lake."""
    names = [("ops", name) for name in ("objects", "quarantine", "manifests")]
    names += [(layer, name) for e in entities for layer, name in (("bronze", e), ("silver", e), ("silver", f"{e}_history"))]
    each = [_rows_sql(tables, layer, name) for layer, name in names]
    each.append(
        "SELECT 'ops/tombstones', to_json(struct(entity, key, max(seq))) "
        f"FROM {tables.sql_name('ops', 'tombstones')} GROUP BY entity, key"
    )
    with spark_errors("reading every table"):
        return Counter((row[0], row[1]) for row in tables.spark.sql(" UNION ALL ".join(each)).collect())


def differences(disturbed: Rows, undisturbed: Rows) -> list[str]:
    """In words: which tables have rows too many, or too few, and how many. Empty where all is well."""
    found = []
    for what, rest in (("too many", disturbed - undisturbed), ("too few", undisturbed - disturbed)):
        per_table: Counter[str] = Counter()
        for (table, _), times in rest.items():
            per_table[table] += times
        found += [f"{table}: {count} rows {what}" for table, count in sorted(per_table.items())]
    return found


def open_batches(tables: LakeTables) -> list[tuple[int, str]]:
    """Batches that are not closed, are closed twice, or are not conserved."""
    objects, batches = tables.sql_name("ops", "objects"), tables.sql_name("ops", "batches")
    sql = f"""
        SELECT coalesce(o._batch, b._batch) AS batch, coalesce(times, 0) AS times, coalesce(kept, false) AS kept
        FROM (SELECT DISTINCT _batch FROM {objects}) o
        FULL JOIN (SELECT _batch, count(*) AS times, bool_and(conserved) AS kept FROM {batches} GROUP BY _batch) b ON o._batch = b._batch
        WHERE NOT (coalesce(times, 0) = 1 AND coalesce(kept, false) AND o._batch IS NOT NULL)"""
    with spark_errors("looking at the batches"):
        return [(row.batch, f"closed {row.times} times, conserved: {row.kept}") for row in tables.spark.sql(sql).collect()]


def broken_spans(spark: SparkSession, history: str) -> int:
    """How many rows of a history leave a gap, overlap their successor, or hold beside another current one."""
    sql = f"""
        SELECT count(*) FROM (
          SELECT _seq_to, _valid_to, _valid_from, _is_current, _op,
            lead(_seq_from) OVER k AS next_seq, lead(_valid_from) OVER k AS next_from
          FROM {history} WINDOW k AS (PARTITION BY _key ORDER BY _seq_from))
        WHERE NOT (_seq_to <=> next_seq AND _valid_to <=> next_from AND coalesce(_valid_to >= _valid_from, true)
          AND _is_current = (next_seq IS NULL AND _op NOT IN ('delete', 'erase')))"""
    with spark_errors("looking at spans"):
        return int(spark.sql(sql).collect()[0][0])


def _rows_sql(tables: LakeTables, layer: str, name: str) -> str:
    own = [column for column in OWN if column in _columns(tables, layer, name)]
    but = f" EXCEPT ({', '.join(own)})" if own else ""
    return f"SELECT '{layer}/{name}' AS t, to_json(struct(*)) AS r FROM (SELECT *{but} FROM {tables.sql_name(layer, name)})"


def _columns(tables: LakeTables, layer: str, name: str) -> list[str]:
    if (layer, name) == ("ops", "objects"):
        return ["_batch", "found_at", "found_by"]
    if (layer, name) == ("ops", "quarantine"):
        return ["_batch", "quarantined_at"]
    return [] if layer == "silver" else ["_batch"]
