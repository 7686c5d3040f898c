"""Which names of the environment the code reads. Belongs here: finding them in the source. Not here: what must be said of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.unit.docs.pages import ROOT

PACKAGES = ("publisher", "resources", "lake_assets", "demo")
NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
ENVIRONMENT = re.compile(r"(?:^|[._])(?:env|environ|environment|inherited)$")
LISTS = re.compile(r"SETTINGS?$|MEANINGS$|ABOUT$|REMEDY$")
PORTS = {"port_of", "_checked", "require_free_port"}


def names_read() -> set[str]:
    """Every name that `publisher`, `resources`, `lake_assets` or `demo` takes from the environment."""
    return {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in _names(ast.parse(path.read_text(encoding="utf-8")))
    }


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_environment(node.value):
            yield from _texts(node.slice)
        elif isinstance(node, ast.Compare) and any(map(_is_environment, node.comparators)):
            yield from _texts(node.left)
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and LISTS.search(t.id) for t in node.targets):
            yield from _texts(node.value)


def _of_call(node: ast.Call) -> Iterator[str]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    read = isinstance(node.func, ast.Attribute) and called in ("get", "pop") and _is_environment(node.func.value)
    if read or called in ("EnvVar", "getenv", *PORTS) or any(map(_is_environment, node.args)):
        yield from (text for argument in node.args for text in _texts(argument))
    for keyword in node.keywords:
        if keyword.arg == "envvar":
            yield from _texts(keyword.value)


def _is_environment(node: ast.AST) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute)) and ENVIRONMENT.search(ast.unparse(node)) is not None


def _texts(node: ast.AST) -> Iterator[str]:
    """The names that a constant holds, or a dict's keys, or the members of a tuple."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.Dict):
        yield from (text for key in node.keys if key is not None for text in _texts(key))
    elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        yield from (text for element in node.elts for text in _texts(element))
