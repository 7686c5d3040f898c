"""The platform's traffic: a simulation of the business that writes in every way an application writes.

Belongs here: what others may use. Not here: the parts (simulation.py, activities/, unit.py, needles.py).
"""

from __future__ import annotations

from demo.platform.traffic.needles import plain_values
from demo.platform.traffic.simulation import Progress, Traffic
from demo.platform.traffic.stats import CommittedInsert, TrafficStats, Way

__all__ = ["CommittedInsert", "Progress", "Traffic", "TrafficStats", "Way", "plain_values"]
