"""The leak scan: searches all that left the platform for every sensitive value that it holds, and proves that it would find one.

Belongs here: what others call. Not here: how it works. `python -m demo.leakscan --help` says how to run it alone.
"""

from __future__ import annotations

from demo.leakscan.everything import scan_demo
from demo.leakscan.needles import Needles
from demo.leakscan.report import Hit, ScanReport
from demo.leakscan.scan import scan

__all__ = ["Hit", "Needles", "ScanReport", "scan", "scan_demo"]
