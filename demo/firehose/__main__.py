"""`python -m demo.firehose`: runs the delivery stream until SIGTERM or Ctrl-C, then delivers what it holds and ends with 0.

Belongs here: arguments, signals, logs. Not here: delivering (service.py).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from demo.cloud.ministack import client
from demo.errors import DemoError, SettingMissing
from demo.firehose.checkpoints import Checkpoints
from demo.firehose.delivery import Delivery, Undelivered
from demo.firehose.options import Options
from demo.firehose.service import Firehose
from demo.firehose.source import Source

# After a request to stop, the bucket has this long to take the rest.
STOP_SECONDS = 8.0
MEANINGS = {
    "LAKE_STREAM": "the name of the stream to read",
    "LANDING_URI": "the bucket to write to, s3://…",
    "AWS_ACCESS_KEY_ID": "a key of the cloud (the emulator takes any)",
    "AWS_SECRET_ACCESS_KEY": "the key's secret",
    "AWS_DEFAULT_REGION": "the cloud's region, e.g. eu-west-2",
}


def main(arguments: list[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    stop, give_up = threading.Event(), threading.Event()
    _stop_on_signals(stop, give_up)
    try:
        return _run(_options(parsed), dict(os.environ), stop, give_up, drain=parsed.drain)
    except Undelivered:
        log("stopped_undelivered")
        return 1
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1


def _run(options: Options, environment: dict[str, str], stop: threading.Event, give_up: threading.Event, *, drain: bool) -> int:
    kinesis = client("kinesis", environment)
    described = kinesis.describe_stream_summary(StreamName=options.stream)["StreamDescriptionSummary"]
    identity = f"{described['StreamARN']}@{described['StreamCreationTimestamp'].timestamp():.0f}"
    checkpoints = Checkpoints(options.checkpoints, options.stream, identity)
    source = Source(kinesis, options.stream, checkpoints, options.poll_seconds, log)
    delivery = Delivery(client("s3", environment), options.bucket, options.stream, give_up, log)
    firehose = Firehose(source, delivery, checkpoints, options, log)
    log("started", stream=options.stream, size_mib=options.size_mib, interval_seconds=options.interval_seconds)
    try:
        if drain:
            firehose.drain()
        else:
            firehose.run(stop)
    finally:
        checkpoints.close()
        log("stopped", **asdict(firehose.totals))
    return 0


def log(event: str, **fields: Any) -> None:
    """One JSON line: names and counts, never what a record holds."""
    print(json.dumps({"at": round(time.time(), 3), "event": event, **fields}), flush=True)


def _stop_on_signals(stop: threading.Event, give_up: threading.Event) -> None:
    def ask(*_: object) -> None:
        if not stop.is_set():
            timer = threading.Timer(STOP_SECONDS, give_up.set)
            timer.daemon = True
            timer.start()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)


def _options(parsed: argparse.Namespace) -> Options:
    for name, meaning in MEANINGS.items():
        if not os.environ.get(name):
            raise SettingMissing(name, meaning)
    return Options(
        stream=os.environ["LAKE_STREAM"],
        bucket=os.environ["LANDING_URI"].removeprefix("s3://").strip("/"),
        checkpoints=parsed.checkpoints,
        size_mib=parsed.size_mib,
        interval_seconds=parsed.interval_seconds,
        duplicate_every=parsed.duplicate_every,
        poll_seconds=parsed.poll_seconds,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.firehose", description="From the stream to the landing bucket.")
    add = parser.add_argument
    add("--checkpoints", type=Path, default=Path(".lake/firehose"), help="folder of the checkpoints (default: %(default)s)")
    add("--size-mib", type=float, default=5, help="deliver at this size before gzip, 1 to 128 (default: %(default)s)")
    add("--interval-seconds", type=float, default=300, help="or at this age, 0 to 900 (default: %(default)s)")
    add("--duplicate-every", type=int, default=0, help="deliver each n-th record twice (default: never)")
    add("--poll-seconds", type=float, default=0.25, help="shortest pause between reads of a shard (default: %(default)s)")
    add("--drain", action="store_true", help="deliver what is in the stream, then end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
