"""The summary at the top of the officer's page: what leaves of one person, over all entities, in one table.

Belongs here: who the persons are, and their table. Not here: the entities one by one (page.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from publisher.contracts.forms import example
from publisher.contracts.model import Contract, Field
from publisher.contracts.page_parts import column_name, field_name, meter, row, table, title
from publisher.contracts.vocabulary import FUNCTIONS

HEAD = ("field", "from the column", "what a reader learns of it", "in the form")


def persons(contracts: Mapping[str, Contract]) -> dict[str, list[Contract]]:
    """The contracts that are about each kind of person, by the kind of the person's code; the person's own first."""
    found: dict[str, list[Contract]] = {}
    for contract in contracts.values():
        if contract.subject_namespace:
            found.setdefault(contract.subject_namespace, []).append(contract)
    return {name: sorted(mine, key=lambda contract: contract.key_namespace != name) for name, mine in found.items()}


def person_title(person: str) -> str:
    """`What leaves of one customer`."""
    return f"What leaves of one {escape(person.replace('_', ' '))}"


def person_sections(contracts: Mapping[str, Contract]) -> str:
    """A section for each kind of person."""
    return "".join(_section(person, mine) for person, mine in persons(contracts).items())


def _section(person: str, contracts: list[Contract]) -> str:
    rows = "".join(
        f"<tr class='of'><th scope='rowgroup' colspan='{len(HEAD)}'><a href='#{escape(contract.entity)}'>{title(contract)}</a>"
        f" <small>{escape(contract.description)}</small></th></tr>{''.join(_field(contract, field) for field in contract.fields)}"
        for contract in contracts
    )
    who = escape(person.replace("_", " "))
    return f"""<section id="of-{escape(person)}"><h2>{person_title(person)}<small>over all {len(contracts)} tables that are about a {who}</small></h2>
<p>All of it leaves under the {who}’s code, the same in every table: whoever sees these tables can put the rows of one {who} beside each other, without learning
who it is from the code. With each message go its time and its place in the order of all changes: <a href="#envelope">what comes with every message</a>.</p>
<dl>{_least(contracts)}</dl>
{table("person", HEAD, rows)}
</section>"""


def _least(contracts: list[Contract]) -> str:
    """The columns of which least is told, over all tables: what a person asks about first."""
    told: dict[str, list[str]] = {"Never": [], "Only whether there is one": [], "Only its length": []}
    for contract in contracts:
        for column in contract.columns.values():
            functions = {field.derivation.function for field in contract.fields if field.derivation.column == column.name}
            place = f"{escape(column.name.replace('_', ' '))} ({escape(contract.entity.replace('_', ' '))})"
            if column.name in contract.never_leaves:
                told["Never"].append(place)
            elif functions == {"present"}:
                told["Only whether there is one"].append(place)
            elif "length_band" in functions and functions <= {"present", "length_band"}:
                told["Only its length"].append(place)
    return "".join(f"<dt>{label}</dt><dd>{', '.join(places)}</dd>" for label, places in told.items() if places)


def _field(contract: Contract, field: Field) -> str:
    column = contract.columns[field.derivation.column]
    group = f"<p>only as at least {contract.k} people share it, else less or nothing</p>" if field.k_group else ""
    return row(
        ("", field_name(field)),
        ("From the column", column_name(column)),
        (
            "What a reader learns of it",
            f"{meter(FUNCTIONS[field.derivation.function].reveal_rank)}{escape(field.derivation.reveals)}{group}",
        ),
        ("In the form", f"<code class='form'>{escape(example(field))}</code>"),
    )
