"""A run of ingest that died with the lake closed: the next one of ingest goes on with it, whatever else it would have found to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lake_assets.assets import ingest
from lake_assets.catalog import Catalog
from lake_assets.raw import alone
from lake_assets.raw.progress import Progress
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.notifications import NotificationsResource
from resources.spark import SparkConnectResource


class Lake(LakeResource):
    """A lake without Spark."""

    @contextmanager
    def tables(self, name: str) -> Iterator[Any]:
        yield SimpleNamespace()


@pytest.mark.parametrize(("what", "begins", "follows"), [("ingest", True, True), ("erasure", False, False), (None, True, False)])
def test_what_ingest_closed_the_lake_for_only_ingest_finishes(
    what: str | None, begins: bool, follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = json.dumps({"what": what, "run": "one that died", "finish": True}) if what else None
    asked: list[str] = []

    def ensure(*_: Any) -> int:
        asked.append("begins")
        return 0  # no contract has changed since

    def follow(*_: Any) -> bool:
        asked.append("follows")
        return False

    monkeypatch.setattr(ingest.alone, "look", lambda *_: {alone.NAME: Progress(alone.NAME, None, note)})
    monkeypatch.setattr(ingest, "ensure_lake", ensure)
    monkeypatch.setattr(ingest, "follow_contracts", follow)
    monkeypatch.setattr(ingest, "register", lambda *_, **__: SimpleNamespace(new=0))
    monkeypatch.setattr(ingest, "pending_batches", lambda _: [])
    monkeypatch.setattr(LandingResource, "open", lambda _: None)
    monkeypatch.setattr(NotificationsResource, "open", lambda _: None)
    resources = {
        "lake": Lake(spark=SparkConnectResource(remote="sc://nowhere"), uri="s3://lake"),
        "landing": LandingResource(landing_uri="s3://landing"),
        "notifications": NotificationsResource(),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([ingest.ingest_assets(Catalog.load())[0]], resources=resources, instance=instance).success
    assert asked == ["begins"] * begins + ["follows"] * follows
