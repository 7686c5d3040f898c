"""The lake as a Dagster resource: its tables, each unit of work with a Spark session of its own.

Belongs here: joining the Spark server and the lake's address. Not here: either of them (spark.py, tables.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from resources.settings import setting
from resources.spark import SparkConnectResource

if TYPE_CHECKING:
    from resources.tables import LakeTables


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """`with lake.tables("bronze/17") as tables: …`. `uri` is where the layers lie (empty: what LAKE_URI says)."""

    spark: SparkConnectResource
    uri: str = ""

    @contextmanager
    def tables(self, name: str) -> Iterator[LakeTables]:
        """The tables through a session named after the lake and the unit of work; see SparkConnectResource.session.

        After the lake too, since a server may have several, and each has a batch 2: they would interrupt and close each other's.
        """
        from resources.tables import LakeTables

        uri = self.uri or setting("LAKE_URI")
        with self.spark.session(f"{uri.rstrip('/')} {name}") as session:
            yield LakeTables(session, uri)
