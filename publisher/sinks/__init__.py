"""Where records go: a narrow protocol, Kinesis, and memory for tests and for users' own tests.

Belongs here: one attempt to put records, and what became of each. Not here: when to try again (relay/).
"""

from publisher.sinks.kinesis import KinesisSink
from publisher.sinks.memory import MemorySink
from publisher.sinks.record import Failure, Record, Sink

__all__ = ["Failure", "KinesisSink", "MemorySink", "Record", "Sink"]
