"""The messages of an SQS queue and of its dead letter queue: looked at, not taken.

Belongs here: reading so that every message stays. Not here: who receives them. A message that is received too often moves to the
dead letter queue, so each is received once, hidden for some seconds, and made visible again at the end.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.leakscan.clients import client_of
from demo.leakscan.decode import RAW, Facet
from demo.leakscan.sources.base import Documents, Source

HIDDEN_SECONDS = 120
_BATCH = 10


@dataclass(frozen=True)
class QueueItem:
    """One queue."""

    source: str
    environment: Mapping[str, str]
    url: str
    planted: bool = False
    size: int = 1 << 20

    @property
    def place(self) -> str:
        return f"sqs://{self.url.rsplit('/', 1)[-1]}"

    def facets(self) -> Iterator[Facet]:
        sqs = client_of("sqs", self.environment)
        receipts: list[str] = []
        texts: list[bytes] = []
        try:
            while messages := self._receive(sqs):
                receipts += [message["ReceiptHandle"] for message in messages]
                texts += [f"{message['Body']}\n{_attributes(message)}\n".encode() for message in messages]
            yield Facet(RAW, texts)
        finally:
            self._show_again(sqs, receipts)

    def _receive(self, sqs: Any) -> list[dict[str, Any]]:
        answer = sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=HIDDEN_SECONDS,
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", ()))

    def _show_again(self, sqs: Any, receipts: list[str]) -> None:
        for start in range(0, len(receipts), _BATCH):
            batch = receipts[start : start + _BATCH]
            entries = [{"Id": str(i), "ReceiptHandle": r, "VisibilityTimeout": 0} for i, r in enumerate(batch)]
            sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)


@dataclass(frozen=True)
class QueueSource:
    """A queue, with its dead letter queue if it has one. Controls go through a queue of their own."""

    name: str
    environment: Mapping[str, str]
    url: str
    planted: bool = False

    @property
    def facet_names(self) -> tuple[str, ...]:
        return (RAW,)

    def items(self) -> Iterator[QueueItem]:
        sqs = client_of("sqs", self.environment)
        yield QueueItem(self.name, self.environment, self.url, self.planted)
        answer = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
        if policy := answer.get("Attributes", {}).get("RedrivePolicy"):
            name = json.loads(policy)["deadLetterTargetArn"].rsplit(":", 1)[-1]
            yield QueueItem(self.name, self.environment, sqs.get_queue_url(QueueName=name)["QueueUrl"])

    @contextmanager
    def plant(self, documents: Documents) -> Iterator[list[Source]]:
        sqs = client_of("sqs", self.environment)
        url = sqs.create_queue(QueueName=f"leakscan-controls-{secrets.token_hex(8)}")["QueueUrl"]
        try:
            for text in documents[RAW]:
                sqs.send_message(QueueUrl=url, MessageBody=text.decode())
            yield [QueueSource(self.name, self.environment, url, planted=True)]
        finally:
            sqs.delete_queue(QueueUrl=url)


def _attributes(message: Mapping[str, Any]) -> str:
    return json.dumps(message.get("MessageAttributes", {}), default=str)
