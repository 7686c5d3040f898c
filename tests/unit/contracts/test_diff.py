"""Each edit of a contract is judged: does it let out more than before, less, or the same?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.contracts import Contract, Domain, Field, SourceColumn
from publisher.contracts.diff import Change, diff_contracts
from publisher.contracts.diff.derivations import is_coarser
from publisher.contracts.diff.entities import ELSEWHERE, JUDGES
from publisher.contracts.diff.fields import COLUMN_JUDGES, FIELD_JUDGES
from publisher.contracts.model import Derivation
from publisher.contracts.vocabulary import FUNCTIONS, Use, parse_call

Edit = Callable[[Contract], Contract]


def with_field(name: str, **changes: Any) -> Edit:
    return lambda c: replace(c, fields=tuple(replace(f, **changes) if f.name == name else f for f in c.fields))


def with_logic(name: str, text: str, options: dict[str, Any] | None = None) -> Edit:
    """Another derivation of a field, as if the contract's checks had let it pass."""

    def edit(contract: Contract) -> Contract:
        given = options or {"pattern": "^x$", **contract.field(name).options}
        return with_field(name, derivation=derivation(text, contract.columns, given), options=given)(contract)

    return edit


def derivation(text: str, columns: dict[str, SourceColumn], options: Any) -> Derivation:
    call = parse_call(text)
    assert call is not None
    function, use = FUNCTIONS[call.function], Use(columns[call.column], call.args, {"pattern": "^x$", **options})
    return Derivation(function.name, call.column, call.args, str(call), function.domain(use), function.reveals(use))


def with_column(name: str, **changes: Any) -> Edit:
    return lambda c: replace(c, columns=c.columns | {name: replace(c.columns[name], **changes)})


def new_field(text: str, name: str = "more") -> Edit:
    def edit(contract: Contract) -> Contract:
        made = derivation(text, contract.columns, {})
        field = replace(contract.fields[1], name=name, derivation=made, options={})
        kept = tuple(column for column in contract.withheld if column != made.column)
        return replace(contract, fields=(*contract.fields, field), withheld=kept)

    return edit


def without(name: str) -> Edit:
    return lambda c: replace(
        c, fields=tuple(f for f in c.fields if f.name != name), withheld=(*c.withheld, c.field(name).derivation.column)
    )


def of(**changes: Any) -> Edit:
    return lambda c: replace(c, **changes)


def in_order(name: str, before: str) -> Edit:
    """A field stands before another one."""

    def edit(contract: Contract) -> Contract:
        rest = [field for field in contract.fields if field.name != name]
        at = next(index for index, field in enumerate(rest) if field.name == before)
        return replace(contract, fields=(*rest[:at], contract.field(name), *rest[at:]))

    return edit


class ungrouped:  # noqa: N801  # reads as a verb among the edits
    """An edit of a contract none of whose fields is in a group."""

    def __init__(self, edit: Edit) -> None:
        self.edit = edit

    def __call__(self, contract: Contract) -> Contract:
        return self.edit(contract)

    def before(self, contract: Contract) -> Contract:
        return replace(contract, fields=tuple(replace(field, k_group=None) for field in contract.fields))


GROUP = (
    "people are put into groups of at least 10 who say the same by other rules (the k-group person): somebody of whom little was said so far may leave in more "
    "detail, beside what left before, and stand out by the two together. Keep its fields, their order and their derivations, or look at the groups with "
    "`publisher risk --dry-run` and have it approved"
)


