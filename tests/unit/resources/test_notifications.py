"""Reading S3's messages: what is an object, what is not, what cannot be read."""

from __future__ import annotations

import json

import pytest

from resources.notifications import Notified, parse


def event(key: str = "raw/2026/11/24/04/a.gz", name: str = "ObjectCreated:Put", **more: object) -> dict:
    return {
        "eventName": name,
        "s3": {"bucket": {"name": "landing"}, "object": {"key": key, "size": 12, "eTag": "abc", **more}},
    }


def read(body: object):
    return parse("1", "r", body if isinstance(body, str) else json.dumps(body))


def test_keys_are_url_decoded() -> None:
    message = read({"Records": [event(key="raw/a+b%2Bc%C3%A9.gz")]})
    assert message.objects == (Notified("landing", "raw/a b+cé.gz", "abc", 12),)


def test_a_message_may_name_several_objects_and_other_events_than_creation() -> None:
    message = read(
        {"Records": [event("a"), event("b", "s3:ObjectCreated:CompleteMultipartUpload"), event("c", "ObjectRemoved:Delete")]}
    )
    assert [found.key for found in message.objects] == ["a", "b"]
    assert message.problem is None


def test_an_sns_envelope_is_opened() -> None:
    message = read({"Type": "Notification", "Message": json.dumps({"Records": [event()]})})
    assert len(message.objects) == 1


def test_a_test_event_names_nothing_and_is_no_problem() -> None:
    message = read({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"})
    assert (message.objects, message.problem) == ((), None)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not an S3 event"),
        ("3", "not an S3 event"),
        ({"hello": 1}, "not an S3 event"),
        ({"Records": [{}]}, "not an S3 event"),
        ({"Records": 3}, "not an S3 event"),
        ({"Type": "Notification", "Message": "?"}, "not JSON"),
        ({"Records": [event(size="many")]}, "not an S3 event"),
    ],
)
def test_what_cannot_be_read_is_returned_with_its_problem(body: object, problem: str) -> None:
    message = read(body)
    assert (message.objects, message.problem, message.receipt) == ((), problem, "r")
