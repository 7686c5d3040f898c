"""The writer lease on the emulator's conditional puts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.cloud.ministack import Emulator
from resources.errors import LeaseHeld
from resources.lease import WriterLease


@pytest.fixture
def lease(cloud: Emulator, prefix: str):
    bucket = f"{prefix}-lake"
    cloud.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})

    def make(holder: str, seconds: float = 30.0) -> WriterLease:
        return WriterLease(cloud.client("s3"), f"s3://{bucket}", holder, seconds)

    return make


def test_a_second_holder_is_refused_with_the_first_one_named(lease) -> None:
    first = lease("host-a process 1")
    first.acquire()
    first.renew()
    assert first.held
    with pytest.raises(LeaseHeld, match=r"Another Spark server \(host-a process 1\) writes to this lake"):
        lease("host-b process 2").acquire()


def test_of_many_who_try_at_once_one_gets_it(lease) -> None:
    def attempt(number: int) -> bool:
        try:
            lease(f"holder {number}").acquire()
        except LeaseHeld:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_lease_that_was_given_back_is_free(lease) -> None:
    first = lease("first")
    first.acquire()
    first.release()
    assert not first.held
    lease("second").acquire()


def test_a_lease_that_ran_out_is_taken_and_the_old_holder_learns_it(lease) -> None:
    first = lease("first", 1.0)
    first.acquire()
    time.sleep(3)  # the emulator tells times in whole seconds
    assert not first.held
    second = lease("second", 1.0)
    second.acquire()
    with pytest.raises(LeaseHeld, match="this one must stop"):
        first.renew()
    first.release()
    assert second.held
    second.renew()


def test_a_renewal_whose_answer_was_lost_is_still_ours(lease, monkeypatch) -> None:
    first = lease("first")
    first.acquire()
    before = first._etag
    first.renew()
    first._etag = before
    first.renew()
    assert first.held
