"""Payments fall due, succeed or bounce, are tried again (several updates of a row in one transaction) or refunded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import exists, func, select, update

from demo.platform.models import FAILURE_REASONS, METHODS, Debt, Payment, Plan
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World


def instalment(world: World, plan_id: int, pence: int, number: int) -> dict[str, Any]:
    method = world.one_of(METHODS, (6, 3, 2, 0.3))
    return {
        "plan_id": plan_id,
        "amount_pence": pence,
        "method": method,
        "status": "pending",
        "failure_reason": None,
        "bank_account": world.people.bank_account() if method in ("direct_debit", "bank_transfer") else None,
        "due_on": world.today + timedelta(days=7 * number),
        "paid_on": None,
        "created_at": world.moment(),
    }


def schedule(world: World, unit: Unit) -> None:
    """The next two instalments of active plans that wait for none."""
    waiting = exists().where(Payment.plan_id == Plan.id, Payment.status == "pending")
    ids = unit.pick(Plan, world.pivot(), world.size(35), Plan.status == "active", ~waiting)
    amounts = unit.session.execute(select(Plan.id, Plan.instalment_pence).where(Plan.id.in_(ids)).order_by(Plan.id))
    unit.insert_many(Payment, [instalment(world, plan, pence, number) for plan, pence in amounts for number in range(2)])


def collect(world: World, unit: Unit) -> None:
    """The bank's file of the day: most payments succeed and lower the debt, the others fail for their reasons."""
    ids = unit.pick(Payment, world.pivot(), world.size(90), Payment.status == "pending")
    bounced = {key: world.one_of(FAILURE_REASONS, (6, 3, 2, 1, 1)) for key in ids if world.maybe(0.17)}
    paid = [key for key in ids if key not in bounced]
    unit.update_where(update(Payment).where(Payment.id.in_(paid)).values(status="succeeded", paid_on=world.today))
    for reason in sorted(set(bounced.values())):
        failed = [key for key, why in bounced.items() if why == reason]
        unit.update_where(update(Payment).where(Payment.id.in_(failed)).values(status="failed", failure_reason=reason))
    unit.raw(
        "debts",
        "UPDATE debts SET balance_pence = greatest(0, balance_pence - paid.pence), updated_at = now() FROM "
        "(SELECT p.debt_id, sum(y.amount_pence) AS pence FROM payments y JOIN plans p ON p.id = y.plan_id "
        "WHERE y.id = ANY(:paid) GROUP BY p.debt_id) paid WHERE debts.id = paid.debt_id",
        paid=paid,
    )


def settle_in_full(world: World, unit: Unit) -> None:
    """Somebody inherits, or borrows elsewhere: the rest is paid at once, and what was still due is deleted."""
    ids = unit.pick(Plan, world.pivot(), world.size(14), Plan.status == "active")
    query = select(Plan.id, Debt.id, Debt.balance_pence).join(Debt, Debt.id == Plan.debt_id).order_by(Plan.id)
    owed = unit.session.execute(query.where(Plan.id.in_(ids), Debt.balance_pence > 0)).all()
    paid = {"status": "succeeded", "paid_on": world.today}
    unit.insert_many(Payment, [{**instalment(world, plan, pence, 0), **paid} for plan, _, pence in owed])
    unit.delete("payments", "status = 'pending' AND plan_id = ANY(:ids)", ids=[plan for plan, _, _ in owed])
    unit.raw(
        "debts",
        "UPDATE debts SET balance_pence = 0, updated_at = now() WHERE id = ANY(:ids)",
        ids=[debt for _, debt, _ in owed],
    )


def retry(world: World, unit: Unit) -> None:
    """A failed payment is taken by card while the customer is on the telephone: the row changes three times."""
    for key in unit.pick(Payment, world.pivot(), 1, Payment.status == "failed"):
        payment = unit.session.get_one(Payment, key)
        plan = unit.session.get_one(Plan, payment.plan_id)
        debt = unit.session.get_one(Debt, plan.debt_id)
        payment.status, payment.failure_reason, payment.method = "pending", None, "card"
        unit.session.flush()
        payment.status = "succeeded"
        unit.session.flush()
        payment.paid_on = world.today
        debt.balance_pence = max(0, debt.balance_pence - payment.amount_pence)
        debt.updated_at = world.moment()


def refund(world: World, unit: Unit) -> None:
    for key in unit.pick(Payment, world.pivot(), 1, Payment.status == "succeeded"):
        payment = unit.session.get_one(Payment, key)
        payment.status = "refunded"
        unit.update_where(
            update(Debt)
            .where(Debt.id == select(Plan.debt_id).where(Plan.id == payment.plan_id).scalar_subquery())
            .values(balance_pence=Debt.balance_pence + payment.amount_pence, updated_at=func.now())
        )
