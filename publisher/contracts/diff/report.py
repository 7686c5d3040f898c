"""How a comparison is shown: in plain words for a terminal, as Markdown for a pull request, as JSON for machines.

Belongs here: the three forms. Not here: the judgement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict

from publisher.contracts.diff.change import KINDS, Change, Kind
from publisher.contracts.diff.compare import Diff

SIGNER, REFERENCE, DAY = "<who approves, as data-protection-officer>", "<reference of the DPIA>", "<day, as 2026-11-24>"
"""What somebody has to write: as it stands, the file of approvals does not take it."""

HEADINGS: dict[Kind, str] = {
    "widens": "More would leave the platform",
    "narrows": "Less would leave the platform",
    "neutral": "No difference to what leaves",
}


BROKEN = "The contracts cannot be used; nothing was compared."
END = "Nothing else was compared: mend this, and run it again."


def problems_as_text(diff: Diff) -> str:
    """Why nothing was compared, for a terminal."""
    return "\n".join([*(f"{diff.within}{problem}" for problem in diff.problems), END])


def as_text(diff: Diff) -> str:
    """For a terminal."""
    if diff.problems:
        return problems_as_text(diff)
    lines: list[str] = []
    for kind in KINDS:
        changes = [change for change in diff.changes if change.kind == kind]
        if changes:
            lines += [
                f"{HEADINGS[kind]} ({len(changes)}):",
                *(f"  {_place(diff, c)}{c}{_approved(diff, c)}" for c in changes),
                "",
            ]
    return "\n".join([*lines, _verdict(diff), *_how_to_approve(diff)])


def as_markdown(diff: Diff) -> str:
    """For a pull request."""
    if diff.problems:
        return _problems_as_markdown(diff)
    lines = [f"**{_verdict(diff)}**", ""]
    if diff.changes:
        lines += ["| | Field | What it means | Approved |", "|---|---|---|---|"]
        for change in diff.changes:
            name = f"{change.entity}.{change.field}" if change.field else change.entity
            approval = diff.approvals.get(change.entity)
            approved = f"{approval.role}, {approval.assessment}, {approval.date}" if approval else "**no**"
            cell = _escaped(approved) if approval else approved
            lines.append(f"| {change.kind} | `{name}` | {_escaped(change.says)} | {cell if change.kind == 'widens' else ''} |")
        lines.append("")
    steps = _how_to_approve(diff)
    if steps:
        lines += [steps[1], "", "```yaml", *steps[2:-1], "```", "", steps[-1]]
    return "\n".join(lines)


def _problems_as_markdown(diff: Diff) -> str:
    lines = [f"**{BROKEN}**", "", "| File | Field | What is wrong | What to do |", "|---|---|---|---|"]
    for each in diff.problems:
        place = f"{each.file}:{each.line}" if each.line else each.file
        name = f"`{each.field}`" if each.field else ""
        lines.append(f"| `{diff.within}{place}` | {name} | {_escaped(each.message)} | {_escaped(each.remedy)} |")
    return "\n".join([*lines, "", END])


def as_json(diff: Diff) -> str:
    """For machines. `approved` is null for what needs no approval; counts are null where problems let nothing be compared."""
    changes = [
        asdict(change) | {"approved": change.entity in diff.approvals if change.kind == "widens" else None}
        for change in diff.changes
    ]
    report = {
        "changes": changes,
        "counts": None if diff.problems else {kind: sum(change.kind == kind for change in diff.changes) for kind in KINDS},
        "unapproved": None if diff.problems else len(diff.unapproved),
        "digests": {
            entity: diff.digests[entity] for entity in sorted({change.entity for change in diff.changes} & set(diff.digests))
        },
        "problems": [asdict(problem) for problem in diff.problems],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


FORMATS: dict[str, Callable[[Diff], str]] = {"text": as_text, "markdown": as_markdown, "json": as_json}


def _place(diff: Diff, change: Change) -> str:
    place = f"{change.file}:{change.line}" if change.line else change.file
    return f"{diff.within}{place} " if place else ""


def _approved(diff: Diff, change: Change) -> str:
    if change.kind != "widens":
        return ""
    approval = diff.approvals.get(change.entity)
    return f"  [approved: {approval.role}, {approval.assessment}, {approval.date}]" if approval else "  [NOT APPROVED]"


def _verdict(diff: Diff) -> str:
    widening = sum(change.kind == "widens" for change in diff.changes)
    if not widening:
        return "Nothing more would leave the platform than before."
    if not diff.unapproved:
        return f"{_changes(widening)} what leaves the platform, and all of it is approved."
    return f"{_changes(widening)} what leaves the platform; not approved: {len(diff.unapproved)}."


def _changes(count: int) -> str:
    return "1 change widens" if count == 1 else f"{count} changes widen"


def _how_to_approve(diff: Diff) -> list[str]:
    """What to write in approvals.yaml; empty when nothing is missing."""
    entities = sorted({change.entity for change in diff.unapproved} & set(diff.digests))
    if not entities:
        return []
    entries = [
        f"  - entity: {entity}\n    digest: {diff.digests[entity]}\n    role: {SIGNER}\n    assessment: {REFERENCE}\n    date: {DAY}"
        for entity in entities
    ]  # fmt: skip
    first = f"Take the change back, or let the person who answers for it add to {diff.approvals_file}:"
    return ["", first, "approvals:", *entries, "Any later edit of the contract changes its digest, and asks anew."]


def _escaped(text: str) -> str:
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", text)
