"""Other ways to a stream, each given finished lines in memory: no database to read, nothing to decrypt, derive or remember.

Belongs here: the shortest program that each peer's documentation suggests, with its rate limits lifted. Not here: anything of the product.
None of them keeps the order of a key when a record fails, or survives a kill. Run as `python peers.py NAME FILE ENDPOINT`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path


def boto3_loop(lines: list[tuple[str, bytes]], endpoint: str) -> None:
    """500 records a request, one after the other; what failed goes again."""
    import boto3

    client = boto3.client(
        "kinesis", endpoint_url=endpoint, region_name="eu-west-2", aws_access_key_id="x", aws_secret_access_key="x"
    )
    for start in range(0, len(lines), 500):
        entries = [{"Data": line, "PartitionKey": key} for key, line in lines[start : start + 500]]
        while entries:
            answer = client.put_records(StreamName="bench", Records=entries)
            entries = [entry for entry, told in zip(entries, answer["Records"], strict=True) if "ErrorCode" in told]


async def async_kinesis(lines: list[tuple[str, bytes]], endpoint: str) -> None:
    """Newline-joined records, as large as it makes them."""
    from kinesis import Producer
    from kinesis.aggregators import NewlineAggregator
    from kinesis.processors import Processor
    from kinesis.serializers import StringSerializer

    class Lines(Processor, NewlineAggregator, StringSerializer):
        """Lines as they are."""

    unlimited = {"put_rate_limit_per_shard": 10**7, "put_bandwidth_limit_per_shard": 10**7}
    async with Producer("bench", endpoint_url=endpoint, region_name="eu-west-2", processor=Lines(), **unlimited) as producer:
        for key, line in lines:
            await producer.put(line.decode(), partition_key=key)
        await producer.flush()


async def aiokpl(lines: list[tuple[str, bytes]], endpoint: str) -> None:
    """The KPL's aggregation."""
    from aiokpl import Config, Producer

    config = Config(
        region="eu-west-2", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x",
        rate_limit_records_per_sec_per_shard=1e9, rate_limit_bytes_per_sec_per_shard=1e12,
    )  # fmt: skip
    async with Producer(config) as producer:
        waiting = [await producer.put_record(stream="bench", partition_key=key, data=line) for key, line in lines]
        await producer.flush()
        for outcome in waiting:
            await outcome.wait()


PEERS = {"boto3 put_records": boto3_loop, "async-kinesis": async_kinesis, "aiokpl": aiokpl}


def main() -> None:
    name, file, endpoint = sys.argv[1:4]
    lines = [(line.partition("\t")[0], line.partition("\t")[2].encode()) for line in Path(file).read_text().splitlines()]
    began = time.perf_counter()
    done = PEERS[name](lines, endpoint)
    if done is not None:
        asyncio.run(done)
    print(json.dumps({"events": len(lines), "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
