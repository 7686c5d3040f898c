"""What the relay says over HTTP is saved where the leak scan reads it; silence is no success."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.errors import DemoError
from demo.leakscan import Needles, scan
from demo.leakscan.sources import FilesSource
from demo.watch import PAGES, save_watch
from publisher.watch.server import served
from publisher.watch.vitals import Vitals
from resources.ports import free_port

ENTITY = "Zebulon Quackenbush-4711"  # a name where a label is, as a leak would be


def test_metrics_and_health_are_saved_in_both_forms_and_a_value_in_them_is_found(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "metrics"
    vitals = Vitals([ENTITY])
    with served(vitals, address="127.0.0.1", port=port, limit_seconds=300.0):
        saved = save_watch(port, folder, "busy")
        assert {path.name.split("-")[1].split(".")[0] for path in saved} == set(PAGES)
        assert b"# EOF" in (folder / "busy-metrics.openmetrics.txt").read_bytes()
        assert b"remedy" in (folder / "busy-readyz.text.txt").read_bytes(), "a relay that is not ready says why"
    report = scan([FilesSource("metrics files", folder)], Needles.of([("customers.full_name", ENTITY)]), processes=1)
    assert not report.incomplete
    assert {Path(hit.place).name for hit in report.found} >= {"busy-metrics.text.txt", "busy-metrics.openmetrics.txt"}


def test_a_relay_that_does_not_answer_ends_the_demo_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="does not answer"):
        save_watch(free_port(), tmp_path / "metrics", "busy")
