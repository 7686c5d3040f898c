"""What happens in the business: each activity is one transaction of the application.

Belongs here: the list of activities with how often they happen. An activity that finds nothing to do writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from demo.platform.traffic.activities import (
    circumstances,
    contacts,
    debts,
    joining,
    leaving,
    messages,
    mishaps,
    payments,
    plans,
)
from demo.platform.traffic.unit import Unit
from demo.platform.traffic.world import World

Activity = Callable[[World, Unit], None]

# Bulk paths carry most rows; the single ones are there because an application is made of them.
HOW_OFTEN: dict[Activity, float] = {
    joining.join_one: 4,
    joining.join_many: 9,
    debts.place_batch: 10,
    debts.return_to_creditor: 2,
    debts.write_off: 2,
    plans.propose: 8,
    plans.activate: 9,
    plans.complete: 5,
    plans.mark_broken: 3,
    plans.withdraw: 2,
    payments.schedule: 8,
    payments.collect: 12,
    payments.retry: 3,
    payments.refund: 2,
    messages.campaign: 9,
    messages.report_delivery: 7,
    messages.answer: 4,
    messages.purge: 1,
    circumstances.record: 4,
    circumstances.lift: 2,
    contacts.change_details: 4,
    contacts.change_consent: 2,
    contacts.refresh_creditors: 1,
    leaving.close: 1.5,
    leaving.erase_children_first: 1.5,
    leaving.erase_by_cascade: 1.5,
    leaving.record_death: 0.5,
    mishaps.give_up: 2,
    mishaps.violate_constraint: 1,
    mishaps.half_undone: 2,
    mishaps.insert_then_delete: 1,
}
