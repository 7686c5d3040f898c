"""SIGTERM ends a relay's process within its grace, whatever its stream does, and loses nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from demo.cloud.ministack import Emulator
from publisher.relay.grace import STOP_GRACE_SECONDS
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import many, wait_for
from tests.integration.publisher.streams import broken_stream
from tests.integration.publisher.test_commands import arrived, run, start

MARGIN_SECONDS = 5.0
"""For the process to end, on a busy machine."""


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", None], ids=["refuses", "hangs"])
def test_a_stop_while_puts_fail_ends_in_time_and_leaves_the_claims(
    cloud: Emulator, environment: dict[str, str], application: Platform, tmp_path: Path, code: str | None
) -> None:
    many(application, 40, 1)
    with broken_stream(code) as stream:
        process = start({**environment, "AWS_ENDPOINT_URL_KINESIS": stream.url}, tmp_path / "log")
        try:
            assert stream.asked.wait(60)
            process.terminate()
            began = time.monotonic()
            assert process.wait(STOP_GRACE_SECONDS + MARGIN_SECONDS) == 0
            took = time.monotonic() - began
        finally:
            process.kill()
    assert took > STOP_GRACE_SECONDS - 1, "it tries until its grace is over"
    (claimed,) = application.sql("SELECT coalesce(sum(cardinality(seqs)), 0) FROM publisher.claims")[0]
    assert claimed == 80
    assert len(application.outbox()) == 80
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert next(line["claimed_partitions"] for line in log if line["message"] == "relay stopped") > 0

    assert run(environment, "relay", "--once").returncode == 0
    assert application.outbox() == []
    assert len({e["seq"] for e in arrived(cloud, environment) if e["entity"] == "creditors"}) == 80


def test_a_stop_under_load_drains_what_is_under_way_and_exits_0(
    cloud: Emulator, environment: dict[str, str], application: Platform, tmp_path: Path
) -> None:
    many(application, 600, 1)
    process = start(environment, tmp_path / "log")
    try:
        wait_for(lambda: application.sql("SELECT count(*) < 1200 FROM publisher.outbox") == [(True,)], 60)
        application.sql("UPDATE creditors SET sector = 'card'")
        process.terminate()
        assert process.wait(STOP_GRACE_SECONDS + MARGIN_SECONDS) == 0
    finally:
        process.kill()
    assert application.sql("SELECT count(*) FROM publisher.claims") == [(0,)]
    left = {row.seq for row in application.outbox()}
    sent = [e["seq"] for e in arrived(cloud, environment) if e["entity"] == "creditors"]
    assert len(sent) == len(set(sent)), "nothing was sent twice"
    assert left.isdisjoint(sent)
    assert len(left) + len(sent) == 1800
