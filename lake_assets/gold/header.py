"""Reads the header of a gold file: the `-- key: value` lines at its top.

Belongs here: the form of the header. Not here: whether its columns exist (check.py).
"""

from __future__ import annotations

import re
from datetime import timedelta

from lake_assets.gold.model import Header, SmallestCell
from publisher.contracts import Problem

KEYS = ("description", "owner", "freshness", "grain", "smallest_cell")
LINE = re.compile(r"--\s?(column\s+\w+|\w+)\s*:\s*(.*)")
CONTINUED = re.compile(r"--\s{3,}(\S.*)")
PERIOD = re.compile(r"(\d+)\s*(minute|hour|day)s?")
LIST = r"(\w+(?:\s*,\s*\w+)*)"
NONE = re.compile(r"none(?:\s+because\s+(\S.*))?")
CELL = re.compile(rf"(\w+)\s*<\s*(\d+)\s+suppresses\s+{LIST}(?:\s+within\s+{LIST})?(?:\s+counting\s+{LIST})?")
EXAMPLES = {
    "description": "-- description: What was collected, by month and method.",
    "owner": "-- owner: finance",
    "freshness": "-- freshness: 15 minutes",
    "grain": "-- grain: month, method",
    "smallest_cell": "-- smallest_cell: people < 10 suppresses people, share (or: none because <why no row is about few people>)",
}


def read_header(file: str, sql: str) -> tuple[Header | None, list[Problem]]:
    """The header, or None with all that is wrong with it."""
    entries, lines, problems = _entries(file, sql)
    for key in KEYS:
        if not entries.get(key):
            problems.append(Problem(file, lines.get(key, 1), key, "the header does not say it", f"Write {EXAMPLES[key]}"))
    if problems:
        return None, problems
    freshness = PERIOD.fullmatch(entries["freshness"])
    if freshness is None:
        problems.append(Problem(file, lines["freshness"], "freshness", "not a period", f"Write {EXAMPLES['freshness']}"))
    cell_text, cell = entries["smallest_cell"], None
    because = NONE.fullmatch(cell_text)
    if because is None:
        match = CELL.fullmatch(cell_text)
        if match is None or int(match[2]) < 2:
            problems.append(
                Problem(file, lines["smallest_cell"], "smallest_cell", "not a rule", f"Write {EXAMPLES['smallest_cell']}")
            )
        else:
            within = None if match[4] is None else () if match[4] == "all" else _names(match[4])
            cell = SmallestCell(match[1], int(match[2]), _names(match[3]), within, _names(match[5] or ""))
    if problems or freshness is None:
        return None, problems
    columns = {key.removeprefix("column "): text for key, text in entries.items() if key.startswith("column ")}
    period = timedelta(**{f"{freshness[2]}s": int(freshness[1])})
    return Header(
        entries["description"], entries["owner"], period, _names(entries["grain"]), cell, columns, lines, (because and because[1]) or ""
    ), []  # fmt: skip


def _entries(file: str, sql: str) -> tuple[dict[str, str], dict[str, int], list[Problem]]:
    entries: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    last = None
    for number, text in enumerate(sql.splitlines(), start=1):
        if not text.startswith("--"):
            break
        if last and (continued := CONTINUED.fullmatch(text)):
            entries[last] += f" {continued[1].strip()}"
            continue
        match = LINE.fullmatch(text)
        key = re.sub(r"\s+", " ", match[1]) if match else ""
        if match is None or (key not in KEYS and not key.startswith("column ")):
            remedy = f"Write one of {', '.join(KEYS)} or `column <name>`, and indent what continues a line by three spaces"
            problems.append(Problem(file, number, key, "not a line of the header", remedy))
            continue
        if key in entries:
            problems.append(Problem(file, number, key, "stands twice in the header", "Keep one"))
        entries[key], lines[key], last = match[2].strip(), number, key
    return entries, lines, problems


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
