"""Proves that the validator travels: Spark's workers on a cluster have Python and PyArrow, and no lake_assets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from pyspark import cloudpickle

from lake_assets.transforms.fields import Rules
from lake_assets.transforms.strict import by_value
from lake_assets.transforms.validate import judge_line
from tests.unit.lake.make_events import event, line

WORKER = """
import pickle, sys
sys.modules["lake_assets"] = sys.modules["publisher"] = None  # importing either is an error
import pyarrow as pa
judge = pickle.load(open(sys.argv[1], "rb"))
with pa.ipc.open_stream(sys.argv[2]) as raw, pa.OSFile(sys.argv[3], "wb") as out:
    for number, batch in enumerate(judge(iter(raw))):
        if not number:
            writer = pa.ipc.new_stream(out, batch.schema)
        writer.write(batch)
    writer.close()
"""


def test_the_validator_runs_where_the_project_is_not_installed(rules: Rules, tmp_path: Path) -> None:
    lines = [
        json.dumps(event(rules["debts"], 1, 1)).encode(),
        b"not JSON",
        line(event(rules["plans"], 2, 2)),
        b'{"entity":"debts"}',
    ]
    judge, raw, out = (str(tmp_path / name) for name in ("judge", "raw", "out"))
    Path(judge).write_bytes(cloudpickle.dumps(by_value(rules)))
    batch = pa.RecordBatch.from_pydict({"object": ["o"] * len(lines), "raw": pa.array(lines, pa.binary())})
    with pa.OSFile(raw, "wb") as sink, pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    subprocess.run([sys.executable, "-I", "-c", WORKER, judge, raw, out], check=True, cwd=tmp_path)
    found = pa.ipc.open_stream(out).read_all().to_pylist()
    outcomes = [outcome for each in lines for outcome in judge_line(each, rules)]
    assert [row["line"] for row in found] == [getattr(outcome, "line", None) for outcome in outcomes]
    assert [row["reason"] for row in found] == [getattr(outcome, "reason", None) for outcome in outcomes]
