"""The lake's settings, read from the environment where they are used.

Belongs here: names, and the sentence for a missing or unusable one. Not here: the platform's settings (publisher/settings.py), the AWS variables,
which the AWS clients read themselves.
"""

from __future__ import annotations

import logging
import os
from functools import cache

from dagster._utils.schedules import is_valid_cron_schedule

from resources.errors import SettingInvalid, SettingMissing

ABOUT = {
    "LANDING_URI": "the bucket where Firehose lands raw objects, e.g. s3://landing",
    "LANDED_QUEUE_URL": "the SQS queue that S3 tells of landed objects",
    "LAKE_URI": "where the tables are, e.g. s3://lake",
    "SPARK_REMOTE": "the Spark Connect server, e.g. sc://127.0.0.1:15002",
}

logger = logging.getLogger("pushlake.settings")


def setting(name: str) -> str:
    """The value of one of ABOUT. Raises SettingMissing, which says what it is and what to do, where it is not set."""
    value = _value(name)
    if not value:
        raise SettingMissing(_sentence([name]))
    return value


def cadence(default: str) -> str:
    """LAKE_CADENCE, or the default. Raises SettingInvalid where it is no cron expression."""
    text = os.environ.get("LAKE_CADENCE", default)
    if not is_valid_cron_schedule(text):
        raise SettingInvalid(
            "LAKE_CADENCE is no cron expression of five fields: set it, for example, to */5 * * * *, or leave it out."
        )
    return text


@cache
def tell_missing() -> None:
    """Logs one sentence that names every setting that is not set, where others are; once a process.

    Where none is, the definitions are only looked at, as `make check` does: no run could come by without its own error.
    """
    missing = [name for name in ABOUT if not _value(name)]
    if 0 < len(missing) < len(ABOUT):
        logger.error(_sentence(missing))


def _value(name: str) -> str:
    return os.environ.get(name, "").strip()


def _sentence(missing: list[str]) -> str:
    named = ", ".join(f"{name} ({ABOUT[name]})" for name in missing)
    verb, what = ("is", "it") if len(missing) == 1 else ("are", "them")
    return f"{named} {verb} not set: set {what} for the code location and reload it; `make dev` sets and prints all of them."
