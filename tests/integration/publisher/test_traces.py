"""A relay's spans, kept by OpenTelemetry's own exporter in memory: they tell rounds, puts and reasons, and nothing of any row."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from publisher.database import connect
from publisher.outbox import try_lock
from publisher.relay import Relay, ReleaseSet, Until
from publisher.sinks import MemorySink, Record, Sink
from publisher.watch.traces import Tracing
from tests.integration.publisher.platform import CUSTOMER, Platform, secret
from tests.integration.publisher.relays import DeliversThenDies, Killed, many

CANARY = "Zebulon Quackenbush 4711"
KEY = 471_147_114_711


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("test"))


def relay(url: str, releases: ReleaseSet, sink: Sink, tracing: Tracing) -> None:
    with connect(url, "relay") as connection:
        assert try_lock(connection)
        Relay(connection, releases, sink, tracing=tracing, manifest_seconds=3600).run(Until.SENT)


def said(spans: tuple[ReadableSpan, ...]) -> str:
    """All that leaves with the spans: names, attributes, events, statuses, links, resource."""
    return "\n".join(span.to_json() for span in spans)


def test_spans_tell_what_was_done(
    captured: str, platform: Platform, releases: ReleaseSet, tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    many(platform, 50, 1)
    failed: list[int] = []

    def fault(record: Record) -> str | None:
        if failed:
            return None
        failed.append(record.partition)
        return "ProvisionedThroughputExceededException"

    relay(captured, releases, MemorySink(fault), tracing)
    spans = exporter.get_finished_spans()
    by_name: dict[str, list[dict[str, object]]] = {}
    for span in spans:
        by_name.setdefault(span.name, []).append(dict(span.attributes or {}))
    assert set(by_name) == {"relay.release", "relay.round", "relay.put"}
    assert sum(int(str(s["publisher.events_acknowledged"])) for s in by_name["relay.round"]) == 100
    assert sum(int(str(s["publisher.rows"])) for s in by_name["relay.release"]) == 100
    assert {s["publisher.entities"] for s in by_name["relay.release"]} == {("creditors",)}
    assert by_name["relay.put"][0]["publisher.failed"] == 1
    assert by_name["relay.put"][0]["publisher.reasons"] == ("ProvisionedThroughputExceededException",)
    assert len(spans) < 30, "an idle relay makes none"


def test_no_value_ciphertext_or_key_is_in_any_span(
    captured: str, platform: Platform, releases: ReleaseSet, tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    """Rows that leave, rows that cannot be decrypted or fall outside of their domain, an entity and an error made of a canary, and a database error that quotes its row."""
    ciphertext = {name: secret(CANARY) for name, value in CUSTOMER.items() if isinstance(value, bytes)}
    poison = b"\x01" + CANARY.encode() * 2
    platform.sql("ALTER TABLE customers DROP CONSTRAINT status_known")
    platform.customer(id=KEY, full_name=secret(CANARY))
    platform.customer(id=KEY + 1, **ciphertext)
    platform.customer(id=KEY + 2, email=poison, date_of_birth=poison, status=CANARY)
    platform.sql(
        "INSERT INTO publisher.outbox (seq, entity, op, key, row) VALUES (nextval('publisher.seq'), %s, %s, %s, %s)",
        *[CANARY] * 3,
        json.dumps(CANARY),
    )
    relay(captured, releases, MemorySink(), tracing)

    class Raises(DeliversThenDies):
        def put(self, records: object) -> list[object]:  # type: ignore[override]
            raise Killed(CANARY)

    platform.customer(id=KEY + 3)
    with pytest.raises(Killed):
        relay(captured, releases, Raises(), tracing)
    platform.sql("DELETE FROM publisher.claims")
    platform.sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', NEW; END $$")
    platform.sql("CREATE TRIGGER refuse BEFORE INSERT ON publisher.claims FOR EACH ROW EXECUTE FUNCTION refuse()")
    with pytest.raises(psycopg.errors.RaiseException):
        relay(captured, releases, MemorySink(), tracing)

    spans = exporter.get_finished_spans()
    text = said(spans)
    errors = [span for span in spans if span.attributes and "error.type" in span.attributes]
    assert {span.attributes["error.type"] for span in errors if span.attributes} == {"Killed", "RaiseException"}
    assert "decryption failed: another data key, or the bytes were changed" in text
    assert '"customers"' in text
    assert '"other"' in text
    assert all(not span.events and not span.status.description for span in spans)
    for hidden in (CANARY, "Zebulon", str(KEY), "471147", poison.hex(), *(value.hex() for value in ciphertext.values())):
        assert hidden not in text
