"""What comes with every message, and what can be linked by it.

Belongs here: the envelope, the codes that join entities, fields that together narrow down a person. Not here: an entity's own
fields (page.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from publisher.contracts.forms import CODE
from publisher.contracts.model import Contract

ENVELOPE = (
    ("entity, op", "which table, and whether the row was added, changed, removed, sent again, or erased", "debts, update"),
    ("key", "a code that stands for the row", CODE),
    ("subject", "the code of the person whom the row is about; absent where it is about no person", CODE),
    ("seq", "the change’s place in the order of all changes of the platform", "281,474,976,711,698"),
    (
        "committed_at",
        "when the row was written, before its transaction ended; cut off as each contract says",
        "2031-05-17T09:41:00Z",
    ),
    ("contract", "the version of the contract under which it left", "1.0.0"),
)


def links_section(contracts: Mapping[str, Contract]) -> str:
    """The section as HTML."""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td data-label='What a reader learns'>{escape(text)}</td>"
        f"<td data-label='Such as'><code class='form'>{escape(form)}</code></td></tr>"
        for name, text, form in ENVELOPE
    )
    return f"""<section class="entity" id="envelope"><h2>What comes with every message</h2>
<p>A message is sent for each change of a row. Whatever it is about, it has these beside the fields of its table:</p>
<table><thead><tr><th scope="col"></th><th scope="col">what a reader learns</th><th scope="col">such as</th></tr></thead><tbody>{rows}</tbody></table>
<h3>What the order and the time link</h3>
<p>The numbers of <code>seq</code> run through all tables. Changes that the platform made together have numbers close to each other
and the same time, so a reader can tell that, say, a payment and a message belong to one event, even though a field shows
only a day or a month. How often and when a row changes can be seen as well; also that it was removed.</p>
<p>{_precisions(contracts)} Cutting hides the moment from whoever reads one message. It does not hide it from whoever reads them all: messages leave
within seconds of the change, and every few seconds a message of its own accounts for the numbers given so far and says, to the second, when. So a
change can be placed to within some seconds by its number, whatever its time is cut to.</p>
<h3>What the codes link</h3>
<p>A code is computed under a key that only the platform can use, always the same for the same row. Where two fields have a code of the
same kind, their rows can be joined. Nobody outside the platform can compute the row from a code.</p>
<p><strong>Can somebody be recognised all the same?</strong> Yes: who knows something about a person from elsewhere, such as the day and the amount of a payment,
can find the person's code by it, and with the code everything that leaves about that person. What leaves under codes is personal data, and is to be protected as such.</p>
{_namespaces(contracts)}
{_groups(contracts)}
</section>"""


def _precisions(contracts: Mapping[str, Contract]) -> str:
    by_precision: dict[str, list[str]] = {}
    for contract in contracts.values():
        by_precision.setdefault(contract.precision, []).append(contract.entity.replace("_", " "))
    if len(by_precision) == 1:
        return f"Times of change are told to the {next(iter(by_precision))} for every table."
    return " ".join(f"Told to the {precision}: {escape(', '.join(names))}." for precision, names in by_precision.items())


def _namespaces(contracts: Mapping[str, Contract]) -> str:
    joined: dict[str, list[str]] = {}
    for contract in contracts.values():
        for field in contract.fields:
            if field.derivation.function == "pseudonym":
                joined.setdefault(field.derivation.args[0], []).append(f"{contract.entity}.{field.name}")
    subjects: dict[str, list[str]] = {}
    for contract in contracts.values():
        if contract.subject_namespace:
            subjects.setdefault(contract.subject_namespace, []).append(contract.entity)
    rows = ""
    for namespace, names in joined.items():
        through = f"<p>and the subject of {escape(', '.join(subjects[namespace]))}</p>" if namespace in subjects else ""
        listed = ", ".join(f"<code>{escape(name)}</code>" for name in names)
        rows += f"<tr><td>{escape(namespace)}</td><td data-label='Joins'>{listed}{through}</td></tr>"
    return (
        f"<table><thead><tr><th scope='col'>kind of code</th><th scope='col'>joins</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _groups(contracts: Mapping[str, Contract]) -> str:
    groups: dict[str, list[str]] = {}
    for contract in contracts.values():
        for field in contract.fields:
            if field.k_group:
                groups.setdefault(f"{contract.entity}, {field.k_group}", []).append(field.name)
    if not groups:
        return ""
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{', '.join(f'<code>{escape(each)}</code>' for each in names)}</dd>"
        for name, names in groups.items()
    )
    return f"""<h3>What could single somebody out together</h3>
<p>None of these fields says who somebody is; taken together, few people may share them. The contracts name them as groups: the platform
counts who shares their values, and lets out less of what too few share. Figures made from them hide what is about too few people.</p>
<dl>{items}</dl>"""
