"""What a reader of all that left knows of a k-group.

Belongs here: people in groups, as tests of several modules ask for them. Not here: assertions.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from publisher.sinks import MemorySink
from tests.integration.publisher.platform import Platform

GROUP = ("has_email", "has_phone", "has_address", "birth_band", "postcode_area", "joined_on")


def people(platform: Platform, count: int, **values: Any) -> list[int]:
    return [platform.customer(**values) for _ in range(count)]


def events(sink: MemorySink, entity: str = "customers") -> list[dict[str, Any]]:
    lines = [json.loads(line) for record in sink.records for line in record.data.splitlines()]
    return sorted((line for line in lines if line["entity"] == entity), key=lambda event: event["seq"])


def current(sink: MemorySink) -> dict[str, dict[str, Any]]:
    """What a reader of all that left knows last of each customer."""
    last: dict[str, dict[str, Any]] = {}
    for event in events(sink):
        if event["op"] == "delete":
            last.pop(event["key"], None)
        else:
            last[event["key"]] = event["record"]
    return last


def classes(sink: MemorySink) -> Counter[tuple[Any, ...]]:
    """People by what they share, but those of whom nothing is told."""
    found = Counter(tuple(record[name] for name in GROUP) for record in current(sink).values())
    found.pop((None,) * len(GROUP), None)
    return found
