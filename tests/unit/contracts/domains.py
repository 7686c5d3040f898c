"""Domains read a second time, by other means than the vocabulary's: what the tests hold its output against.

Belongs here: membership in a Domain. Not here: how a value comes about.
"""

from __future__ import annotations

import re
from datetime import date

from publisher.contracts import Domain


def within(domain: Domain, value: object) -> bool:
    """Whether a released value lies in a domain, decided from the domain's data alone."""
    if domain.kind == "boolean":
        return value is True or value is False
    if domain.kind == "integer":
        if type(value) is not int or domain.minimum is None or domain.maximum is None:
            return False
        return domain.minimum <= value <= domain.maximum and value % (domain.step or 1) == 0
    if not isinstance(value, str):
        return False
    if domain.kind == "enum":
        return value in (domain.values or ())
    if domain.pattern is not None and re.search(domain.pattern, value) is None:
        return False
    if domain.kind == "date":
        return date.fromisoformat(value).isoformat() == value
    return True


def safe(value: object) -> bool:
    """Whether a value is the same in JSON as between quotes: the lake's fast path rebuilds lines by joining texts."""
    return not isinstance(value, str) or all(" " < char <= "~" and char not in '"\\' for char in value)
