"""`publisher risk` and `publisher keys rotate` as an operator gives them, with keys in Secrets Manager and a stream."""

from __future__ import annotations

from pathlib import Path

from demo.cloud.ministack import Emulator
from demo.cloud.provision import unwrap_data_key
from publisher.keys import encrypt
from tests.integration.publisher.platform import CUSTOMER, Platform
from tests.integration.publisher.test_commands import arrived, run
from tests.integration.publisher.test_rotation import with_key


def customers(platform: Platform, key: bytes, count: int) -> None:
    """Twelve alike: enough for k."""
    values = {"full_name": "Ada", "email": "ada@example.org", "date_of_birth": "1984-05-06", "postcode": "SW1A 1AA"}
    for _ in range(count):
        platform.customer(**CUSTOMER | {name: encrypt(key, value) for name, value in values.items()})


def test_risk_says_how_large_the_groups_are_and_what_leaves_after_it(
    cloud: Emulator, environment: dict[str, str], application: Platform
) -> None:
    customers(application, unwrap_data_key(environment), 12)
    said = run(environment, "risk", "--dry-run")
    assert said.returncode == 0, said.stderr
    assert (
        "k-group person (has_email, has_phone, has_address, birth_band, postcode_area, joined_on): k = 10, 12 people"
        in said.stdout
    )
    assert run(environment, "risk", "customers").stdout == said.stdout
    assert run(environment, "relay", "--drain").returncode == 0
    events = arrived(cloud, environment)
    last = {event["key"]: event["record"] for event in events if event["entity"] == "customers"}
    assert {record["birth_band"] for record in last.values()} == {"1980-1989"}
    assert [event["record"]["smallest"] for event in events if event["entity"] == "_risk"] == [12]
    refused = run(environment, "risk", "people")
    assert (refused.returncode, "no contract names people" in refused.stderr) == (2, True)


def test_a_key_is_made_then_named_then_taken(
    cloud: Emulator, environment: dict[str, str], application: Platform, tmp_path: Path
) -> None:
    customers(application, unwrap_data_key(environment), 2)
    assert run(environment, "relay", "--drain").returncode == 0
    first = {event["key"] for event in arrived(cloud, environment) if event["entity"] == "customers"}
    for _ in range(2):  # given again before the contracts name it, it makes no other
        made = run(environment, "keys", "rotate", "--make")
        assert made.returncode == 0, made.stderr
        assert "Key 2 is in the secret. Write {property: pseudonymKey, value: 2} into every contract" in made.stdout
    second = environment | {"CONTRACTS_DIR": str(with_key(tmp_path, 2))}
    stopped = run(second, "relay", "--once")
    assert (stopped.returncode, "`publisher keys rotate` begins the next one" in stopped.stderr) == (2, True)
    taken = run(second, "keys", "rotate")
    assert taken.returncode == 0, taken.stderr
    assert "Epoch 2 begins, under key 2." in taken.stdout
    assert "customers: 2 rows put in the outbox." in taken.stdout
    assert run(second, "relay", "--drain").returncode == 0
    now = {event["key"] for event in arrived(cloud, second) if event["entity"] == "customers"} - first
    assert len(first) == len(now) == 2
    assert run(second, "keys", "rotate", "--dry-run").stdout.startswith(
        "Key 2 is in use; the contracts name key 2; the secret holds 1, 2."
    )
    third = environment | {"CONTRACTS_DIR": str(with_key(tmp_path, 3))}
    early = run(third, "keys", "rotate")
    assert (early.returncode, "the contracts name key 3, which the secret does not hold" in early.stderr) == (2, True)
