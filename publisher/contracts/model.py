"""A release contract as typed, immutable data: the one list of entities and fields that everything else reads.

Belongs here: shapes. Not here: reading YAML (source.py), what is allowed (build.py, across.py), how a value is derived (vocabulary/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import timedelta
from typing import Any, Literal

FieldType = Literal["string", "boolean", "integer", "date"]
ColumnType = Literal["string", "boolean", "integer", "date", "timestamp"]
Precision = Literal["second", "minute", "hour"]
CoarseTime = Literal["day", "month", "year"]
"""How far a date of a k-group tells a time, the last the least."""
DomainKind = Literal["boolean", "integer", "date", "enum", "pattern"]

PSEUDONYM_PATTERN = "^[0-9a-f]{32}$"


@dataclass(frozen=True)
class Domain:
    """The values that a field can hold, so that the lake can check what arrives.

    `values` is set for `enum`, `pattern` (anchored; the same in Python and Java) for `pattern` and for a `date` of which only the
    month leaves; `minimum`, `maximum` and `step` belong to `integer`.
    """

    kind: DomainKind
    values: tuple[str, ...] | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    step: int | None = None


@dataclass(frozen=True)
class SourceColumn:
    """A column of the platform's table, as the contract declares it. Its name is no secret; its values are."""

    name: str
    type: ColumnType
    physical_type: str
    encrypted: bool
    required: bool
    classification: str
    natural_identifier: bool
    surrogate: bool
    description: str
    references: str | None = None
    """The key that the column points to (`debts.id`), where the contract says so."""


@dataclass(frozen=True)
class Derivation:
    """A parsed `transformLogic`: which function of which column, with which arguments."""

    function: str
    column: str
    args: tuple[str, ...]
    text: str
    domain: Domain
    reveals: str


@dataclass(frozen=True)
class Field:
    """A field that leaves."""

    name: str
    type: FieldType
    required: bool
    derivation: Derivation
    domain: Domain
    """All that the field may hold: of a k-group's field also the coarser values that it gives where its group would be too small."""
    options: Mapping[str, Any]
    sources: tuple[str, ...]
    classification: str
    description: str
    tags: tuple[str, ...]
    k_group: str | None
    primary_key: bool


@dataclass(frozen=True)
class SubjectStep:
    """One step of the path from a row to its person: `column` of `table` points to the next table's key, the last to the person."""

    table: str
    column: str


@dataclass(frozen=True)
class Contract:
    """All that may leave the platform about one entity."""

    entity: str
    version: str
    file: str
    description: str
    purpose: str
    limitations: str
    owner: str
    table: str
    columns: dict[str, SourceColumn]
    fields: tuple[Field, ...]
    withheld: tuple[str, ...]
    key_column: str
    key_namespace: str
    subject: tuple[SubjectStep, ...]
    subject_namespace: str | None
    precision: Precision
    freshness: timedelta
    retention_days: int
    erasure_days: int
    k: int | None = None
    key_version: int = 1
    """Under which version of the platform's pseudonym key its codes are made."""
    renamed_from: str | None = None
    """The name that the entity had before: what the lake holds under that one is the same entity's."""
    lines: Mapping[str, int] = attribute(default_factory=dict, compare=False, repr=False)
    """Where things stand in the file, for messages: `version`, `subject`, `erasure`, `fields.<name>`, `columns.<name>`, …"""

    def line(self, name: str = "") -> int:
        """The line of a thing, or the first of the file."""
        return self.lines.get(name, 1)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns that a field reads, the key first: all that the outbox may hold."""
        return tuple(dict.fromkeys([self.key_column, *(field.derivation.column for field in self.fields)]))

    def told_by_envelope(self, column: SourceColumn) -> bool:
        """Whether the envelope's time can tell more of a column than its fields do: a time that is written at the change itself."""
        if column.type not in ("date", "timestamp") or column.encrypted or column.natural_identifier:
            return False
        fields = [field.derivation for field in self.fields if field.derivation.column == column.name]
        return not any(each.function == "copy" or (column.type == "date" and "day" in each.args) for each in fields)

    @property
    def never_leaves(self) -> tuple[str, ...]:
        """The withheld columns of which not even the envelope tells anything."""
        return tuple(name for name in self.withheld if not self.told_by_envelope(self.columns[name]))

    @property
    def k_groups(self) -> dict[str, tuple[Field, ...]]:
        """The fields of each k-group, in the contract's order."""
        names = dict.fromkeys(field.k_group for field in self.fields if field.k_group)
        return {name: tuple(field for field in self.fields if field.k_group == name) for name in names}

    def field(self, name: str) -> Field:
        """Raises KeyError for a name that the contract does not have."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.entity} has no field {name!r}; it has {', '.join(f.name for f in self.fields)}")
