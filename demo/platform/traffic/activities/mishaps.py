"""What goes wrong in an application: transactions and savepoints that are undone, rows that live for one transaction.

Nothing that is undone here may ever be seen outside of the platform.
"""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from demo.platform.models import Customer, Debt, Message, Payment
from demo.platform.traffic.activities.joining import new_customer, welcome
from demo.platform.traffic.unit import RolledBack, Unit
from demo.platform.traffic.world import World


def give_up(world: World, unit: Unit) -> None:
    """An import that fails at its end: everything it wrote is rolled back."""
    rows = [new_customer(world) for _ in range(world.size(25))]
    ids = unit.insert_many(Customer, rows)
    unit.copy(Message, [welcome(world, key, row["full_name"]) for key, row in zip(ids, rows, strict=True)])
    unit.update_where(update(Debt).where(Debt.status == "open").values(status="returned"))
    raise RolledBack


def violate_constraint(world: World, unit: Unit) -> None:
    """The database refuses a row, and with it the transaction."""
    customer = Customer(**new_customer(world))
    unit.session.add(customer)
    unit.session.flush()
    try:
        unit.raw("debts", "UPDATE debts SET balance_pence = -1 WHERE id = (SELECT min(id) FROM debts)")
    except IntegrityError:
        raise RolledBack from None
    raise RolledBack


def half_undone(world: World, unit: Unit) -> None:
    """Three steps, of which the second is undone by its savepoint, with a savepoint inside that had succeeded."""
    ids = unit.pick(Payment, world.pivot(), world.size(6), Payment.status == "pending")
    unit.update_where(update(Payment).where(Payment.id.in_(ids)).values(due_on=world.today))
    with unit.savepoint():
        unit.update_where(update(Payment).where(Payment.id.in_(ids)).values(status="refunded"))
        with unit.savepoint():
            unit.session.add(Customer(**new_customer(world)))
            unit.session.flush()
        raise RolledBack
    with unit.savepoint():
        unit.update_where(update(Payment).where(Payment.id.in_(ids)).values(method="card"))


def insert_then_delete(world: World, unit: Unit) -> None:
    """A draft that is thrown away before anybody could see it: two writes, and no row."""
    for customer in unit.pick(Customer, world.pivot(), 1, Customer.status == "active"):
        draft = Message(**welcome(world, customer, "there"))
        unit.session.add(draft)
        unit.session.flush()
        unit.keep("messages", "id = :id", id=draft.id)
        unit.session.delete(draft)
