"""Customers join: one by one on the web site (ORM), or many at once from a partner (bulk insert)."""

from __future__ import annotations

from typing import Any

from demo.platform.models import PREFERRED_CHANNELS, Customer, Message
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World


def join_one(world: World, unit: Unit) -> None:
    customer = Customer(**new_customer(world))
    unit.session.add(customer)
    unit.session.flush()
    unit.session.add(Message(**welcome(world, customer.id, customer.full_name)))


def join_many(world: World, unit: Unit) -> None:
    rows = [new_customer(world) for _ in range(world.size(60))]
    ids = unit.insert_many(Customer, rows)
    unit.insert_many(
        Message, [welcome(world, key, row["full_name"]) for key, row in zip(ids, rows, strict=True) if world.maybe(0.8)]
    )


def new_customer(world: World) -> dict[str, Any]:
    person = world.people.person(born_before=world.today)
    joined = world.moment()
    return {
        "full_name": person.full_name,
        "email": person.email,
        "phone": person.phone,
        "date_of_birth": person.date_of_birth,
        "address": person.address,
        "postcode": person.postcode,
        "status": "active",
        "preferred_channel": world.one_of(PREFERRED_CHANNELS, (5, 3, 2, 1)),
        "marketing_consent": world.maybe(0.4),
        "created_at": joined,
        "updated_at": joined,
    }


def welcome(world: World, customer_id: int, name: str) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "direction": "outbound",
        "channel": world.one_of(("email", "letter", "sms"), (6, 2, 2)),
        "template": "welcome",
        "body": world.people.message("welcome", name),
        "in_reply_to": None,
        "status": "sent",
        "sent_at": world.moment(),
    }
