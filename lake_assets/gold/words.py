"""Expressions of a query as an analyst would write them: the steps that lineage shows.

Belongs here: text of expressions and clauses. Not here: which of them a column depends on (reads.py).
"""

from __future__ import annotations

from sqlglot import exp

DIALECT = "spark"


def describe(expression: exp.Expr, name: str) -> str | None:
    """`by_preference = case … end`; None where a column is only passed on."""
    if isinstance(expression, exp.Column) and expression.name == name:
        return None
    return f"{name} = {sql_text(expression)}"


def sql_text(expression: exp.Expr, *, qualified: bool = False) -> str:
    """An expression as an analyst would write it: functions in lower case, no qualifiers where the names say enough."""
    plain = expression.copy().transform(_not_null)
    if not qualified:
        for column in plain.find_all(exp.Column):
            column.set("table", None)
    text = plain.sql(dialect=DIALECT, normalize_functions="lower", comments=False).strip()
    return text.replace("CURRENT_DATE", "current_date()")


def _not_null(node: exp.Expr) -> exp.Expr:
    """`NOT x IS NULL`, as sqlglot writes it, back to `x IS NOT NULL`."""
    if isinstance(node, exp.Not) and isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
        return exp.Is(this=node.this.this, expression=exp.Not(this=exp.Null()))
    return node


def clause_text(clause: exp.Expr) -> str:
    """`where status = 'active'`, `group by month, method`."""
    if isinstance(clause, (exp.Where, exp.Having, exp.Qualify)):
        return f"{clause.key} {sql_text(clause.this)}"
    if isinstance(clause, (exp.Group, exp.Order)):
        return f"{clause.key} by {', '.join(sql_text(part) for part in clause.expressions)}"
    return sql_text(clause)
