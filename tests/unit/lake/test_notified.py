"""When the check `notified` warns: a queue that misses some of what lands, or in a quiet lake all of it."""

from __future__ import annotations

import pytest

from lake_assets.assets.ingest_events import FEW, notified_check
from lake_assets.raw.notified import Found


@pytest.mark.parametrize(
    ("objects", "by_listing", "passed"),
    [
        (0, 0, True),
        (1, 1, True),  # it may have landed a moment before the listing
        (2, 1, True),
        (2, 2, False),
        (FEW, FEW, False),
        (1_000, FEW, True),
        (1_000, FEW + 1, False),
    ],
)
def test_it_warns_of_many_found_by_listing_or_of_all(objects: int, by_listing: int, passed: bool) -> None:
    assert notified_check(Found(objects, by_listing)).passed == passed
