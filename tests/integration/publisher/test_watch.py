"""Metrics and health of a relay over HTTP: what is counted, when it is not ready and why, and that no value or key is in any of it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg.conninfo import make_conninfo

from demo.cloud.provision import unwrap_data_key
from publisher.errors import SettingsError
from publisher.keys import encrypt
from publisher.relay.run import run_relay
from publisher.settings import Settings
from publisher.watch.outlook import EVERY_SECONDS
from resources.ports import free_port
from tests.integration.publisher.platform import CUSTOMER, Platform
from tests.integration.publisher.relays import many, wait_for
from tests.integration.publisher.streams import broken_stream

CANARY = "Zebulon Quackenbush 4711"
KEY = 471_147_114_711
Samples = dict[tuple[str, tuple[str, ...]], float]


class Watched:
    """A relay in a thread, and what it says."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def answers(self, path: str) -> tuple[int, str]:
        try:
            return self.get(path)
        except urllib.error.URLError:
            return 0, ""

    def samples(self) -> Samples:
        """Name and label values → value."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


@pytest.fixture
def watch(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[Watched]]:
    @contextmanager
    def running(**changed: str) -> Iterator[Watched]:
        watched, stop = Watched(free_port()), threading.Event()
        for name, value in {**environment, **changed}.items():
            monkeypatch.setenv(name, value)
        settings = Settings.read({**environment, **changed, "PUBLISHER_METRICS_PORT": str(watched.port)})
        relay = threading.Thread(target=run_relay, args=(settings, stop))
        relay.start()
        try:
            wait_for(lambda: watched.answers("/healthz")[0] == 200, 60)
            yield watched
        finally:
            stop.set()
            relay.join(60)
            assert not relay.is_alive()

    return running


def test_what_a_relay_did_is_counted_without_a_value_or_a_key(
    environment: dict[str, str], application: Platform, watch: Callable[..., AbstractContextManager[Watched]]
) -> None:
    key = unwrap_data_key(environment)
    names = [name for name, value in CUSTOMER.items() if isinstance(value, bytes)]
    plain = {name: "1984-05-06" if name == "date_of_birth" else CANARY for name in names} | {"postcode": "SW1A 1AA"}
    application.customer(id=KEY, **{name: encrypt(key, text) for name, text in plain.items()})
    application.customer(id=KEY + 1)  # under a key that is not the platform's
    application.sql(
        "INSERT INTO publisher.outbox (seq, entity, op, key) VALUES (nextval('publisher.seq'), %s, 'delete', '1')", CANARY
    )
    many(application, 30, 2)
    with watch() as watched:
        wait_for(lambda: watched.samples().get(("publisher_events_sent_total", ("creditors",))) == 90, 60)
        wait_for(lambda: watched.samples().get(("publisher_dead_letters_open", ())) == 2, 60)
        wait_for(lambda: watched.samples().get(("publisher_outbox_rows", ())) == 0, 60)
        found, text = watched.samples(), watched.get("/metrics")[1]
        assert watched.get("/readyz") == (200, "working: the oldest unsent event waits for 0 s, the limit is 300 s\n")
    assert found["publisher_relay_state", ("working",)] == 1
    assert found["publisher_relay_state", ("standby",)] == 0
    assert found["publisher_epoch", ()] == 1
    assert found["publisher_events_sent_total", ("customers",)] == 1
    assert found["publisher_events_sent_total", ("debts",)] == 0
    assert found["publisher_bytes_sent_total", ("creditors",)] > 90 * 100
    assert found["publisher_records_sent_total", ()] > 20
    assert found["publisher_outbox_rows", ()] == 0
    assert found["publisher_oldest_unsent_seconds", ()] == 0
    assert found["publisher_outbox_bytes", ()] > 0
    assert found["publisher_release_page_seconds_count", ()] >= 1
    assert found["publisher_release_page_seconds_bucket", ("+Inf",)] == found["publisher_release_page_seconds_count", ()]
    reasons = {labels[0]: value for (name, labels), value in found.items() if name == "publisher_dead_letters_total"}
    assert sum(reasons.values()) == 2
    assert "decryption failed: another data key, or the bytes were changed" in reasons
    # Nobody's value is a number, either: a sample's value holds any digits by chance (a time of start did), so not those.
    said = "\n".join(line if line.startswith("#") else line.rpartition(" ")[0] for line in text.splitlines())
    for secret in ("Zebulon", "4711", str(KEY), "1984"):
        assert secret not in said
    assert not {float(KEY), 4711.0, 1984.0} & set(found.values())


def test_a_standby_is_ready_and_says_so(
    application: Platform, watch: Callable[..., AbstractContextManager[Watched]]
) -> None:  # fmt: skip
    with watch() as first:
        wait_for(lambda: first.get("/readyz")[0] == 200)
        with watch() as second:
            wait_for(lambda: second.get("/readyz")[1].startswith("standby: another relay works"), 30)
            assert second.get("/readyz")[0] == second.get("/healthz")[0] == 200
            assert second.samples()["publisher_relay_state", ("standby",)] == 1
            application.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            )
            wait_for(lambda: {each.get("/readyz")[1].split(":")[0] for each in (first, second)} == {"working", "standby"}, 30)


@pytest.mark.parametrize(
    ("code", "shown"),
    [("ProvisionedThroughputExceededException", "ProvisionedThroughputExceededException"), (CANARY, "other")],
    ids=["throttled", "a code that is none"],
)
def test_events_that_wait_too_long_make_it_unready_and_it_says_why(
    application: Platform, watch: Callable[..., AbstractContextManager[Watched]], code: str, shown: str
) -> None:
    many(application, 30, 0)
    with broken_stream(code) as stream, watch(AWS_ENDPOINT_URL_KINESIS=stream.url, PUBLISHER_OLDEST_LIMIT="0.5") as watched:

        def late_and_refused() -> bool:
            said = watched.get("/readyz")[1]
            return said.startswith("late") and f"the stream refuses: {shown}" in said

        wait_for(late_and_refused, 6 * EVERY_SECONDS)
        status, said = watched.get("/readyz")
        found = watched.samples()
        assert watched.get("/healthz")[0] == 200
        assert "Zebulon" not in said + watched.get("/metrics")[1]
        stream.mended = True
        wait_for(lambda: watched.get("/readyz")[0] == 200, 30)
    assert status == 503
    assert "the limit is 0.5 s" in said
    assert f"partitions whose records the stream refuses: {shown}: " in said
    assert "remedy: more shards" in said
    assert found["publisher_record_retries_total", (shown,)] >= found["publisher_partitions_failing", (shown,)] > 10
    assert found["publisher_outbox_rows", ()] == 30


def test_a_lost_session_makes_it_unready_until_there_is_another(
    captured: str, application: Platform, watch: Callable[..., AbstractContextManager[Watched]]
) -> None:
    name = application.connection.info.dbname
    with psycopg.connect(make_conninfo(captured, dbname="postgres"), autocommit=True) as elsewhere, watch() as watched:
        wait_for(lambda: watched.get("/readyz")[0] == 200)
        elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')  # type: ignore[call-overload]
        try:
            application.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'publisher relay'")
            wait_for(lambda: watched.get("/readyz")[0] == 503)
            status, said = watched.get("/readyz")
            assert watched.get("/healthz") == (200, "alive: lost\n")
        finally:
            elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')  # type: ignore[call-overload]
        wait_for(lambda: watched.get("/readyz")[0] == 200, 30)
        assert watched.samples()["publisher_sessions_lost_total", ()] >= 1
    assert (status, said.splitlines()[0]) == (503, "the database session is lost: nothing leaves until there is another")
    assert "remedy: " in said


def test_other_paths_are_not_there_and_a_taken_port_is_said(
    environment: dict[str, str], application: Platform, watch: Callable[..., AbstractContextManager[Watched]]
) -> None:
    with watch() as watched:
        assert watched.get("/") == (404, "there are /metrics, /healthz, /readyz\n")
        settings = Settings.read({**environment, "PUBLISHER_METRICS_PORT": str(watched.port)})
        with pytest.raises(SettingsError, match="set PUBLISHER_METRICS_PORT to a free port"):
            run_relay(settings, threading.Event())
