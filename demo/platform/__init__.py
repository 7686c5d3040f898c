"""The demo's platform: a debt-resolution company's application, its database and its traffic. It knows no lake."""

from __future__ import annotations

from demo.platform.migrations import migrate
from demo.platform.traffic import Traffic, plain_values

__all__ = ["Traffic", "migrate", "plain_values"]
