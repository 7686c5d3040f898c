"""Two of each thing, first and last of all in every sensitive column: planted once, and then part of the business like any other row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from demo.platform.canaries import Canaries
from demo.platform.models import Base, Circumstance, Creditor, Customer, Debt, Message, Payment, Plan
from demo.platform.sensitive import text_of
from demo.platform.traffic.activities.contacts import new_creditor
from demo.platform.traffic.activities.joining import new_customer, welcome
from demo.platform.traffic.activities.payments import instalment
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World

PENCE = 60_000


def plant(world: World, unit: Unit, canaries: Canaries) -> None:
    """Through the ORM, as one transaction. Their values are kept at once: updates and deletes may meet these rows too."""
    unit.keep_values([(str(each), text_of(value)) for each, pair in canaries.pairs.items() for value in pair])
    for last in (False, True):
        _plant(world, unit, canaries, last)


def _plant(world: World, unit: Unit, canaries: Canaries, last: bool) -> None:
    def add(model: type[Base], row: dict[str, Any]) -> Any:
        made = model(**{**row, **canaries.of(model.__tablename__, last=last)})
        unit.session.add(made)
        unit.session.flush()
        return made

    number = unit.session.execute(select(func.count()).select_from(Creditor)).scalar_one() + 1
    creditor = add(Creditor, new_creditor(world, number))
    world.sector_of_creditor[creditor.id] = creditor.sector
    customer = add(Customer, new_customer(world))
    debt = add(
        Debt,
        {
            "customer_id": customer.id,
            "creditor_id": creditor.id,
            "product": world.product(creditor.id),
            "principal_pence": PENCE,
            "balance_pence": PENCE,
            "status": "in_plan",
            "placed_on": world.today,
        },
    )
    plan = add(
        Plan,
        {
            "debt_id": debt.id,
            "status": "active",
            "frequency": "monthly",
            "instalment_pence": PENCE // 6,
            "instalments": 6,
            "started_on": world.today,
        },
    )
    add(Payment, {**instalment(world, plan.id, PENCE // 6, 1), "method": "direct_debit"})
    add(Message, welcome(world, customer.id, ""))
    add(Circumstance, {"customer_id": customer.id, "kind": "job_loss", "severity": "low", "recorded_on": world.today})
