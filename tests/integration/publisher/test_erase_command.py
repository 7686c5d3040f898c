"""`publisher erase` as an operator gives it: the key on standard input, a stream of the emulator, a receipt without the person."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.provision import unwrap_data_key
from publisher.keys import encrypt
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import wait_for
from tests.integration.publisher.remains import remains
from tests.integration.publisher.test_commands import Done, arrived, run, start

PERSON = 987_654_321


def erase(environment: dict[str, str], typed: str, *arguments: str) -> Done:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(typed))
        return run(environment, "erase", *(arguments or ("customers", "-")))


@pytest.fixture
def customer(environment: dict[str, str], application: Platform) -> int:
    key = unwrap_data_key(environment)
    secrets = {"email": "ada@example.org", "date_of_birth": "1984-05-06", "postcode": "SW1A 1AA"}
    return application.customer(id=PERSON, **{name: encrypt(key, value) for name, value in secrets.items()})


def test_without_a_relay_it_sends_the_erasure_itself(
    cloud: Emulator, environment: dict[str, str], application: Platform, customer: int
) -> None:
    done = erase(environment, f"{customer}\n")
    assert done.returncode == 0, done.stderr
    assert re.search(r"erase events +customers 1, seq 1·\d+ to 1·\d+\n", done.stdout)
    assert re.search(r"purged from publisher.outbox +customers 1\n", done.stdout)
    assert str(customer) not in done.stdout + done.stderr
    events = [e for e in arrived(cloud, environment) if e["entity"] != "_manifest"]
    assert [(e["op"], "record" in e) for e in events] == [("erase", False)]
    assert events[0]["subject"] == events[0]["key"]
    assert remains(application, [str(customer)]) == []
    again = erase(environment, f"{customer}\n")
    assert again.returncode == 0, "an erasure may be repeated"


def test_beside_a_relay_it_waits_for_it(
    cloud: Emulator, environment: dict[str, str], application: Platform, customer: int, tmp_path: Path
) -> None:
    process = start(environment, tmp_path / "log")
    try:
        wait_for(lambda: application.sql("SELECT count(*) FROM publisher.outbox") == [(0,)], 60)
        done = erase(environment, f"  {customer}")
        assert done.returncode == 0, done.stderr
        application.sql("UPDATE customers SET status = 'closed' WHERE id = %s", customer)
        wait_for(lambda: application.sql("SELECT count(*) FROM publisher.outbox") == [(0,)], 60)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert [e["op"] for e in arrived(cloud, environment) if e["entity"] == "customers"] == ["insert", "erase"]
    assert str(customer) not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("typed", "arguments", "code", "said"),
    [
        ("", ("customers", str(PERSON)), 2, "an argument stays in the shell's history"),
        ("\n", ("customers", "-"), 2, "give one key on standard input"),
        ("1\n2\n", ("customers", "-"), 2, "give one key on standard input"),
        ("1\n", ("ghosts", "-"), 2, "no contract names ghosts"),
        ("1\n", ("debts", "-"), 2, "customers can be erased"),
        ("ada@example.org\n", ("customers", "-"), 2, "not of the type of a key of customers (bigint)"),
    ],
)
def test_wrong_use_gets_a_sentence_without_the_key(
    environment: dict[str, str], typed: str, arguments: tuple[str, str], code: int, said: str
) -> None:
    done = erase(environment, typed, *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "ada" not in done.stderr
    assert str(PERSON) not in done.stderr
