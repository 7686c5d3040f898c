"""Whatever stands in a contract, checking it neither crashes nor repeats what it found there."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.contracts.check import read_contracts
from publisher.contracts.source import parse_source
from tests.unit.contracts.conftest import SHIPPED

CANARY = "jane.canary@example.test"
TEXT = (SHIPPED / "debts.yaml").read_text()
STRANGE: list[Any] = [
    5,
    -1,
    0.5,
    True,
    None,
    "",
    CANARY,
    f"copy({CANARY})",
    [],
    [CANARY],
    {},
    {CANARY: CANARY},
    [[1]],
    [{"name": CANARY}],
    "x" * 5000,
]


def _places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if where:
        yield where
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*where, key))


DATA = yaml.safe_load(TEXT)
PLACES = list(_places(DATA))


def _replaced(where: tuple[Any, ...], new: Any) -> str:
    data = copy.deepcopy(DATA)
    holder = data
    for step in where[:-1]:
        holder = holder[step]
    holder[where[-1]] = new
    return yaml.safe_dump(data, sort_keys=False)


def _check(text: str) -> list[str]:
    _, problems = read_contracts([parse_source("debts.yaml", text)])
    assert all(p.file == "debts.yaml" and p.line >= 1 and p.message and p.remedy for p in problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("where", PLACES, ids=lambda where: ".".join(map(str, where)))
def test_a_strange_value_anywhere_is_survived_and_not_repeated(where: tuple[Any, ...]) -> None:
    offset = len(str(where))
    for new in (STRANGE[offset % len(STRANGE)], CANARY):
        assert not [line for line in _check(_replaced(where, new)) if CANARY in line or "canary" in line]


@pytest.mark.parametrize(
    "where", [place for place in PLACES if isinstance(place[-1], str)], ids=lambda where: ".".join(map(str, where))
)
def test_a_missing_key_is_survived(where: tuple[Any, ...]) -> None:
    data = copy.deepcopy(DATA)
    holder = data
    for step in where[:-1]:
        holder = holder[step]
    del holder[where[-1]]

    _check(yaml.safe_dump(data, sort_keys=False))


@pytest.mark.parametrize("length", range(0, len(TEXT), 97))
def test_a_contract_cut_off_anywhere_is_refused(length: int) -> None:
    assert _check(TEXT[:length])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=200), st.text("{}[]:,-&*!|>'\"%@`#? \n\tab01", max_size=200)))
def test_any_text_is_survived(text: str) -> None:
    _check(text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_edit_of_a_contract_is_survived(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT)))
    _check(
        TEXT[:at] + data.draw(st.text("{}[]:,-&*!|>'\"%@`#? \n\tab01", max_size=5)) + TEXT[at + data.draw(st.integers(0, 30)) :]
    )
