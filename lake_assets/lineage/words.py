"""The graph in words: a sentence a column, a Markdown table an asset, and what Dagster stores.

Belongs here: text. Not here: the graph (graph.py), the page (page.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from lake_assets.lineage.graph import Column, ColumnRef, Edge, Lineage


def dagster_column_deps(lineage: Lineage, asset: str, *, influence: bool = False) -> dict[str, list[tuple[str, str]]]:
    """For each column of an asset, what it reads directly, as (asset key with slashes, column).

    By value only, as Dagster's own column lineage means it; a column without any value read (`count(*)` has one) still
    appears, with an empty list.
    """
    deps: dict[str, list[tuple[str, str]]] = {}
    for column in lineage.of(asset):
        edges = [edge for edge in lineage.into(column.ref) if influence or edge.kind == "value"]
        deps[column.ref.column] = [(edge.source.asset, edge.source.column) for edge in edges]
    return deps


def column_description(lineage: Lineage, asset: str, column: str) -> str:
    """What the column is, and where it comes from down to the platform, in a sentence or two."""
    ref = ColumnRef(asset, column)
    node = lineage.columns[ref]
    parts = [node.description.rstrip(".") + "." if node.description else ""]
    if ref.layer == "platform":
        parts.append(_fate(lineage, node))
    elif origins := _released_as(lineage, ref):
        parts.append(f"Released as {'; '.join(origins)}." if ref.layer != "gold" else f"From {'; '.join(origins)}.")
    return " ".join(part for part in parts if part)


def as_markdown(lineage: Lineage, asset: str) -> str:
    """The column lineage of an asset as a table: column, comes from, how, and by what its rows were chosen."""
    if asset.startswith("platform/"):
        rows = [(f"`{column.ref.column}`", _lock(column), _fate(lineage, column)) for column in lineage.of(asset)]
        return _table(("column", "classification", "what leaves of it"), rows)
    lines = []
    for column in lineage.of(asset):
        into = lineage.into(column.ref)
        values = [edge for edge in into if edge.kind == "value"]
        sources = "<br>".join(_source(lineage, edge) for edge in values) or "the lake itself"
        how = "<br>".join(dict.fromkeys(f"`{_cell(step)}`" for edge in values for step in edge.steps))
        deciding = ", ".join(
            f"`{edge.source.asset.partition('/')[2]}.{edge.source.column}`" for edge in into if edge.kind == "influence"
        )
        lines.append((f"`{column.ref.column}`", sources, how, deciding))
    return _table(("column", "comes from", "how", "rows decided by"), lines)


def _source(lineage: Lineage, edge: Edge) -> str:
    """`silver/customers.has_email`, and the platform's column behind it."""
    behind = [ref for ref in lineage.origins(edge.source.asset, edge.source.column) if ref != edge.source]
    shown = ", ".join(f"`{ref}`{' 🔒' if lineage.columns[ref].encrypted else ''}" for ref in behind)
    lock = " 🔒" if lineage.columns[edge.source].encrypted else ""
    return f"`{edge.source}`{lock}" + (f" ← {shown}" if shown else "")


def _released_as(lineage: Lineage, ref: ColumnRef) -> list[str]:
    """`present(customers.email): only whether there is one`, for each derivation behind a column."""
    found = []
    edges = lineage.upstream(ref.asset, ref.column, influence=False)
    for edge in sorted((edge for edge in edges if edge.source.layer == "platform"), key=lambda edge: edge.source):
        entity = edge.source.asset.partition("/")[2]
        call = edge.steps[0].replace(f"({edge.source.column}", f"({entity}.{edge.source.column}", 1)
        found.append(f"{call}, {edge.reveals}" if edge.reveals else call)
    return list(dict.fromkeys(found))


def _fate(lineage: Lineage, column: Column) -> str:
    when = f"The envelope tells when it changed, to the {column.told}." if column.told else ""
    if column.withheld:
        return f"No field has it. {when}" if when else "Never leaves the platform."
    edges = [edge for edge in lineage.out_of(column.ref) if edge.kind == "value"]
    said = dict.fromkeys(f"{edge.steps[0]} as {edge.target.column}" for edge in edges if not edge.target.column.startswith("_"))
    fields = f"Leaves only as {'; '.join(said)}." if said else "Leaves in the envelope only."
    return f"{fields} {when}".strip()


def _lock(column: Column) -> str:
    return f"{column.classification}{' 🔒 encrypted' if column.encrypted else ''}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
