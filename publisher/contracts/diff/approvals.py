"""Who approved what leaves: `contracts/approvals.yaml`.

Belongs here: reading approvals, when one can have been given, and the digest of what they approve. Not here: what needs one (compare.py).

    approvals:
      - entity: customers
        digest: sha256:…            # of this very content: any change asks anew
        role: data-protection-officer
        assessment: DPIA-2026-014
        date: 2026-11-24
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from publisher.contracts.problems import Problem
from publisher.contracts.source import ContractSource, parse_source, shown

VOCABULARY = "vocabulary"
APPROVALS_FILE = "approvals.yaml"
FORMS = {
    "entity": (re.compile(r"[a-z][a-z0-9_]*"), "the entity that it approves, or vocabulary"),
    "digest": (re.compile(r"sha256:[0-9a-f]{64}"), "the digest that the diff prints, `sha256:` and 64 hex digits"),
    "role": (re.compile(r"\w.+[\w)]"), "the role of the person who approved, as data-protection-officer"),
    "assessment": (re.compile(r"\w.+[\w)]"), "the assessment's (DPIA) reference, as DPIA-2026-014"),
    "date": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "the day of the approval, as 2026-11-24"),
}


PLACEHOLDER = re.compile(r"…|\.\.\.|[<>]|_{3,}|\?{2,}|\b(?:x{2,}|todo|tbd|fixme|yyyy|n/a|placeholder)\b", re.IGNORECASE)
"""What stands for something that somebody has yet to write."""


@dataclass(frozen=True)
class Approval:
    """One approval of one content of one contract."""

    entity: str
    digest: str
    role: str
    assessment: str
    date: str
    """ISO 8601, a day."""
    line: int = field(default=1, compare=False)
    """Where it stands in the file, for messages."""


def digest_of(content: Mapping[str, object]) -> str:
    """The digest of a contract's content: comments and layout do not count, all else does."""
    return "sha256:" + hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def read_approvals(text: str | None, file: str = APPROVALS_FILE) -> tuple[list[Approval], list[Problem]]:
    """The approvals of a file, and all that is wrong with it. A doubtful approval approves nothing."""
    if text is None:
        return [], []
    source = parse_source(file, text)
    if source.problems:
        return [], source.problems
    entries = source.data.get("approvals")
    if set(source.data) != {"approvals"} or not isinstance(entries, list):
        source.problem((), "the file has no list of approvals", "Write approvals: and a list, [] if there are none")
        return [], source.problems
    approvals = [approval for index, entry in enumerate(entries) if (approval := _approval(source, index, entry))]
    for index, approval in enumerate(approvals):
        if (approval.entity, approval.digest) in {(other.entity, other.digest) for other in approvals[:index]}:
            message = "the same content is approved twice"
            source.problem(("approvals",), message, f"Keep one of the two approvals of {approval.entity}")
    return approvals, source.problems


def _approval(source: ContractSource, index: int, entry: object) -> Approval | None:
    before = len(source.problems)
    if not isinstance(entry, dict):
        source.problem(("approvals", index), "an approval is no list of keys", f"Write {', '.join(FORMS)}")
        return None
    for key in entry:
        if key not in FORMS:
            source.problem(("approvals", index, key), f"unknown key {shown(key)}", f"Write one of: {', '.join(FORMS)}")
    for key, (form, meaning) in FORMS.items():
        value = entry.get(key)
        if not isinstance(value, str) or not form.fullmatch(value) or (key == "date" and not _is_day(value)):
            source.problem(("approvals", index, key), f"{key} is missing or of another form", f"Write {key}: {meaning}")
        elif key in ("role", "assessment") and PLACEHOLDER.search(value):
            message = f"{key} is still the place for it: nobody has signed here"
            source.problem(("approvals", index, key), message, f"Write {key}: {meaning}")
    return Approval(**entry, line=source.line(("approvals", index))) if len(source.problems) == before else None


def time_problem(approval: Approval, released: str, today: date | None = None) -> Problem | None:
    """What is wrong with the day of an approval of something that was not released yet: it has not begun, or lies before the last release.

    `released` is the day on which the entity's last release was made, ISO 8601, empty where there was none: who signed before knew another contract.
    """
    latest = today or (datetime.now(UTC) + timedelta(hours=14)).date()  # as far as any place on earth has come
    remedy = "Have it approved as it is now, and write the day on which that was done"
    if date.fromisoformat(approval.date) > latest:
        return Problem(APPROVALS_FILE, approval.line, f"{approval.entity}.date", "the day of the approval is yet to come", remedy)
    if released and approval.date < released:
        message = f"it was approved on {approval.date}, before the last release of {approval.entity}, on {released}"
        return Problem(APPROVALS_FILE, approval.line, f"{approval.entity}.date", message, remedy)
    return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
