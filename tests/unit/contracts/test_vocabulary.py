"""The vocabulary: whatever goes in, what comes out lies in the declared domain, or nothing comes out and the error holds no value."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.contracts.model import SourceColumn
from publisher.contracts.vocabulary import FUNCTIONS, Derive, Use, parse_call
from publisher.errors import RuleBroken
from tests.unit.contracts.domains import safe, within

EDGES = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=8, unique=True).map(
    lambda e: tuple(str(2 * i) for i in sorted(e))
)
RANGES = st.tuples(st.integers(-(10**6), 0), st.integers(1, 10**6))
MOMENTS = st.datetimes(timezones=st.builds(timezone, st.integers(-14 * 60, 14 * 60).map(lambda m: timedelta(minutes=m))))
POSTCODES = st.from_regex(r"\A[A-Za-z]{1,2}[0-9][0-9A-Za-z]? ?[0-9][A-Za-z]{2}\Z")
TEXTS = st.one_of(
    st.text(), POSTCODES, st.sampled_from(["active", "closed", "C123", "ß1 1AA", "SW1A 1AA\n", "active\n", "C123\n", "C１２３"])
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS, "boolean": st.booleans(), "integer": st.integers(), "date": st.dates(), "timestamp": MOMENTS,
}  # fmt: skip
ARGS: dict[str, st.SearchStrategy[tuple[str, ...]]] = {
    "band": EDGES, "money_band": EDGES, "length_band": EDGES, "birth_band": st.sampled_from([("5",), ("10",), ("20",), ("25",), ("50",)]),
    "truncate": st.sampled_from([("day",), ("month",)]), "one_of": st.just(("active", "closed")),
    "rounded": st.integers(2, 10**4).map(lambda step: (str(step),)),
}  # fmt: skip
DERIVED = sorted(set(FUNCTIONS) - {"pseudonym"})


def column(kind: str, **changes: Any) -> SourceColumn:
    known = {"physical_type": "", "encrypted": False, "required": True, "classification": "internal", "natural_identifier": False}
    return SourceColumn(**{"name": "c", "type": kind, "surrogate": False, "description": "", **known, **changes})


@st.composite
def uses(draw: st.DrawFn, name: str) -> Use:
    kind = draw(st.sampled_from(sorted(FUNCTIONS[name].inputs)))
    args = draw(ARGS.get(name, st.just(())))
    options: dict[str, Any] = {}
    if name == "rounded":
        low, high = draw(RANGES)
        options = {"minimum": low * int(args[0]), "maximum": high * int(args[0])}
    elif name == "copy" and kind == "integer":
        low, high = draw(RANGES)
        options = {"minimum": low, "maximum": high}
    elif name == "copy" and kind == "string":
        options = {"pattern": draw(st.sampled_from(["^C[0-9]{3,5}$", "^(?:a|b-){1,3}[.]?$", "^[A-Z]{1,2}[0-9]?$"]))}
    return Use(column(kind), args, options)


@pytest.mark.parametrize("name", DERIVED)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_what_comes_out_lies_in_the_domain_or_nothing_comes_out(name: str, data: st.DataObject) -> None:
    function, use = FUNCTIONS[name], data.draw(uses(name))
    assert function.check(use) == []
    domain, derive = function.domain(use), function.derive(use)
    value = data.draw(VALUES[use.column.type])
    released, rule = outcome(derive, value)
    if rule is not None:
        assert len(str(value)) < 6 or str(value) not in rule
        assert rule == rule_of_another_value(derive, use)
        return
    assert within(domain, released)
    assert safe(released)
    assert function.derive(use)(value) == released, "the same value gives the same on any day"
    expected = {"boolean": bool, "integer": int}.get(function.output(use), str)
    assert type(released) is expected


def outcome(derive: Derive, value: object) -> tuple[object, str | None]:
    """What comes out, or the text of the rule that was broken."""
    try:
        return derive(value), None
    except RuleBroken as error:
        return None, str(error)


def rule_of_another_value(derive: Derive, use: Use) -> str | None:
    """The text for a value that surely breaks the rule: were it another text, it would hold something of the value."""
    breakers: dict[str, object] = {
        "string": "\x00 broken", "integer": 10**30, "date": date(1, 1, 1), "timestamp": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    }  # fmt: skip
    return outcome(derive, breakers[use.column.type])[1]


@pytest.mark.parametrize("name", DERIVED)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_every_value_of_an_enum_domain_can_come_out_once(name: str, data: st.DataObject) -> None:
    function, use = FUNCTIONS[name], data.draw(uses(name))
    values = function.domain(use).values
    if values is not None:
        assert len(set(values)) == len(values)
        assert all(safe(value) for value in values)


@pytest.mark.parametrize(
    ("call", "kind", "value", "released"),
    [
        ("present(c)", "string", "x", True),
        ("present(c)", "string", " \t\u2003", False),
        ("present(c)", "integer", 0, True),
        ("present(c)", "boolean", False, True),
        ("birth_band(c, 10)", "date", date(1979, 12, 31), "1970-1979"),
        ("birth_band(c, 10)", "date", date(1980, 1, 1), "1980-1989"),
        ("birth_band(c, 25)", "date", date(2099, 1, 1), "2075-2099"),
        ("band(c, 0, 500)", "integer", -1, "<0"),
        ("band(c, 0, 500)", "integer", 0, "0-499"),
        ("band(c, 0, 500)", "integer", 499, "0-499"),
        ("band(c, 0, 500)", "integer", 500, "500+"),
        ("money_band(c, 0, 500)", "integer", 49_999, "0-500"),
        ("money_band(c, 0, 500)", "integer", 50_000, "500+"),
        ("length_band(c, 0, 3)", "string", "äöü", "3+"),
        ("rounded(c, 100)", "integer", 149, 100),
        ("rounded(c, 100)", "integer", 150, 200),
        ("rounded(c, 100)", "integer", -150, -100),
        ("rounded(c, 100)", "integer", 0, 0),
        ("truncate(c, day)", "timestamp", datetime(2026, 11, 24, 23, 30, tzinfo=timezone(timedelta(hours=-2))), "2026-11-25"),
        ("truncate(c, month)", "timestamp", datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-2))), "2026-12-01"),
        ("truncate(c, month)", "date", date(987, 6, 5), "0987-06-01"),
        ("postcode_area(c)", "string", " sw1a 1aa ", "SW"),
        ("postcode_area(c)", "string", "M11AE", "M"),
        ("one_of(c, a, b)", "string", "b", "b"),
        ("copy(c)", "boolean", True, True),
        ("copy(c)", "date", date(2026, 1, 2), "2026-01-02"),
    ],
)  # fmt: skip
def test_examples(call: str, kind: str, value: object, released: object) -> None:
    parsed = parse_call(call)
    assert parsed is not None
    options = {"minimum": -1000, "maximum": 1000} if parsed.function == "rounded" else {}
    use = Use(column(kind), parsed.args, options)

    assert FUNCTIONS[parsed.function].check(use) == []
    assert FUNCTIONS[parsed.function].derive(use)(value) == released


@pytest.mark.parametrize(
    "value",
    [datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))],
)
def test_a_time_outside_of_the_calendar_breaks_a_rule(value: datetime) -> None:
    derive = FUNCTIONS["truncate"].derive(Use(column("timestamp"), ("day",)))

    with pytest.raises(RuleBroken, match="outside of the years 1 to 9999"):
        derive(value)
    assert derive(datetime(1, 1, 2, tzinfo=UTC)) == "0001-01-02"


def test_no_function_reads_the_clock() -> None:
    """The vocabulary is pure: its modules name neither the clock nor chance."""
    import inspect

    from publisher.contracts.vocabulary import base, coarse, identity, numbers

    for module in (base, coarse, identity, numbers):
        source = inspect.getsource(module)
        assert not [word for word in ("now(", "today(", "time.", "random", "environ") if word in source]


def test_the_order_of_what_is_revealed() -> None:
    """An order that the contract's diff relies on: present < band < truncate < copy."""
    ranks = [FUNCTIONS[name].reveal_rank for name in ("present", "band", "truncate", "rounded", "copy")]

    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_says_in_words_what_it_reveals(name: str) -> None:
    args = {"pseudonym": ("customer",), "one_of": ("a", "b"), "birth_band": ("10",), "truncate": ("day",), "rounded": ("100",)}
    use = Use(column(sorted(FUNCTIONS[name].inputs)[0]), args.get(name, ("0", "500") if "band" in name else ()))

    assert FUNCTIONS[name].reveals(use)[0].islower()
    assert FUNCTIONS[name].signature.startswith(f"{name}(")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "present",
        "present()",
        "present(A)",
        "present(a b)",
        "present(a);",
        "a.present(b)",
        "present(a,)",
        "present(a, 'b')",
        "present(a, b",
        "present(a)\nx",
    ],
)
def test_what_is_no_call_is_not_read(text: str) -> None:
    assert parse_call(text) is None


def test_a_call_is_written_back_in_one_form() -> None:
    assert str(parse_call("  band(x,0 , 500)  ")) == "band(x, 0, 500)"
