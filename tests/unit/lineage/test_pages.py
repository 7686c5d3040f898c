"""The two pages: self-contained, complete, and safe to open."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lake_assets.lineage import Lineage, page
from lake_assets.lineage.__main__ import main
from publisher.contracts import Contract
from publisher.contracts import page as officer
from publisher.contracts.forms import example, from_pattern

CONTRACTS = Path(__file__).parents[3] / "contracts"
VOID = {"meta", "link", "input", "wbr", "br"}


class _Outline(HTMLParser):
    """What a page loads from elsewhere, its ids and links within it, and whether its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.scripts = 0
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loads += [value for name, value in attrs if name in ("src", "href") and value and value.startswith(("http", "//"))]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.anchors += [found["href"] or ""] if tag == "a" and "href" in found else []
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_lineage_page_loads_nothing_and_holds_the_whole_graph(lineage: Lineage) -> None:
    text = page.render_page(lineage, "contracts.html")
    outline = _Outline(text)
    assert outline.loads == []
    assert outline.open == []
    assert "{{" not in text
    assert "contracts.html" in outline.anchors
    held = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert held
    data = json.loads(held[1])
    assert len(data["cols"]) == len(lineage.columns)
    assert len(data["edges"]) == len(lineage.edges)


def test_the_lineage_page_is_a_list_without_javascript(lineage: Lineage) -> None:
    listed = page.render_page(lineage).partition('<section class="index"')[2].partition("</section>")[0]
    for column in lineage.columns.values():
        if column.ref.layer in ("gold", "platform"):
            assert f"href='#{column.ref}'" in listed


def test_text_cannot_end_the_script_that_it_stands_in(lineage: Lineage) -> None:
    asset = replace(lineage.assets[0], description="</script><b>&")
    text = page.render_page(replace(lineage, assets=(asset, *lineage.assets[1:])))
    assert "</script><b>" not in text
    assert _Outline(text).open == []


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--contracts", str(CONTRACTS), "--out", str(tmp_path / "new" / "lineage.html")]) == 0
    assert (tmp_path / "new" / "lineage.html").stat().st_size > 100_000
    assert "columns" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.sql").write_text("SELECT * FROM silver.debts")
    assert main(["--contracts", str(CONTRACTS), "--out", str(tmp_path / "x.html"), "--gold", str(tmp_path)]) == 1
    assert "bad.sql:1: description: the header does not say it" in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()


def test_the_officers_page_needs_no_javascript_and_its_links_lead_somewhere(contracts: dict[str, Contract]) -> None:
    outline = _Outline(officer.render_page(contracts))
    assert outline.scripts == 0
    assert outline.loads == []
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert {anchor.removeprefix("#") for anchor in outline.anchors} <= set(outline.ids)


def test_the_officers_page_names_every_field_and_every_column(contracts: dict[str, Contract]) -> None:
    text = officer.render_page(contracts)
    for entity, contract in contracts.items():
        section = text.partition(f'id="{entity}"')[2].partition("</section>")[0]
        leaves, _, never = section.partition("<h3>What never leaves</h3>")
        never, _, derived = never.partition("<h3>Of these")
        never, _, times = never.partition("<h3>Times that no field has")
        for field in contract.fields:
            assert f"<code>{field.name}</code>" in leaves
        for name in contract.columns:
            assert (f"<code>{name}</code>" in never) == (name in contract.never_leaves)
            assert (f"<code>{name}</code>" in times) == (name in set(contract.withheld) - set(contract.never_leaves))
        for column in contract.columns.values():
            if column.encrypted and column.name not in contract.withheld:
                assert f"<code>{column.name}</code>" in derived, "of an encrypted column only something derived leaves"
        assert contract.version in section
        assert contract.owner in section


def test_the_officers_page_begins_with_all_that_leaves_of_one_person(contracts: dict[str, Contract]) -> None:
    text = officer.render_page(contracts)
    before, _, rest = text.partition('<section id="of-customer">')
    summary = rest.partition("</section>")[0]
    assert "<section" not in before, "it is the first"
    for entity, contract in contracts.items():
        assert (f"href='#{entity}'" in summary) == (contract.subject_namespace == "customer")
        part = summary.partition(f"<a href='#{entity}'>")[2].partition("<tr class='of'>")[0]
        for field in contract.fields if contract.subject_namespace else ():
            row = part.partition(f"<td><code>{field.name}</code>")[2].partition("</tr>")[0]
            assert f"<small>{field.classification}</small><p>{escape(field.description)}</p>" in row
            assert f"<code>{field.derivation.column}</code>" in row
            assert escape(field.derivation.reveals) in row
            assert (f"at least {contract.k} people share it" in row) == (field.k_group is not None)
    assert summary.index("href='#customers'") < summary.index("href='#circumstances'"), "the person first"


