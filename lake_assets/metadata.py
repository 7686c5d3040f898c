"""What a materialisation shows a person: small plots and previews, as Dagster metadata.

Belongs here: drawing. Not here: the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import dagster as dg

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lake_assets.gold.model import GoldTable

BAR_WIDTH, BAR_HEIGHT = 220, 16
PREVIEW_ROWS = 8


class Stopwatch:
    """Seconds of each stretch of a step, for the run's log."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name], self._last = now - self._last, now

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.seconds.items())


def bars(values: Mapping[str, int], unit: str = "") -> dg.MarkdownMetadataValue:
    """Horizontal bars, one a name, drawn as SVG inside Markdown: no file, no script."""
    shown = {name: value for name, value in values.items() if value}
    if not shown:
        return dg.MetadataValue.md("nothing")
    longest = max(shown.values())
    height = (BAR_HEIGHT + 6) * len(shown)
    rows = []
    for index, (name, value) in enumerate(shown.items()):
        y = index * (BAR_HEIGHT + 6)
        rows.append(
            f'<rect x="120" y="{y}" width="{max(1, BAR_WIDTH * value // longest)}" height="{BAR_HEIGHT}" fill="#4f7cac"/>'
            f'<text x="114" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
            f'<text x="{126 + BAR_WIDTH * value // longest}" y="{y + 12}">{value:,}{escape(unit)}</text>'
        )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="420" height="{height}" font-family="sans-serif" font-size="12" fill="#6b7280">'
        f"{''.join(rows)}</svg>"
    )
    return dg.MetadataValue.md(
        f"![{escape(', '.join(f'{n}: {v:,}' for n, v in shown.items()))}](data:image/svg+xml,{quote(svg)})"
    )


def lag(newest: datetime | None) -> dict[str, float]:
    """Seconds since the newest of the events that were merged; nothing where there is none. Dagster draws it over the runs.

    As coarse as the contract's precision: `_committed_at` is cut to a minute as a rule.
    """
    return {} if newest is None else {"lag in seconds": round((datetime.now(UTC) - newest).total_seconds(), 1)}


def preview(table: GoldTable, frame: DataFrame) -> dict[str, dg.MarkdownMetadataValue]:
    """The first rows of a gold table with a smallest cell, whose small cells are emptied; of any other table nothing.

    A cell of the others can be about one person, and Dagster's event log outlives the table and any erasure.
    """
    if table.header.smallest_cell is None:
        return {}
    rows = frame.limit(PREVIEW_ROWS).collect()
    head = f"| {' | '.join(frame.columns)} |\n|{'---|' * len(frame.columns)}"
    body = "\n".join("| " + " | ".join(_shown(cell) for cell in row) + " |" for row in rows)
    return {"preview": dg.MetadataValue.md(f"{head}\n{body}")}


def _shown(cell: object) -> str:
    """A time comes back in this machine's zone; the lake's are UTC."""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return "" if cell is None else str(cell)
