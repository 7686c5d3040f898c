"""Customers leave: closed by a daily job, or erased from the platform, children first or by cascade."""

from __future__ import annotations

from sqlalchemy import exists, func, update

from demo.platform.models import Customer, Debt
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World

DEBTS = "customer_id = ANY(:ids)"
PLANS = f"debt_id IN (SELECT id FROM debts WHERE {DEBTS})"  # noqa: S608
PAYMENTS = f"plan_id IN (SELECT id FROM plans WHERE {PLANS})"  # noqa: S608


def close(world: World, unit: Unit) -> None:
    """Customers with debts, none of which is still to be paid."""
    has = exists().where(Debt.customer_id == Customer.id)
    owes = exists().where(Debt.customer_id == Customer.id, Debt.status.in_(("open", "in_plan")))
    ids = unit.pick(Customer, world.pivot(), world.size(15), Customer.status == "active", has, ~owes)
    unit.update_where(update(Customer).where(Customer.id.in_(ids)).values(status="closed", updated_at=func.now()))


def erase_children_first(world: World, unit: Unit) -> None:
    ids = unit.pick(Customer, world.pivot(), world.size(2), exists().where(Debt.customer_id == Customer.id))
    unit.delete("payments", PAYMENTS, ids=ids)
    unit.delete("plans", PLANS, ids=ids)
    unit.delete("debts", DEBTS, ids=ids)
    unit.delete("messages", DEBTS, ids=ids)
    unit.delete("circumstances", DEBTS, ids=ids)
    unit.delete("customers", "id = ANY(:ids)", ids=ids)


def erase_by_cascade(world: World, unit: Unit) -> None:
    """Customers without debts: the database deletes their messages and circumstances."""
    ids = unit.pick(Customer, world.pivot(), world.size(2), ~exists().where(Debt.customer_id == Customer.id))
    for table in ("messages", "circumstances"):
        unit.expect_cascade(table, DEBTS, deleted=True, ids=ids)
    unit.delete("customers", "id = ANY(:ids)", ids=ids)


def record_death(world: World, unit: Unit) -> None:
    for key in unit.pick(Customer, world.pivot(), 1, Customer.status == "active"):
        customer = unit.session.get_one(Customer, key)
        customer.status, customer.marketing_consent = "deceased", False
        customer.updated_at = world.moment()
