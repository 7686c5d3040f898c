"""A setting that `make demo` or `make dev` cannot use is one sentence, before anything starts."""

from __future__ import annotations

import pytest

from demo import __main__, dev, stack


@pytest.mark.parametrize(
    ("command", "name", "value", "says"),
    [
        ("dev", "DAGSTER_PORT", "99999", "DAGSTER_PORT must be a port number"),
        ("dev", "PAGES_PORT", "http", "PAGES_PORT must be a port number"),
        ("dev", "LAKE_CADENCE", "nonsense", "LAKE_CADENCE is no cron expression of five fields"),
        ("run", "STATE", "a file", " cannot be made (File exists): set PUSHLAKE_STATE"),
    ],
)
def test_it_is_one_sentence_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory,
    command: str, name: str, value: str, says: str,
) -> None:  # fmt: skip
    state = tmp_path_factory.mktemp("state")
    monkeypatch.setattr(stack, "STATE", state)
    if name == "STATE":
        (state / value).touch()
        monkeypatch.setattr(stack, "STATE", state / value)
    else:
        monkeypatch.setenv(name, value)
    for port in ("UI_PORT", "PAGES_PORT"):
        monkeypatch.setattr(dev, port, 0)
    assert __main__.main([command]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line
    assert ": set " in line
