"""The smallest cell as SQL: which rows are emptied, and which keep what an earlier refresh showed.

Belongs here: CTEs around the analyst's rows. Not here: where the former refreshes are remembered (refreshes.py), running SQL
(engine.py).

Every expression is over names that the loader has checked; the only literals are a number and a day.
"""

# ruff: noqa: S608 (names, a number and a day: a gold file is reviewed code)
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from lake_assets.gold.model import COUNTED_ON, REFRESH, SUPPRESSED, GoldTable, SmallestCell

ROUNDING = 0.00005
"""How far a share may lie from what it rounds: shares in gold have four digits."""


@dataclass(frozen=True)
class Former:
    """A relation of SQL with all that the refreshes of a table have shown: a margin's rows at each refresh that changed them."""

    relation: str


@dataclass(frozen=True)
class Measures:
    """What a row shows of its people, and what tells how many people lie between two of its versions."""

    cell: SmallestCell
    grain: tuple[str, ...]
    shares: frozenset[str]

    @classmethod
    def of(cls, table: GoldTable, cell: SmallestCell) -> Measures:
        types = {column.name: column.type for column in table.columns}
        return cls(cell, table.header.grain, frozenset(name for name in cell.counting if types[name] == "DOUBLE"))

    @property
    def counts(self) -> tuple[str, ...]:
        """The count of people, and the measures that can be told in people."""
        return tuple(dict.fromkeys((self.cell.count, *self.cell.counting)))

    def difference(self, name: str, one: str, other: str) -> str:
        """How many people more `one` has than `other`, by a measure."""
        people = self.cell.count
        if name in self.shares:
            return f"({one}.`{name}` * {one}.`{people}` - {other}.`{name}` * {other}.`{people}`)"
        return f"({one}.`{name}` - {other}.`{name}`)"

    def doubt(self, name: str, one: str, other: str) -> str:
        """By how much rounding may have made the difference greater than it is."""
        return f"{ROUNDING} * ({one}.`{self.cell.count}` + {other}.`{self.cell.count}`)" if name in self.shares else "0"

    def apart(self, one: str, other: str) -> str:
        """Whether it is certain that `below` people lie between two versions of a row."""
        return self._any(f"abs({self.difference(name, one, other)}) - {self.doubt(name, one, other)}" for name in self.counts)

    def sums_apart(self) -> str:
        """The same of the sum of the rows of a margin that differ. A measure that is empty in one says nothing about the sum."""
        over, sums = "OVER (PARTITION BY `_margin`, `at`)", []
        for name in self.counts:
            each, doubt = self.difference(name, "`_want`", "`then`"), self.doubt(name, "`_want`", "`then`")
            known = f"count(CASE WHEN `_differs` THEN {each} END) {over} = count_if(`_differs`) {over}"
            total = f"abs(sum(CASE WHEN `_differs` THEN {each} END) {over}) - sum(CASE WHEN `_differs` THEN {doubt} END) {over}"
            sums.append(f"CASE WHEN {known} THEN {total} END")
        return self._any(sums)

    def _any(self, people: Iterable[str]) -> str:
        return "(" + " OR ".join(f"coalesce({each} >= {self.cell.below}, false)" for each in people) + ")"

    def margin(self) -> str:
        """What rows have in common whose total somebody may know: a row alone where no total is known."""
        names = self.grain if self.cell.within is None else self.cell.within
        return f"struct({', '.join(f'`{name}`' for name in names) or '1 AS `all`'})"

    def same_row(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.`{name}` <=> {other}.`{name}`" for name in self.grain)


def enforced(table: GoldTable, cell: SmallestCell, listed: list[str], former: Former | None, as_of: date) -> str:
    """The end of a table's SQL, after `_checked`: small cells emptied, and the others held to what the refreshes before showed.

    Each row is computed once: Spark computes a CTE as often as it is named.
    """
    measures = Measures.of(table, cell)
    ctes, source, figures = list(_emptied(measures, listed, former, as_of)), "_emptied", "`_now`"
    if former is not None:
        ctes, source, figures = [*ctes, *_held(measures, listed)], "_held", "`_figures`"
    shown = [
        f"CASE WHEN NOT `{SUPPRESSED}` THEN {figures}.`{name}` END AS `{name}`" if name in cell.suppresses else f"`{name}`"
        for name in listed
    ]
    day = f"CASE WHEN NOT `{SUPPRESSED}` THEN {figures}.`{COUNTED_ON}` END AS `{COUNTED_ON}`"
    return ",\n".join(ctes) + f"\nSELECT {', '.join(shown)}, {day}, `{SUPPRESSED}` FROM `{source}`"


def _figures(measures: Measures, day: str) -> str:
    return f"struct({', '.join(f'`{name}`' for name in measures.cell.suppresses)}, {day} AS `{COUNTED_ON}`)"


def _emptied(measures: Measures, listed: list[str], former: Former | None, as_of: date) -> Iterator[str]:
    """`_emptied`: the rows as they are now, and which of them are about too few people, or would give such a row away."""
    columns, grain, cell = ", ".join(f"c.`{name}`" for name in listed), measures.grain, measures.cell
    if former is None:
        known = f"SELECT {columns}, false AS `_was_hidden` FROM `_checked` AS c"
    else:
        yield from _remembered(measures, former)
        known = (
            f"SELECT /*+ BROADCAST(p) */ {columns}, coalesce(p.`_was_hidden`, false) AS `_was_hidden`, p.`_last`, p.`_past`\n"
            f"  FROM `_checked` AS c LEFT JOIN `_remembered` AS p ON {measures.same_row('c', 'p')}"
        )
    yield f"`_known` AS (\n  {known}\n)"
    yield f"`_summed` AS (\n  SELECT *{_sums(cell, grain)} FROM `_known`\n)"
    now = _figures(measures, f"DATE'{as_of.isoformat()}'")
    yield f"`_emptied` AS (\n  SELECT *, {_hidden(cell)} AS `{SUPPRESSED}`, {now} AS `_now` FROM `_summed`\n)"


def _remembered(measures: Measures, former: Former) -> Iterator[str]:
    """`_remembered`: for each row what was shown of it last, and what ever was."""
    keys, figures = ", ".join(f"`{name}`" for name in measures.grain), _figures(measures, f"`{COUNTED_ON}`")
    newest = f"`{REFRESH}` = max(`{REFRESH}`) OVER (PARTITION BY {measures.margin()})"
    yield f"`_ever` AS (\n  SELECT *, {newest} AS `_newest` FROM {former.relation}\n)"
    yield (
        f"`_remembered` AS (\n  SELECT {keys}, bool_or(`{SUPPRESSED}` AND `_newest`) AS `_was_hidden`,\n"
        f"    max(CASE WHEN NOT `{SUPPRESSED}` AND `_newest` THEN {figures} END) AS `_last`,\n"
        f"    collect_list(CASE WHEN NOT `{SUPPRESSED}` THEN struct(`{REFRESH}` AS `at`, {figures} AS `then`) END) AS `_past`\n"
        f"  FROM `_ever` GROUP BY {keys}\n)"
    )


def _sums(cell: SmallestCell, grain: tuple[str, ...]) -> str:
    """For each row, within its margin: is any row too small, and how many people those have that are emptied before it.

    After the small rows come those that were emptied at the last refresh: one that is shown in turn would give away the others
    to whoever kept its figure. Then an order that has nothing to do with size: if it were the smallest row that is emptied, its
    size would be known from the smallest row that is shown, and with the total that of the small one.
    """
    if cell.within is None:
        return ""
    people, keys = f"coalesce(`{cell.count}`, 0)", ", ".join(f"`{name}`" for name in grain)
    margin = f"PARTITION BY {', '.join(f'`{name}`' for name in cell.within)}" if cell.within else ""
    order = f"{people} >= {cell.below}, NOT `_was_hidden`, xxhash64({keys}), {keys}"
    return (
        f", max({people} < {cell.below}) OVER ({margin}) AS `_any_small`"
        f", coalesce(sum({people}) OVER ({margin} ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
        " AS `_before`"
    )


def _hidden(cell: SmallestCell) -> str:
    """Too small itself; or next where what is hidden so far is still fewer people than the smallest cell."""
    small = f"coalesce(`{cell.count}`, 0) < {cell.below}"
    return small if cell.within is None else f"({small} OR (`_any_small` AND `_before` < {cell.below}))"


def _held(measures: Measures, listed: list[str]) -> Iterator[str]:
    """`_held`: for each row the figures that may be shown beside all that were ever shown of it, and of its margin."""
    people = measures.cell.count
    near = f"filter(`_past`, v -> NOT {measures.apart('`_now`', 'v.`then`')})"
    ranked = f"v -> struct(abs(`_now`.`{people}` - v.`then`.`{people}`) AS `far`, -v.`at` AS `age`, v.`then` AS `then`)"
    want = f"coalesce(array_min(transform({near}, {ranked})).`then`, `_now`)"
    if measures.cell.within is None:
        yield f"`_held` AS (\n  SELECT *, {want} AS `_figures` FROM `_emptied`\n)"
        return
    yield f"`_wanted` AS (\n  SELECT *, {want} AS `_want`, {measures.margin()} AS `_margin` FROM `_emptied`\n)"
    yield from _margins(measures, listed)


def _margins(measures: Measures, listed: list[str]) -> Iterator[str]:
    """A margin whose rows would change so that their sum gives a few people away stays whole as it was.

    Where it cannot, since a row that was shown is too small now, the whole margin is emptied.
    """
    cell, keys = measures.cell, ", ".join(f"`{name}`" for name in measures.grain)
    differs = " OR ".join(f"NOT (w.`_want`.`{name}` <=> v.`then`.`{name}`)" for name in cell.suppresses)
    yield (
        f"`_against` AS (\n  SELECT w.*, v.`at`, v.`then`, v.`at` IS NOT NULL AND ({differs}) AS `_differs` FROM `_wanted` AS w\n"
        f"  LATERAL VIEW OUTER explode(CASE WHEN NOT w.`{SUPPRESSED}` THEN w.`_past` END) AS v\n)"
    )
    kept = ", ".join(f"`{name}`" for name in (*listed, SUPPRESSED, "_margin", "_want", "_last"))
    crosses = f"count_if(`_differs`) OVER (PARTITION BY `_margin`, `at`) > 1 AND NOT {measures.sums_apart()}"
    yield f"`_compared` AS (\n  SELECT {kept}, {crosses} AS `_crosses` FROM `_against`\n)"
    rest = [name for name in (*listed, SUPPRESSED, "_margin", "_want", "_last") if name not in measures.grain]
    once = ", ".join(f"first(`{name}`) AS `{name}`" for name in rest)
    yield f"`_once` AS (\n  SELECT {keys}, {once}, bool_or(`_crosses`) AS `_crosses` FROM `_compared` GROUP BY {keys}\n)"
    yield (
        f"`_shown_last` AS (\n  SELECT `_margin`, count(*) AS `_rows` FROM (SELECT {measures.margin()} AS `_margin`"
        f" FROM `_ever` WHERE `_newest` AND NOT `{SUPPRESSED}`) GROUP BY `_margin`\n)"
    )
    yield (
        "`_placed` AS (\n  SELECT /*+ BROADCAST(s) */ o.*, coalesce(s.`_rows`, 0) AS `_rows`,"
        " bool_or(o.`_crosses`) OVER (PARTITION BY o.`_margin`) AS `_stays`,\n"
        f"    count(CASE WHEN NOT o.`{SUPPRESSED}` THEN o.`_last` END) OVER (PARTITION BY o.`_margin`) AS `_can_stay`\n"
        "  FROM `_once` AS o LEFT JOIN `_shown_last` AS s ON o.`_margin` <=> s.`_margin`\n)"
    )
    emptied = f"`{SUPPRESSED}` OR (`_stays` AND (`_last` IS NULL OR `_can_stay` < `_rows`))"
    yield (
        f"`_held` AS (\n  SELECT * EXCEPT (`{SUPPRESSED}`), {emptied} AS `{SUPPRESSED}`,"
        " CASE WHEN `_stays` THEN `_last` ELSE `_want` END AS `_figures` FROM `_placed`\n)"
    )
