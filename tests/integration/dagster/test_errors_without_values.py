"""What a step fails on stays out of everything that Dagster keeps or prints: message, cause, traceback, logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pydantic
import pytest
from pyspark.errors import AnalysisException

from resources.errors import ServerFailed
from resources.lake import LakeResource
from resources.spark import spark_errors

ROOT = Path(__file__).parents[3]
CANARY = "Zebulon Quackenbush 4711"


class Model(pydantic.BaseModel):
    age: int


def spark() -> None:
    with spark_errors("merging batch 7 into silver/customers"):
        raise AnalysisException(f"[CAST_INVALID_INPUT] The value '{CANARY}' of the type STRING cannot be cast to INT")


def chained() -> None:
    try:
        int(CANARY)
    except ValueError as error:
        raise RuntimeError("harmless") from error


def in_context() -> None:
    try:
        int(CANARY)
    except ValueError:
        raise ServerFailed("The server is gone: start it.")  # noqa: B904 (this is what is tried)


FAILURES: dict[str, tuple[Callable[[], object], str]] = {
    "text": (lambda: int(CANARY), "builtins.ValueError at "),
    "key": (lambda: {}[CANARY], "builtins.KeyError at "),
    "JSON": (lambda: json.loads(f'{{"name": "{CANARY}" x'), "json.decoder.JSONDecodeError at "),
    "pydantic": (lambda: Model.model_validate({"age": CANARY}), "ValidationError at "),
    "cause": (chained, "builtins.RuntimeError at "),
    "context of a foreseen error": (in_context, "The server is gone: start it."),
    "Spark": (spark, "while merging batch 7 into silver/customers"),
}


@pytest.fixture(scope="module")
def repository() -> Iterator[dg.RepositoryDefinition]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SPARK_REMOTE": "sc://127.0.0.1:1", "LAKE_URI": "s3://lake", "LANDING_URI": "s3://landing",
            "LANDED_QUEUE_URL": "http://127.0.0.1:1/queue", "CONTRACTS_DIR": str(ROOT / "contracts"),
        }.items():  # fmt: skip
            patch.setenv(name, value)
        from lake_assets.definitions import defs

        yield defs.load_fn().get_repository_def()


def kept(home: Path) -> str:
    """Everything that the instance stored, as text."""
    return "\n".join(file.read_bytes().decode("utf-8", "replace") for file in sorted(home.rglob("*")) if file.is_file())


@pytest.mark.parametrize("job", ["ingest", "refresh"])
def test_no_value_that_a_step_fails_on_is_kept_or_printed(
    repository: dg.RepositoryDefinition, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """Every failure in an instance of its own would take a minute of making instances; a value found is found anyway."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for fail, _ in FAILURES.values():

            @contextmanager
            def tables(*_: Any, fail: Callable[[], object] = fail, **__: Any) -> Iterator[None]:
                fail()
                yield

            monkeypatch.setattr(LakeResource, "tables", tables)
            run = repository.get_job(job).execute_in_process(instance=instance, raise_on_error=False)
            failed = {event.step_key for event in run.get_step_failure_events()}
            assert failed == {"ingest": {"raw__objects"}, "refresh": {"history", "completeness"}}[job]
    stored = kept(tmp_path)
    out, err = capfd.readouterr()
    for name, (_, told) in FAILURES.items():
        assert told in stored, name
    for text in (stored, out, err):
        assert CANARY not in text


def test_without_the_guard_the_value_would_be_found(tmp_path: Path) -> None:
    @dg.op
    def careless() -> None:
        int(CANARY)

    @dg.job
    def plain() -> None:
        careless()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        plain.execute_in_process(instance=instance, raise_on_error=False)
    assert CANARY in kept(tmp_path)


def test_every_step_and_sensor_of_the_lake_is_guarded(repository: dg.RepositoryDefinition) -> None:
    for definition in repository.assets_defs_by_key.values():
        if definition.is_executable:
            assert hasattr(definition.op.compute_fn.decorated_fn, "__wrapped__"), definition.op.name
    for checks in {id(each): each for each in repository.asset_checks_defs_by_key.values()}.values():
        assert hasattr(checks.op.compute_fn.decorated_fn, "__wrapped__"), checks.op.name
    guarded = sorted(sensor.name for sensor in repository.sensor_defs if hasattr(sensor._raw_fn, "__wrapped__"))
    assert guarded == ["crowded", "erasure_unfinished", "landed"], "the other is Dagster's own, of conditions"
