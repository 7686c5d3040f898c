"""The page of what leaves the platform, for the person who answers for it.

Belongs here: the contracts in plain words, as one HTML page without JavaScript. Not here: an example's form (forms.py), the
look (page.css is shared with other pages, officer.css is this one's). The page is a pure function of the contracts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files

from publisher.contracts.forms import example
from publisher.contracts.kgroups import groups_of
from publisher.contracts.model import Contract, Derivation, Field, SourceColumn
from publisher.contracts.page_facts import days, facts
from publisher.contracts.page_links import links_section
from publisher.contracts.page_parts import LOCK, RANKS, column_name, field_name, meter, row, table, title
from publisher.contracts.page_person import person_sections, person_title, persons
from publisher.contracts.vocabulary import FUNCTIONS

VERBATIM = frozenset({"copy", "one_of"})
"""The functions that let the value itself out; of columns read by any other only something derived leaves."""

MANY = 3


def render_page(contracts: Mapping[str, Contract], approved: Mapping[str, str] | None = None) -> str:
    """The whole page as text. `approved` says of each entity who approved it, in a sentence (`history.approved_in_words`)."""
    entities = list(contracts.values())
    css = "".join(files("publisher.contracts").joinpath(name).read_text("utf-8") for name in ("page.css", "officer.css"))
    menu = "".join(f"<li><a href='#{escape(c.entity)}'>{title(c)}</a></li>" for c in entities)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What leaves the platform</title>
<style>{css}</style>
</head>
<body>
<svg style="display:none" aria-hidden="true"><symbol id="lock" viewBox="0 0 12 14"><path d="M3 6V4.2a3 3 0 0 1 6 0V6h.6c.8 0 1.4.6 1.4 1.4v5.2c0 .8-.6 1.4-1.4 1.4H2.4C1.6 14 1 13.4 1 12.6V7.4C1 6.6 1.6 6 2.4 6H3Zm1.5 0h3V4.2a1.5 1.5 0 0 0-3 0V6Z"/></symbol></svg>
<main>
<header class="top">
<h1>What leaves the platform</h1>
<p>This page says everything that may leave the platform for the data lake, and how. It is made from the release contracts,
which the publisher itself reads: it builds each message about a row from the fields below and from nothing else. <strong>Whatever is not listed
here cannot leave.</strong> Some further messages are about no single row: they hold only counts and checksums, and the time at which these were taken.</p>
<p class="sum">{_sum(entities)}</p>
<nav aria-label="On this page"><ul>{"".join(f"<li><a href='#of-{escape(n)}'>{person_title(n)}</a></li>" for n in persons(contracts))}<li><a href="#glance">At a glance</a></li>{menu}<li><a href="#envelope">What comes with every message</a></li></ul></nav>
{_legend((approved or {}).get("vocabulary", ""))}
</header>
{person_sections(contracts)}
{_glance(entities)}
{"".join(_entity(contract, (approved or {}).get(contract.entity, "")) for contract in entities)}
{links_section(contracts)}
</main>
</body>
</html>
"""


def _sum(contracts: list[Contract]) -> str:
    """The one thing to remember, counted."""
    encrypted = [(contract, column) for contract in contracts for column in contract.columns.values() if column.encrypted]
    never = sum(column.name in contract.withheld for contract, column in encrypted)
    whole = sum(_verbatim(contract, column) for contract, column in encrypted)
    rest = "none of them leaves as it is" if not whole else f"{whole} of them leave as they are"
    return (
        f"The application encrypts {len(encrypted)} of its columns, and {rest}: {never} never leave at all, of the other "
        f"{len(encrypted) - never - whole} only something coarser does, such as whether there is a value."
    )


def _glance(contracts: Iterable[Contract]) -> str:
    rows = "".join(
        row(
            ("", f"<a href='#{escape(c.entity)}'>{title(c)}</a>"),
            ("Is about", escape(c.description)),
            ("Fields that leave", str(len(c.fields))),
            ("Columns that never leave", str(len(c.never_leaves))),
            ("Kept for", days(c.retention_days)),
            ("Erased within", days(c.erasure_days)),
            ("Contract", escape(c.version)),
        )
        for c in contracts
    )
    return f"""<section id="glance"><h2>At a glance</h2>
{table("glance", ("", "is about", "fields leave", "columns never leave", "kept for", "erased within", "contract"), rows)}
</section>"""


