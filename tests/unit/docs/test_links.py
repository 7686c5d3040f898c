"""Every link of every page leads somewhere, and every file that a page names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import DOCS, ROOT, anchors

PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "infra" / "README.md", ROOT / "README.md"])
FILE = re.compile(
    r"`((?:contracts|demo|docs|infra|lake_assets|publisher|resources|tests)/[\w./-]*\.(?:py|tf|yaml|sql|md|lock|properties))`"
)
WRITTEN_BY_THE_READER = {"lake_assets/gold/debtors_by_age.sql", "contracts/approvals.yaml", "contracts/members.yaml"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_every_file_of_the_page_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text.replace("\n", " ")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    broken += [name for name in FILE.findall(text) if name not in WRITTEN_BY_THE_READER and not (ROOT / name).exists()]

    assert broken == []
