"""A relay as a process: the real loop, session, sink and keys; it prints what it did and the most memory that it took.

Run as `python -m benchmarks.publisher.drain DATABASE ENDPOINT [stay]`.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import threading
import time

import boto3
from botocore.config import Config

from benchmarks.publisher.site import CONTRACTS, DATA_KEY, PSEUDONYM_KEY
from publisher.database import connect
from publisher.keys import LocalKeyring
from publisher.relay import Relay, Until, load_release_set
from publisher.relay.run import collect_seldom
from publisher.sinks.kinesis import KinesisSink


def main() -> None:
    database, endpoint = sys.argv[1:3]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    client = boto3.client(
        "kinesis", endpoint_url=endpoint, region_name="eu-west-2", aws_access_key_id="x", aws_secret_access_key="x", config=config
    )  # fmt: skip
    with connect(database, "relay") as connection:
        releases = load_release_set(CONTRACTS, LocalKeyring(DATA_KEY, PSEUDONYM_KEY))
        collect_seldom()
        began = time.perf_counter()
        done = Relay(connection, releases, KinesisSink(client, "bench"), stop=stop).run(
            Until.STOPPED if "stay" in sys.argv else Until.SENT
        )
    seconds = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {"events": done.events, "seconds": seconds, "mib": most.ru_maxrss / 1024, "cpu": most.ru_utime + most.ru_stime}
        )
    )


if __name__ == "__main__":
    main()
