"""The lineage page in a real browser: a figure's way back to its source, by link, by search, by keyboard, and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lake_assets.gold.load import load_gold
from lake_assets.lineage import build_lineage
from lake_assets.lineage.page import render_page
from publisher.contracts import load_contracts
from tests.integration.browser import BROWSER, NO_BROWSER, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    contracts = load_contracts(Path(__file__).parents[3] / "contracts")
    path = tmp_path_factory.mktemp("pages") / "lineage.html"
    path.write_text(render_page(build_lineage(contracts, load_gold(contracts))), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may load nothing and complain of nothing."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else complaints.append(request.url))
    yield page
    page.close()
    assert complaints == []


def _shown(page: Page) -> set[str]:
    """The columns on the way, as <layer>/<table>.<column>."""
    return {str(each.get_attribute("href")).removeprefix("#") for each in page.query_selector_all(".card li a")}


def test_a_link_to_a_figure_shows_its_whole_way_with_the_derivations_on_it(page: Page, url: str) -> None:
    page.goto(f"{url}#gold/contactability.share_with_email")
    way = {
        "platform/customers.email",
        "bronze/customers.has_email",
        "silver/customers.has_email",
        "gold/contactability.share_with_email",
    }
    assert way <= _shown(page)
    assert "present(email)" in page.locator('[data-layer="bronze"]').first.inner_text()
    assert "restricted, encrypted by the application" in page.locator("#told").inner_text()
    assert page.locator("#edges path").count() >= 3
    page.locator("#influence").uncheck()
    assert _shown(page) == way, "without what decides the rows only the value's way is left"


def test_the_search_finds_a_source_column_and_shows_what_it_influences(page: Page, url: str) -> None:
    page.goto(url)
    page.keyboard.press("/")
    page.keyboard.type("customers email")
    page.keyboard.press("Enter")
    page.wait_for_url("**#platform/customers.email")
    assert {"gold/contactability.share_with_email", "gold/age_groups.share_reachable"} <= _shown(page)
    page.keyboard.press("Escape")
    page.wait_for_function("document.body.dataset.view === 'rest'")
    assert page.locator(".card").count() == 36


def test_a_withheld_column_leads_nowhere(page: Page, url: str) -> None:
    page.goto(f"{url}#platform/customers.full_name")
    assert _shown(page) == {"platform/customers.full_name"}
    assert "Nothing leaves" in page.locator('[data-layer="bronze"]').first.inner_text()
    assert page.locator("#edges path").count() == 0


def test_a_time_that_only_the_envelope_tells_is_not_called_never_leaving(page: Page, url: str) -> None:
    page.goto(f"{url}#platform/customers.updated_at")
    assert "the envelope alone tells when it changed, to the minute" in page.locator("#told").inner_text()
    assert page.locator(".card li.withheld").count() == 0
    page.goto(f"{url}#platform/customers.full_name")
    assert "Nowhere." in page.locator("#told").inner_text()


def test_pointing_at_a_column_dims_what_is_not_on_its_way(page: Page, url: str) -> None:
    page.goto(f"{url}#gold/contactability")
    page.hover('a[href="#gold/contactability.share_with_phone"]')
    lit = {str(each.get_attribute("href")) for each in page.query_selector_all(".card li.lit a")}
    assert "#platform/customers.phone" in lit
    assert "#platform/customers.email" not in lit


@pytest.mark.parametrize("ref", ["", "#platform/customers", "#gold/vulnerability_prevalence"])
def test_nothing_is_cut_off_on_a_phone(page: Page, url: str, ref: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{url}{ref}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
