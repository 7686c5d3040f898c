"""What happens in the business: each activity is one transaction of the application.

Belongs here: the list of activities, with how often each happens in some two hundred. An activity that finds nothing to do writes nothing.
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
HOW_OFTEN: dict[Activity, int] = {
    joining.join_one: 9,
    joining.join_many: 9,
    debts.place_batch: 9,
    debts.return_to_creditor: 3,
    debts.write_off: 2,
    plans.propose: 9,
    plans.activate: 10,
    plans.complete: 6,
    plans.mark_broken: 3,
    plans.withdraw: 2,
    payments.schedule: 8,
    payments.collect: 12,
    payments.settle_in_full: 5,
    payments.retry: 8,
    payments.refund: 4,
    messages.campaign: 9,
    messages.report_delivery: 8,
    messages.answer: 12,
    messages.import_replies: 5,
    messages.purge: 1,
    circumstances.record: 6,
    circumstances.lift: 3,
    contacts.change_details: 9,
    contacts.change_consent: 2,
    contacts.refresh_creditors: 1,
    leaving.close: 4,
    leaving.erase_children_first: 2,
    leaving.erase_by_cascade: 2,
    leaving.record_death: 2,
    mishaps.give_up: 2,
    mishaps.violate_constraint: 1,
    mishaps.half_undone: 3,
    mishaps.insert_then_delete: 2,
}
