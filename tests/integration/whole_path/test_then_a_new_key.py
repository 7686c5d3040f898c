"""A new pseudonym key through the whole path: made, rotated to, waited for, exchanged. The last module: it changes the lake."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from demo.cloud.ministack import Emulator
from publisher.wire import EPOCH_BITS
from tests.integration.oracle import RECORDS, Oracle
from tests.integration.publisher.test_rotation import with_key
from tests.integration.whole_path.compare import silver_is_what_the_platform_says
from tests.integration.whole_path.path import WholePath

pytestmark = pytest.mark.long  # all rows pass once more


@dataclass
class Rotated:
    """The path under the second key, and what was seen on the way."""

    path: WholePath
    former: dict[str, set[str]]
    while_waiting: dict[str, set[str]]


@pytest.fixture(scope="module")
def rotated(whole_path: WholePath, cloud: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Rotated:
    """What the runbook says, on everything that is in the lake."""
    whole_path.command("publisher.cli", "keys", "rotate", "--make")
    contracts = with_key(tmp_path_factory.mktemp("second-key"), 2)
    former = {entity: set(whole_path.silver(entity)) for entity in RECORDS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTS_DIR", str(contracts))
        under = {"CONTRACTS_DIR": str(contracts)}
        whole_path.command("publisher.cli", "keys", "rotate", **under)
        for _ in range(2):  # the range in which a backfill ends does not prove it whole; the next one does
            whole_path.push(**under)
        whole_path.run_jobs("ingest", "refresh")  # all rows come, and the manifests say so; history and gold wait
        while_waiting = {entity: set(whole_path.silver(entity)) for entity in RECORDS}
        with psycopg.connect(whole_path.env["PLATFORM_DATABASE_URL"], autocommit=True) as connection:
            for entity in RECORDS:  # the platform goes on
                connection.execute(f"UPDATE {entity} SET id = id WHERE id = (SELECT max(id) FROM {entity})")
        whole_path.push(**under)
        whole_path.run_jobs("ingest", "refresh")
    whole_path.oracle = Oracle.of(cloud, whole_path.env, key_version=2)
    return Rotated(whole_path, former, while_waiting)


def test_silver_waits_whole_and_under_the_former_key_until_all_has_come(rotated: Rotated) -> None:
    assert rotated.while_waiting == rotated.former
    assert all(rotated.former.values())


@pytest.mark.parametrize("entity", sorted(RECORDS))
def test_then_silver_is_what_the_platform_says_under_the_new_key(rotated: Rotated, entity: str) -> None:
    silver_is_what_the_platform_says(rotated.path, entity)


@pytest.mark.parametrize("entity", sorted(RECORDS))
def test_no_code_of_the_former_key_is_in_silver_or_its_history(rotated: Rotated, entity: str) -> None:
    tables, former = rotated.path.tables, rotated.former[entity]
    assert rotated.path.silver(entity).keys().isdisjoint(former)
    history = tables.read("silver", f"{entity}_history").select("_key", "_seq_from", "_is_current").collect()
    assert {row._key for row in history if row._is_current} == set(rotated.path.silver(entity))
    assert {row._key for row in history}.isdisjoint(former)
    assert {row._seq_from >> EPOCH_BITS for row in history} == {2}
    assert tables.read("bronze", entity).where(f"_seq < {2 << EPOCH_BITS}").count() > 0, "bronze keeps what came before"


def test_gold_is_built_anew_and_every_check_passes(rotated: Rotated) -> None:
    assert all(run.success for run in rotated.path.runs)
    last = rotated.path.runs[-1]
    assert {event.asset_key.path[0] for event in last.get_asset_materialization_events() if event.asset_key} >= {"silver", "gold"}
    assert [e.check_name for e in last.get_asset_check_evaluations() if not e.passed] == []
