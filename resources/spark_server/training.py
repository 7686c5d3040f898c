"""What the AOT training run does: a small day in the life of the lake, so that the cache holds the classes that it needs.

Belongs here: statements like the assets'. Not here: the server around them (aot.py).
"""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import SparkFailed
from resources.spark import SMALL_WORK, close_session, open_session, spark_errors
from resources.tables import LakeTables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_WIRE = "entity STRING, op STRING, key STRING, seq BIGINT, committed_at STRING, record STRING"
_COLUMNS = "id STRING, amount BIGINT, opened DATE, _op STRING, _key STRING, _seq BIGINT, _committed_at TIMESTAMP, _batch BIGINT"
_MERGE = (
    "ON t._key = s._key WHEN MATCHED AND s._op = 'delete' AND s._seq > t._seq THEN DELETE "
    "WHEN MATCHED AND s._seq > t._seq THEN UPDATE SET * WHEN NOT MATCHED AND s._op <> 'delete' THEN INSERT *"
)
_NEWEST = """
    SELECT * EXCEPT (place) FROM (
        SELECT *, row_number() OVER (PARTITION BY _key ORDER BY _seq DESC, xxhash64(id) DESC) AS place FROM {events}
    ) WHERE place = 1
"""
_GOLD = """
    SELECT trunc(opened, 'MM') AS month, count(*) AS things, sum(amount) AS amount, avg(amount) AS mean
    FROM {things} t LEFT ANTI JOIN {gone} g ON g.id = t._key GROUP BY 1 HAVING count(*) > 1 ORDER BY 1
"""


def train(remote: str, folder: Path) -> None:
    """Creates, appends, merges, reads and aggregates in `folder` through the server at `remote`."""
    session = open_session(remote)
    try:
        tables = LakeTables(session, (folder / "lake").as_uri())
        for layer in ("bronze", "silver"):
            tables.ensure(layer, "things", _COLUMNS)
        for batch in (1, 2, 3):
            if batch == 2:  # the first is compiled, as large batches are; the others are not
                for name, value in SMALL_WORK.items():
                    session.conf.set(name, value)
            landed = _write_object(folder, batch)
            events = _typed(session, landed, batch)
            tables.append("bronze", "things", events, batch=batch)
            newest = session.sql(_NEWEST, events=tables.read("bronze", "things").where(f"_batch = {batch}"))
            tables.merge("silver", "things", newest, _MERGE, batch=batch)
        gold = session.sql(_GOLD, things=tables.read("silver", "things"), gone=session.sql("SELECT '0' AS id"))
        tables.overwrite("gold", "monthly", gold)
        tables.replace_batch("bronze", "things", _typed(session, landed, 3), batch=3)
        tables.version("silver", "things")
        tables.read("gold", "monthly").toPandas()
        _touch_s3(session)
    finally:
        close_session(session)


def _write_object(folder: Path, batch: int) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"object-{batch}.gz"
    with gzip.open(path, "wt") as lines:
        for number in range(200):
            record = {"id": str(number), "amount": number * batch, "opened": f"2026-{number % 12 + 1:02}-01"}
            event = {"entity": "things", "op": "update", "key": str(number), "seq": batch * 1000 + number}
            event |= {"committed_at": "2026-01-01T00:00:00Z", "record": record}
            lines.write(json.dumps(event) + "\n")
    return path.as_uri()


def _typed(session: SparkSession, landed: str, batch: int) -> DataFrame:
    lines = session.read.text(landed, wholetext=False)
    events = lines.selectExpr(f"from_json(value, '{_WIRE}') AS e", "xxhash64(value) AS digest").where("e.key IS NOT NULL")
    record = "from_json(e.record, 'id STRING, amount STRING, opened STRING')"
    return events.selectExpr(f"{record} AS r", "e").selectExpr(
        "r.id",
        "try_cast(r.amount AS BIGINT) AS amount",
        "try_cast(r.opened AS DATE) AS opened",
        "e.op AS _op",
        "e.key AS _key",
        "e.seq AS _seq",
        "try_cast(e.committed_at AS TIMESTAMP) AS _committed_at",
        f"{batch}L AS _batch",
    )


def _touch_s3(session: SparkSession) -> None:
    """Loads the classes of the S3 client: the training server's endpoint is a port that refuses at once."""
    with suppress(SparkFailed), spark_errors("reaching the S3 that is not there"):
        session.read.text("s3a://nothing/there").collect()
