"""Whether a database can be captured, and whether it is: findings as data.

Belongs here: judging. Not here: reading the catalogue (catalogue.py), changing anything (install.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from publisher.capture.catalogue import InstalledFunction, InstalledTrigger, Relation, Table
from publisher.capture.triggers import SETTINGS, TRIGGERS, EntitySql
from publisher.contracts.model import Contract

QUOTE = "'"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is not as it should be, and what to do about it."""

    entity: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.entity}: {self.what}. {self.remedy}"


def unfit(contract: Contract, table: Table | None) -> Iterable[Finding]:
    """Why a table cannot be captured under its contract. The order of `seq` per key rests on the rules about the key."""
    name, key = f"{contract.table}.{contract.key_column}", contract.key_column
    if table is None or table.kind not in ("r", "p"):
        what = "does not exist" if table is None else "is no table: a view or foreign table fires no triggers"
        yield Finding(
            contract.entity, f"public.{contract.table} {what}", "Run the platform's migrations, or correct physicalName"
        )
        return
    for column in sorted(set(contract.source_columns) - set(table.columns)):
        what = f"{contract.table} has no column {column}, which a field reads"
        remedy = f"Migrate, or correct the contract{renamed(contract, table, column)}"
        yield Finding(contract.entity, what, remedy)
    for column in sorted(set(table.columns) - set(contract.columns)):
        remedy = "Release it through a property, or list it under `withheld`"
        yield Finding(contract.entity, f"the column {contract.table}.{column} is neither released nor withheld", remedy)
    for column in contract.source_columns:
        if contract.columns[column].encrypted and table.columns.get(column) not in (None, "bytea"):
            remedy = "Let the application encrypt it into a bytea column"
            yield Finding(contract.entity, f"{contract.table}.{column} is encrypted by contract, but not binary", remedy)
    if key in table.columns and key not in table.unique:
        if key in table.deferrable:
            what, remedy = f"the key {name} is deferrable: two rows may hold it for a while", "Make its constraint NOT DEFERRABLE"
        else:
            what, remedy = f"the key {name} is not unique by itself", "Add a unique index on it alone"
        yield Finding(contract.entity, what, remedy)
    if key in table.columns and key not in table.not_null:
        yield Finding(contract.entity, f"the key {name} may be null", "Make it NOT NULL")
    if table.hides_rows:
        remedy = "Install as the table's owner, or as a role with BYPASSRLS"
        yield Finding(contract.entity, f"row security hides rows of {contract.table} from this role", remedy)


def renamed(contract: Contract, table: Table, name: str) -> str:
    """A question, where one column went and exactly one came."""
    new = sorted(set(table.columns) - set(contract.columns))
    gone = sorted(set(contract.columns) - set(table.columns))
    return f" (was it renamed to {new[0]}?)" if len(new) == 1 and gone == [name] else ""


def outdated(
    sql: EntitySql,
    relations: Iterable[Relation],
    functions: Mapping[str, InstalledFunction],
    triggers: Mapping[tuple[int, str], InstalledTrigger],
) -> Iterable[Finding]:
    """What is missing, disabled or of another contract."""
    entity = sql.contract.entity
    settings = sorted(f"{name}={value.strip(QUOTE)}" for name, value in SETTINGS.items())
    function = functions.get(f"capture_{entity}")
    if function is None:
        yield Finding(entity, "its capture function is missing", "Run `publisher install`")
    elif function.body != sql.body() or sorted(function.settings) != settings or not function.definer:
        yield Finding(entity, "its capture function is outdated or was changed", "Run `publisher install`")
    for relation in relations:
        for trigger in TRIGGERS:
            found = triggers.get((relation.oid, trigger.name))
            if found is None:
                yield Finding(entity, f"the trigger {trigger.name} is missing on {relation.name}", "Run `publisher install`")
            elif not all(
                part in found.definition
                for part in (
                    f" {trigger.timing} {trigger.event} ON ",
                    trigger.referencing,
                    f"FOR EACH STATEMENT EXECUTE FUNCTION publisher.capture_{entity}()",
                )
            ):
                yield Finding(entity, f"the trigger {trigger.name} on {relation.name} was changed", "Run `publisher install`")
            elif found.enabled != "A":
                what = f"the trigger {trigger.name} on {relation.name} is disabled or not ENABLE ALWAYS"
                yield Finding(entity, what, f"Run `publisher install`, then `publisher backfill {entity}` for what was missed")


def rewritten(entity: str, relations: Iterable[Relation], before: Mapping[int, tuple[int | None, str]]) -> Iterable[Finding]:
    """Tables that ALTER TABLE rewrote: their files and their columns' definitions both changed.

    VACUUM FULL and CLUSTER change the file only, SET DEFAULT the definition only; neither changes a value.
    """
    for relation in relations:
        known = before.get(relation.oid)
        if known is not None and known[0] != relation.filenode and known[1] != relation.columns:
            what = f"{relation.name} was rewritten, which fires no trigger"
            yield Finding(entity, what, f"Run `publisher backfill {entity}`")
