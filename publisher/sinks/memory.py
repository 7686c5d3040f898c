"""A sink in memory, for tests: the publisher's own and its users'.

Belongs here: keeping records, failing on demand. Not here: anything of a real stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from publisher.sinks.record import Failure, Record

Fault = Callable[[Record], str | None]


class MemorySink:
    """Keeps what it is given. `fault` may name a reason for which a record fails; it is asked for each record of each put."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.records: list[Record] = []
        self.puts: list[int] = []
        self.fault = fault

    def put(self, records: Sequence[Record]) -> list[Failure]:
        """See Sink."""
        failures: list[Failure] = []
        self.puts.append(len(records))
        for record in records:
            reason = self.fault(record) if self.fault else None
            if reason is None:
                self.records.append(record)
            else:
                failures.append(Failure(record, reason))
        return failures

    @property
    def lines(self) -> list[bytes]:
        """All lines in the order of arrival, without their newlines."""
        return [line for record in self.records for line in record.data.splitlines()]
