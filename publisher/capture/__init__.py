"""Capture: what writes a row of the outbox whenever the platform writes a row of a contracted table.

The path through this package: tables.py is the publisher's own schema, triggers.py generates the triggers from the contracts,
catalogue.py reads what the database has, check.py says what is missing, install.py brings the one to the other.
"""

from publisher.capture.check import check_installation
from publisher.capture.install import install

__all__ = ["check_installation", "install"]