CASES: list[tuple[str, str, Edit, str, str, str]] = [
    # The five that no tool of today stops.
    ("a raw e-mail address is added", "customers", new_field("copy(email)", "email"), "widens", "email", "would newly leave: the value itself, of customers.email"),
    ("present becomes copy", "customers", with_logic("has_email", "copy(email)"), "widens", "has_email", "of customers.email would leave: the value itself. So far: only whether there is one: yes or no (present(email) becomes copy(email))"),
    ("k goes from 10 to 2", "customers", of(k=2), "widens", "k", "values would leave that as few as 2 people share, instead of 10"),
    ("restricted becomes public", "circumstances", with_field("kind", classification="public"), "widens", "kind", "from restricted to public: whoever may see what is public would see which of these it is: physical_health, mental_health"),
    ("erasure goes from 30 to 365 days", "customers", of(erasure_days=365), "widens", "erasure", "365 days instead of 30: what left of a person who wants it gone stays readable in the lake for so much longer"),
    # What else an accident could do.
    ("a finer birth band", "customers", with_logic("birth_band", "birth_band(date_of_birth, 5)"), "widens", "birth_band", "birth_band(date_of_birth, 10) becomes birth_band(date_of_birth, 5)"),
    ("the day of birth", "customers", with_logic("birth_band", "truncate(date_of_birth, day)"), "widens", "birth_band", "the day, without the time"),
    ("an edge more", "debts", with_logic("principal_band", "money_band(principal_pence, 0, 50, 100, 500, 1000, 5000, 10000)"), "widens", "principal_band", "becomes money_band"),
    ("other edges", "debts", with_logic("principal_band", "money_band(principal_pence, 0, 200)"), "widens", "principal_band", "becomes money_band"),
    ("a finer step", "debts", with_logic("balance_pence", "rounded(balance_pence, 100)"), "widens", "balance_pence", "would leave: the amount, rounded to the nearest £1. So far: the amount, rounded to the nearest £10"),
    ("a step that falls elsewhere", "debts", with_logic("balance_pence", "rounded(balance_pence, 10000)"), "widens", "balance_pence", "nearest £100"),
    ("month becomes day", "circumstances", with_logic("recorded_on", "truncate(recorded_on, day)"), "widens", "recorded_on", "the day, without the time"),
    ("a value more", "circumstances", with_logic("severity", "one_of(severity, low, medium, high, critical)"), "widens", "severity", "may newly be: critical; the others stay"),
    ("another column", "customers", with_logic("has_email", "present(full_name)"), "widens", "has_email", "present(full_name)"),
    ("a wider range", "debts", with_logic("balance_pence", "rounded(balance_pence, 1000)", {"minimum": -1000, "maximum": 100_000_000}), "widens", "balance_pence", "from -1000 to 100000000"),
    ("another pattern", "creditors", with_logic("code", "copy(code)", {"pattern": "^[A-Z0-9]{1,9}$"}), "widens", "code", "texts of the pattern"),
    ("another namespace", "debts", with_logic("creditor_id", "pseudonym(creditor_id, customer)"), "widens", "creditor_id", "becomes pseudonym(creditor_id, customer)"),
    ("k is gone", "customers", of(k=None), "widens", "k", "nothing keeps a group"),
    ("a field leaves its group", "customers", with_field("has_email", k_group=None), "widens", "has_email", "leaves the group person"),
    ("no person", "debts", of(subject=(), subject_namespace=None), "widens", "subject", "an erasure would not find"),
    ("another way to the person", "plans", lambda c: replace(c, subject=c.subject[1:]), "widens", "subject", "the way to the person changes"),
    ("a finer time", "debts", of(precision="second"), "widens", "committedAtPrecision", "to the second instead of the minute"),
    ("kept for longer", "debts", of(retention_days=9999), "widens", "retention", "9999 days (27.4 years) instead of 2190 (6 years): what left stays readable"),
    ("another purpose", "debts", of(purpose="Sell it."), "widens", "purpose", "the purpose becomes: Sell it, instead of: Follow portfolios by creditor and product"),
    ("no limitations", "debts", of(limitations=""), "widens", "limitations", "the limitations become: none, instead of: "),
    ("another table", "debts", of(table="loans"), "widens", "table", "loans is read instead of debts"),
    ("an encryption tag is dropped", "customers", with_column("email", encrypted=False), "widens", "email", "the application would no longer encrypt it: the publisher takes it as it stands, without a key, so its value lies open in the outbox"),
    ("a natural identifier is none any more", "customers", with_column("phone", natural_identifier=False), "widens", "phone", "it would no longer count as a natural identifier: copy, rounded, truncate and one_of may then let its value out"),
    ("an id is declared made up", "customers", with_column("status", surrogate=True), "widens", "status", "it would count as an id that the platform made up: pseudonym may then make codes of it"),
    ("a source column is classified lower", "customers", with_column("email", classification="internal"), "widens", "email", "from restricted to internal: what is derived from it may then be shown to whoever may see what is internal, and only its tags encrypted and natural-identifier keep the value itself from leaving by copy"),
    ("a guarded column is classified lower", "circumstances", with_column("kind", classification="public"), "widens", "kind", "from restricted to public: copy, one_of and truncate may then let its value out to whoever may see what is public"),
    ("a column of another type", "debts", with_column("status", type="integer"), "widens", "status", "goes from string to integer: its values are read in another way"),
    ("a column is withheld no more", "debts", of(withheld=("account_reference",)), "widens", "updated_at", "withheld no more"),
    ("an earlier version", "debts", of(version="0.9.0"), "widens", "version", "goes back from 1.0.0 to 0.9.0"),
    # A k-group that is made of other things: what is known of its combinations counts no more.
    ("a group has another order", "customers", in_order("joined_on", "has_email"), "widens", "kGroup", GROUP),
    ("a field leaves a group by going", "customers", without("has_phone"), "widens", "kGroup", GROUP),
    ("a field of a group says less", "customers", with_logic("birth_band", "birth_band(date_of_birth, 20)"), "widens", "kGroup", GROUP),
    ("a field joins a group", "customers", with_field("status", k_group="person"), "widens", "kGroup", GROUP),
    ("a field of a group is derived from another column", "customers", with_logic("has_email", "present(full_name)"), "widens", "kGroup", GROUP),
    # What lets less out.
    ("a field goes", "circumstances", without("has_note"), "narrows", "has_note", "leaves no more: present(note)"),
    ("a column is withheld", "circumstances", without("has_note"), "narrows", "note", "withheld from now on"),
    ("copy becomes present", "creditors", with_logic("code", "present(code)"), "narrows", "code", "of creditors.code would leave: only whether there is one"),
    ("day becomes month", "messages", with_logic("sent_on", "truncate(sent_at, month)"), "narrows", "sent_on", "the month, without the day"),
    ("a broader birth band", "customers", ungrouped(with_logic("birth_band", "birth_band(date_of_birth, 20)")), "narrows", "birth_band", "20 years"),
    ("an edge less", "debts", with_logic("principal_band", "money_band(principal_pence, 0, 500, 5000)"), "narrows", "principal_band", "becomes"),
    ("a step that falls where one fell", "debts", with_logic("balance_pence", "rounded(balance_pence, 3000)"), "narrows", "balance_pence", "nearest £30"),
    ("a value for another", "circumstances", with_logic("severity", "one_of(severity, low, medium, grave)"), "widens", "severity", "may newly be: grave (no more: high); the others stay"),
    ("a value less", "circumstances", with_logic("severity", "one_of(severity, low, high)"), "narrows", "severity", "may be no more: medium; the others stay"),
    ("k goes from 10 to 20", "customers", of(k=20), "narrows", "k", "values leave only that as few as 20 people share, instead of 10"),
    ("a field begins a group", "customers", with_field("status", k_group="service"), "narrows", "status", "joins the group service"),
    ("classified higher", "debts", with_field("status", classification="restricted"), "narrows", "status", "fewer people"),
    ("erased sooner", "debts", of(erasure_days=7), "narrows", "erasure", "7 days instead of 30"),
    ("kept for less", "debts", of(retention_days=7), "narrows", "retention", "7 days"),
    ("a coarser time", "debts", of(precision="hour"), "narrows", "committedAtPrecision", "to the hour"),
    ("a narrower range", "debts", with_logic("balance_pence", "rounded(balance_pence, 1000)", {"minimum": 0, "maximum": 1000}), "narrows", "balance_pence", "from 0 to 1000"),
    # What makes no difference.
    ("values in another order", "circumstances", with_logic("severity", "one_of(severity, high, medium, low)"), "neutral", "severity", "has its values in another order"),
    ("another owner", "debts", of(owner="Finance"), "neutral", "owner", "Finance answers for the data"),
    ("other words", "debts", with_field("status", description="Where it is."), "neutral", "status", "other words"),
    ("another order", "debts", lambda c: replace(c, fields=(c.fields[0], *reversed(c.fields[1:]))), "neutral", "", "another order"),
    ("fresher", "debts", of(freshness=timedelta(minutes=5)), "neutral", "freshness", "within 5 minutes instead of 15"),
    ("a field may be missing", "debts", with_field("status", required=False), "neutral", "status", "may be missing"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "entity", "edit", "kind", "field", "says"), CASES, ids=[case[0] for case in CASES])
