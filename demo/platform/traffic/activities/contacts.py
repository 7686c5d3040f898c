"""Details change: a customer's own (ORM, step by step in one transaction), consent, and the creditors' register (upsert)."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from demo.platform.models import Creditor, Customer
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World


def change_details(world: World, unit: Unit) -> None:
    """A customer moves house: the pages of the form save one after the other."""
    for key in unit.pick(Customer, world.pivot(), 1, Customer.status == "active"):
        unit.keep("customers", "id = :id", id=key)
        customer = unit.session.get_one(Customer, key)
        customer.email = world.people.email("new", "address") if world.maybe(0.7) else None
        unit.session.flush()
        customer.phone = world.people.phone()
        unit.session.flush()
        customer.address, customer.postcode = world.people.address(), world.people.postcode()
        customer.updated_at = world.moment()


def change_consent(world: World, unit: Unit) -> None:
    ids = unit.pick(Customer, world.pivot(), world.size(40), Customer.status == "active")
    unit.update_where(
        update(Customer)
        .where(Customer.id.in_(ids), Customer.marketing_consent.is_(True))
        .values(marketing_consent=False, updated_at=func.now())
    )


def refresh_creditors(world: World, unit: Unit) -> None:
    """The nightly import: known codes are updated, a new one is inserted."""
    known = list(unit.session.execute(select(Creditor).order_by(Creditor.code)).scalars())
    unit.keep("creditors", "true")
    rows = [
        {
            "code": creditor.code,
            "name": creditor.name,
            "sector": creditor.sector,
            "contact_email": world.people.email("accounts", creditor.code),
            "created_at": creditor.created_at,
        }
        for creditor in known
    ]
    rows.append(new_creditor(world, len(rows) + 1))
    statement = insert(Creditor).values(rows)
    unit.upsert(
        statement.on_conflict_do_update(index_elements=[Creditor.code], set_={"contact_email": statement.excluded.contact_email})
    )
    for creditor_id, sector in unit.session.execute(select(Creditor.id, Creditor.sector)):
        world.sector_of_creditor[creditor_id] = sector


def new_creditor(world: World, number: int) -> dict[str, object]:
    return {
        "code": f"C{number:03d}",
        "name": world.people.company(),
        "sector": world.sector(),
        "contact_email": world.people.email("accounts", f"c{number:03d}"),
        "created_at": world.moment(),
    }
