"""What leaves quarantine: old rows whose raw object is gone, wherever among the others they are, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lake_assets.replay.quarantine import EXPIRY_DAYS, expire
from lake_assets.transforms import schemas
from tests.integration.lake.conftest import Lake

OLD = datetime.now(UTC) - timedelta(days=EXPIRY_DAYS + 1)
YOUNG = datetime.now(UTC) - timedelta(days=EXPIRY_DAYS - 1)


def refuse(lake: Lake, name: str, *times: datetime, there: bool) -> None:
    """Rows of one object, refused at these times."""
    key = lake.put(name, b"no JSON") if there else f"{lake.prefix}{name}"
    rows = [(key, f"digest-{n}", 7, None, None, "not JSON", [], at, 1) for n, at in enumerate(times)]
    frame = lake.tables.spark.createDataFrame(rows, schemas.struct(schemas.QUARANTINE)).coalesce(1)
    frame.write.format("delta").mode("append").save(lake.tables.path("ops", "quarantine"))


def left(lake: Lake) -> list[tuple[str, str]]:
    rows = lake.tables.read("ops", "quarantine").select("object", "digest").collect()
    return sorted((row.object.rsplit("/", 1)[1], row.digest) for row in rows)


def test_old_and_gone_goes_however_many_older_ones_stay(lake: Lake) -> None:
    for n in range(3):
        refuse(lake, f"{n}-old-and-there", OLD - timedelta(days=9), there=True)
    refuse(lake, "4-young-and-gone", YOUNG, there=False)
    refuse(lake, "5-old-and-gone", OLD, OLD, YOUNG, there=False)
    stays = [(f"{n}-old-and-there", "digest-0") for n in range(3)] + [("4-young-and-gone", "digest-0")]
    assert expire(lake.tables, lake.landing, at_most=2) == 0, "two that are there have their turn"
    assert expire(lake.tables, lake.landing, at_most=2) == 2, "the third, and the one that is gone"
    assert left(lake) == [*stays, ("5-old-and-gone", "digest-2")], "what was refused lately stays"

    refuse(lake, "0-gone-meanwhile", OLD, there=False)
    assert expire(lake.tables, lake.landing, at_most=2) == 0, "nothing is behind the last"
    assert expire(lake.tables, lake.landing, at_most=2) == 1, "so the next run begins with the first"
    assert left(lake) == [*stays, ("5-old-and-gone", "digest-2")]
    assert expire(lake.tables, lake.landing) == 0
