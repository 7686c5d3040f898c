"""Structured logs: one JSON object a line, of names and counts.

Belongs here: the form. Not here: what is logged. Only the fields given under `extra={"fields": …}` are written, and of an exception only its class: a library's message
may hold a value.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """`{"at": …, "level": …, "logger": …, "message": …, <fields>}`."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            entry["error"] = record.exc_info[0].__name__
        return json.dumps(entry, default=str)


def configure(level: str = "INFO") -> None:
    """Sends the publisher's own log to standard error. Other libraries' logs stay off: boto's hold request bodies, psycopg's an error's text."""
    logging.getLogger().addHandler(logging.NullHandler())  # without any handler Python prints their warnings itself
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("publisher")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