def test_a_change_is_judged(
    shipped: dict[str, Contract], name: str, entity: str, edit: Edit, kind: str, field: str, says: str
) -> None:
    before = getattr(edit, "before", lambda contract: contract)(shipped[entity])
    changed = edit(before)
    assert changed != before
    raised = replace(changed, version=changed.version if changed.version != before.version else "2.0.0")

    compared = diff_contracts(shipped | {entity: before}, shipped | {entity: raised})
    changes = [c for c in compared if (c.field, c.kind) != ("version", "neutral")]

    (judged,) = [c for c in changes if c.field == field and says in c.says]
    assert (judged.kind, judged.entity, judged.file) == (kind, entity, f"{entity}.yaml")
    allowed = {kind, "neutral"} if field != "kGroup" else {kind, "neutral", "narrows"}
    assert {c.kind for c in changes} <= allowed, "nothing else is said to go another way"


def test_nothing_changes_between_equals(shipped: dict[str, Contract]) -> None:
    assert diff_contracts(shipped, shipped) == []


def test_a_new_entity_widens_by_each_field(shipped: dict[str, Contract]) -> None:
    before = {name: contract for name, contract in shipped.items() if name != "circumstances"}
    changes = diff_contracts(before, shipped)

    assert [c.kind for c in changes] == ["widens"] * (1 + len(shipped["circumstances"].fields))
    assert "would newly leave: A circumstance of health or life" in changes[0].says
    assert [c.kind for c in diff_contracts(shipped, before)] == ["narrows"]


