"""docs/platforms.md: its Python imports what there is and calls it as it is, and its sentences are the ones that come."""

from __future__ import annotations

import ast
import inspect
import tomllib
from importlib import import_module
from typing import Any

import sqlalchemy as sa

from publisher.database import LOCK_TIMEOUT_MS
from publisher.keys import LocalKeyring, encrypt
from tests.unit.docs.pages import ROOT, blocks, page

PAGE = page("platforms.md")
PYTHON = [ast.parse(block) for block in blocks(PAGE, "python")]
ELSEWHERE = {"django", "__future__"}
"""Not installed here: tried apart."""


def imported() -> dict[str, object]:
    """What the page imports, by name."""
    found: dict[str, object] = {}
    for tree in PYTHON:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] not in ELSEWHERE:
                found |= {alias.name: getattr(import_module(str(node.module)), alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {alias.name: import_module(alias.name) for alias in node.names}
    return found


def test_what_it_imports_is_there() -> None:
    assert {"install_at_head", "publisher.alembic", "assert_contracts_fit", "borrowed", "install", "uninstall"} <= set(imported())


def test_what_it_calls_takes_these_arguments() -> None:
    known, bound = imported(), set()
    for node in (node for tree in PYTHON for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and callable(known.get(node.func.id)):
            function = known[node.func.id]
            assert callable(function)
            inspect.signature(function).bind(*node.args, **{str(each.arg): each.value for each in node.keywords})
            bound.add(node.func.id)
    assert {"install_at_head", "assert_contracts_fit", "borrowed", "install", "uninstall", "load_contracts"} <= bound


def test_the_operations_are_registered() -> None:
    from alembic import op

    import_module("publisher.alembic")
    called = {
        node.func.attr
        for tree in PYTHON
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "op"
    }
    assert called == {"publisher_install", "publisher_uninstall"}
    assert all(hasattr(op, name) for name in called)


def test_numbers_names_and_extras_are_those_of_the_code() -> None:
    project = tomllib.loads((ROOT / "publisher" / "pyproject.toml").read_text())["project"]
    assert f"Installing waits {LOCK_TIMEOUT_MS / 1000:g} seconds" in PAGE
    wheel = f"$(ls dist/{project['name'].replace('-', '_')}-*.whl)"
    assert all(f'pip install "{wheel}[{extra}]"' in PAGE for extra in project["optional-dependencies"])
    assert project["requires-python"] == ">=3.11,<3.15"
    assert "It needs Python 3.11 to 3.14." in PAGE


def test_what_its_functions_and_its_type_encrypt_the_publisher_opens_and_the_reverse() -> None:
    key = bytes(range(32))
    keyring = LocalKeyring(key, key)
    shown: dict[str, Any] = {"data_key": lambda: key}
    for word in ("def sealed", "TypeDecorator"):
        exec(next(block for block in blocks(PAGE, "python") if word in block), shown)
    people = sa.Table("people", sa.MetaData(), sa.Column("email", shown["EncryptedText"]))
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        people.create(connection)
        connection.execute(people.insert(), [{"email": "jane@example.test"}, {"email": None}])
        stored = connection.exec_driver_sql("SELECT email FROM people").scalars().all()
        read = connection.execute(sa.select(people)).scalars().all()
    engine.dispose()

    assert [each and keyring.decrypt(each) for each in stored] == ["jane@example.test", None] == read
    assert shown["opened"](key, encrypt(key, "ü")) == "ü"
