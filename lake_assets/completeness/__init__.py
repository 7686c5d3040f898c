"""What the platform says it sent, held against what bronze has."""

from lake_assets.completeness.verify import Completeness, Verdict, count_verdicts, verify_manifests

__all__ = ["Completeness", "Verdict", "count_verdicts", "verify_manifests"]
