"""The Dagster UI over what the runs left, in a real browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import Supervisor
from resources.ports import LOOPBACK, accepts, free_port
from tests.integration.browser import BROWSER, NO_BROWSER, open_browser
from tests.integration.whole_path.path import ROOT, WholePath


@pytest.fixture(scope="module")
def ui(whole_path: WholePath) -> Iterator[str]:
    """The Dagster UI over what the runs of this module left; its address."""
    port = free_port()
    command = [
        Path(sys.executable).parent / "dagster-webserver",
        "-m",
        "lake_assets.definitions",
        "-h",
        LOOPBACK,
        "-p",
        str(port),
    ]
    with Supervisor(whole_path.home / "logs") as supervisor:
        env = {**whole_path.env, "DAGSTER_HOME": str(whole_path.home)}
        supervisor.start("ui", command, env=env, cwd=ROOT).wait_ready(lambda: accepts(port), 120)
        yield f"http://{LOOPBACK}:{port}"


@pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)
def test_the_ui_shows_the_graph_a_materialisation_with_its_freshness_and_the_way_from_a_withheld_column(ui: str) -> None:
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(f"{ui}/asset-groups")
        for group in ("1_platform", "2_raw", "3_bronze", "4_silver", "5_gold"):
            page.get_by_text(group, exact=True).first.wait_for()
        page.goto(f"{ui}/assets/silver/customers")
        for shown in ("Latest materialization", "Freshness policy"):
            page.get_by_text(shown, exact=True).first.wait_for()
        page.goto(f"{ui}/assets/silver/customers?view=events")
        for shown in ("Materialized in run", "inserted"):
            page.get_by_text(shown).first.wait_for()
        page.goto(f"{ui}/assets/silver/customers?view=checks")
        page.get_by_text("proven complete").first.wait_for()
        page.get_by_text("complete up to").first.wait_for()
        # The way from table to table is drawn; from column to column, which the open-source UI does not draw, it stands in words.
        page.goto(f"{ui}/assets/gold/contactability?view=lineage&lineageScope=upstream")
        page.get_by_text("customers", exact=True).first.wait_for()
        page.goto(f"{ui}/assets/gold/contactability")
        page.get_by_text("From present(customers.email)").first.wait_for()
