"""What changes in what leaves, between two sets of contracts: does more leave than before, less, or the same?

Belongs here: the ways in. Not here: the classes (change.py), the judgements (entities.py, fields.py, derivations.py), approvals
(approvals.py), where the two sets come from (revisions.py), how a report looks (report.py).

What a judgement does not understand counts as widening: an accident must look like a decision, never the other way round.
"""

from publisher.contracts.diff.approvals import Approval, digest_of, read_approvals
from publisher.contracts.diff.change import Change, Kind
from publisher.contracts.diff.compare import Diff, diff_contracts, diff_sources
from publisher.contracts.diff.revisions import ContractSet, read_set

__all__ = [
    "Approval",
    "Change",
    "ContractSet",
    "Diff",
    "Kind",
    "diff_contracts",
    "diff_sources",
    "digest_of",
    "read_approvals",
    "read_set",
]