def test_the_officers_page_does_not_take_a_wish_for_a_fact(contracts: dict[str, Contract]) -> None:
    text = officer.render_page(contracts)
    for entity, contract in contracts.items():
        facts = text.partition(f'id="{entity}"')[2].partition("</dl>")[0]
        restricted = [field.name for field in contract.fields if field.classification == "restricted"]
        told = facts.partition(f"<dt>Its users are told</dt><dd>{escape(contract.limitations)} ")[2].partition("</dd>")[0]
        assert (told == "A rule for people: nothing here enforces it") == (not restricted and contract.k is None)
        assert ("Gold enforces groups where a restricted field is read" in told) == bool(restricted)
        assert ("Gold enforces groups of 10 or more" in told) == (entity == "customers")
        assert ("silver shows single rows to whoever may read it. Otherwise it is a rule for people" in told) == told.startswith(
            "Gold"
        )
        assert "The lake looks every night for whom the platform asked to erase" in facts, "erasure is a job"
        assert "nothing here checks that the period was kept" in facts
        assert "the lake does not delete by itself yet" in facts, "retention is none"
        singly = "every row leaves singly, under a code, and nothing keeps a combination of its fields from being one person’s"
        assert (singly in facts) == (bool(contract.subject) and contract.k is None)


def test_the_officers_page_tells_of_one_person_what_never_leaves_and_in_pounds_what_is_pence(
    contracts: dict[str, Contract],
) -> None:
    text = officer.render_page(contracts)
    summary = text.partition('<section id="of-customer">')[2].partition("</section>")[0]
    told = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", summary))
    assert told["Never"].startswith("full name (customers), ")
    assert told["Only whether there is one"].startswith(
        "email (customers), phone (customers), address (customers), note (circumstances)"
    )
    assert told["Only its length"] == "body (messages)"
    assert "bank account (payments)" in told["Never"]
    assert "contact email" not in summary, "a company's"
    assert "rounded to the nearest £10" in summary
    assert not re.search(r"rounded to the nearest [0-9]", text)
    assert "(pence)" in summary
    bands = re.search(r"how long it is, in bands of characters: [^<]+", text)
    assert bands is not None
    assert "0-79" in bands[0]
    assert "&lt;0" not in bands[0], "no text is shorter than nothing"


def test_the_officers_page_explains_its_signs_before_it_uses_them_and_leads_somewhere_on_paper(
    contracts: dict[str, Contract],
) -> None:
    text = officer.render_page(contracts)
    assert text.index("How to read the tables") < text.index("class='person'") < text.index("class='glance'")
    assert "Whatever is not listed\nhere cannot leave." in text
    assert text.count("<span class='paper'> (section What comes with every message)</span>") == len(contracts)
    assert ">What comes with every message</h2>" in text
    assert "nav, .screen { display: none; }" in text


def test_the_officers_page_says_what_the_time_of_a_message_tells(contracts: dict[str, Contract]) -> None:
    text = officer.render_page(contracts)
    sections = {entity: text.partition(f'id="{entity}"')[2].partition("</section>")[0] for entity in contracts}
    assert "tells the time of the change, to the minute" in sections["payments"].partition("Times that no field has")[2]
    assert "Times that no field has" not in sections["circumstances"], "it withholds nothing"
    assert (
        "<code>recorded_on</code> <small>confidential; the message tells when it changed, to the hour</small>"
        in sections["circumstances"]
    )
    assert "Told to the hour: circumstances." in text
    assert "whatever its time is cut to" in text, "the manifests tell it"


def test_an_example_is_a_value_of_its_domain_wherever_it_is_one_value(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        for field in contract.fields:
            domain, shown = field.derivation.domain, example(field)
            if domain.values:
                assert shown in domain.values
            elif domain.kind == "date":
                assert re.fullmatch(domain.pattern or r"\d{4}-\d\d-\d\d", shown)
            elif domain.pattern and field.derivation.function != "pseudonym":
                assert re.fullmatch(domain.pattern, shown)


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [("^C[0-9]{3,5}$", "C000"), ("^[A-Z]{1,2}$", "A"), (r"^\d{4}-x$", "0000-x"), ("^(a|b)$", "^(a|b)$"), ("^a[^b]$", "a^")],
)
def test_a_pattern_is_shown_by_a_text_that_it_matches_or_as_it_is(pattern: str, shown: str) -> None:
    assert from_pattern(pattern) == shown
