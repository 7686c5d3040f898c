"""What the platform says it sent, held against what bronze has."""

from lake_assets.completeness.parts import Parts
from lake_assets.completeness.states import StateVerdict, verify_states
from lake_assets.completeness.verdicts import Verdict, count_verdicts
from lake_assets.completeness.verify import Completeness, all_under, complete_until, verify_manifests

__all__ = [
    "Completeness",
    "Parts",
    "StateVerdict",
    "Verdict",
    "all_under",
    "complete_until",
    "count_verdicts",
    "verify_manifests",
    "verify_states",
]
