"""Ingest runs killed at named moments, and cut off from queue and bucket: the tables are those of an undisturbed run, row for row.

Four moments with the other tests, all of them many times with `make faults`. Stream, order and delays follow from FAULT_SEED, which a
failure prints.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision
from tests.faults.lake_proxy import Proxy, proxied
from tests.faults.lake_run import NAMED
from tests.faults.lake_site import LakeSite
from tests.faults.lake_truth import differences
from tests.fixtures.long import LONG
from tests.fixtures.spark import SparkTestServer

SEED = int(os.environ.get("FAULT_SEED", "1"))
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0")) // 4
"""A round of the lake costs as much as four of the relay's."""

COMPARED_EVERY = 12
SHORT = (
    "ledger committed, messages not deleted",
    "half of the entities' bronze committed",
    "amid a MERGE into silver",
    "between silver and history",
)
LANDING = (1, 4)
"""The short rounds before which an object lands: each is another batch."""

REFUSED = {
    "the queue does not tell": (b"AmazonSQS.ReceiveMessage", False),
    "the queue does not delete": (b"AmazonSQS.DeleteMessageBatch", False),
    "the queue deletes, and its answer is lost": (b"AmazonSQS.DeleteMessageBatch", True),
    "the bucket does not answer": (b"GET /", False),
}
"""Requests that are cut, and whether they arrive."""

KILLED, FAILED = -9, 1


@pytest.fixture
def site(spark_server: SparkTestServer, cloud: Emulator, prefix: str, tmp_path: Path) -> LakeSite:
    names = provision(cloud.environment(), prefix=prefix, shards=1)
    sqs = cloud.client("sqs")
    idle = sqs.create_queue(QueueName=f"{prefix}idle-{secrets.token_hex(3)}")["QueueUrl"]
    environment = {**names, "SPARK_REMOTE": spark_server.remote, "LAKE_URI": (tmp_path / "disturbed").as_uri()}
    made = LakeSite(environment, (tmp_path / "undisturbed").as_uri(), idle, cloud.client("s3"), sqs, tmp_path / "runs.log", SEED)
    made.make_lakes()
    return made


@pytest.fixture
def proxy(cloud: Emulator) -> Iterator[Proxy]:
    with proxied(cloud.port) as proxy:
        yield proxy


def killed(site: LakeSite, moment: str) -> None:
    """The run dies at its moment; the next one goes on from there."""
    code = site.run(moment)
    assert code == KILLED or moment == "at any time", f"seed {site.seed}: {moment} did not come, code {code}\n{site.tail()}"


def cut_off(site: LakeSite, proxy: Proxy, kind: str) -> None:
    """A run whose requests are cut fails and says so; nothing is half done."""
    sent, after_it_arrived = REFUSED[kind]
    before = proxy.cuts
    proxy.refuse(sent, after_it_arrived=after_it_arrived)
    code = site.run(overrides={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    proxy.heal()
    assert (code, proxy.cuts > before) == (FAILED, True), f"seed {site.seed}: {kind}, code {code}\n{site.tail()}"


def test_a_run_killed_at_any_moment_or_cut_off_loses_and_doubles_no_row(
    site: LakeSite, proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    every = [*NAMED, *REFUSED]
    site.chance.shuffle(every)
    kinds = [every[n % len(every)] for n in range(ROUNDS)] if LONG else list(SHORT)
    done: Counter[str] = Counter()
    for number, kind in enumerate(kinds, 1):
        if LONG or number in LANDING:
            site.land()
        if kind in REFUSED:
            cut_off(site, proxy, kind)
        else:
            killed(site, kind)
        done[kind] += 1
        if LONG and (number % COMPARED_EVERY == 0 or number == len(kinds)):
            _settled_and_compared(site)
            with capsys.disabled():
                print(f"\nlake: {number} of {len(kinds)} rounds, seed {SEED}: {dict(done)}", end="", flush=True)
    if not LONG:
        _settled_and_compared(site)


PLANTED = {
    "a batch is appended under another id each time": (
        "half of the entities' bronze committed",
        "an undisturbed run failed",
    ),  # by the check of conservation
    "messages are deleted before the ledger has their objects": ("before the ledger's commit", "rows too few"),
}


@pytest.mark.skipif(not LONG, reason="`make faults` plants them")
@pytest.mark.parametrize("bug", sorted(PLANTED))
def test_the_rounds_find_a_planted_bug(site: LakeSite, bug: str) -> None:
    """Otherwise that they find none would say nothing."""
    moment, said = PLANTED[bug]
    site.bug = bug
    site.land()
    killed(site, moment)
    site.land()
    with pytest.raises(AssertionError, match=said):
        _settled_and_compared(site)


def _settled_and_compared(site: LakeSite) -> None:
    site.settle()
    site.bug = ""
    site.run_undisturbed()
    site.compare()


def test_a_row_too_many_too_few_or_changed_is_told_by_its_table_and_never_by_its_content() -> None:
    whole = Counter({("bronze/debts", "a"): 2, ("silver/debts", "b"): 1})
    assert differences(whole, whole) == []
    assert differences(whole + Counter({("bronze/debts", "a"): 1}), whole) == ["bronze/debts: 1 rows too many"]
    assert differences(whole - Counter({("silver/debts", "b"): 1}), whole) == ["silver/debts: 1 rows too few"]
    changed = Counter({("bronze/debts", "a"): 2, ("silver/debts", "c"): 1})
    assert differences(changed, whole) == ["silver/debts: 1 rows too many", "silver/debts: 1 rows too few"]