def test_a_former_group_that_would_be_refused_today_is_another_group(shipped: dict[str, Contract]) -> None:
    coded = with_field("id", k_group="person")(shipped["customers"])
    (change,) = [c for c in diff_contracts(shipped | {"customers": coded}, shipped) if c.field == "kGroup"]

    assert (change.kind, change.says) == ("widens", GROUP)


def test_a_tag_that_is_lost_widens(shipped: dict[str, Contract]) -> None:
    tagged = with_field("status", tags=("masked",))(shipped["debts"])
    (change, *_) = diff_contracts(shipped | {"debts": tagged}, shipped | {"debts": replace(shipped["debts"], version="1.1.0")})

    assert (change.kind, change.says) == ("widens", "loses the tags masked, by which someone may guard it")


def test_what_leaves_may_not_change_under_the_same_version(shipped: dict[str, Contract]) -> None:
    changes = diff_contracts(shipped, shipped | {"debts": replace(shipped["debts"], erasure_days=7)})

    assert [(c.kind, c.field) for c in changes] == [("widens", "version"), ("narrows", "erasure")]
    assert "Write a higher one" in changes[0].says


@pytest.mark.parametrize(("model", "judges", "elsewhere"), [
    (Contract, JUDGES, ELSEWHERE), (Field, FIELD_JUDGES, {"name", "primary_key"}), (SourceColumn, COLUMN_JUDGES, {"name"}),
])  # fmt: skip
def test_every_attribute_of_the_model_is_judged(model: Any, judges: dict[str, object], elsewhere: set[str]) -> None:
    """A new attribute counts as widening until somebody writes its judge; this says that somebody should."""
    assert {attribute.name for attribute in fields(model)} - elsewhere == set(judges)


