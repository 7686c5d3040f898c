"""docs/lake.md has every table and column as the code makes them, and its SQL reads columns that there are."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from lake_assets.completeness import verify
from lake_assets.raw import batches, lake
from lake_assets.silver.history import history_progress
from lake_assets.transforms import schemas
from publisher.contracts import Contract, load_contracts
from tests.unit.docs.pages import ROOT, blocks, code, page, rows, section

PAGE = page("lake.md")
CONTRACTS = load_contracts(ROOT / "contracts")
HEADINGS = {
    "## Bronze: `bronze/<entity>`": schemas.bronze,
    "## Silver: `silver/<entity>`": schemas.silver,
    "## History: `silver/<entity>_history`": schemas.history,
}
OPS = {**{table.name: table.columns for table in lake.OPS}, "progress": schemas.PROGRESS}


def described(columns: schemas.Columns) -> list[list[str]]:
    """The rows that a table of columns must have."""
    return [[f"`{name}`", schemas.TYPES[kind].simpleString(), text] for name, kind, text in columns]


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_columns_of_each_layer_are_those_of_the_code(heading: str) -> None:
    for contract in CONTRACTS.values():
        columns = HEADINGS[heading](contract)
        fields = len(contract.fields)

        assert columns[:fields] == schemas.record(contract)  # "First the record's fields, in the contract's order."
        assert rows(section(PAGE, heading)) == described(columns[fields:])


@pytest.mark.parametrize("name", OPS)
def test_the_columns_of_each_table_of_operations_are_those_of_the_code(name: str) -> None:
    assert rows(section(PAGE, f"### `ops/{name}`")) == described(OPS[name])


def test_the_page_has_no_table_that_the_code_has_not() -> None:
    assert set(re.findall(r"^### `ops/(\w+)`$", PAGE, re.MULTILINE)) == set(OPS)


def test_how_tables_are_partitioned_is_said() -> None:
    for table in lake.OPS:
        said = re.findall(r"Partitioned by `(\w+)`", section(PAGE, f"### `ops/{table.name}`"))
        assert said == list(table.partition_by), table.name


def test_every_process_that_has_a_progress_is_named() -> None:
    named = code(section(PAGE, "### `ops/progress`"))

    assert {batches.FINISHED, lake.FINGERPRINT, verify.NAME, history_progress("<entity>")} <= set(named)


def test_the_queries_read_tables_and_columns_that_there_are() -> None:
    known = {f"s3a://lake/ops/{name}": columns for name, columns in OPS.items()}
    for entity, contract in CONTRACTS.items():
        known |= _tables(entity, contract)
    schema = {"delta": {path: {name: "STRING" for name, *_ in columns} for path, columns in known.items()}}
    queries = [each for block in blocks(PAGE, "sql") for each in sqlglot.parse(block, dialect="spark") if each is not None]

    assert len(queries) == 4
    for query in queries:
        assert {table.name for table in query.find_all(exp.Table)} <= set(known)
        qualify(query, dialect="spark", schema=schema)  # raises OptimizeError for a column that is not there


def _tables(entity: str, contract: Contract) -> dict[str, schemas.Columns]:
    return {
        f"s3a://lake/bronze/{entity}": schemas.bronze(contract),
        f"s3a://lake/silver/{entity}": schemas.silver(contract),
        f"s3a://lake/silver/{entity}_history": schemas.history(contract),
    }
