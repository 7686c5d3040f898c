"""What a table consists of, from logs written by hand as Delta's protocol says: files, deletion vectors, checkpoints, versions of before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.delta_log import DeltaLogs
from resources.delta_snapshot import NoTable, NotInLog, NotPlain, small_rows, snapshot, snapshots

TABLE = ("silver", "debts")
VECTOR = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4, "sizeInBytes": 40, "cardinality": 6}
"""The protocol's own example; its file is below a folder `ab`."""


def add(path: str, *, size: int = 10, rows: int = 100, vector: dict[str, Any] | None = None, day: str = "1") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": path,
        "size": size,
        "partitionValues": {"day": day},
        "stats": json.dumps({"numRecords": rows}),
    }
    return {"add": entry | ({"deletionVector": vector} if vector else {})}


def remove(path: str, at: int, vector: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"remove": {"path": path, "deletionTimestamp": at} | ({"deletionVector": vector} if vector else {})}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two appends, a MERGE that hides rows of the first file, and a compaction of both."""
    folder = tmp_path / "silver" / "debts" / "_delta_log"
    folder.mkdir(parents=True)
    commits: list[list[dict[str, Any]]] = [
        [{"protocol": {}}, {"metaData": {"configuration": {"delta.x": "1"}}}, add("a%20b.parquet")],
        [add("c.parquet", day="2")],
        [add("a%20b.parquet", vector=VECTOR), remove("a%20b.parquet", 5), add("d.parquet", rows=6)],
        [remove("a%20b.parquet", 7, VECTOR), remove("d.parquet", 7), add("e.parquet", size=19)],
    ]
    for version, entries in enumerate(commits):
        commit(folder, version, entries)
    return folder


def commit(folder: Path, version: int, entries: list[dict[str, Any]]) -> None:
    (folder / f"{version:020d}.json").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def checkpoint(folder: Path, version: int) -> None:
    """Of the first two versions, as Delta writes it: a row an entry, maps as maps."""
    kind = pa.schema(
        [
            ("add", pa.struct([("path", pa.string()), ("size", pa.int64()), ("partitionValues", pa.map_(pa.string(), pa.string())), ("stats", pa.string())])),
            ("metaData", pa.struct([("configuration", pa.map_(pa.string(), pa.string()))])),
            ("txn", pa.struct([("appId", pa.string())])),
        ]
    )  # fmt: skip
    rows = [
        {"metaData": {"configuration": [("delta.x", "1")]}},
        {"txn": {"appId": "a batch"}},
        *({"add": each["add"] | {"partitionValues": list(each["add"]["partitionValues"].items())}} for each in (add("a%20b.parquet"), add("c.parquet", day="2"))),
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, kind), folder / f"{version:020d}.checkpoint.parquet")
    (folder / "_last_checkpoint").write_text(json.dumps({"version": version}))


@pytest.mark.parametrize("checkpointed", [False, True])
def test_each_version_has_its_files_with_what_their_vectors_hide(log: Path, tmp_path: Path, checkpointed: bool) -> None:
    if checkpointed:
        checkpoint(log, 1)
    logs = DeltaLogs(tmp_path.as_uri())
    merged = snapshot(logs, TABLE, 2)
    assert {file.name: (file.rows, file.hidden, dict(file.partition)) for file in merged.files} == {
        "a b.parquet": (100, 6, {"day": "1"}),
        "c.parquet": (100, 0, {"day": "2"}),
        "d.parquet": (6, 0, {"day": "1"}),
    }
    vector = "deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
    assert merged.names == {"a b.parquet", "c.parquet", "d.parquet", vector}
    now = snapshot(logs, TABLE)
    assert (now.version, now.names, now.properties) == (3, {"c.parquet", "e.parquet"}, {"delta.x": "1"})
    assert now.removed == {"a b.parquet": 7, "d.parquet": 7, vector: 7}
    assert snapshot(logs, TABLE, 0).names == {"a b.parquet"}


def test_what_the_log_has_no_more_or_never_had_is_said(log: Path, tmp_path: Path) -> None:
    logs = DeltaLogs(tmp_path.as_uri())
    checkpoint(log, 1)
    (log / f"{0:020d}.json").unlink()
    assert len(snapshot(logs, TABLE).files) == 2
    for version in (0, 4):
        with pytest.raises(NotInLog, match=f"version {version}"):
            snapshot(logs, TABLE, version)
    (log / f"{2:020d}.json").unlink()
    with pytest.raises(NotInLog, match="commit 2"):
        snapshot(logs, TABLE)
    assert snapshots(logs, [("silver", "nothing")]) == {}


def test_what_lies_in_a_table_s_folder_is_listed_without_its_log(log: Path, tmp_path: Path) -> None:
    (log.parent / "x.parquet").write_bytes(b"four")
    (log.parent / "ab").mkdir()
    (log.parent / "ab" / "v.bin").write_bytes(b"two")
    os.utime(log.parent / "x.parquet", (1000, 1000))
    found = DeltaLogs(tmp_path.as_uri()).stored(TABLE)
    assert {name: each.size for name, each in found.items()} == {"x.parquet": 4, "v.bin": 3}
    assert found["x.parquet"].modified == 1000


def test_rows_of_a_small_table_are_read_without_spark(log: Path, tmp_path: Path) -> None:
    """By partition: files of others are not read, and these are not there."""
    logs = DeltaLogs(tmp_path.as_uri())
    pq.write_table(pa.table({"id": [1, 2], "note": ["a", None]}), log.parent / "a b.parquet")
    commit(log, 4, [remove("e.parquet", 9), add("a%20b.parquet", day="3")])
    assert small_rows(logs, TABLE, lambda file: dict(file.partition)["day"] == "3") == [
        {"day": "3", "id": 1, "note": "a"},
        {"day": "3", "id": 2, "note": None},
    ]
    with pytest.raises(NotInLog, match="replaced and deleted"):
        small_rows(logs, TABLE, lambda _: True)
    commit(log, 5, [remove("a%20b.parquet", 11), add("a%20b.parquet", day="3", vector=VECTOR)])
    with pytest.raises(NotPlain, match="hides rows"):
        small_rows(logs, TABLE, lambda file: dict(file.partition)["day"] == "3")


def test_a_table_whose_files_name_columns_otherwise_is_not_read_from_its_files(log: Path, tmp_path: Path) -> None:
    logs = DeltaLogs(tmp_path.as_uri())
    pq.write_table(pa.table({"id": [1]}), log.parent / "e.parquet")
    for version, features, plain in ((4, ["deletionVectors"], True), (5, ["deletionVectors", "columnMapping"], False)):
        commit(log, version, [{"protocol": {"minReaderVersion": 3, "readerFeatures": features}}])
        now = snapshot(logs, TABLE)
        assert now.plain(now.files) == plain
    with pytest.raises(NotPlain, match="knows more"):
        small_rows(logs, TABLE, lambda file: file.name == "e.parquet")


def test_rows_are_counted_without_those_that_vectors_hide(log: Path, tmp_path: Path) -> None:
    assert snapshot(DeltaLogs(tmp_path.as_uri()), TABLE, 2).rows == 100 + 100 + 6 - 6


def test_a_log_that_cannot_be_put_together_is_no_missing_table(log: Path, tmp_path: Path) -> None:
    """Taken for a new lake it would be: then nothing is known of it any more."""
    logs = DeltaLogs(tmp_path.as_uri())
    with pytest.raises(NoTable):
        small_rows(logs, ("ops", "progress"), lambda _: True)
    (log / f"{1:020d}.json").unlink()
    for look in (lambda: small_rows(logs, TABLE, lambda _: True), lambda: snapshots(logs, [TABLE])):
        with pytest.raises(NotInLog, match="commit 1") as caught:
            look()
        assert not isinstance(caught.value, NoTable)


def test_checkpoints_of_another_kind_are_left_to_spark(log: Path, tmp_path: Path) -> None:
    (log / "_last_checkpoint").write_text(json.dumps({"version": 2}))
    (log / f"{2:020d}.checkpoint.0a1b2c3d-0000-0000-0000-000000000000.parquet").write_bytes(b"")
    for version in (0, 1):
        (log / f"{version:020d}.json").unlink()
    with pytest.raises(NotPlain):
        snapshot(DeltaLogs(tmp_path.as_uri()), TABLE)


def test_a_reader_of_version_two_maps_columns(log: Path, tmp_path: Path) -> None:
    commit(log, 4, [{"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}])
    now = snapshot(DeltaLogs(tmp_path.as_uri()), TABLE)
    assert not now.plain(now.files)


def test_files_whose_rows_nobody_counted_are_not_called_empty(log: Path, tmp_path: Path) -> None:
    commit(log, 4, [{"add": {"path": "f.parquet", "size": 1, "partitionValues": {}}}])
    assert snapshot(DeltaLogs(tmp_path.as_uri()), TABLE).rows is None
