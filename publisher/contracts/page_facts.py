"""What the officer's page says of an entity as a whole: whom it is about, what for, who answers for it, for how long.

Belongs here: those sentences, each with what enforces it, or that nothing does. Not here: its fields and columns (page.py).
"""

from __future__ import annotations

from datetime import timedelta
from html import escape

from publisher.contracts.model import Contract


def facts(contract: Contract, approved: str) -> str:
    """The list as HTML: what is empty is left out."""
    said = {
        "About": _person(contract),
        "Purpose": escape(contract.purpose),
        "Its users are told": escape(contract.limitations) and f"{escape(contract.limitations)} {_enforced(contract)}",
        "Responsible": escape(contract.owner),
        "Approved": escape(approved),
        "Kept for": f"{days(contract.retention_days)} by contract; the lake does not delete by itself yet",
        "Erasure": (
            f"within {days(contract.erasure_days)} of the request by contract. The lake looks every night for whom the platform asked to erase, takes them "
            "out of all files and keeps a receipt; nothing here checks that the period was kept"
        ),
        "Fresh": f"proven complete to within {_minutes(contract.freshness)}, checked in the lake",
        "Time of change": (
            f"told to the {contract.precision} with every message<span class='screen'>; <a href='#envelope'>more about it</a></span>"
            "<span class='paper'> (section What comes with every message)</span>"
        ),
        "Platform’s table": f"<code>{escape(contract.table)}</code>",
        "Shared by many": _shared(contract),
    }
    return "".join(f"<dt>{label}</dt><dd>{text}</dd>" for label, text in said.items() if text)


def _person(contract: Contract) -> str:
    if not contract.subject:
        return "No person."
    way = " → ".join(f"<code>{escape(f'{step.table}.{step.column}')}</code>" for step in contract.subject)
    return f"A person. Each message names that person by a code, found by way of {way}, so that an erasure can find all of it."


def _enforced(contract: Contract) -> str:
    """What of a limitation is more than a rule for people: gold's smallest cells (docs/gold.md)."""
    restricted = [f"<code>{escape(field.name)}</code>" for field in contract.fields if field.classification == "restricted"]
    single = "silver shows single rows to whoever may read it. Otherwise it is a rule for people"
    if restricted:
        return f"Gold enforces groups where a restricted field is read ({', '.join(restricted)}): each of its tables says of how many people at least; {single}"
    if contract.k is not None:
        return f"Gold enforces groups of {contract.k} or more where fields of a k-group stand together; {single}"
    return "A rule for people: nothing here enforces it"


def _shared(contract: Contract) -> str:
    if contract.k is not None:
        grouped = " and ".join(
            ", ".join(f"<code>{escape(field.name)}</code>" for field in fields) for fields in contract.k_groups.values()
        )
        return (
            f"{grouped}: taken together, at least {contract.k} people say the same when they leave, or the fields say less, or nothing. Figures "
            "grouped by several of them, or by a restricted field, show no group of fewer. The other fields leave record by record, under codes"
        )
    if contract.subject:
        return "Nothing: every row leaves singly, under a code, and nothing keeps a combination of its fields from being one person’s"
    return ""


def _minutes(period: timedelta) -> str:
    minutes = int(period.total_seconds() // 60)
    return f"{minutes} minutes" if minutes % 60 else f"{minutes // 60} hour{'' if minutes == 60 else 's'}"


def days(count: int) -> str:
    """`6 years`, `30 days`."""
    number, unit = (count // 365, "year") if count % 365 == 0 else (count, "day")
    return f"{number} {unit}{'' if number == 1 else 's'}"
