"""docs/runbook.md is complete: each reason, verdict, check, command and variable of the code is in it, and nothing that is gone."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import click
import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from lake_assets.assets.completeness import completeness_checks
from lake_assets.assets.gold import gold_assets
from lake_assets.assets.ingest import ingest_assets
from lake_assets.assets.replay import quarantine_check
from lake_assets.automation import DEFAULT_CADENCE
from lake_assets.bronze import objects
from lake_assets.catalog import Catalog
from lake_assets.completeness import verdicts
from lake_assets.gold.load import load_gold
from lake_assets.lineage import build_lineage
from lake_assets.raw import lake
from lake_assets.transforms import schemas, validate
from publisher import deadletters
from publisher.capture.tables import TABLES
from publisher.cli import cli
from publisher.contracts import load_contracts
from publisher.settings import Settings
from tests.unit.docs.pages import ROOT, blocks, code, page, rows, section
from tests.unit.docs.reads import names_read

PAGE = page("runbook.md")
SERVER = {f"PUSHLAKE_SPARK_{name}" for name in ("HEAP", "CORES", "DRIVER_HOST", "WORKER_HEAP")}
OF_AWS = {"AWS_SESSION_TOKEN"}
"""Read by AWS's own libraries alone."""


def constants(module: ModuleType) -> set[str]:
    """The texts that a module holds as constants."""
    return {
        value for name, value in vars(module).items() if name.isupper() and not name.startswith("_") and isinstance(value, str)
    }


def first_cells(heading: str) -> list[str]:
    """What the first cells of a section's tables name, in order."""
    return [name for row in rows(section(PAGE, heading)) for name in code(row[0])]


def test_every_reason_of_quarantine_is_explained() -> None:
    assert sorted(first_cells("## Quarantine")) == sorted(constants(validate) | constants(objects))


@pytest.mark.parametrize(("module", "maker"), [(validate, "_Problem"), (objects, "BadObject")])
def test_a_reason_is_always_a_constant(module: ModuleType, maker: str) -> None:
    """Otherwise the test above would not know of it."""
    made = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == maker
    ]

    assert made
    assert not [
        node for node in made for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def test_every_verdict_on_a_manifest_is_explained() -> None:
    assert set(first_cells("## Manifests that do not agree")) == constants(verdicts)


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    said = {reason.removesuffix("…") for reason in first_cells("## Dead letters")}

    assert said == dead_letter_reasons() | {deadletters.WAITING_REASON}


def dead_letter_reasons() -> set[str]:
    """Every text that may become the reason of a dead letter; of a text with numbers in it, what comes before the first."""
    found = set()
    for path in (ROOT / "publisher").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found |= set(_reasons(node))
    assert len(found) > 20
    return found


def _reasons(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called == "RuleBroken":
            yield _text(node.args[0])
        elif called == "Unreleasable":
            yield from (_text(node.args[2]),) if isinstance(node.args[2], ast.Constant) else ()
        elif called == "faults.setdefault" or (called == "dict.fromkeys" and len(node.args) == 2):
            yield from (_text(node.args[1]),) if isinstance(node.args[1], ast.Constant) else ()
    elif (
        isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]).startswith("faults[")
        and isinstance(node.value, ast.Constant)
    ):
        yield _text(node.value)
    elif isinstance(node, ast.FunctionDef) and node.name in ("_rule", "of"):
        yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and _is_a_sentence(each.value))


def _text(node: ast.expr) -> str:
    first = node.values[0] if isinstance(node, ast.JoinedStr) else node
    assert isinstance(first, ast.Constant)
    return str(first.value)


def _is_a_sentence(value: object) -> bool:
    return isinstance(value, str) and " " in value and not value[0].isupper()


def test_every_command_and_option_of_the_publisher_is_in_the_table() -> None:
    table = {
        re.sub(r" [A-Z\[].*", "", code(row[0])[0]): " ".join(row) for row in rows(section(PAGE, "## Commands of the publisher"))
    }
    commands = dict(_commands(cli, "publisher"))

    assert set(table) == set(commands)
    for path, command in commands.items():
        for parameter in command.params:
            wanted = (
                parameter.opts[-1] if isinstance(parameter, click.Option) else str(parameter.name).upper().removesuffix("IES")
            )
            assert wanted in table[path], f"{path} {wanted}"


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_variable_that_the_code_reads_is_in_the_table_and_no_other() -> None:
    assert set(first_cells("## Environment variables")) == names_read() | OF_AWS


