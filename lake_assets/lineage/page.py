"""The lineage page: one HTML file that needs no server, no network and, for its list, no JavaScript.

Belongs here: putting the graph into the template. Not here: the look (page.css, page.html), the behaviour (page.js).
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files

from lake_assets.lineage.graph import LAYERS, Column, ColumnRef, Lineage

LANES = {
    "platform": ("Platform", "The application’s tables. The data team has no access to them."),
    "bronze": ("Bronze", "Every event, as the contract derived it."),
    "silver": ("Silver", "The current rows, and every state they had."),
    "gold": ("Gold", "Figures for the business: one SQL file each."),
}
LEAD = "Choose a table or a column: its way lights up, back to the platform’s columns and on to every figure that it reaches."
FIRST_LOOKS = 4


def render_page(lineage: Lineage, contracts_page: str | None = None) -> str:
    """The page as text. `contracts_page` is a link to the page of what leaves the platform."""
    css = files("publisher.contracts").joinpath("page.css").read_text("utf-8") + _own("page.css")
    link = f'<a href="{escape(contracts_page)}">What leaves the platform</a>' if contracts_page else ""
    parts = {
        "css": css,
        "link": link,
        "try": _first_looks(lineage),
        "index": _index(lineage),
        "data": _data(lineage),
        "js": _own("page.js"),
    }
    page = _own("page.html")
    for name, text in parts.items():
        before, _, after = page.partition(f"{{{{{name}}}}}")
        page = before + text + after
    return page


def _own(name: str) -> str:
    return files("lake_assets.lineage").joinpath(name).read_text("utf-8")


def _data(lineage: Lineage) -> str:
    """The graph as JSON that cannot end the script element it stands in."""
    asset_ids = {asset.key: index for index, asset in enumerate(lineage.assets)}
    column_ids = {ref: index for index, ref in enumerate(lineage.columns)}
    data = {
        "layers": [{"key": layer, "title": LANES[layer][0], "text": LANES[layer][1]} for layer in LAYERS],
        "lead": LEAD,
        "assets": [[a.key, LAYERS.index(a.layer), a.description, a.owner, a.notes] for a in lineage.assets],
        "cols": [
            [
                asset_ids[c.ref.asset],
                c.ref.column,
                c.type,
                c.description,
                c.classification,
                c.encrypted,
                c.withheld,
                c.technical,
                c.told,
            ]
            for c in lineage.columns.values()
        ],
        "edges": [
            [column_ids[e.source], column_ids[e.target], int(e.kind == "influence"), e.steps, e.reveals] for e in lineage.edges
        ],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _first_looks(lineage: Lineage) -> str:
    """A few ways worth a first look: the most sensitive columns that reach the most figures, and a figure of many sources."""

    def figures(column: Column) -> int:
        edges = lineage.downstream(column.ref.asset, column.ref.column, influence=False)
        return len({edge.target for edge in edges if edge.target.layer == "gold"})

    sources = [column for column in lineage.columns.values() if column.ref.layer == "platform" and column.encrypted]
    ranked = sorted(sources, key=lambda column: -figures(column))[: FIRST_LOOKS - 2]
    looks = [
        (column.ref, f"What does {column.ref.asset.partition('/')[2]}.{column.ref.column} influence?")
        for column in ranked
        if figures(column)
    ]
    gold = [ref for ref in lineage.columns if ref.layer == "gold"]
    if gold:
        widest = max(gold, key=lambda ref: len(lineage.origins(ref.asset, ref.column)))
        looks.append((widest, f"Where does {widest.asset.partition('/')[2]}.{widest.column} come from?"))
    withheld = next((column for column in lineage.columns.values() if column.withheld and column.encrypted), None)
    if withheld:
        looks.append((withheld.ref, f"What happens to {withheld.ref.asset.partition('/')[2]}.{withheld.ref.column}?"))
    return "".join(f'<li><a href="#{escape(str(ref))}">{escape(text)}</a></li>' for ref, text in looks)


def _index(lineage: Lineage) -> str:
    """All figures, and all of the platform's columns, as tables: for print, for a search in the page, without JavaScript."""
    parts = []
    for asset in lineage.assets:
        if asset.layer == "gold":
            rows = [_figure(lineage, column) for column in lineage.of(asset.key)]
            parts.append(_details(asset.key, asset.description, ("figure", "what it is", "comes from", "rows decided by"), rows))
    for asset in lineage.assets:
        if asset.layer == "platform":
            rows = [_source(lineage, column) for column in lineage.of(asset.key)]
            parts.append(_details(asset.key, asset.description, ("column", "classified", "what leaves", "figures"), rows))
    return "<h2 class='unseen'>Everything as a list</h2>" + "".join(parts)


def _details(key: str, text: str, head: tuple[str, ...], rows: list[str]) -> str:
    heads = "".join(f"<th scope='col'>{escape(each)}</th>" for each in head)
    return (
        f"<details><summary><code>{escape(key)}</code><small>{escape(text)}</small></summary><div class='scroll'>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _figure(lineage: Lineage, column: Column) -> str:
    origins = lineage.origins(column.ref.asset, column.ref.column)
    deciding = [edge.source for edge in lineage.into(column.ref) if edge.kind == "influence"]
    return _row(
        _link(column.ref, column.ref.column), escape(column.description), _links(lineage, origins), _links(lineage, deciding)
    )


def _source(lineage: Lineage, column: Column) -> str:
    edges = [edge for edge in lineage.out_of(column.ref) if edge.kind == "value"]
    leaves = "<br>".join(dict.fromkeys(f"<code>{escape(edge.steps[0])}</code>" for edge in edges))
    if column.told:
        leaves = "<br>".join(filter(None, [leaves, f"the envelope tells when it changed, to the {escape(column.told)}"]))
    leaves = leaves or "never leaves"
    reached = lineage.downstream(column.ref.asset, column.ref.column, influence=False)
    figures = sorted({edge.target for edge in reached if edge.target.layer == "gold"})
    classified = escape(column.classification) + (f" {LOCK} encrypted" if column.encrypted else "")
    return _row(_link(column.ref, column.ref.column), classified, leaves, _links(lineage, figures))


LOCK = "<svg class='lock' role='img' aria-label='sensitive'><use href='#lock'/></svg>"


def _links(lineage: Lineage, refs: list[ColumnRef]) -> str:
    def one(ref: ColumnRef) -> str:
        return _link(ref, str(ref).partition("/")[2]) + (f" {LOCK}" if lineage.columns[ref].encrypted else "")

    return "<br>".join(map(one, dict.fromkeys(refs)))


def _link(ref: ColumnRef, text: str) -> str:
    return f"<a href='#{escape(str(ref))}'><code>{escape(text)}</code></a>"


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
