"""Health and vulnerability: recorded (an upsert: one of a kind at a time), and lifted when they are over."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from demo.platform.models import KINDS, SEVERITIES, Circumstance, Customer
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World


def record(world: World, unit: Unit) -> None:
    customers = unit.pick(Customer, world.pivot(), world.size(30), Customer.status == "active")
    rows = [
        {
            "customer_id": customer,
            "kind": world.one_of(KINDS, (5, 6, 3, 2, 4, 1, 1, 3)),
            "severity": world.one_of(SEVERITIES, (5, 4, 2)),
            "note": world.people.note() if world.maybe(0.5) else None,
            "recorded_on": world.day_before(2),
        }
        for customer in customers
    ]
    if not rows:
        return
    statement = insert(Circumstance).values(rows)
    unit.upsert(
        statement.on_conflict_do_update(
            index_elements=[Circumstance.customer_id, Circumstance.kind],
            index_where=Circumstance.lifted_on.is_(None),
            # The note that was there stays: overwriting it would lose what somebody wrote.
            set_={"severity": statement.excluded.severity},
        )
    )


def lift(world: World, unit: Unit) -> None:
    ids = unit.pick(Circumstance, world.pivot(), world.size(12), Circumstance.lifted_on.is_(None))
    unit.update_where(update(Circumstance).where(Circumstance.id.in_(ids)).values(lifted_on=world.today))
