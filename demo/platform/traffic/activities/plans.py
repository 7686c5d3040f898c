"""Repayment plans: proposed and accepted in bulk, completed, broken, or withdrawn together with their payments."""

from __future__ import annotations

from sqlalchemy import func, select, update

from demo.platform.models import FREQUENCIES, Debt, Payment, Plan
from demo.platform.traffic.activities.payments import instalment
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World


def propose(world: World, unit: Unit) -> None:
    ids = unit.pick(Debt, world.pivot(), world.size(40), Debt.status == "open")
    balances = unit.session.execute(select(Debt.id, Debt.balance_pence).where(Debt.id.in_(ids)).order_by(Debt.id))
    rows = []
    for debt, balance in balances:
        instalments = world.one_of((3, 6, 9, 12, 24, 36), (2, 3, 2, 3, 2, 1))
        asked = world.maybe(0.6)
        rows.append(
            {
                "debt_id": debt,
                "status": "proposed",
                "frequency": world.one_of(FREQUENCIES, (1, 2, 6)),
                "instalment_pence": max(100, balance // instalments),
                "instalments": instalments,
                "monthly_income": world.people.monthly_income_pence() if asked else None,
                "notes": world.people.note() if world.maybe(0.3) else None,
                "started_on": None,
                "ended_on": None,
                "updated_at": world.moment(),
            }
        )
    unit.insert_many(Plan, rows)
    unit.update_where(update(Debt).where(Debt.id.in_(ids)).values(status="in_plan", updated_at=func.now()))


def activate(world: World, unit: Unit) -> None:
    ids = unit.pick(Plan, world.pivot(), world.size(30), Plan.status == "proposed")
    unit.update_where(update(Plan).where(Plan.id.in_(ids)).values(status="active", started_on=world.today, updated_at=func.now()))
    amounts = unit.session.execute(select(Plan.id, Plan.instalment_pence).where(Plan.id.in_(ids)).order_by(Plan.id))
    unit.insert_many(Payment, [instalment(world, plan, pence, number) for plan, pence in amounts for number in range(3)])


def complete(world: World, unit: Unit) -> None:
    """Plans whose debt is paid are completed, and so is the debt: raw SQL over three tables."""
    paid = (
        "SELECT p.id FROM plans p JOIN debts d ON d.id = p.debt_id WHERE p.status = 'active' AND d.balance_pence = 0 "
        "ORDER BY p.id LIMIT :limit"
    )
    limit = world.size(40)
    unit.raw(
        "debts",
        "UPDATE debts SET status = 'settled', closed_on = :today, updated_at = now() FROM plans p "  # noqa: S608
        f"WHERE p.debt_id = debts.id AND debts.status = 'in_plan' AND p.id IN ({paid})",
        today=world.today,
        limit=limit,
    )
    unit.raw(
        "plans",
        f"UPDATE plans SET status = 'completed', ended_on = :today, updated_at = now() WHERE id IN ({paid})",  # noqa: S608
        today=world.today,
        limit=limit,
    )


def mark_broken(world: World, unit: Unit) -> None:
    """Plans with two failed payments are broken; their debts are open again."""
    failing = (
        "SELECT y.plan_id FROM payments y JOIN plans q ON q.id = y.plan_id WHERE y.status = 'failed' "
        "AND q.status = 'active' GROUP BY y.plan_id HAVING count(*) >= 2 ORDER BY y.plan_id LIMIT :limit"
    )
    limit = world.size(25)
    unit.raw(
        "debts",
        "UPDATE debts SET status = 'open', updated_at = now() FROM plans p WHERE p.debt_id = debts.id "  # noqa: S608
        f"AND debts.status = 'in_plan' AND p.status = 'active' AND p.id IN ({failing})",
        limit=limit,
    )
    unit.raw(
        "plans",
        f"UPDATE plans SET status = 'broken', ended_on = :today, updated_at = now() WHERE id IN ({failing})",  # noqa: S608
        today=world.today,
        limit=limit,
    )


def withdraw(world: World, unit: Unit) -> None:
    """Plans made by mistake are deleted: the database deletes their payments (a cascade). Others are cancelled."""
    ids = unit.pick(Plan, world.pivot(), world.size(4), Plan.status == "active")
    debts = list(unit.session.execute(select(Plan.debt_id).where(Plan.id.in_(ids))).scalars())
    unit.expect_cascade("payments", "plan_id = ANY(:ids)", deleted=True, ids=ids)
    unit.delete("plans", "id = ANY(:ids)", ids=ids)
    unit.update_where(
        update(Debt).where(Debt.id.in_(debts), Debt.status == "in_plan").values(status="open", updated_at=func.now())
    )
    cancelled = unit.pick(Plan, world.pivot(), world.size(8), Plan.status == "proposed")
    unit.update_where(
        update(Plan).where(Plan.id.in_(cancelled)).values(status="cancelled", ended_on=world.today, updated_at=func.now())
    )
