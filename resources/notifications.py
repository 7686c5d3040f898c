"""The queue on which S3 tells of landed objects.

Belongs here: receiving, reading and deleting messages. Not here: what becomes of them (the ledger). A message is deleted
only by whoever has recorded it: until then SQS shows it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import dagster as dg

from resources.aws import counted, sqs_client
from resources.landing import unquoted
from resources.settings import setting

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_BATCH = 10
"""SQS gives and takes at most ten messages a request."""


@dataclass(frozen=True)
class Notified:
    """An object that a message names; `etag` is empty where the event has none."""

    bucket: str
    key: str
    etag: str
    size: int


@dataclass(frozen=True)
class Message:
    """One message: the objects it names, or why it could not be read. A test event names none and has no problem."""

    id: str
    receipt: str
    objects: tuple[Notified, ...]
    problem: str | None = None


class Notifications:
    """The queue of `queue_url`. `calls` counts what it asked of SQS."""

    def __init__(self, queue_url: str, sqs: SQSClient) -> None:
        self.queue_url = queue_url
        self._sqs = sqs
        self.calls = counted(sqs)

    def approximate_depth(self) -> int:
        """How many messages wait, about; those that somebody has received and not deleted are not counted."""
        name: QueueAttributeNameType = "ApproximateNumberOfMessages"
        answer = self._sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def receive(
        self, *, at_most: int = 1000, seconds: float = 20.0, hidden_seconds: int = 300, wait_seconds: int = 0
    ) -> list[Message]:
        """Receives until the queue is empty, or `at_most` messages or `seconds` are reached.

        The messages stay hidden from others for `hidden_seconds`; delete them by then or they come again. `wait_seconds` is
        SQS's long poll: 0 may miss messages on the real SQS's sampled short polls, which then come with the next call.
        """
        deadline = time.monotonic() + seconds
        received: list[Message] = []
        while len(received) < at_most and time.monotonic() < deadline:
            answer = self._sqs.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=min(_BATCH, at_most - len(received)),
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=wait_seconds,
            )
            raw = answer.get("Messages", [])
            if not raw:
                break
            received += [parse(item["MessageId"], item["ReceiptHandle"], item.get("Body", "")) for item in raw]
        return received

    def delete(self, messages: Iterable[Message]) -> int:
        """Deletes messages; how many could not be (they come again, and are then known)."""
        failed = 0
        for chunk in _chunks(list(messages), _BATCH):
            entries = [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(chunk)]
            answer = self._sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)  # type: ignore[arg-type]
            failed += len(answer.get("Failed", []))
        return failed


class NotificationsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The queue, as a resource. `queue_url` empty: what LANDED_QUEUE_URL says."""

    queue_url: str = ""

    def open(self) -> Notifications:
        return Notifications(self.queue_url or setting("LANDED_QUEUE_URL"), sqs_client())


def parse(identity: str, receipt: str, body: str) -> Message:
    """Reads S3's event message (version 2, also in an SNS envelope). What it cannot read becomes a `problem`, not an error."""
    try:
        return Message(identity, receipt, tuple(_created(_envelope(json.loads(body)))))
    except json.JSONDecodeError:
        return Message(identity, receipt, (), "not JSON")
    except (KeyError, TypeError, AttributeError, ValueError):
        return Message(identity, receipt, (), "not an S3 event")


def _envelope(body: Any) -> Mapping[str, Any]:
    if isinstance(body, dict) and body.get("Type") == "Notification" and "Message" in body:
        return _envelope(json.loads(body["Message"]))
    if not isinstance(body, dict):
        raise TypeError
    return body


def _created(event: Mapping[str, Any]) -> Iterator[Notified]:
    if event.get("Event") == "s3:TestEvent":
        return
    for record in event["Records"]:
        if not record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
            continue
        where = record["s3"]
        key = unquote_plus(where["object"]["key"])
        etag = unquoted(where["object"].get("eTag", ""))
        yield Notified(where["bucket"]["name"], key, etag, int(where["object"].get("size", 0)))


def _chunks(messages: Sequence[Message], size: int) -> Iterator[Sequence[Message]]:
    for start in range(0, len(messages), size):
        yield messages[start : start + size]
