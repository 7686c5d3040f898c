"""Messages go out in campaigns (COPY), are delivered or bounce, are answered (ORM), and are purged."""

from __future__ import annotations

from sqlalchemy import select

from demo.platform.models import TEMPLATES, Customer, Message
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World


def campaign(world: World, unit: Unit) -> None:
    template = world.one_of(TEMPLATES[1:], (5, 2, 3, 2, 1))
    customers = unit.pick(Customer, world.pivot(), world.size(110), Customer.status == "active")
    unit.copy(
        Message,
        [
            {
                "customer_id": customer,
                "direction": "outbound",
                "channel": world.one_of(("email", "sms", "letter", "phone"), (6, 4, 1, 1)),
                "template": template,
                "body": world.people.message(template),
                "status": "queued",
                "sent_at": world.moment(),
            }
            for customer in customers
        ],
    )


def report_delivery(world: World, unit: Unit) -> None:
    """The providers' reports: queued messages are sent, sent ones are delivered or bounce, delivered ones are read."""
    ids = unit.pick(Message, world.pivot(), world.size(90), Message.status.in_(("queued", "sent", "delivered")))
    unit.raw(
        "messages",
        "UPDATE messages SET status = CASE status WHEN 'queued' THEN 'sent' WHEN 'delivered' THEN 'read' "
        "ELSE CASE WHEN id % 13 = 0 THEN 'bounced' ELSE 'delivered' END END WHERE id = ANY(:ids)",
        ids=ids,
    )


def answer(world: World, unit: Unit) -> None:
    """A customer answers, and is answered: the reply refers to the message, and ours to the reply."""
    for key in unit.pick(Message, world.pivot(), 1, Message.direction == "outbound"):
        asked = unit.session.get_one(Message, key)
        reply = Message(
            customer_id=asked.customer_id,
            direction="inbound",
            channel=world.one_of(("email", "sms", "chat", "phone"), (4, 4, 3, 1)),
            template=None,
            body=world.people.reply(),
            in_reply_to=asked.id,
            status=None,
            sent_at=world.moment(),
        )
        unit.session.add(reply)
        unit.session.flush()
        asked.status = "read"
        if world.maybe(0.5):
            unit.session.add(
                Message(
                    customer_id=asked.customer_id,
                    direction="outbound",
                    channel=reply.channel,
                    template=None,
                    body=world.people.message("receipt"),
                    in_reply_to=reply.id,
                    status="sent",
                    sent_at=world.moment(),
                )
            )


def import_replies(world: World, unit: Unit) -> None:
    """The mailbox of the night: many customers answer at once."""
    ids = unit.pick(
        Message, world.pivot(), world.size(30), Message.direction == "outbound", Message.status.in_(("delivered", "read"))
    )
    asked = unit.session.execute(select(Message.id, Message.customer_id).where(Message.id.in_(ids)).order_by(Message.id))
    unit.insert_many(
        Message,
        [
            {
                "customer_id": customer,
                "direction": "inbound",
                "channel": world.one_of(("email", "sms"), (3, 2)),
                "template": None,
                "body": world.people.reply(),
                "in_reply_to": key,
                "status": None,
                "sent_at": world.moment(),
            }
            for key, customer in asked
        ],
    )


def purge(world: World, unit: Unit) -> None:
    """Old messages go; replies that stay lose what they refer to (the foreign key sets it to NULL)."""
    ids = unit.pick(Message, world.pivot(), world.size(20), Message.template != "welcome")
    orphaned = "in_reply_to = ANY(:ids) AND id <> ALL(:ids)"
    unit.expect_cascade("messages", orphaned, deleted=False, ids=ids)
    unit.delete("messages", "id = ANY(:ids)", ids=ids)
