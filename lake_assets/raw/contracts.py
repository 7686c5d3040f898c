"""Which contracts there ever were, and who signed for them: `ops/contracts`, so that the lake answers for what it holds.

Belongs here: writing down versions that the table does not have. Not here: the history itself (publisher/contracts/releases.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from lake_assets.transforms import schemas
from publisher.contracts.history import SignedVersion
from resources.spark import spark_errors
from resources.tables import LakeTables


def record_contracts(tables: LakeTables, signed: Sequence[SignedVersion]) -> int:
    """Adds the versions that are missing; how many. What is there is never changed, whatever a later history says of it."""
    with spark_errors("reading the contracts' versions"):
        known = {(row.entity, row.digest) for row in tables.read("ops", "contracts").select("entity", "digest").collect()}
    now = datetime.now(UTC)
    rows = [
        (
            *(each.release.entity, each.release.version, each.release.digest, date.fromisoformat(each.release.date)),
            *((each.approval.role, each.approval.assessment, date.fromisoformat(each.approval.date)) if each.approval else (None,) * 3),
            *(each.text, now),
        )
        for each in signed
        if (each.release.entity, each.release.digest) not in known
    ]  # fmt: skip
    if rows:
        frame = tables.spark.createDataFrame(rows, schemas.struct(schemas.CONTRACTS)).coalesce(1)
        # Repeated after a crash it finds as many as before, and so writes under the same number.
        tables.append("ops", "contracts", frame, batch=len(known))
    return len(rows)


def mark(signed: Iterable[SignedVersion]) -> str:
    """Changes when there is a version more: a released one has had its approval from the first."""
    known = [f"{each.release.entity} {each.release.digest}" for each in signed]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]
