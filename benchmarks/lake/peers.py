"""Other ways from the same objects to Delta tables, one an entity: they read gzip JSON lines, parse, append; nothing is validated or accounted for.

Belongs here: the program that a careful engineer would write with each peer. Not here: anything of the product; measuring.
Run as `python peers.py NAME`: then each line of standard input is a JSON object with `keys`, `landing`, `under`, `lake`, and is answered by one with `seconds`,
`rows`, `mib`. `keys` are what is new; a peer that finds new objects itself (dlt) is told only where to look.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENTITIES: dict[str, dict[str, str]] = json.loads(os.environ["BENCH_FIELDS"])
"""Of each entity the fields of its record, with their types: string, boolean, integer, date."""

OPTIONS = {
    "endpoint_url": os.environ["AWS_ENDPOINT_URL"], "aws_access_key_id": "demo", "aws_secret_access_key": "demo-secret",
    "aws_region": os.environ["AWS_DEFAULT_REGION"], "allow_http": "true", "aws_conditional_put": "etag",
}  # fmt: skip
THREADS = 16


class Polars:
    """One scan of all objects, parsed once with the schema of all entities; a table each, written by delta-rs."""

    def __init__(self) -> None:
        import deltalake  # noqa: F401 (loaded before the clock starts, as every peer's packages are)
        import polars as pl

        self.pl = pl
        kinds = {"string": pl.String, "boolean": pl.Boolean, "integer": pl.Int64, "date": pl.String}
        record = {name: kinds[kind] for fields in ENTITIES.values() for name, kind in fields.items()}
        self.schema = {
            "entity": pl.String, "op": pl.String, "key": pl.String, "seq": pl.Int64, "subject": pl.String, "committed_at": pl.String,
            "contract": pl.String, "record": pl.Struct(record),
        }  # fmt: skip

    def load(self, keys: list[str], landing: str, under: str, lake: str) -> int:
        if not keys:
            return 0
        pl = self.pl
        storage = {**OPTIONS, "aws_endpoint_url": OPTIONS["endpoint_url"]}
        frame = pl.scan_ndjson(
            [f"{landing}/{key}" for key in keys], schema=self.schema, storage_options=storage, include_file_paths="_object"
        ).collect()
        rows = 0
        for entity, events in frame.partition_by("entity", as_dict=True).items():
            name = str(entity[0])
            columns = [
                pl.col("record").struct.field(field).str.to_date("%Y-%m-%d")
                if kind == "date"
                else pl.col("record").struct.field(field)
                for field, kind in ENTITIES[name].items()
            ]
            table = events.select(
                *columns,
                pl.col("op").alias("_op"), pl.col("key").alias("_key"), pl.col("seq").alias("_seq"), pl.col("subject").alias("_subject"),
                pl.col("committed_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC").alias("_committed_at"),
                pl.col("contract").alias("_contract"), pl.col("_object"),
            )  # fmt: skip
            table.write_delta(f"{lake}/{name}", mode="append", storage_options=OPTIONS)
            rows += table.height
        return rows


class DuckDB:
    """One read of all objects into a table in memory; a table each, handed to delta-rs as Arrow.

    Its own S3 reader is an extension that is fetched over the network, so objects come through fsspec, as its documentation has it.
    """

    def __init__(self) -> None:
        import deltalake  # noqa: F401
        import duckdb
        import s3fs

        self.connection = duckdb.connect()
        self.connection.register_filesystem(s3fs.S3FileSystem(endpoint_url=OPTIONS["endpoint_url"], skip_instance_cache=True))
        self.connection.execute("SET preserve_insertion_order = false")
        kinds = {"string": "VARCHAR", "boolean": "BOOLEAN", "integer": "BIGINT", "date": "DATE"}
        record = {name: kinds[kind] for fields in ENTITIES.values() for name, kind in fields.items()}
        struct = ", ".join(f'"{name}" {kind}' for name, kind in record.items())
        self.columns = (
            "{entity: 'VARCHAR', op: 'VARCHAR', key: 'VARCHAR', seq: 'BIGINT', subject: 'VARCHAR', committed_at: 'TIMESTAMP',"
            f" contract: 'VARCHAR', record: 'STRUCT({struct})'}}"
        )

    def load(self, keys: list[str], landing: str, under: str, lake: str) -> int:
        from deltalake import write_deltalake

        if not keys:
            return 0
        paths = [f"{landing}/{key}" for key in keys]
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE lines AS SELECT * FROM read_json(?, format = 'newline_delimited', compression = 'gzip',"
            f" columns = {self.columns}, filename = true)",
            [paths],
        )
        rows = 0
        for (entity,) in self.connection.execute("SELECT DISTINCT entity FROM lines").fetchall():
            fields = ", ".join(f'record."{name}"' for name in ENTITIES[entity])
            table = self.connection.execute(
                f"SELECT {fields}, op AS _op, key AS _key, seq AS _seq, subject AS _subject, committed_at AT TIME ZONE 'UTC' AS _committed_at,"
                " contract AS _contract, filename AS _object FROM lines WHERE entity = ?",
                [entity],
            ).to_arrow_table()
            write_deltalake(f"{lake}/{entity}", table, mode="append", storage_options=OPTIONS)
            rows += table.num_rows
        return rows


class Dlt:
    """Its filesystem source with an incremental cursor, its JSON lines reader, its Delta destination; a table an entity."""

    def __init__(self) -> None:
        self.folder = Path(os.environ["BENCH_FOLDER"])
        os.environ |= {
            "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL", "LOAD__WORKERS": "4",
            "NORMALIZE__WORKERS": "2", "DATA_WRITER__FILE_MAX_ITEMS": "100000", "DLT_DATA_DIR": str(self.folder),
        }  # fmt: skip
        import dlt
        from dlt.sources.filesystem import filesystem

        self.dlt, self.filesystem = dlt, filesystem

    def load(self, keys: list[str], landing: str, under: str, lake: str) -> int:
        import gzip

        import orjson

        dlt = self.dlt
        credentials = {
            name: OPTIONS[name] for name in ("aws_access_key_id", "aws_secret_access_key", "endpoint_url")
        } | {"region_name": OPTIONS["aws_region"]}  # fmt: skip
        found = self.filesystem(
            bucket_url=f"{landing}/{under}", credentials=credentials, file_glob="**/*.gz", incremental=dlt.sources.incremental("modification_date")
        )  # fmt: skip
        seen = 0

        @dlt.transformer(name="events", max_table_nesting=0)
        def read(items: Any) -> Any:
            nonlocal seen
            for item in items:
                by_entity: dict[str, list[Any]] = {}
                for line in gzip.decompress(item.read_bytes()).splitlines():
                    event = orjson.loads(line)
                    entity, record = event.pop("entity"), event.pop("record", None) or {}
                    by_entity.setdefault(entity, []).append(record | {f"_{name}": value for name, value in event.items()})
                for entity, rows in by_entity.items():
                    seen += len(rows)
                    yield dlt.mark.with_table_name(rows, entity)

        pipeline = dlt.pipeline(
            pipeline_name="bench_" + lake.rsplit("/", 1)[-1].replace("-", "_"),
            destination=dlt.destinations.filesystem(bucket_url=lake, credentials=credentials),
            dataset_name="bronze",
            pipelines_dir=str(self.folder / "pipelines"),
        )
        pipeline.run(found | read, table_format="delta", write_disposition="append", loader_file_format="parquet")
        return seen


PEERS: dict[str, Callable[[], Any]] = {"dlt": Dlt, "polars + deltalake": Polars, "duckdb + deltalake": DuckDB}


def main() -> None:
    peer = PEERS[sys.argv[1]]()
    print(json.dumps({"ready": True}), flush=True)
    for asked in sys.stdin:
        began = time.perf_counter()
        rows = peer.load(**json.loads(asked))
        seconds = time.perf_counter() - began
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("\n" + json.dumps({"seconds": seconds, "rows": rows, "mib": most}), flush=True)


if __name__ == "__main__":
    main()
