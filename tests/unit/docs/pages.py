"""The pages as text and tables. Belongs here: reading Markdown. Not here: what a page must say."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of the same or a higher level."""
    level = heading.split(" ")[0]
    assert f"\n{heading}\n" in text, f"there is no heading {heading}"
    below = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows, without headings."""
    lines = text.splitlines()
    headings = {lines[i - 1] for i, line in enumerate(lines) if re.fullmatch(r"\|(-+\|)+", line)}
    kept = [line for line in lines if line.startswith("| ") and line not in headings]
    return [[cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split(" | ")] for line in kept]


def code(text: str) -> list[str]:
    """Everything between backticks; between two where the text itself has some."""
    return [double or single for double, single in re.findall(r"``(.+?)``|`([^`\n]+)`", text)]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the usual viewers make them."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
