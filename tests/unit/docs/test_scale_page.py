"""docs/scale.md shows what benchmarks/lake/scale.py prints, and no other figures."""

from __future__ import annotations

import pytest

from benchmarks.lake import scale
from tests.unit.docs.pages import page


def test_the_table_is_what_the_script_prints(capsys: pytest.CaptureFixture[str]) -> None:
    scale.main()
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) > 10
    assert printed in page("scale.md")
