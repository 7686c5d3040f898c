"""Tables of a size that no relay fills in the time that a benchmark has: rows made by Spark itself, out of the rules' domains.

Belongs here: events, and rows of silver, as frames over `range`: the same for the same numbers. Not here: into which tables they go, objects made here (`events.py`).

Every value is a function of the event's number. A row belongs to one person for good, and what it refers to belongs to the same person: so an erasure
finds nobody in somebody else's rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession

from benchmarks.lake.events import SHARES, domain
from lake_assets.transforms import schemas
from lake_assets.transforms.fields import EntityRule, FieldRule
from publisher.contracts import Contract
from publisher.contracts.model import PSEUDONYM_PATTERN

VALUES = 100
"""Different values of a field, at most: as many as stand in the SQL."""

COMMITTED_AT = "2026-11-24T03:00:00Z"
OWNED = ("customer", "debt", "plan")
"""What a row may refer to that is the same person's."""


@dataclass(frozen=True)
class Numbers:
    """How events are made of the number `id`, which is their position: `row` of which row it is, `rows` how many each entity has."""

    rows: Mapping[str, int]
    row: str = "id"
    compressible: bool = False
    """Whether codes are numbers written as codes, which take little room: for tables whose rows nobody reads."""

    deletes: bool = True
    """Whether one event in fifty is a delete."""

    @property
    def deleted(self) -> str:
        """SQL: whether an event is a delete."""
        return f"{_number('op', 50)} = 0" if self.deletes else "false"

    def of(self, entity: str) -> Numbers:
        """The same, each event of some row of the entity."""
        return replace(self, row=_number("row", self.rows[entity]))

    def code(self, of: str, number: str) -> str:
        """The code of a row, as `events.pseudonym` makes it."""
        return f"lpad(lower(hex({number})), 32, '0')" if self.compressible else f"md5(concat('{of}/', CAST({number} AS STRING)))"

    def owner(self, entity: str) -> str:
        """Which person a row of the entity is of, as a number: one who has a row of everything that such a row refers to."""
        bound = min(self.rows[name] for name in ("customers", "plans" if entity == "payments" else "customers"))
        return f"({self.row} % {bound})"


def rows_of(keys: int) -> dict[str, int]:
    """Of so many keys, how many are rows of each entity."""
    return {name: max(1, keys * share // 100) for name, share in SHARES.items()}


def bronze(numbers: DataFrame, rule: EntityRule, contract: Contract, made: Numbers, *, landed: str, batch: str) -> DataFrame:
    """Rows of `bronze/<entity>`, one of each `id`; `landed` and `batch` are SQL for the object and batch of an event."""
    values = {field.name: _value(field, rule.entity, made) for field in rule.fields}
    record = [f"IF({made.deleted}, NULL, {_typed(field, values[field.name])}) AS `{field.name}`" for field in rule.fields]
    technical = {
        "_op": f"IF({made.deleted}, 'delete', 'update')",
        "_key": made.code(rule.entity, made.row),
        "_seq": "id",
        "_subject": made.code("customers", made.owner(rule.entity)) if rule.has_subject else "CAST(NULL AS STRING)",
        "_committed_at": f"TIMESTAMP '{COMMITTED_AT}'",
        "_contract": f"'{rule.versions[-1]}'",
        "_digest": "xxhash64(id)",
        "_object": landed,
        "_batch": f"CAST({batch} AS BIGINT)",
    }
    made_of = numbers.selectExpr(*record, *(f"{sql} AS {name}" for name, sql in technical.items()))
    return made_of.select(*(name for name, *_ in schemas.bronze(contract)))


def each_row(spark: SparkSession, rule: EntityRule, contract: Contract, rows: int) -> DataFrame:
    """Events of `bronze/<entity>`, batch 0, one for each of so many rows: of the same codes as objects made in this process."""
    made = Numbers(dict.fromkeys(SHARES, rows), row="(id - 1)", deletes=False)
    return bronze(numbers(spark, 1, rows), rule, contract, made, landed="''", batch="0")


def line(rule: EntityRule, made: Numbers) -> str:
    """SQL for the JSON line of an event; what is null is left out."""
    values = {field.name: _value(field, rule.entity, made) for field in rule.fields}
    fields = ", ".join(f"'{name}', {value}" for name, value in values.items())
    parts = {
        "entity": f"'{rule.entity}'",
        "op": f"IF({made.deleted}, 'delete', 'update')",
        "key": made.code(rule.entity, made.row),
        "seq": "id",
        **({"subject": made.code("customers", made.owner(rule.entity))} if rule.has_subject else {}),
        "committed_at": f"'{COMMITTED_AT}'",
        "contract": f"'{rule.versions[-1]}'",
        "record": f"IF({made.deleted}, NULL, named_struct({fields}))",
    }
    pairs = ", ".join(f"'{name}', {sql}" for name, sql in parts.items())
    return f"to_json(named_struct({pairs}))"


def numbers(spark: SparkSession, first: int, count: int, tasks: int = 0) -> DataFrame:
    """A column `id` with so many numbers from `first` on, rising over the tasks: each makes a file."""
    return spark.range(first, first + count, 1, tasks or max(1, count // 250_000))


def _value(field: FieldRule, entity: str, made: Numbers) -> str:
    if field.pattern != PSEUDONYM_PATTERN:
        drawn = [_literal(value) for value in domain(field)[:VALUES]]
        drawn += [] if field.required else ["NULL"] * max(1, len(drawn) // 5)
        return f"element_at(array({', '.join(drawn)}), 1 + CAST({_number(field.name, len(drawn))} AS INT))"
    if field.name == "id":
        return made.code(entity, made.row)
    of = field.name.removesuffix("_id")
    if of in OWNED:
        return made.code(f"{of}s", made.owner(entity))
    if of == "creditor":
        return made.code("creditors", _number("creditor", made.rows["creditors"]))
    return "CAST(NULL AS STRING)"


def _number(salt: str, below: int) -> str:
    return f"pmod(xxhash64(id, '{salt}'), {below})"


def _typed(field: FieldRule, sql: str) -> str:
    return f"CAST({sql} AS DATE)" if field.type == "date" else sql


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value}L" if isinstance(value, int) else f"'{value}'"
