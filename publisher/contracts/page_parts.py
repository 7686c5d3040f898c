"""Pieces of HTML that the sections of the officer's page share.

Belongs here: a cell, a table, a column's name, the dots. Not here: what a section says (page.py, page_person.py, page_links.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from publisher.contracts.model import Contract, Field, SourceColumn

RANKS = (
    "whether there is one",
    "a code, or its length",
    "a broad band",
    "a date without its time",
    "a rounded number",
    "the value",
)
LOCK = "<svg class='lock' role='img' aria-label='encrypted'><use href='#lock'/></svg>"


def column_name(column: SourceColumn) -> str:
    """With a lock where the application encrypts it."""
    return f"{LOCK if column.encrypted else ''}<code>{escape(column.name)}</code>"


def field_name(field: Field) -> str:
    """With its classification and what it means."""
    return f"<code>{escape(field.name)}</code> <small>{escape(field.classification)}</small><p>{escape(field.description)}</p>"


def meter(rank: int) -> str:
    """How much a reader learns, as dots."""
    dots = "".join(f"<i class='{'on' if each < rank else ''}'></i>" for each in range(len(RANKS) - 1))
    return f"<span class='meter' role='img' aria-label='{rank} of {len(RANKS) - 1}'>{dots}</span>"


def table(kind: str, head: Iterable[str], rows: str) -> str:
    """A table of a kind, which the look may know."""
    heads = "".join(f"<th scope='col'>{escape(text)}</th>" for text in head)
    return f"<table class='{kind}'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def row(*cells: tuple[str, str]) -> str:
    """Cells as (label, HTML): on a phone, where cells stand below each other, the label stands above."""

    def cell(label: str, text: str) -> str:
        return f"<td data-label='{label}'>{text}</td>" if label else f"<td>{text}</td>"

    return f"<tr>{''.join(cell(*each) for each in cells)}</tr>"


def title(contract: Contract) -> str:
    """The entity in plain letters."""
    return escape(contract.entity.replace("_", " ").capitalize())
