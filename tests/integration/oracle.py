"""What silver should hold, told by hand from the platform's rows: an oracle that shares no code with the publisher.

Belongs here: each field's derivation written out once more, from the meaning in design and contracts. Not here: contracts, vocabulary, release.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Row = Mapping[str, Any]


class Oracle:
    """Derives records under the two keys of the platform."""

    def __init__(self, data_key: bytes, pseudonym_key: bytes) -> None:
        self._cipher, self._key = AESGCM(data_key), pseudonym_key

    @classmethod
    def of(cls, cloud: Any, env: Mapping[str, str], key_version: int = 1) -> Oracle:
        """From what an operator sets."""
        secrets = cloud.client("secretsmanager")
        wrapped, held = (
            json.loads(secrets.get_secret_value(SecretId=env[name])["SecretString"])
            for name in ("PUBLISHER_DATA_KEY_SECRET", "PUBLISHER_PSEUDONYM_SECRET")
        )
        data_key = cloud.client("kms").decrypt(CiphertextBlob=base64.b64decode(wrapped["wrapped"]))["Plaintext"]
        return cls(data_key, base64.b64decode(held["keys"][str(key_version)] if "keys" in held else held["key"]))

    def plain(self, value: bytes | None) -> str | None:
        return None if value is None else self._cipher.decrypt(value[1:13], value[13:], None).decode()

    def code(self, kind: str, number: int | None) -> str | None:
        if number is None:
            return None
        return hmac.new(self._key, f"{kind}:{number}".encode(), hashlib.sha256).hexdigest()[:32]

    def has(self, value: bytes | None) -> bool:
        return bool((self.plain(value) or "").strip())

    def record(self, entity: str, row: Row) -> dict[str, Any]:
        return RECORDS[entity](self, row)


def in_bands(number: int, edges: list[int]) -> str:
    """`a-b` of the two edges around a number, without the upper one; `<a` below all and `z+` above."""
    for low, high in zip([None, *edges], [*edges, None], strict=True):
        if (low is None or number >= low) and (high is None or number < high):
            return f"<{high}" if low is None else f"{low}+" if high is None else f"{low}-{high}"
    raise AssertionError


def pounds_band(pence: int, *pounds: int) -> str:
    label = in_bands(pence, [100 * edge for edge in pounds])
    return (
        label
        if label[0] == "<"
        else "-".join(str(int(p) // 100) for p in label.rstrip("+").split("-")) + ("+" if label[-1] == "+" else "")
    )


def nearest(pence: int, step: int) -> int:
    below = pence - pence % step
    return below + step if pence - below >= step - (pence - below) else below


def first_of_month(day: date | None) -> date | None:
    return None if day is None else date(day.year, day.month, 1)


def utc_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def length_band(text: str) -> str:
    for low, high in ((0, 80), (80, 160), (160, 500), (500, 2000)):
        if low <= len(text) < high:
            return f"{low}-{high - 1}"
    return "2000+"


def customers(o: Oracle, row: Row) -> dict[str, Any]:
    decade = int(str(o.plain(row["date_of_birth"]))[:3]) * 10
    postcode = o.plain(row["postcode"])
    area = None if postcode is None else "".join(c for c in postcode.strip().upper()[:2] if c.isalpha())
    return {
        "id": o.code("customer", row["id"]),
        "status": row["status"],
        "preferred_channel": row["preferred_channel"],
        "marketing_consent": row["marketing_consent"],
        "has_email": o.has(row["email"]),
        "has_phone": o.has(row["phone"]),
        "has_address": o.has(row["address"]),
        "birth_band": f"{decade}-{decade + 9}",
        "postcode_area": area,
        "joined_on": first_of_month(utc_day(row["created_at"])),
    }


K_GROUP = ("has_email", "has_phone", "has_address", "birth_band", "postcode_area", "joined_on")
K = 10
REGIONS = {
    "East Midlands", "East of England", "London", "North East", "North West", "Northern Ireland", "Scotland", "South East", "South West", "Wales",
    "West Midlands", "Yorkshire and The Humber", "Crown Dependencies", "Elsewhere",
}  # fmt: skip
LONDON = {"BR", "CR", "E", "EC", "EN", "HA", "IG", "KT", "N", "NW", "RM", "SE", "SM", "SW", "TW", "UB", "W", "WC", "WD"}


def may_say(name: str, finest: Any) -> set[Any]:
    """All that a field of the customers' k-group may say of a row, from what its contract lets it say to nothing."""
    said = {finest, None}
    if name == "birth_band":
        year = int(finest[:4])
        said |= {f"{year - year % width}-{year - year % width + width - 1}" for width in (20, 40)}
    if name == "postcode_area" and finest is not None:
        said |= {"London"} if finest in LONDON else REGIONS - {"London"}
    return said


