"""The code location. Belongs here: wiring, and nothing else. Read assets/ for what there is, automation.py for when it runs."""

from __future__ import annotations

import dagster as dg

from lake_assets.assets.care import compaction_assets, compaction_jobs, vacuum_asset, vacuum_job, vacuum_schedule
from lake_assets.assets.completeness import completeness_checks
from lake_assets.assets.erasure import erasure_asset, erasure_job, erasure_schedule
from lake_assets.assets.gold import gold_assets
from lake_assets.assets.history import history_assets
from lake_assets.assets.ingest import ingest_assets
from lake_assets.assets.platform import platform_assets
from lake_assets.assets.replay import expiry_job, expiry_schedule, hours_asset, quarantine_check, replay_job, rollback_job
from lake_assets.automation import DEFAULT_CADENCE, automation_sensor
from lake_assets.care.lanes import lanes
from lake_assets.catalog import Catalog
from lake_assets.jobs import ingest_job, refresh_job
from lake_assets.sensors.crowded import crowded_sensor
from lake_assets.sensors.landed import landed_sensor, listing_schedules
from lake_assets.sensors.unfinished import unfinished_sensor
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.notifications import NotificationsResource
from resources.settings import cadence, tell_missing
from resources.spark import SparkConnectResource


@dg.definitions
def defs() -> dg.Definitions:
    """Everything, from the contracts and the gold files of this moment."""
    tell_missing()
    catalog = Catalog.load()
    cron = cadence(DEFAULT_CADENCE)
    completeness = completeness_checks(catalog, cron)
    quarantine, expiry, erasure = quarantine_check(cron), expiry_job(), erasure_job()
    compactions, vacuum = compaction_jobs(), vacuum_job()
    ingest, refresh = ingest_job(completeness, quarantine), refresh_job(completeness)
    return dg.Definitions(
        assets=[
            *platform_assets(catalog),
            *ingest_assets(catalog),
            hours_asset(catalog),
            history_assets(catalog, cron),
            gold_assets(catalog, cron),
            erasure_asset(catalog),
            *compaction_assets(catalog),
            vacuum_asset(catalog),
        ],
        asset_checks=[completeness, quarantine],
        jobs=[ingest, refresh, replay_job(catalog), rollback_job(catalog), expiry, erasure, *compactions, vacuum],
        sensors=[
            landed_sensor(ingest),
            automation_sensor(),
            unfinished_sensor(erasure),
            crowded_sensor(compactions, lanes(catalog.contracts, catalog.gold)),
        ],
        schedules=[*listing_schedules(ingest), expiry_schedule(expiry), erasure_schedule(erasure), vacuum_schedule(vacuum)],
        resources={
            "lake": LakeResource(spark=SparkConnectResource()),
            "landing": LandingResource(),
            "notifications": NotificationsResource(),
        },
        executor=dg.in_process_executor,
    )
