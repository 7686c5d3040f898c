"""What a backfill says of itself while it runs, where nobody watches a terminal."""

from __future__ import annotations

import pytest

from publisher import console
from publisher.backfill import Progress
from publisher.console import progress


def test_rows_rate_and_time_left_are_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 3.0, 60.0, 65.0, 120.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with progress("customers", 1_000_000) as report:
        for rows in (1_000, 100_000, 110_000, 1_200_000):
            report(Progress("customers", rows, done=False))
    assert capsys.readouterr().err.splitlines() == [
        "customers: 100,000 of about 1,000,000 rows, 1,667/s, 9 min left",
        "customers: 1,200,000 of about 1,000,000 rows, 10,000/s",
    ]
