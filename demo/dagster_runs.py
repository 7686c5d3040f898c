"""Dagster as the demo sees it: which runs there are, and starting the one that builds gold.

Belongs here: asking and launching. Not here: what runs (lake_assets/).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._cli.job import execute_launch_command
from dagster._cli.workspace.cli_target import WorkspaceOpts
from dagster._core.errors import DagsterError
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES

from demo.errors import DemoError

REFRESH = "refresh"
REFRESH_SECONDS = 180.0


class DagsterRuns:
    """The instance of DAGSTER_HOME."""

    def __init__(self, env: Mapping[str, str], workspace: Path) -> None:
        self._workspace = workspace
        self._instance = DagsterInstance.from_config(env["DAGSTER_HOME"])

    def wait_for_sensor(self, name: str, seconds: float) -> None:
        """Until the daemon has evaluated the sensor once."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            states = self._instance.all_instigator_state()
            if any(
                s.instigator_name == name and self._instance.get_ticks(s.instigator_origin_id, s.selector_id, limit=1)
                for s in states
            ):
                return
            time.sleep(0.3)
        raise DemoError(
            f"Dagster's daemon did not evaluate the sensor {name} within {seconds:.0f} s; its log is in logs/dagster.log."
        )

    def active(self, job: str) -> bool:
        return bool(self._instance.get_runs(RunsFilter(job_name=job, statuses=list(NOT_FINISHED_STATUSES)), limit=1))

    def finished(self, job: str) -> list[DagsterRun]:
        return list(self._instance.get_runs(RunsFilter(job_name=job, statuses=list(FINISHED_STATUSES))))

    def last_failure(self) -> str | None:
        """The last failed run, in a sentence without what it failed on."""
        runs = self._instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE]), limit=1)
        return f"the run {runs[0].run_id[:8]} of {runs[0].job_name} failed" if runs else None

    def refresh(self, progress: Callable[[str], None], under_way: Callable[[int], None]) -> None:
        """Launches the job that builds history, completeness and gold, through the queue, and waits for its end.

        Once, while the run is under way, `under_way` is called with the id of its process.
        """
        # What `dagster job launch` calls: the command itself takes 15 s to start beside a busy Spark.
        try:
            execute_launch_command(
                instance=self._instance, workspace_opts=WorkspaceOpts(workspace=(str(self._workspace),)), job_name=REFRESH
            )
        except DagsterError as error:
            raise DemoError(f"Dagster did not launch the job {REFRESH}: {type(error).__name__}; see logs/dagster.log.") from None
        began, told = time.monotonic(), False
        while time.monotonic() - began < REFRESH_SECONDS:
            if not told and self._built() and (pid := self._process()):
                under_way(pid)
                told = True
            ended = self.finished(REFRESH)
            if ended:
                if ended[0].status != DagsterRunStatus.SUCCESS:
                    raise DemoError(
                        f"The run {ended[0].run_id[:8]} of {REFRESH} ended as {ended[0].status.value}: see `make dev`, or dagster.log."
                    )
                return
            progress(f"{self._built()} tables built")
            time.sleep(0.5)
        raise DemoError(f"The run of {REFRESH} did not end within {REFRESH_SECONDS:.0f} s.")

    def _process(self) -> int | None:
        """The id of the process in which the run of `refresh` is, as the run itself told Dagster."""
        runs = self._instance.get_runs(RunsFilter(job_name=REFRESH, statuses=[DagsterRunStatus.STARTED]), limit=1)
        for entry in self._instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType.ENGINE_EVENT) if runs else ():
            data = entry.get_dagster_event().engine_event_data
            if pid := data.metadata.get("pid"):
                return int(str(pid.value))
        return None

    def _built(self) -> int:
        runs = self._instance.get_runs(RunsFilter(job_name=REFRESH), limit=1)
        if not runs:
            return 0
        return len(self._instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION))
