"""What the platform says it sent, held against what bronze has."""

from lake_assets.completeness.verdicts import Verdict, count_verdicts
from lake_assets.completeness.verify import Completeness, complete_until, verify_manifests

__all__ = ["Completeness", "Verdict", "complete_until", "count_verdicts", "verify_manifests"]
