"""The receipt of an erasure: `ops/erasures`; sums, times, and the names of tables and raw objects only.

Belongs here: its form, writing it. Not here: how the sums come about (run.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lake_assets.transforms import schemas
from resources.spark import spark_errors
from resources.tables import LakeTables


@dataclass(frozen=True)
class Receipt:
    """What an erasure did, over all its tries; of the last only are objects below `errors/`, former versions, what is unreadable, files and searches. Never who.

    `tables` gives of each table the rows that went and its version afterwards, `objects` the keys of those that were rewritten and removed: a key says when its
    object landed, and not of whom it is.
    """

    erasure: int
    people: int
    rows: int
    events: int
    returned: int
    upto_batch: int
    tables: Mapping[str, tuple[int, int]]
    objects: Mapping[str, Sequence[str]]
    objects_rewritten: int
    objects_removed: int
    versions_removed: int
    objects_unreadable: int
    files_vacuumed: int
    files_searched: int
    bytes_searched: int
    began_at: datetime
    ended_at: datetime


def write(tables: LakeTables, receipt: Receipt) -> None:
    """Adds it. Repeated with the same number, it changes nothing."""
    told = {name: {"rows": rows, "version": version} for name, (rows, version) in sorted(receipt.tables.items())}
    values = {**vars(receipt), "tables": json.dumps(told), "objects": json.dumps(receipt.objects)}
    row = tuple(values[name] for name, *_ in schemas.ERASURES)
    frame = tables.spark.createDataFrame([row], schemas.struct(schemas.ERASURES)).coalesce(1)
    with spark_errors(f"writing the receipt of erasure {receipt.erasure}"):
        tables.append("ops", "erasures", frame, batch=receipt.erasure)