def test_what_is_not_understood_widens(shipped: dict[str, Contract], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(JUDGES, "owner")
    changes = diff_contracts(shipped, shipped | {"debts": replace(shipped["debts"], owner="Finance", version="1.1.0")})

    assert (changes[0].kind, changes[0].field) == ("widens", "owner")
    assert "nothing here can say what that means" in changes[0].says


USES: dict[str, list[str]] = {
    "string": ["present(c)", "length_band(c, 0, 5, 10)", "length_band(c, 5)", "postcode_area(c)", "outcode(c)", "one_of(c, C1, C2, D1)", "one_of(c, C1, C2)", "copy(c)"],
    "integer": ["present(c)", "band(c, 0, 500, 1000)", "band(c, 500)", "money_band(c, 5, 10)", "rounded(c, 100)", "rounded(c, 300)", "rounded(c, 1000)", "pseudonym(c, a)", "pseudonym(c, b)", "copy(c)"],
    "date": ["present(c)", "birth_band(c, 5)", "birth_band(c, 10)", "birth_band(c, 25)", "truncate(c, month)", "truncate(c, day)", "copy(c)"],
    "timestamp": ["present(c)", "truncate(c, month)", "truncate(c, day)"],
}  # fmt: skip
COARSER: dict[str, dict[str, set[str]]] = {
    "string": {
        "length_band(c, 0, 5, 10)": {"length_band(c, 5)"},
        "postcode_area(c)": {"present(c)"},
        "outcode(c)": {"present(c)", "postcode_area(c)"},
        "one_of(c, C1, C2, D1)": {"present(c)", "one_of(c, C1, C2)"},
        "one_of(c, C1, C2)": {"present(c)"},
        "copy(c)": {"present(c)", "length_band(c, 0, 5, 10)", "length_band(c, 5)", "postcode_area(c)", "outcode(c)", "one_of(c, C1, C2)"},
    },
    "integer": {
        "band(c, 0, 500, 1000)": {"present(c)", "band(c, 500)", "money_band(c, 5, 10)"},
        "band(c, 500)": {"present(c)"},
        "money_band(c, 5, 10)": {"present(c)", "band(c, 500)"},
        "rounded(c, 100)": {"present(c)", "rounded(c, 300)"},
        "rounded(c, 300)": {"present(c)"},
        "rounded(c, 1000)": {"present(c)"},
        "copy(c)": {"present(c)", "band(c, 0, 500, 1000)", "band(c, 500)", "money_band(c, 5, 10)", "rounded(c, 100)", "rounded(c, 300)", "rounded(c, 1000)"},
    },
    "date": {
        "birth_band(c, 5)": {"present(c)", "birth_band(c, 10)", "birth_band(c, 25)"},
        "birth_band(c, 10)": {"present(c)"},
        "birth_band(c, 25)": {"present(c)"},
        "truncate(c, month)": {"present(c)", "birth_band(c, 5)", "birth_band(c, 10)", "birth_band(c, 25)"},
        "truncate(c, day)": {"present(c)", "truncate(c, month)", "birth_band(c, 5)", "birth_band(c, 10)", "birth_band(c, 25)"},
        "copy(c)": {"present(c)", "truncate(c, month)", "truncate(c, day)", "birth_band(c, 5)", "birth_band(c, 10)", "birth_band(c, 25)"},
    },
    "timestamp": {"truncate(c, month)": {"present(c)"}, "truncate(c, day)": {"present(c)", "truncate(c, month)"}},
}  # fmt: skip
"""Of each derivation, what reveals no more than it. All that is not named reveals more, or something else: a code of a copied id, blank of a length."""
ORDER_OPTIONS: dict[str, Any] = {"pattern": "^C[0-9]{1,3}$", "minimum": -3000, "maximum": 3000}


@pytest.mark.parametrize("kind", USES)
def test_each_pair_of_derivations_is_in_the_order_that_the_table_says(kind: Any) -> None:
    column = SourceColumn("c", kind, "", False, True, "internal", False, False, "")
    made = {text: derivation(text, {"c": column}, ORDER_OPTIONS) for text in USES[kind]}
    ordered = {was: {now for now in made if now != was and is_coarser(_made(made[now]), _made(made[was]))} for was in made}
    assert {was: coarser for was, coarser in ordered.items() if coarser} == COARSER[kind]


def test_the_table_of_derivations_leaves_no_function_out() -> None:
    assert {call.function for texts in USES.values() for text in texts if (call := parse_call(text))} == set(FUNCTIONS)


def test_a_wider_range_reveals_what_stopped_before() -> None:
    """A value outside of the range left not at all; rounding it more broadly lets it out newly."""
    column = SourceColumn("c", "integer", "", False, True, "internal", False, False, "")
    was = derivation("rounded(c, 100)", {"c": column}, ORDER_OPTIONS)
    now = derivation("rounded(c, 300)", {"c": column}, {"minimum": -3000, "maximum": 6000})
    assert not is_coarser(_made(now), _made(was))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_coarser_is_what_can_be_computed_from_the_finer(data: st.DataObject) -> None:
    """Two values that the finer derivation does not tell apart, the coarser does not either."""
    column = SourceColumn("c", "integer", "bigint", False, True, "internal", False, False, "")
    made = [data.draw(st.sampled_from(["rounded", "band", "money_band"])) for _ in range(2)]
    uses = []
    for function in made:
        args = (
            (str(data.draw(st.integers(2, 60))),)
            if function == "rounded"
            else tuple(str(e) for e in sorted(data.draw(st.sets(st.integers(-3, 9), min_size=1, max_size=4))))
        )
        uses.append(Use(column, args, {"minimum": -(10**6), "maximum": 10**6} if function == "rounded" else {}))
    old, new = (_field(name, use) for name, use in zip(made, uses, strict=True))
    if not is_coarser(new, old):
        return
    finer, coarser = (FUNCTIONS[name].derive(use) for name, use in zip(made, uses, strict=True))
    seen: dict[object, object] = {}
    for value in range(-700, 1300):
        assert seen.setdefault(finer(value), coarser(value)) == coarser(value)


def _field(function: str, use: Use) -> Field:
    text = f"{function}({', '.join(('c', *use.args))})"
    derived = Derivation(function, "c", use.args, text, Domain("boolean"), "")
    return Field("f", "string", True, derived, derived.domain, use.options, (), "internal", "", (), None, False)


def _made(derived: Derivation) -> Field:
    return Field("f", "string", True, derived, derived.domain, {}, (), "internal", "", (), None, False)


def test_a_change_reads_as_a_sentence() -> None:
    assert str(Change("widens", "debts", "status", "leaves")) == "debts.status: leaves"
    assert str(Change("widens", "debts", "", "leaves")) == "debts: leaves"
