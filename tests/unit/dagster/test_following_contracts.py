"""When the next run of ingest does what new contracts ask of the tables, and whether it may load then. What is done to tables is proven on real ones in
tests/integration/lake."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lake_assets.assets import deploy
from lake_assets.catalog import Catalog
from lake_assets.deploy.scrub import Scrubbed
from lake_assets.lineage import Lineage


@dataclass
class Steps:
    """What was done, in order."""

    patch: pytest.MonkeyPatch
    done: list[str] = field(default_factory=list)

    @contextmanager
    def tables(self, name: str) -> Iterator[Any]:
        if "/" not in name:
            self.done.append(f"opens {name}")
        yield SimpleNamespace()

    def follow(
        self, *, left: bool = False, exchanging: bool = False, columns: bool = True, taken: BaseException | None = None
    ) -> bool:
        @contextmanager
        def alone(*_: Any, finish: bool) -> Iterator[bool]:
            assert finish, "a run that dies leaves the lake closed"
            if taken is not None:
                raise taken
            self.done.append("closes")
            yield left
            self.done.append("opens the lake")

        def step(name: str, result: Any = None) -> Any:
            def does(*_: Any) -> Any:
                self.done.append(name)
                return result

            return does

        stand_ins = {
            "alone": alone, "look": lambda _: {}, "left_to_finish": lambda *_: left, "exchanging": lambda *_: exchanging,
            "waiting": lambda _: {"debts": ("placed_on",)} if columns else {}, "waiting_renames": lambda *_: [],
            "scrub": step("empties", Scrubbed("debts", ("placed_on",), {})), "_build_gold_anew": step("builds gold", []),
            "_forget_former_gold": step("forgets former gold"), "finish": step("counts it as emptied"), "ensure_lake": lambda *_: 0,
        }  # fmt: skip
        for name, stand_in in stand_ins.items():
            self.patch.setattr(deploy, name, stand_in)
        with dg.DagsterInstance.ephemeral() as instance:
            run = dg.DagsterRun(job_name="ingest")
            instance.add_run(run)
            context: Any = SimpleNamespace(instance=instance, run=run, log=logging.getLogger("test"), log_event=lambda _: None)
            return deploy.follow_contracts(context, self, Catalog({}, {}, Lineage((), {}, ()), None, []))  # type: ignore[arg-type]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def test_a_column_counts_as_emptied_last_and_before_the_lake_is_opened(steps: Steps) -> None:
    assert steps.follow()
    assert steps.done == [
        "closes", "opens deployed", "empties", "builds gold", "forgets former gold", "counts it as emptied", "opens the lake",
    ]  # fmt: skip


def test_while_a_key_is_exchanged_columns_wait(steps: Steps) -> None:
    assert steps.follow(exchanging=True)
    assert steps.done == []


def test_what_a_run_that_died_left_is_ended_also_where_nothing_waits_any_more(steps: Steps) -> None:
    assert steps.follow(left=True, columns=False)
    assert steps.done == ["closes", "opens deployed", "opens the lake"]


@pytest.mark.parametrize(("left", "loads"), [(False, True), (True, False)])
def test_where_the_lake_cannot_be_had_alone_batches_are_loaded_unless_something_may_be_at_work_still(
    steps: Steps, left: bool, loads: bool
) -> None:
    assert steps.follow(left=left, taken=dg.Failure("a run goes on")) == loads
    assert steps.done == []
