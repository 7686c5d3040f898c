"""Creditors place debts in batches (COPY), and take them back; debts that will not be paid are written off."""

from __future__ import annotations

from sqlalchemy import func, update

from demo.platform.models import Customer, Debt
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World


def place_batch(world: World, unit: Unit) -> None:
    customers = unit.pick(Customer, world.pivot(), world.size(110), Customer.status == "active")
    creditor = world.one_of(sorted(world.sector_of_creditor))
    rows = []
    for customer in customers:
        # About a log-normal: many small debts, a few large ones; the bands of the contract are all met.
        principal = min(round(world.chance.lognormvariate(11.4, 1.1)), 9_000_000) + 500
        rows.append(
            {
                "customer_id": customer,
                "creditor_id": creditor,
                "account_reference": world.people.account_reference(),
                "product": world.product(creditor),
                "principal_pence": principal,
                "balance_pence": principal,
                "status": "open",
                "placed_on": world.day_before(5),
                "closed_on": None,
                "updated_at": world.moment(),
            }
        )
    unit.copy(Debt, rows)


def return_to_creditor(world: World, unit: Unit) -> None:
    ids = unit.pick(Debt, world.pivot(), world.size(15), Debt.status == "open")
    unit.update_where(
        update(Debt)
        .where(Debt.id.in_(ids), Debt.status == "open")
        .values(status="returned", closed_on=world.today, updated_at=func.now())
    )


def write_off(world: World, unit: Unit) -> None:
    ids = unit.pick(Debt, world.pivot(), world.size(10), Debt.status == "open")
    unit.raw(
        "debts",
        "UPDATE debts SET status = 'written_off', balance_pence = 0, closed_on = :today, updated_at = now() "
        "WHERE id = ANY(:ids) AND status = 'open'",
        ids=ids,
        today=world.today,
    )
