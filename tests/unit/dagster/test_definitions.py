"""The code location: what it holds is pinned, and each asset shows where its columns come from.

Nothing runs here: what the assets do is proven on real parts in tests/integration.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from lake_assets.catalog import Catalog
from lake_assets.definitions import defs

ENTITIES = ("circumstances", "creditors", "customers", "debts", "messages", "payments", "plans")
GOLD = (
    "age_groups", "communications", "contactability", "monthly_cohorts", "payments_performance", "plan_health", "portfolio",
    "vulnerability_prevalence",
)  # fmt: skip
ALL_OR_NOTHING = ("erasure", "replay", "rollback", "vacuum")


@pytest.fixture(scope="module")
def definitions() -> Iterator[dg.Definitions]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SPARK_REMOTE", "LAKE_URI", "LANDING_URI", "LANDED_QUEUE_URL"):
            patch.setenv(name, "set-by-the-test")
        patch.setenv("PAGES_URL", "http://127.0.0.1:3001")
        yield defs.load_fn()


def test_the_assets_are_these(definitions: dg.Definitions) -> None:
    keys = {"/".join(key.path) for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    layers = {f"{layer}/{entity}" for layer in ("platform", "bronze", "silver") for entity in ENTITIES}
    histories = {f"silver/{entity}_history" for entity in ENTITIES}
    assert keys == layers | histories | {f"gold/{table}" for table in GOLD} | {
        "raw/objects",
        "raw/hours",
        "bronze/quarantine",
        "bronze/risk",
        "ops/erasure",
        "care/compaction_of_ingest",
        "care/compaction_of_history",
        "care/compaction_of_gold",
        "care/vacuum",
    }


def test_the_checks_are_these_and_those_that_hold_back_are_blocking(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking = {(node.key.asset_key.to_user_string(), node.key.name): node.blocking for node in graph.asset_check_nodes}
    expected = {
        ("bronze/quarantine", "conservation"): True,
        ("bronze/quarantine", "empty"): False,
        ("raw/objects", "notified"): False,
    }
    for entity in ENTITIES:
        expected |= {
            (f"silver/{entity}", "one_content"): True,
            (f"silver/{entity}", "fresh"): False,
            (f"bronze/{entity}", "arrived"): False,
            (f"silver/{entity}", "same_state"): False,
        }
    few = {name for name, table in Catalog.load().gold.items() if table.header.smallest_cell}
    assert few
    assert blocking == expected | {(f"gold/{name}", "two_refreshes"): False for name in few}


def test_jobs_sensors_and_schedules_are_these(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {job.name for job in repository.get_all_jobs()} == {
        "__ASSET_JOB",
        "ingest",
        "refresh",
        "replay",
        "rollback",
        "expire_quarantine",
        "erasure",
        "compaction_of_ingest",
        "compaction_of_history",
        "compaction_of_gold",
        "vacuum",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {"landed", "automation", "erasure_unfinished", "crowded"}
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "listing_of_open_hours",
        "listing_of_the_day",
        "expiry_of_quarantine",
        "erasure_daily",
        "vacuum_daily",
    }


def test_ingest_takes_a_batch_to_silver_and_nothing_further(definitions: dg.Definitions) -> None:
    keys = definitions.resolve_job_def("ingest").asset_layer.selected_asset_keys
    names = {"/".join(key.path) for key in keys}
    assert names == {"raw/objects", "bronze/quarantine", "bronze/risk"} | {
        f"{layer}/{e}" for layer in ("bronze", "silver") for e in ENTITIES
    }


def test_a_lane_is_compacted_in_the_pool_of_those_who_write_it(definitions: dg.Definitions) -> None:
    """OPTIMIZE beside a MERGE of the same table fails one of the two."""
    graph = definitions.resolve_asset_graph()
    for lane, written in {"ingest": "bronze/debts", "history": "silver/debts_history", "gold": "gold/portfolio"}.items():
        compaction = graph.get(dg.AssetKey(["care", f"compaction_of_{lane}"]))
        writer = graph.get(dg.AssetKey(written.split("/")))
        assert compaction.pools == writer.pools == {lane}
        tags = definitions.resolve_job_def(f"compaction_of_{lane}").tags
        assert tags["dagster/priority"] == "1"
        assert ("pushlake/lane" in tags) == (lane == "ingest")


def test_work_that_must_come_through_has_a_day(definitions: dg.Definitions) -> None:
    limits = {
        name: definitions.resolve_job_def(name).tags.get("dagster/max_runtime") for name in ("ingest", "refresh", *ALL_OR_NOTHING)
    }
    assert limits == {"ingest": "1800", "refresh": None} | dict.fromkeys(ALL_OR_NOTHING, "86400")


@pytest.mark.parametrize("table", GOLD)
def test_a_gold_table_shows_its_columns_lineage_owner_and_page(definitions: dg.Definitions, table: str) -> None:
    spec = definitions.resolve_asset_graph().get(dg.AssetKey(["gold", table])).to_asset_spec()
    columns = spec.metadata["dagster/column_schema"].columns
    assert columns
    assert all(column.description for column in columns)
    assert spec.metadata["dagster/column_lineage"].deps_by_column
    assert "platform/" in spec.metadata["column lineage"].md_str
    assert spec.metadata["lineage page"].url == f"http://127.0.0.1:3001/lineage.html#gold/{table}"
    assert spec.owners
    assert spec.freshness_policy is not None
    assert spec.automation_condition is not None


def test_the_share_with_email_is_traced_to_the_encrypted_column(definitions: dg.Definitions) -> None:
    spec = definitions.resolve_asset_graph().get(dg.AssetKey(["gold", "contactability"])).to_asset_spec()
    [line] = [line for line in spec.metadata["column lineage"].md_str.splitlines() if line.startswith("| `share_with_email`")]
    assert "`platform/customers.email` 🔒" in line


def test_a_platform_asset_names_what_never_leaves(definitions: dg.Definitions) -> None:
    spec = definitions.resolve_asset_graph().get(dg.AssetKey(["platform", "customers"])).to_asset_spec()
    assert "Never leaves: full_name. Told by the envelope alone, to the minute: updated_at." in (spec.description or "")
    assert {column.name for column in spec.metadata["dagster/column_schema"].columns} >= {"full_name", "email", "date_of_birth"}


def test_contracts_that_are_missing_are_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("CONTRACTS_DIR", str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(Exception, match="the folder has no contract"):
        Catalog.load()


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")  # Dagster reads its own
def test_the_definitions_can_be_sent_to_the_daemon_and_the_ui(definitions: dg.Definitions) -> None:
    """A condition that cannot be sent fails there only, and nothing is ever built."""
    sent = serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    assert '"automation"' in sent
