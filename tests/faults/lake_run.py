"""One ingest run and one of history, in a process of their own, which dies at a named moment. The production code knows of no moment.

Belongs here: the moments, and the process. Not here: what must hold afterwards (lake_truth.py), who starts it (test_lake_killed.py).

The assets are the real ones, run by Dagster in an instance of the process' own. A moment is a function of theirs that this process
wraps: it kills itself with SIGKILL before the call, after it, or while the server still works on it.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

ENTITIES = ("customers", "creditors", "debts")
HIDDEN_SECONDS = 2
"""How long a message stays hidden from the next run. In production it is five minutes, which a test does not have."""

NAMED = (
    "before the ledger's commit",
    "amid the ledger's commit",
    "ledger committed, messages not deleted",
    "half of the entities' bronze committed",
    "amid an append to bronze",
    "bronze there, tombstones not",
    "tombstones there, silver not",
    "amid a MERGE into silver",
    "one entity merged, the others not",
    "silver there, batch not closed",
    "batch closed, progress not moved",
    "between silver and history",
    "amid a MERGE into history",
    "history there, its progress not",
    "at any time",
)
"""The moments at which a run is killed."""

UNDISTURBED = ""


@dataclass(frozen=True)
class Order:
    """What a process is to do. `environment` as an operator sets it; `moment` of NAMED; `seed` chooses what the moment leaves open."""

    environment: Mapping[str, str]
    log: str
    moment: str = UNDISTURBED
    seed: int = 0
    list_hours: int = 0
    bug: str = ""


class Runs:
    """Starts runs quickly: a server process has imported all that they need, and forks."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.faults.lake_run", "tests.faults.lake_imports"])

    def start(self, order: Order) -> Any:
        process = self._context.Process(target=run, args=(order,))
        process.start()
        return process

    def finish(self, order: Order, seconds: float = 600.0) -> int:
        """Runs to its end; the exit code, negative for the signal that ended it."""
        return self.wait(self.start(order), order.moment or "without fault", seconds)

    def wait(self, process: Any, what: str, seconds: float = 600.0) -> int:
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"a run {what} did not end within {seconds:.0f} s")
        code = process.exitcode
        process.close()
        return int(code)


def run(order: Order) -> None:
    """The process: exit code 0 where both runs succeed, 1 where one fails, -9 where it was killed at its moment."""
    with Path(order.log).open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.update(order.environment)
    print(f"--- {order.moment or 'undisturbed'}, seed {order.seed}", file=sys.stderr, flush=True)
    _less_patient()
    if order.bug:
        BUGS[order.bug]()
    if order.moment:
        _arm(order.moment, random.Random(order.seed))
    done = _ingest_and_history(order.list_hours)
    os._exit(0 if done else 1)  # Dagster's and gRPC's threads are no part of the trial


def _ingest_and_history(list_hours: int) -> bool:
    import dagster as dg

    from lake_assets.assets.history import history_assets
    from lake_assets.assets.ingest import ingest_assets
    from lake_assets.catalog import Catalog
    from lake_assets.lineage import build_lineage
    from publisher.contracts import load_contracts
    from resources.lake import LakeResource
    from resources.landing import LandingResource
    from resources.notifications import NotificationsResource
    from resources.spark import SparkConnectResource

    every = load_contracts(Path("contracts"))
    contracts = {entity: every[entity] for entity in ENTITIES}
    catalog = Catalog(contracts, {}, build_lineage(contracts, {}))
    resources = {
        "lake": LakeResource(spark=SparkConnectResource()), "landing": LandingResource(), "notifications": NotificationsResource(),
    }  # fmt: skip
    config = {"ops": {"raw__objects": {"config": {"list_hours": list_hours}}}}
    with dg.DagsterInstance.ephemeral() as instance:

        def materialize(assets: list[dg.AssetsDefinition], run_config: Any = None) -> bool:
            return dg.materialize(
                assets, resources=resources, instance=instance, run_config=run_config, raise_on_error=False
            ).success

        ingested = materialize(ingest_assets(catalog), config)
        return materialize([history_assets(catalog, "0 * * * *")]) and ingested


def _less_patient() -> None:
    """What differs from production: how long messages stay hidden, and how often a request is tried again."""
    from botocore.config import Config

    from resources import aws
    from resources.notifications import Notifications

    patched: Any = Notifications
    patched.receive = _with_defaults(Notifications.receive, hidden_seconds=HIDDEN_SECONDS)
    aws._config = lambda: Config(
        s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10
    )


