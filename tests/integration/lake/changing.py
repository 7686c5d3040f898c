"""A lake whose contracts change while events are under way.

Belongs here: that lake, its events of several versions, and what an oracle in plain Python says of them. Not here: what is proven of it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from lake_assets.assets.deploy import follow_contracts
from lake_assets.bronze.load import BronzeResult, load_batch
from lake_assets.catalog import Catalog
from lake_assets.gold.load import load_gold
from lake_assets.gold.model import GoldTable
from lake_assets.jobs import INGEST, LONG
from lake_assets.lineage import Lineage
from lake_assets.raw.batches import advance, finish_batch, oldest_waiting
from lake_assets.raw.lake import ensure_lake
from lake_assets.raw.ledger import register
from lake_assets.raw.session import interpreted
from lake_assets.silver.current import merge_entities, merge_tombstones
from lake_assets.silver.history import update_history
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import rules_of
from publisher import wire
from publisher.contracts import Contract
from resources.lake import LakeResource
from resources.spark import SparkConnectResource
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake
from tests.unit.gold.conftest import header

DEBTS = "debts"

BASE = 1 << wire.EPOCH_BITS

HIGH = 100
"""Where the range of the manifest ends."""


def second(first: Contract) -> Contract:
    """The same contract with one change of each kind."""
    balance, status, band = (first.field(name) for name in ("balance_pence", "status", "principal_band"))
    changed = {
        "balance_pence": replace(balance, domain=replace(balance.domain, minimum=-1_000_000)),
        "status": replace(status, domain=replace(status.domain, values=("open", "settled"))),
    }
    kept = [changed.get(f.name, f) for f in first.fields if f.name != "placed_on"]
    return replace(first, version="2.0.0", fields=(*kept, replace(band, name="peak_band", required=False)))


def loose(built: dict[str, Any]) -> bytes:
    """The same event, not as the publisher writes it: for the strict validator."""
    return json.dumps(built, indent=1).replace("\n", " ").encode()


def changed(built: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**built, "record": {**built["record"], **values}}


@dataclass
class Site:
    """A lake under the contracts that were last deployed to it."""

    lake: Lake
    tables: LakeTables
    folder: Path
    contracts: dict[str, Contract] = field(default_factory=dict)
    rules: Rules = field(default_factory=dict)
    gold: dict[str, GoldTable] = field(default_factory=dict)
    objects: int = 0
    told: list[Any] = field(default_factory=list)
    opened: list[list[str]] = field(default_factory=list)
    """Of each run that followed a deployment the sessions that it opened, by name."""

    def deploy(self, contracts: dict[str, Contract], released: Iterable[Contract]) -> None:
        ensure_lake(self.tables, contracts, [Signed(each) for each in released])  # type: ignore[misc]
        self.contracts, self.rules = contracts, rules_of(contracts, released)

    def take(self, lines: list[bytes], *, history: bool = True) -> BronzeResult:
        """Lands an object, and takes its batch to silver and history."""
        self.objects += 1
        self.lake.land(f"{self.folder.name}-{self.objects}.gz", lines)
        register(self.tables, self.lake.landing, self.lake.notifications)
        batch = oldest_waiting(self.tables)
        assert batch is not None
        loaded = load_batch(self.tables, self.lake.landing, self.rules, batch)
        assert loaded.conservation.holds
        merge_tombstones(self.tables, loaded.conservation.contents, batch.number)
        merge_entities(self.lake_tables, self.contracts.values(), loaded.conservation.contents, batch.number, threads=1)
        finish_batch(self.tables, batch, loaded.counts)
        advance(self.tables)
        if history:
            for entity in loaded.conservation.contents:
                update_history(self.tables, self.contracts[entity], batch.number)
        return loaded

    def lake_tables(self, name: str) -> Any:
        return replace(self.lake, uri=self.tables.lake_uri).open(name)

    def follow(self, released: Iterable[Contract]) -> list[dict[str, Any]]:
        """What the next run of ingest does after a deployment; what it tells of it, which is in `told` as well."""
        before, opened = len(self.told), list[str]()
        self.opened.append(opened)

        class Lake(LakeResource):
            @contextmanager
            def tables(self, name: str) -> Iterator[LakeTables]:
                opened.append(name)
                with LakeResource.tables(self, name) as tables:
                    yield tables

        def tell(event: dg.AssetMaterialization) -> None:
            self.told.append({name: getattr(value, "value", value) for name, value in event.metadata.items()})

        with dg.DagsterInstance.ephemeral() as instance:
            run = dg.DagsterRun(job_name=INGEST, status=dg.DagsterRunStatus.STARTED)
            instance.add_run(run)
            context = SimpleNamespace(instance=instance, run=run, log=logging.getLogger("test"), log_event=tell)
            lake = Lake(spark=SparkConnectResource(remote=self.lake.remote), uri=self.tables.lake_uri)
            catalog = Catalog(self.contracts, self.gold, Lineage((), {}, ()), None, [Signed(each) for each in released])  # type: ignore[misc]
            assert follow_contracts(context, lake, catalog)  # type: ignore[arg-type]
            after = instance.get_run_by_id(run.run_id)
            assert after is not None
            assert LONG.items() <= after.tags.items(), "what it does cannot be cut into runs"
        return self.told[before:]

    def rows(self, name: str, *, but: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        with interpreted(self.tables.spark):
            found = [row.asDict() for row in self.tables.read("silver", name).collect()]
        order = "_seq" if name in self.contracts else "_seq_from"
        return sorted(
            ({k: v for k, v in row.items() if k not in but} for row in found), key=lambda row: (row["_key"], row[order])
        )

    def values_on_disk(self, column: str, *names: str) -> int:
        """How many values of a column are in any file of these tables (gold and the entity's, unless given), of whatever version."""
        held = 0
        for name in names or ("gold/days", f"bronze/{DEBTS}", f"silver/{DEBTS}", f"silver/{DEBTS}_history"):
            for file in (self.folder / name).rglob("*.parquet"):
                if "_delta_log" not in file.parts and column in pq.read_schema(file).names:
                    values = pq.read_table(file, columns=[column])[column]
                    held += len(values) - values.null_count
        return held


def days(folder: Path, site: Site, column: str, sql: str) -> dict[str, GoldTable]:
    """A gold table that counts debts by a column."""
    query = f"SELECT {sql} AS {column}, count(*) AS debts FROM silver.{DEBTS} GROUP BY {sql}"
    (folder / "days.sql").write_text(header(f"{column} debts", column) + query, encoding="utf-8")
    return load_gold(site.contracts, folder)


@dataclass(frozen=True)
class Signed:
    """A released version as `ensure_lake` reads it, without its text: these contracts are changed in memory."""

    contract: Contract

    @property
    def release(self) -> Any:
        from publisher.contracts.releases import Release

        return Release(
            self.contract.entity, self.contract.version, f"sha256:{self.contract.entity}{self.contract.version}", "2026-11-24"
        )

    approval = None
    text = ""


def a_site(lake: Lake, empty_lake: Path, tmp_path_factory: pytest.TempPathFactory, name: str) -> Site:
    folder = tmp_path_factory.mktemp(name) / name
    shutil.copytree(empty_lake, folder)
    return Site(lake, LakeTables(lake.tables.spark, folder.as_uri()), folder)


def winner(lines: Iterable[bytes]) -> dict[str, dict[str, Any]]:
    """The oracle: of each key the event that holds, by (seq, version)."""
    found: dict[str, dict[str, Any]] = {}
    for told in map(json.loads, lines):
        order = told["seq"], [int(part) for part in told["contract"].split(".")]
        known = found.get(told["key"])
        if known is None or order > (known["seq"], [int(part) for part in known["contract"].split(".")]):
            found[told["key"]] = told
    return {key: told for key, told in found.items() if "record" in told}


def says(told: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    """What a row of silver says of an event: the contract's fields by name."""
    values = {f.name: told["record"].get(f.name) for f in contract.fields}
    return {name: None if value is None else str(value) for name, value in values.items()}