def creditors(o: Oracle, row: Row) -> dict[str, Any]:
    return {
        "id": o.code("creditor", row["id"]),
        "code": row["code"],
        "sector": row["sector"],
        "since": first_of_month(utc_day(row["created_at"])),
    }


def debts(o: Oracle, row: Row) -> dict[str, Any]:
    return {
        "id": o.code("debt", row["id"]),
        "customer_id": o.code("customer", row["customer_id"]),
        "creditor_id": o.code("creditor", row["creditor_id"]),
        "product": row["product"],
        "principal_band": pounds_band(row["principal_pence"], 0, 100, 500, 1000, 5000, 10000),
        "balance_pence": nearest(row["balance_pence"], 1000),
        "status": row["status"],
        "placed_on": row["placed_on"],
        "closed_on": row["closed_on"],
    }


def plans(o: Oracle, row: Row) -> dict[str, Any]:
    income = o.plain(row["monthly_income"])
    return {
        "id": o.code("plan", row["id"]),
        "debt_id": o.code("debt", row["debt_id"]),
        "status": row["status"],
        "frequency": row["frequency"],
        "instalment_pence": nearest(row["instalment_pence"], 100),
        "instalments": row["instalments"],
        "income_band": None if income is None else pounds_band(int(income), 0, 500, 1000, 1500, 2000, 3000, 5000),
        "has_notes": o.has(row["notes"]),
        "started_on": row["started_on"],
        "ended_on": row["ended_on"],
    }


def payments(o: Oracle, row: Row) -> dict[str, Any]:
    return {
        "id": o.code("payment", row["id"]),
        "plan_id": o.code("plan", row["plan_id"]),
        "amount_pence": nearest(row["amount_pence"], 100),
        "method": row["method"],
        "status": row["status"],
        "failure_reason": row["failure_reason"],
        "due_on": row["due_on"],
        "paid_on": row["paid_on"],
    }


def messages(o: Oracle, row: Row) -> dict[str, Any]:
    return {
        "id": o.code("message", row["id"]),
        "customer_id": o.code("customer", row["customer_id"]),
        "direction": row["direction"],
        "channel": row["channel"],
        "template": row["template"],
        "length_band": length_band(str(o.plain(row["body"]))),
        "in_reply_to": o.code("message", row["in_reply_to"]),
        "status": row["status"],
        "sent_on": utc_day(row["sent_at"]),
    }


def circumstances(o: Oracle, row: Row) -> dict[str, Any]:
    return {
        "id": o.code("circumstance", row["id"]),
        "customer_id": o.code("customer", row["customer_id"]),
        "kind": row["kind"],
        "severity": row["severity"],
        "has_note": o.has(row["note"]),
        "recorded_on": first_of_month(row["recorded_on"]),
        "lifted_on": first_of_month(row["lifted_on"]),
    }


RECORDS: dict[str, Callable[[Oracle, Row], dict[str, Any]]] = {
    function.__name__: function for function in (customers, creditors, debts, plans, payments, messages, circumstances)
}

SUBJECTS = {
    "customers": "SELECT id, id FROM customers",
    "creditors": "SELECT id, NULL::bigint FROM creditors",
    "debts": "SELECT id, customer_id FROM debts",
    "plans": "SELECT p.id, d.customer_id FROM plans p JOIN debts d ON d.id = p.debt_id",
    "payments": "SELECT y.id, d.customer_id FROM payments y JOIN plans p ON p.id = y.plan_id JOIN debts d ON d.id = p.debt_id",
    "messages": "SELECT id, customer_id FROM messages",
    "circumstances": "SELECT id, customer_id FROM circumstances",
}
"""The person of each row, by hand."""