def _legend(vocabulary: str) -> str:
    """Stands before the first table that uses it."""
    scale = "".join(f"<li>{meter(rank)}{escape(text)}</li>" for rank, text in enumerate(RANKS))
    return f"""<h2>How to read the tables</h2>
<p>A value can leave in ways that show more or less of it. The dots say how much a reader learns, from nothing but its
existence to all of it:</p>
<ul class="columns">{scale}</ul>
<p class="note">{LOCK}marks a column that the application encrypts. Beside each field stands who may see it in the lake: public, internal, confidential or
restricted. Every example is made up, and shows the form only.</p>
{f"<p>What each way does is code, whose results are locked. Approved: {escape(vocabulary)}</p>" if vocabulary else ""}"""


def _entity(contract: Contract, approved: str) -> str:
    rows = "".join(_field(contract, field) for field in contract.fields)
    derived = [
        column for column in contract.columns.values() if column.name not in contract.withheld and not _verbatim(contract, column)
    ]
    times = [contract.columns[name] for name in contract.withheld if name not in contract.never_leaves]
    return f"""<section class="entity" id="{escape(contract.entity)}"><h2>{title(contract)}<small>contract {escape(contract.version)}</small></h2>
<p>{escape(contract.description)}</p>
<dl>{facts(contract, approved)}</dl>
<h3>What leaves</h3>
{table("fields", ("field", "made from the column", "what a reader learns", "such as"), rows)}
<h3>What never leaves</h3>
{_columns("never", [contract.columns[name] for name in contract.never_leaves], "No column is kept back whole.")}
{_times(contract, times)}<h3>Of these, only what the table above derives leaves, never the value</h3>
{_columns("", derived, "None: what is released is released as it is.", contract)}
</section>"""


def _field(contract: Contract, field: Field) -> str:
    column = contract.columns[field.derivation.column]
    rank = FUNCTIONS[field.derivation.function].reveal_rank
    empty = "" if field.required else "<p>may be empty</p>"
    if field.k_group and (coarser := _coarser(contract, field)):
        empty = f"<p>{coarser}</p>"
    return row(
        ("", field_name(field)),
        ("Made from the column", f"{column_name(column)}<p><code>{escape(_call(field))}</code></p>"),
        ("What a reader learns", f"{meter(rank)}{escape(field.derivation.reveals)}{empty}"),
        ("Such as", f"<code class='form'>{escape(example(field))}</code>"),
    )


def _coarser(contract: Contract, field: Field) -> str:
    """What a field of a k-group says where too few people would share it."""
    (ladder,) = [
        ladder
        for group in groups_of(contract)
        for each, ladder in zip(group.fields, group.ladders, strict=True)
        if each.name == field.name
    ]
    return f"where too few share it: {', then '.join([*(escape(rung.says) for rung in ladder[1:]), 'nothing'])}"


def _call(field: Field) -> str:
    """`one_of(status, …)`: the values stand beside it in words."""
    derivation = field.derivation
    return derivation.text if len(derivation.args) < MANY else f"{derivation.function}({derivation.column}, …)"


def _verbatim(contract: Contract, column: SourceColumn) -> bool:
    """Whether the value itself leaves: as it is, or a day cut to the day."""
    mine = [field.derivation for field in contract.fields if field.derivation.column == column.name]
    return any(each.function in VERBATIM or (column.type == "date" and _cut_to_the_day(each)) for each in mine)


def _cut_to_the_day(derivation: Derivation) -> bool:
    return derivation.function == "truncate" and "day" in derivation.args


def _times(contract: Contract, times: list[SourceColumn]) -> str:
    if not times:
        return ""
    return f"""<h3>Times that no field has, but the message tells</h3>
<p>Every message tells the time of the change, to the {contract.precision}. Where the platform writes one of these times at the change
itself, that is the same time.</p>
{_columns("", times, "")}
"""


def _columns(kind: str, columns: list[SourceColumn], none: str, contract: Contract | None = None) -> str:
    """A list of columns; given their contract, with what the envelope's time tells of each beside it."""
    if not columns:
        return f"<p class='note'>{none}</p>"

    def beside(column: SourceColumn) -> str:
        if contract is None or not contract.told_by_envelope(column):
            return escape(column.classification)
        return f"{escape(column.classification)}; the message tells when it changed, to the {contract.precision}"

    items = "".join(f"<li>{column_name(column)} <small>{beside(column)}</small></li>" for column in columns)
    return f"<ul class='columns {kind}'>{items}</ul>"