def _with_defaults(function: Callable[..., Any], **defaults: Any) -> Callable[..., Any]:
    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **{**defaults, **kwargs})

    return called


def _another_id_each_time() -> None:
    from resources import tables

    tables.transaction = lambda *_: uuid.uuid4().hex


def _deleted_when_received() -> None:
    from resources.notifications import Notifications

    receive = Notifications.receive

    def forgetful(queue: Notifications, **options: Any) -> Any:
        messages = receive(queue, **options)
        queue.delete(messages)
        return messages

    patched: Any = Notifications
    patched.receive = forgetful


BUGS: dict[str, Callable[[], None]] = {
    "a batch is appended under another id each time": _another_id_each_time,
    "messages are deleted before the ledger has their objects": _deleted_when_received,
}
"""Planted, to see that the rounds would find them."""


def _arm(moment: str, chance: random.Random) -> None:
    from pyspark.sql.connect.session import SparkSession

    from lake_assets.assets import history, one_batch
    from lake_assets.raw import progress
    from resources.notifications import Notifications
    from resources.tables import LakeTables

    def append_to(layer: str, name: str | None = None) -> Callable[..., bool]:
        return lambda _, to, table, *args, **kwargs: to == layer and name in (None, table)

    def merge_into(of_history: bool) -> Callable[..., bool]:
        return lambda _, statement, *args, **kwargs: (
            statement.startswith("MERGE INTO") and ("_history`" in statement.split(" AS t ")[0]) == of_history
        )

    amid = partial(_amid, chance.uniform(0.02, 1.5))
    which = chance.randrange(1, len(ENTITIES))
    arms: dict[str, Callable[[], None]] = {
        "before the ledger's commit": lambda: _before(LakeTables, "append", append_to("ops", "objects")),
        "amid the ledger's commit": lambda: amid(LakeTables, "append", append_to("ops", "objects")),
        "ledger committed, messages not deleted": lambda: _before(Notifications, "delete"),
        "half of the entities' bronze committed": lambda: _after(LakeTables, "append", append_to("bronze"), which),
        "amid an append to bronze": lambda: amid(LakeTables, "append", append_to("bronze"), which),
        "bronze there, tombstones not": lambda: _before(one_batch, "merge_tombstones"),
        "tombstones there, silver not": lambda: _before(one_batch, "merge_entities"),
        "amid a MERGE into silver": lambda: amid(SparkSession, "sql", merge_into(False), which),
        "one entity merged, the others not": lambda: _after(SparkSession, "sql", merge_into(False), which),
        "silver there, batch not closed": lambda: _before(one_batch, "finish_batch"),
        "batch closed, progress not moved": lambda: _before(one_batch, "advance"),
        "between silver and history": lambda: _before(history, "update_histories"),
        "amid a MERGE into history": lambda: amid(SparkSession, "sql", merge_into(True), which),
        "history there, its progress not": lambda: _before(
            progress, "write_all", lambda _, rows: rows[0].name.startswith("history/")
        ),
        "at any time": lambda: threading.Timer(chance.uniform(0.5, 12.0), _die).start(),
    }
    arms[moment]()


Matching = Callable[..., bool]


def _always(*_: Any, **__: Any) -> bool:
    return True


def _before(owner: Any, name: str, matching: Matching = _always, which: int = 1) -> None:
    _wrap(owner, name, matching, which, lambda call: _die())


def _after(owner: Any, name: str, matching: Matching = _always, which: int = 1) -> None:
    def die_after(call: Callable[[], Any]) -> None:
        call()
        _die()

    _wrap(owner, name, matching, which, die_after)


def _amid(seconds: float, owner: Any, name: str, matching: Matching = _always, which: int = 1) -> None:
    """Dies so long after the call has begun, or at its end if that comes first: what the server was asked for may still commit."""

    def die_amid(call: Callable[[], Any]) -> None:
        threading.Timer(seconds, _die).start()
        call()
        _die()

    _wrap(owner, name, matching, which, die_amid)


def _wrap(owner: Any, name: str, matching: Matching, which: int, instead: Callable[[Callable[[], Any]], None]) -> None:
    """At the `which`-th matching call does something else `instead`. The calls come from several threads."""
    original, seen, lock = getattr(owner, name), [0], threading.Lock()

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if matching(*args, **kwargs):
            with lock:
                seen[0] += 1
                mine = seen[0] == which
            if mine:
                instead(partial(original, *args, **kwargs))
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # the signal is on its way