def test_the_defaults_of_variables_are_those_of_the_code() -> None:
    said = {
        name: code(row[2])[0] if code(row[2]) else row[2]
        for row in rows(section(PAGE, "## Environment variables"))
        for name in code(row[0])
    }
    settings = Settings.read({})
    server = import_module("resources.spark_server.__main__").cli.commands["start"]
    spark = {option.envvar: str(option.default) for option in server.params if option.envvar and option.default}

    assert spark == {name: said[name] for name in SERVER}
    assert said["LAKE_CADENCE"] == DEFAULT_CADENCE
    assert said["CONTRACTS_DIR"] == str(settings.contracts_dir)
    assert said["PUBLISHER_DATA_KEY_SECRET"] == settings.data_key_secret
    assert said["PUBLISHER_PSEUDONYM_SECRET"] == settings.pseudonym_secret
    assert float(said["PUBLISHER_MANIFEST_SECONDS"]) == settings.manifest_seconds
    assert float(said["PUBLISHER_OLDEST_LIMIT"]) == settings.oldest_limit_seconds
    assert said["PUBLISHER_METRICS_ADDRESS"] == settings.metrics_address
    assert said["AWS_DEFAULT_REGION"] == settings.region


def test_every_check_of_dagster_is_in_the_table() -> None:
    contracts = load_contracts(ROOT / "contracts")
    gold = load_gold(contracts)
    catalog = Catalog(contracts, gold, build_lineage(contracts, gold))
    specs = [*completeness_checks(catalog, DEFAULT_CADENCE).check_specs, *gold_assets(catalog, DEFAULT_CADENCE).check_specs]
    for definition in (*ingest_assets(catalog), quarantine_check(DEFAULT_CADENCE)):
        specs += definition.check_specs
    found = {(spec.name, spec.blocking, spec.asset_key.path[0]) for spec in specs}
    said = {
        (code(row[0])[0], "Blocks" in row[2], code(row[1])[0].split("/")[0])
        for row in rows(section(PAGE, "## When things are built"))
    }

    assert said == found


def test_the_python_that_it_shows_calls_what_there_is() -> None:
    """Imports it, and binds the arguments of each call of ours to the function's signature."""
    tree = ast.parse("\n".join(blocks(PAGE, "python")))
    ours: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            ours |= {alias.name: getattr(import_module(str(node.module)), alias.name) for alias in node.names}
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ours
    ]

    assert {call.func.id for call in calls if isinstance(call.func, ast.Name)} >= {
        "read_batch",
        "replace",
        "take_through",
        "LakeResource",
        "make_keyring",
    }
    for call in calls:
        assert isinstance(call.func, ast.Name)
        function = ours[call.func.id]
        assert callable(function)
        inspect.signature(function).bind(*call.args, **{str(k.arg): k.value for k in call.keywords})
    from lake_assets.raw.batches import Batch
    from resources.tables import LakeTables

    for read in ast.walk(tree):
        if isinstance(read, ast.Attribute) and isinstance(read.value, ast.Name) and read.value.id == "tables":
            assert hasattr(LakeTables, read.attr) or read.attr == "spark", read.attr
    assert "generation" in Batch.__annotations__


def test_every_symptom_leads_to_a_section() -> None:
    table = rows(PAGE.split("\n## ", 1)[0])

    assert len(table) >= 10
    assert all("](#" in row[1] for row in table)


def test_the_queries_that_find_one_record_read_what_there_is() -> None:
    queries = [
        sqlglot.parse(block, dialect="spark") for block in blocks(section(PAGE, "## Find one record"), "sql") if "delta." in block
    ]
    contract = load_contracts(ROOT / "contracts")["debts"]
    known = {f"s3a://lake/ops/{table.name}": table.columns for table in lake.OPS}
    known |= {"s3a://lake/bronze/debts": schemas.bronze(contract), "s3a://lake/silver/debts": schemas.silver(contract)}
    schema = {"delta": {path: {name: "STRING" for name, *_ in columns} for path, columns in known.items()}}

    assert [len(block) for block in queries] == [1, 3, 3]
    for query in (query for block in queries for query in block):
        assert query is not None
        assert {table.name for table in query.find_all(exp.Table)} <= set(known)
        qualify(query, dialect="spark", schema=schema)


def test_the_platform_s_queries_that_find_one_record_read_what_there_is() -> None:
    first, touch = (block for block in blocks(section(PAGE, "## Find one record"), "sql") if "delta." not in block)
    for name in ("dead_letters", "outbox"):
        statement = next(query for query in first.split(";") if f"publisher.{name} " in query)
        table = TABLES[TABLES.index(f"CREATE TABLE IF NOT EXISTS publisher.{name} (") :]
        columns = set(re.findall(r"^    (\w+) ", table[: table.index(");")], re.MULTILINE))
        asked = sqlglot.parse_one(statement, dialect="postgres")
        assert {column.name for column in asked.find_all(exp.Column)} <= columns
    assert "status" in load_contracts(ROOT / "contracts")["debts"].columns
    assert "UPDATE debts SET status = status" in touch
