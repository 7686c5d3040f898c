"""What each function of the vocabulary did when its use was approved.

Belongs here: a fingerprint of a function's rules and results, and the file that keeps them. Not here: the functions, what they are tried on
(samples.py), what else decides what leaves (behaviour.py).

A contract names a function; what the function does is code. So a change of the code could widen what leaves under an unchanged
contract. `contracts/vocabulary.lock` keeps the fingerprints beside the contracts, and the contracts' diff compares them. A fingerprint sees what
the samples show: it is there for accidents, and no proof against somebody who hides a change between them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from publisher.contracts.model import ColumnType, SourceColumn
from publisher.contracts.problems import Problem
from publisher.contracts.source import CONFLICT, conflict_lines
from publisher.contracts.vocabulary import FUNCTIONS, Derive, Function, Use
from publisher.contracts.vocabulary.behaviour import ENVELOPE, KGROUPS, codes, envelope, k_groups
from publisher.contracts.vocabulary.samples import SAMPLE_USES, SAMPLE_VALUES
from publisher.errors import RuleBroken

LOCK = "vocabulary.lock"


@cache
def fingerprints() -> Mapping[str, str]:
    """The fingerprint of every function of this publisher, of the envelope's time, and of the k-groups' steps: a process has one code."""
    return computed()


def computed() -> dict[str, str]:
    """The same, tried out at each call."""
    functions = {name: fingerprint(function) for name, function in FUNCTIONS.items()}
    return functions | {ENVELOPE: _digest(envelope()), KGROUPS: _digest(k_groups())}


def fingerprint(function: Function) -> str:
    """Changes whenever the function accepts more columns, or gives another result for one of the samples."""
    rules = [
        function.signature, sorted(function.inputs), function.lowers, function.of_null, function.of_encrypted, function.of_natural_identifier,
    ]  # fmt: skip
    results = [
        [
            kind,
            args,
            options,
            function.output(use),
            str(function.domain(use)),
            _results(function.derive(use), kind),
            *[[str(rung.domain), _results(rung.derive, kind)] for rung in function.ladder(use)[1:]],
        ]
        for kind, args, options in SAMPLE_USES[function.name]
        if (use := Use(SourceColumn("c", kind, "", False, True, "internal", False, False, ""), args, options))
    ]
    return _digest([rules, results, codes() if function.name == "pseudonym" else []])


def _digest(results: object) -> str:
    return hashlib.sha256(json.dumps(results).encode()).hexdigest()[:32]


def _results(derive: Derive, kind: ColumnType) -> list[Any]:
    return [_result(derive, value) for value in SAMPLE_VALUES[kind]]


def _result(derive: Derive, value: Any) -> Any:
    try:
        return derive(value)
    except RuleBroken as error:
        return ["broken", str(error)]


def write_lock(directory: Path) -> None:
    """Keeps the vocabulary of this publisher beside the contracts."""
    (directory / LOCK).write_text(json.dumps(computed(), indent=2) + "\n", encoding="utf-8")


def read_lock(text: str | None) -> Mapping[str, str] | None:
    """The fingerprints of a lock; None where there is none that can be read."""
    try:
        data = json.loads(text or "")
    except ValueError:
        return None
    if isinstance(data, dict) and all(isinstance(value, str) for value in data.values()):
        return data
    return None


def lock_problem(text: str | None, file: str = LOCK) -> Problem | None:
    """What is wrong with a lock that is there and cannot be read; one that is not there is for the diff to judge."""
    if text is None or read_lock(text) is not None:
        return None
    if lines := conflict_lines(text):
        return Problem(file, lines[0], "", *CONFLICT)
    try:
        json.loads(text)
        line = 1
    except ValueError as error:
        line = getattr(error, "lineno", 1)
    message = "the file cannot be read as the fingerprints of the functions"
    return Problem(file, line, "", message, "Restore it from git, or write it anew with `publisher contracts lock`")
