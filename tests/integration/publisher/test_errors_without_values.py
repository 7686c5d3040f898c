"""What the publisher fails on stays out of what it says: of a database, a stream, a secret, an outbox row. Each is driven with a canary.

Belongs here: errors of real libraries and of a real database, as they come out of the publisher. Not here: values that a contract
refuses (tests/unit/release/test_faults.py), contracts (tests/unit/contracts).
"""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest

from publisher.console import session
from publisher.database import connect
from publisher.errors import PublisherError, Unreleasable
from publisher.keys import aws_keyring
from publisher.logs import JsonFormatter
from publisher.outbox import OutboxRow
from publisher.relay import ReleaseSet
from publisher.relay.judging import event_of
from publisher.relay.run import run_relay
from publisher.settings import Settings
from publisher.sinks.kinesis import KinesisSink, kinesis_client
from publisher.sinks.record import Record
from publisher.wire import RISK
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import wait_for
from tests.integration.publisher.test_commands import run

CANARY = "Zebulon Quackenbush 4711"


def said(error: BaseException) -> str:
    """All that a log or a terminal shows of an error: message, arguments, attributes, and the traceback with all that led to it."""
    record = logging.makeLogRecord({"exc_info": (type(error), error, error.__traceback__), "msg": "failed"})
    shown = "".join(traceback.format_exception(error))
    return f"{error!r} {vars(error)} {shown} {logging.Formatter().format(record)} {JsonFormatter().format(record)}"


def known_to(error: psycopg.Error) -> str:
    """All that PostgreSQL tells of an error."""
    return f"{error} {error.diag.message_detail} {error.diag.context} {error.diag.message_hint}"


STATEMENTS = {
    "unique": f"INSERT INTO creditors (code, name, sector, contact_email, created_at) SELECT '{CANARY}', 'n', 'bank', '', now() FROM generate_series(1, 2)",
    "check": f"INSERT INTO creditors (code, name, sector, contact_email, created_at) VALUES ('C1', 'n', '{CANARY}', '', now())",
    "not null": f"INSERT INTO creditors (code, name, sector) VALUES ('C1', '{CANARY}', 'bank')",
    "foreign key": "INSERT INTO circumstances (customer_id) VALUES (4711)",
    "number": f"SELECT '{CANARY}'::int",
    "time": f"SELECT '{CANARY}'::timestamptz",
    "JSON": f"""SELECT '{{"name": "{CANARY}" x'::jsonb""",
    "function": f"DO $$ BEGIN PERFORM 1; RAISE EXCEPTION 'no' USING DETAIL = '{CANARY}', HINT = '{CANARY}'; END $$",
    "dynamic SQL": f"DO $$ BEGIN EXECUTE 'SELECT ''{CANARY}''::date'; END $$",
    "syntax": f"SELECT FROM '{CANARY}'",
    "privilege": f"DO $$ BEGIN RAISE insufficient_privilege USING MESSAGE = '{CANARY}'; END $$",
    "missing table": f'SELECT FROM "{CANARY}"',
    "lock": f"DO $$ BEGIN RAISE lock_not_available USING MESSAGE = '{CANARY}'; END $$",
}


@pytest.fixture(scope="module")
def settings_of() -> Callable[[str], Settings]:
    return lambda url: Settings.read({"PLATFORM_DATABASE_URL": url, "LAKE_STREAM": "any"})


def test_no_error_of_the_database_brings_its_values(captured: str, settings_of: Callable[[str], Settings]) -> None:
    for name, statement in STATEMENTS.items():
        theirs: list[psycopg.Error] = []

        def fail(name: str = name, statement: str = statement, theirs: list[psycopg.Error] = theirs) -> None:
            with session(settings_of(captured), f"trying {name}") as connection:
                try:
                    connection.execute(statement)  # type: ignore[call-overload]
                except psycopg.Error as error:
                    theirs.append(error)
                    raise

        with pytest.raises(PublisherError) as caught:
            fail()
        assert "4711" in known_to(theirs[0]), f"{name}: the database says no value, so this proves nothing"
        assert f"trying {name}" in str(caught.value)
        for part in ("4711", "Zebulon"):
            assert part not in said(caught.value), name


