"""The `publisher` command as an operator uses it: real processes, a real database, a stream of the emulator."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.provision import unwrap_data_key
from publisher.cli import cli, main
from publisher.keys import encrypt
from resources.ports import free_port
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import by_key, wait_for
from tests.integration.publisher.test_sinks import Stream

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def run(environment: Mapping[str, str], *arguments: str) -> Done:
    """Through the entry point, in this process: a process of its own takes seconds to start on a busy machine."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in [
            name
            for name in os.environ
            if name not in environment and name.startswith(("AWS_", "PUBLISHER_", "LAKE_", "PLATFORM_"))
        ]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["publisher", *arguments])
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def start(environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as target:
        return subprocess.Popen([sys.executable, "-m", "publisher.cli", "relay"], env=dict(environment), cwd=ROOT, stderr=target)


def arrived(cloud: Emulator, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """All lines of the stream, in the order of arrival within a shard."""
    stream = object.__new__(Stream)
    stream.client, stream.name = cloud.client("kinesis"), environment["LAKE_STREAM"]
    return [json.loads(line) for _, data in stream.read() for line in data.splitlines()]


def test_the_commands_are_these() -> None:
    assert sorted(cli.commands) == [
        "backfill", "contracts", "dead-letters", "digest", "erase", "install", "keys", "manifest", "relay", "replay", "resync", "risk", "status",
    ]  # fmt: skip
    assert {parameter.opts[-1] for parameter in cli.commands["relay"].params} == {"--once", "--drain"}
    assert {parameter.opts[-1] for parameter in cli.commands["install"].params} == {"--check", "--new-epoch"}


def test_a_row_goes_from_the_platform_to_the_stream(cloud: Emulator, environment: dict[str, str], application: Platform) -> None:
    key = unwrap_data_key(environment)
    secrets = {"email": "ada@example.org", "date_of_birth": "1984-05-06", "postcode": "SW1A 1AA"}
    application.customer(**{name: encrypt(key, value) for name, value in secrets.items()})
    done = run(environment, "relay", "--drain")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"1 events in [5-8] records, 7 manifests, 0 dead letters, 0 retries\.\n", done.stdout)
    events = arrived(cloud, environment)
    assert [e["entity"] for e in events if e["entity"] != "_manifest"] == ["customers"]
    assert len(events) == 8
    shown = run(environment, "status").stdout
    assert "waiting in the outbox" in shown
    assert "none" in shown
    assert "epoch" in shown
    assert "acknowledged, closed at" in shown


def test_install_reports_and_checks(environment: dict[str, str], application: Platform) -> None:
    assert "all triggers were there already" in run(environment, "install").stdout
    assert run(environment, "install", "--check").stdout == "7 entities are captured as their contracts say.\n"
    application.sql("DROP TRIGGER publisher_delete ON plans")
    checked = run(environment, "install", "--check")
    assert checked.returncode == 1
    assert checked.stderr == "plans: the trigger publisher_delete is missing on plans. Run `publisher install`\n"
    application.creditor()
    assert run(environment, "install").returncode == 0
    raised = run(environment, "install", "--new-epoch")
    assert raised.stdout.startswith("epoch 2;")
    assert "publisher backfill" in raised.stdout


def test_backfill_replay_and_manifest_say_what_they_did(
    cloud: Emulator, environment: dict[str, str], application: Platform
) -> None:
    application.creditor()
    application.customer()  # encrypted with a key that is not the platform's
    assert run(environment, "backfill", "creditors").stdout == "creditors: 1 rows put in the outbox.\n"
    assert "dead letters" in run(environment, "relay", "--once").stdout
    replayed = run(environment, "replay")
    assert replayed.stdout.endswith("1 keys still wait.\n"), replayed.stderr
    assert run(environment, "manifest").stdout == "everything committed before is sent, and accounted for.\n"
    manifests = [e["record"] for e in arrived(cloud, environment) if e["entity"] == "_manifest"]
    assert {(m["of"], m["events"], m["dead_letters"]) for m in manifests if m["events"] or m["dead_letters"]} == {
        ("creditors", 2, 0), ("customers", 0, 1),
    }  # fmt: skip
    assert "customers: " in run(environment, "status").stdout


@pytest.mark.parametrize(
    ("changed", "arguments", "code", "said"),
    [
        ({"PLATFORM_DATABASE_URL": ""}, ["relay"], 2, "PLATFORM_DATABASE_URL is not set"),
        ({"LAKE_STREAM": ""}, ["relay"], 2, "LAKE_STREAM is not set"),
        ({"LAKE_STREAM": "nowhere"}, ["relay"], 2, "the stream nowhere cannot be used"),
        ({"PUBLISHER_DATA_KEY_SECRET": "nothing"}, ["relay"], 2, "there is no secret nothing"),
        ({"PUBLISHER_MANIFEST_SECONDS": "often"}, ["relay"], 2, "PUBLISHER_MANIFEST_SECONDS is not a number of seconds"),
        ({"PLATFORM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, ["status"], 1, "the database cannot be reached"),
        ({"PLATFORM_DATABASE_URL": "no url at all ="}, ["status"], 2, "PLATFORM_DATABASE_URL cannot be read"),
        ({"CONTRACTS_DIR": "/nowhere"}, ["install"], 2, "CONTRACTS_DIR"),
        ({}, ["backfill", "ghosts"], 2, "no contract names ghosts"),
        ({}, ["backfill"], 2, "name entities, or give --due"),
        ({}, ["relay", "--once", "--drain"], 2, "exclude each other"),
        ({}, ["fly"], 2, "No such command"),
    ],
)
def test_wrong_use_gets_one_sentence(
    environment: dict[str, str], changed: dict[str, str], arguments: list[str], code: int, said: str
) -> None:
    done = run({**environment, **changed}, *arguments)
    assert said in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_an_uninstalled_database_says_what_to_run(environment: dict[str, str], platform_database: str) -> None:
    for command in (["status"], ["dead-letters"], ["relay", "--once"], ["backfill", "creditors"], ["replay"], ["manifest"]):
        done = run({**environment, "PLATFORM_DATABASE_URL": platform_database}, *command)
        assert done.returncode == 1, command
        assert "publisher install" in done.stderr, command
        assert "Traceback" not in done.stderr


def test_a_cloud_that_is_away_is_said_in_one_sentence(environment: dict[str, str]) -> None:
    done = run({**environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}, "relay")
    assert done.returncode == 1
    assert "check AWS_ENDPOINT_URL" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_relay_with_nothing_under_way(
    cloud: Emulator, environment: dict[str, str], application: Platform, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(environment, tmp_path / "log")
    try:
        for index in range(60):
            application.creditor(code=f"C{100 + index}")
        wait_for(lambda: application.sql("SELECT count(*) FROM publisher.outbox") == [(0,)], 60)
        application.sql("UPDATE creditors SET sector = 'card'")
        process.send_signal(number)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert application.sql("SELECT count(*) FROM publisher.claims") == [(0,)]
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["message"] for line in log[:2]] == ["stream", "relay started"]
    assert log[0]["shards"] == 2
    assert log[-1]["message"] == "relay totals"
    assert run(environment, "relay", "--once").returncode == 0
    assert len([e for e in arrived(cloud, environment) if e["entity"] == "creditors"]) == 120


def test_a_relay_that_loses_its_session_starts_again_and_manifests_are_had_beside_it(
    cloud: Emulator, environment: dict[str, str], application: Platform, tmp_path: Path
) -> None:
    process = start(environment, tmp_path / "log")
    try:
        application.creditor()
        wait_for(lambda: application.sql("SELECT count(*) FROM publisher.outbox") == [(0,)], 60)
        application.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'publisher relay'")
        application.creditor()
        wait_for(lambda: application.sql("SELECT count(*) FROM publisher.outbox") == [(0,)], 60)
        assert run(environment, "manifest").stdout == "everything committed before is sent, and accounted for.\n"
        refused = run(environment, "relay", "--once")
        assert refused.returncode == 1
        assert "another relay works on this database" in refused.stderr
        assert "stop it, then give --new-epoch again" in run(environment, "install", "--new-epoch").stderr
        assert "connected" in run(environment, "status").stdout
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["message"] for line in log].count("session lost: starting again") == 1
    events = arrived(cloud, environment)
    assert len({event["seq"] for event in events if event["entity"] == "creditors"}) == 2
    assert sum(event["record"]["events"] for event in events if event["entity"] == "_manifest") == 2


def test_killed_relays_lose_nothing_and_repeat_the_same_content(
    cloud: Emulator, environment: dict[str, str], application: Platform, tmp_path: Path
) -> None:
    """SIGKILL, four times, at whatever point it meets; then the rest is drained."""
    application.sql(
        "INSERT INTO creditors (id, code, name, sector, contact_email, created_at)"
        " SELECT n, 'C' || lpad(n::text, 3, '0'), 'n', 'bank', '\\x01', now() FROM generate_series(1, 600) n"
    )
    for attempt in range(4):
        for number in range(4):
            application.sql("UPDATE creditors SET sector = %s", ("card", "retail")[number % 2])
        before = application.sql("SELECT count(*) FROM publisher.outbox")
        process = start(environment, tmp_path / "log")
        try:
            wait_for(lambda before=before: application.sql("SELECT count(*) FROM publisher.outbox") != before, 60)
            time.sleep(0.01 * attempt)
        finally:
            process.kill()
            process.wait()
        wait_for(
            lambda: application.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'publisher relay'") == [(0,)]
        )
    done = run(environment, "relay", "--drain")
    assert done.returncode == 0, done.stderr
    assert application.outbox() == []
    events = [e for e in arrived(cloud, environment) if e["entity"] == "creditors"]
    contents: dict[int, set[str]] = {}
    for event in events:
        contents.setdefault(event["seq"], set()).add(json.dumps(event, sort_keys=True))
    assert len(contents) == 600 * 17
    assert all(len(versions) == 1 for versions in contents.values())
    for seqs in by_key(events).values():
        first = list(dict.fromkeys(seqs))
        assert first == sorted(first), "the first delivery of each event is in order per key"
    manifests: dict[int, dict[str, Any]] = {}
    for event in arrived(cloud, environment):
        if event["entity"] == "_manifest" and event["key"] == "creditors":
            manifests[event["seq"]] = event["record"]
    assert sum(record["events"] for record in manifests.values()) == 600 * 17


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("customers", "  name: Customer Operations\n", "  name: [Customer\n", "customers.yaml:"),  # half-written
        (
            "debts",
            "transformLogic: pseudonym(customer_id, customer)",
            "transformLogic: pseudonym(customer_id, creditor)",
            "debts.yaml:",
        ),
        ("plans", "        value: [updated_at]\n", "        value: [updated_at, notes]\n", "plans.yaml:"),  # withheld and read
        (
            "customers",
            "kGroup, value: person}]\n",
            "kGroup, value: person}]\n        required: true\n",
            "must be able to empty it",
        ),
    ],
)
def test_a_relay_with_a_doubtful_contract_does_not_start_and_loses_nothing(
    environment: dict[str, str], application: Platform, cloud: Emulator, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    for contract in (ROOT / "contracts").glob("*.yaml"):
        text = contract.read_text()
        if contract.stem == file:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / contract.name).write_text(text)
    key = unwrap_data_key(environment)
    application.customer(**{name: encrypt(key, value) for name, value in {"full_name": "A", "email": "a@b.c"}.items()})
    before = application.outbox()
    done = run(environment | {"CONTRACTS_DIR": str(tmp_path)}, "relay", "--once")
    assert (done.returncode, application.outbox()) == (2, before)
    assert said in done.stderr
    assert arrived(cloud, environment) == []
