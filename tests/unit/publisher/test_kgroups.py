"""Ladders and chains: each rung follows from the one above, no value has two meanings, and every step is coarser than the last."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.contracts import Contract, load_contracts
from publisher.contracts.kgroups import coarsest, groups_of
from publisher.contracts.model import Domain, SourceColumn
from publisher.contracts.vocabulary import FUNCTIONS, Rung, Use
from publisher.contracts.vocabulary.regions import ELSEWHERE, REGIONS, region_of
from tests.unit.contracts.domains import within

AREAS = (
    "AB", "AL", "B", "BA", "BB", "BD", "BH", "BL", "BN", "BR", "BS", "BT", "CA", "CB", "CF", "CH", "CM", "CO", "CR", "CT",
    "CV", "CW", "DA", "DD", "DE", "DG", "DH", "DL", "DN", "DT", "DY", "E", "EC", "EH", "EN", "EX", "FK", "FY", "G", "GL",
    "GU", "GY", "HA", "HD", "HG", "HP", "HR", "HS", "HU", "HX", "IG", "IM", "IP", "IV", "JE", "KA", "KT", "KW", "KY", "L",
    "LA", "LD", "LE", "LL", "LN", "LS", "LU", "M", "ME", "MK", "ML", "N", "NE", "NG", "NN", "NP", "NR", "NW", "OL", "OX",
    "PA", "PE", "PH", "PL", "PO", "PR", "RG", "RH", "RM", "S", "SA", "SE", "SG", "SK", "SL", "SM", "SN", "SO", "SP", "SR",
    "SS", "ST", "SW", "SY", "TA", "TD", "TF", "TN", "TQ", "TR", "TS", "TW", "UB", "W", "WA", "WC", "WD", "WF", "WN", "WR",
    "WS", "WV", "YO", "ZE",
)  # fmt: skip
DATES = st.dates(date(1900, 1, 1), date(2099, 12, 31))
POSTCODES = st.builds("{}{} {}AA".format, st.sampled_from([*AREAS, "XX"]), st.integers(1, 29), st.integers(0, 9))
USES: list[tuple[str, Any, tuple[str, ...], Any]] = [
    *(("birth_band", "date", (width,), DATES) for width in ("5", "10", "20", "25", "50")),
    ("postcode_area", "string", (), POSTCODES),
    ("outcode", "string", (), POSTCODES),
    ("band", "integer", ("0", "10", "20", "50", "100"), st.integers(-20, 200)),
    ("money_band", "integer", ("0", "500", "1000"), st.integers(-100, 200_000)),
    ("length_band", "string", ("1", "80", "160"), st.text(max_size=200)),
    ("truncate", "date", ("month",), DATES),
    ("truncate", "timestamp", ("day",), st.datetimes(timezones=st.just(UTC))),
    ("present", "string", (), st.text(max_size=3)),
]


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return load_contracts(Path(__file__).parents[3] / "contracts")


def ladder(name: str, kind: Any, args: tuple[str, ...]) -> tuple[Rung, ...]:
    return FUNCTIONS[name].ladder(Use(SourceColumn("c", kind, "", False, True, "internal", False, False, ""), args))


@pytest.mark.parametrize(
    ("name", "kind", "args", "values"), USES, ids=lambda use: str(use) if isinstance(use, (str, tuple)) else ""
)
@given(data=st.data())
def test_each_rung_is_a_function_of_the_one_above_and_no_value_is_of_two(
    name: str, kind: Any, args: tuple[str, ...], values: Any, data: st.DataObject
) -> None:
    rungs = ladder(name, kind, args)
    drawn = data.draw(st.lists(values, min_size=2, max_size=30))
    for finer, coarser in pairwise(rungs):
        seen: dict[Any, Any] = {}
        for value in drawn:
            assert seen.setdefault(finer.derive(value), coarser.derive(value)) == coarser.derive(value)
    for value in drawn:
        for rung in rungs:
            assert within(rung.domain, rung.derive(value))
    assert all(len(rungs) == 1 or not _overlap(a.domain, b.domain) for a, b in pairwise(rungs))


def _overlap(a: Domain, b: Domain) -> set[str]:
    """Values of a finite domain that the other has as well, but for ends that mean the same in both."""
    if a.values is None or b.values is None:
        return {value for value in (a.values or b.values or ()) if within(a, value) and within(b, value)}
    return {value for value in {*a.values} & {*b.values} if not value.startswith("<") and not value.endswith("+")}


def test_the_ladders_are_those_that_the_docs_name() -> None:
    assert [rung.says for rung in ladder("birth_band", "date", ("10",))] == ["10 years", "20 years", "40 years"]
    assert [rung.says for rung in ladder("outcode", "string", ())] == ["outcode", "area", "region"]
    assert [len(rung.domain.values or ()) for rung in ladder("band", "integer", ("0", "10", "20", "50", "100"))] == [6, 4, 3, 2]
    assert [rung.derive("SW1A 1AA") for rung in ladder("outcode", "string", ())] == ["SW1A", "SW", "London"]


def test_every_postcode_area_has_one_region() -> None:
    assert len(AREAS) == 124
    assert {region_of(area) for area in AREAS} == set(REGIONS) - {ELSEWHERE}
    assert region_of("XX") == ELSEWHERE


def test_a_chain_goes_one_rung_at_a_time_from_all_to_nothing(contracts: dict[str, Contract]) -> None:
    (group,) = groups_of(contracts["customers"])
    assert group.steps[0] == (0,) * len(group.fields)
    assert group.steps[-1] == tuple(len(each) for each in group.ladders)
    for before, after in pairwise(group.steps):
        assert sorted(b - a for a, b in zip(before, after, strict=True)) == [0] * (len(before) - 1) + [1]
    assert group.words(0) == "everything as it is"
    assert group.words(2) == "birth_band 20 years, postcode_area region"
    assert group.say([None] * len(group.fields), 0)[:3] == (False, False, False)
    assert group.say([None] * len(group.fields), group.silent) == (None,) * len(group.fields)


def test_an_inserts_time_is_no_finer_than_the_groups_date(contracts: dict[str, Contract]) -> None:
    (group,) = groups_of(contracts["customers"])
    said = list(group.insert_precisions)
    assert said == ["month"] * 4 + ["year"] * (len(said) - 4)


def test_dates_are_of_one_form_whatever_the_day() -> None:
    (rung,) = ladder("truncate", "timestamp", ("day",))
    assert rung.derive(datetime(2026, 11, 24, 23, 59, tzinfo=UTC)) == "2026-11-24"


def test_of_several_dates_the_coarsest_counts() -> None:
    assert coarsest([]) is coarsest([None, None]) is None
    assert coarsest(["day", None]) == "day"
    assert coarsest(["year", "day", "month"]) == coarsest(["day", "year"]) == "year"
