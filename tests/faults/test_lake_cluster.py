"""One batch on a real cluster of two workers, with the lake in S3: executors share no folder with the server, and do the work.

With `make faults`. All of tests/integration/lake runs on the same cluster with PUSHLAKE_TEST_CLUSTER=1.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision
from lake_assets.bronze.load import load_batch
from lake_assets.raw.batches import oldest_waiting
from lake_assets.raw.lake import ensure_lake
from lake_assets.raw.ledger import register
from lake_assets.silver.current import merge_entities, merge_tombstones
from lake_assets.silver.history import update_history
from lake_assets.transforms.rules import rules_of
from publisher.contracts import load_contracts
from resources.lake import LakeResource
from resources.landing import Landing
from resources.notifications import Notifications
from resources.spark import SparkConnectResource
from tests.fixtures.cluster import WORKERS, cluster
from tests.fixtures.spark import serving
from tests.integration.lake.conftest import ENTITIES, Lake
from tests.unit.lake.make_events import event, line

KEYS = 300


@pytest.mark.skipif("FAULT_ROUNDS" not in os.environ, reason="`make faults` starts a cluster")
def test_a_batch_goes_from_raw_objects_to_history_on_two_workers(
    cloud: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    every = load_contracts(Path("contracts"))
    contracts = {entity: every[entity] for entity in ENTITIES}
    rules = rules_of(contracts)
    names = provision(cloud.environment(), prefix=f"t{secrets.token_hex(5)}-", shards=1)
    landing, queue = (
        Landing(names["LANDING_URI"], cloud.client("s3")),
        Notifications(names["LANDED_QUEUE_URL"], cloud.client("sqs")),
    )
    began = time.monotonic()
    with (
        cluster(cloud.environment(), tmp_path / "cluster") as master,
        serving(cloud.environment(), tmp_path, lake_uri=names["LAKE_URI"], master=master) as facts,
    ):
        lake = LakeResource(spark=SparkConnectResource(remote=facts["remote"]), uri=names["LAKE_URI"])
        with lake.tables("cluster") as tables:
            where = tables.spark.range(0, 64, 1, 8).selectExpr(
                "reflect('java.lang.System', 'getenv', 'SPARK_EXECUTOR_DIRS') AS dir"
            )
            assert len({row.dir for row in where.distinct().collect()}) == WORKERS, "each has folders of its own"
            ensure_lake(tables, contracts)
            site = Lake(facts["remote"], names["LAKE_URI"], tables, landing, queue, cloud.client("s3"))
            for entity in ENTITIES:
                events = [event(rules[entity], key, key + 1) for key in range(KEYS)]
                events += [event(rules[entity], key, KEYS + key + 1, op="delete") for key in range(0, KEYS, 3)]
                site.land(f"{entity}.gz", [*map(line, events), b"no JSON"])
            [number] = register(tables, landing, queue).batches
            batch = oldest_waiting(tables)
            assert batch is not None
            assert batch.number == number
            # No line is judged in this process: what is not canonical goes to Python on the workers.
            loaded = load_batch(tables, landing, rules, batch, fetched_bytes=0, few_bytes=0)
            assert loaded.conservation.holds
            assert (loaded.events, loaded.refused) == (
                dict.fromkeys(sorted(ENTITIES), KEYS + KEYS // 3),
                {"not JSON": len(ENTITIES)},
            )
            contents = loaded.conservation.contents
            assert merge_tombstones(tables, contents, number) == len(ENTITIES) * KEYS // 3
            merged = merge_entities(lake.tables, contracts.values(), contents, number)
            assert {e: r.inserted for e, r in merged.items()} == dict.fromkeys(ENTITIES, KEYS - KEYS // 3)
            for entity in ENTITIES:
                assert update_history(tables, contracts[entity], number).inserted == KEYS + KEYS // 3
        executors = list((tmp_path / "cluster").glob("worker-*/app-*/*/stderr"))
        assert len(executors) == WORKERS
        assert not [log for log in executors if "no JSON" in log.read_text()], "a worker's log holds no value either"
    with capsys.disabled():
        print(f"\na batch on a cluster of {WORKERS} workers, with its start and end: {time.monotonic() - began:.0f} s")