REFUSED = {
    "unreachable": f"postgresql://u:{CANARY.replace(' ', '')}@127.0.0.1:1/x",
    "no address": CANARY,
    "half an address": f"postgresql://u:{CANARY.replace(' ', '')}@[::1",
    "a wrong option": f"postgresql://127.0.0.1:1/x?{CANARY.replace(' ', '')}=1",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_an_address_that_does_not_work_is_not_repeated(url: str) -> None:
    """It holds a password."""
    with pytest.raises(PublisherError) as caught:
        connect(url, "test")
    assert "4711" not in said(caught.value)


SABOTAGE = """
CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{canary}' USING DETAIL = 'Failing row contains ({canary})'; END $$;
CREATE TRIGGER sabotage BEFORE INSERT OR UPDATE OR DELETE ON publisher.{table} FOR EACH ROW EXECUTE FUNCTION sabotage()
"""
COMMANDS = {
    "backfill": ("outbox", ["backfill", "creditors"]),
    "relay": ("claims", ["relay", "--once"]),
    "manifest": ("ranges", ["manifest"]),
}


def sabotaged(platform: Platform, table: str) -> None:
    for statement in SABOTAGE.format(canary=CANARY, table=table).split(";\nCREATE"):
        platform.sql(statement if "FUNCTION sabotage() RETURNS" in statement else f"CREATE{statement}")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_statement_fails_on_a_row_prints_no_value(
    application: Platform, environment: dict[str, str], command: str
) -> None:  # fmt: skip
    table, arguments = COMMANDS[command]
    application.creditor(name=CANARY)
    sabotaged(application, table)
    with pytest.raises(psycopg.Error, match=CANARY):
        # A row of the outbox needs a position to find its table.
        application.sql(f"INSERT INTO publisher.{table} " + ("(seq) VALUES (1)" if table == "outbox" else "DEFAULT VALUES"))

    done = run(environment, *arguments)

    assert done.returncode == 1
    assert "RaiseException P0001" in done.stderr
    assert "Zebulon" not in done.stdout + done.stderr


def test_a_relay_that_loses_its_session_logs_no_value(
    application: Platform, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    application.creditor(name=CANARY)
    sabotaged(application, "claims")
    stop, log = threading.Event(), io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("publisher.relay")
    logger.addHandler(handler)
    relay = threading.Thread(target=run_relay, args=(Settings.read(environment), stop))
    try:
        relay.start()
        wait_for(lambda: "session lost" in log.getvalue())
    finally:
        stop.set()
        relay.join(30)
        logger.removeHandler(handler)
    assert '"reason": "RaiseException P0001"' in log.getvalue()
    assert "Zebulon" not in log.getvalue()


def test_what_nobody_foresaw_ends_a_command_without_its_text(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("publisher.cli.run_relay", lambda *_, **__: int(CANARY))

    done = run(environment, "relay", "--once")

    assert done.returncode == 1
    assert "builtins.ValueError" in done.stderr
    assert CANARY not in done.stderr


def test_other_libraries_say_nothing_once_the_log_is_set_up() -> None:
    """psycopg warns of an error that it ignores, with the error's text."""
    code = f"from publisher.logs import configure; configure(); import logging; logging.getLogger('psycopg').warning('%s', {CANARY!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert CANARY not in done.stderr


ANSWERS: dict[str, tuple[int, Any]] = {
    "a record's error": (200, {"FailedRecordCount": 1, "Records": [{"ErrorCode": "InternalFailure", "ErrorMessage": CANARY}]}),
    "refused": (400, {"__type": "ValidationException", "message": f"Value '{CANARY}' at 'records.1.member.data' failed"}),
    "failed": (500, {"__type": "InternalFailure", "message": CANARY}),
    "no JSON, refused": (400, f"<html>{CANARY}</html>"),
    "no JSON, failed": (503, CANARY),
}


@contextmanager
def endpoint(status: int, body: Any) -> Iterator[str]:
    """A service that always answers so."""
    answer = (body if isinstance(body, str) else json.dumps(body)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_an_answer_that_is_none_fails_its_records(monkeypatch: pytest.MonkeyPatch) -> None:
    with endpoint(200, CANARY) as url:
        for name, value in {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
            monkeypatch.setenv(name, value)
        (failure,) = KinesisSink(kinesis_client("eu-west-2"), "any").put([Record(1, b"x")])
    assert CANARY not in failure.reason


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_of_the_stream_brings_its_text(
    answer: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    status, body = ANSWERS[answer]
    with endpoint(status, body) as url, caplog.at_level(logging.INFO):
        for name, value in {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
            monkeypatch.setenv(name, value)
        client = kinesis_client("eu-west-2")
        theirs = ""
        try:
            theirs = str(client.put_records(StreamName="any", Records=[{"Data": b"x", "PartitionKey": "1"}])["Records"])
        except client.exceptions.ClientError as error:
            theirs = f"{error} {error.response}"
        if answer not in ("no JSON, refused", "no JSON, failed"):  # of those botocore keeps nothing, as a rule
            assert CANARY in theirs
        caplog.clear()
        sink = KinesisSink(client, "any")
        (failure,) = sink.put([Record(1, CANARY.encode())])
        assert CANARY not in failure.reason
        if status != 200:
            with pytest.raises(PublisherError) as caught:
                sink.check()
            assert CANARY not in said(caught.value)
    assert "Zebulon" not in caplog.text


def row(text: str | None, entity: str = "creditors", **changed: Any) -> OutboxRow:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    return OutboxRow(1, entity, "insert", "3", None, text, at)._replace(**changed)


ROWS = {
    "no JSON": row(f'{{"name": "{CANARY}" x'),
    "half a row": row(f'{{"name": "{CANARY}'),
    "not UTF-8": row(f'{{"name": "{CANARY}\ud800"}}'),
    "a list": row(json.dumps([CANARY])),
    "a text": row(json.dumps(CANARY)),
    "a number": row("4711"),
    "other columns": row(json.dumps({CANARY: CANARY})),
    "an unknown entity": row(json.dumps({"name": CANARY}), entity="unheard_of"),
    "an unknown operation": row(json.dumps({"name": CANARY}), op="renamed"),
    "a report that is none": row(json.dumps({"of": CANARY}), entity=RISK),
    "a report of texts": row(json.dumps({"of": "customers", "kgroup": "person", "counts": CANARY}), entity=RISK),
}


@pytest.mark.parametrize("name", ROWS)
def test_an_outbox_row_that_cannot_be_read_is_parked_without_its_values(releases: ReleaseSet, name: str) -> None:
    with pytest.raises(Unreleasable) as caught:
        event_of(releases.release, ROWS[name])
    assert "4711" not in said(caught.value)
    assert "Zebulon" not in said(caught.value)


class Secrets:
    """Secrets Manager and KMS: every secret holds the canary, in one form or another."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 (the library's name)
        return {"SecretString": self.text}

    def decrypt(self, CiphertextBlob: bytes) -> dict[str, bytes]:  # noqa: N803 (the library's name)
        return {"Plaintext": CiphertextBlob}


SECRETS = {
    "no JSON": CANARY,
    "half JSON": f'{{"wrapped": "{CANARY}"',
    "another name": json.dumps({"key ": CANARY}),
    "no base64": json.dumps({"wrapped": CANARY, "key": CANARY}),
    "no text": json.dumps({"wrapped": [CANARY], "key": [CANARY]}),
    "too short": json.dumps({"wrapped": "WmVidWxvbg==", "key": "WmVidWxvbg=="}),
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_a_secret_that_cannot_be_used_is_not_repeated(text: str) -> None:
    client: Any = Secrets(text)
    with pytest.raises(PublisherError) as caught:
        aws_keyring(client, client, data_key_secret="a", pseudonym_secret="b")
    for part in ("Zebulon", "WmVidWxvbg"):
        assert part not in said(caught.value)
