"""Was what the functions do signed for when it was released? The history's lock is the base of the next comparison.

Belongs here: the lock in `contracts/history/` against the approvals. Not here: the lock beside the contracts (diff/compare.py), the contracts' own versions (history.py).

Who changes a function, writes the lock anew and copies it over the history's would otherwise have compared the change with itself. A lock that an approval
names is signed. One that only gained or lost functions needs no approval: it is held against the newest signed one that git knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from publisher.contracts.check import APPROVALS
from publisher.contracts.diff.approvals import VOCABULARY, digest_of, read_approvals
from publisher.contracts.diff.compare import lock_changes
from publisher.contracts.diff.revisions import git
from publisher.contracts.problems import Problem
from publisher.contracts.released import HISTORY
from publisher.contracts.vocabulary.fingerprint import LOCK, lock_problem, read_lock
from publisher.errors import ContractError, SettingsError


def check_vocabulary_signed(directory: Path) -> None:
    """Raises ContractError for a released lock by which functions do what nobody approved; nothing where none was released."""
    file, approvals = directory / HISTORY / LOCK, directory / APPROVALS
    if not file.is_file():
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    lock = read_lock(text)
    if lock is None:
        line = unread.line if (unread := lock_problem(text)) else 0
        raise ContractError([replace(_problem("it cannot be read", "Restore it from git"), line=line)])
    given, problems = read_approvals(approvals.read_text(encoding="utf-8", errors="replace") if approvals.is_file() else None)
    if problems:
        raise ContractError(problems)
    signed = {approval.digest for approval in given if approval.entity == VOCABULARY}
    if digest_of(dict(lock)) in signed:
        return
    before = _last_signed(directory, signed)
    wider = (
        [change.field for change in lock_changes(before, lock) if change.kind == "widens"] if before is not None else sorted(lock)
    )
    if wider:
        message = f"nobody approved what these do by it: {', '.join(wider)}"
        raise ContractError(
            [_problem(message, f"Restore it from git, or have {digest_of(dict(lock))} approved for {VOCABULARY}, in {APPROVALS}")]
        )


def _last_signed(directory: Path, signed: set[str]) -> Mapping[str, str] | None:
    """The newest lock of the history that git knows and an approval names."""
    try:
        revisions = (git(directory, "log", "--format=%H", "--", f"./{HISTORY}/{LOCK}") or "").split()
    except SettingsError:
        return None  # no git here
    for revision in revisions:
        lock = read_lock(git(directory, "show", f"{revision}:./{HISTORY}/{LOCK}"))
        if lock is not None and digest_of(dict(lock)) in signed:
            return lock
    return None


def _problem(message: str, remedy: str) -> Problem:
    return Problem(f"{HISTORY}/{LOCK}", 0, "", f"the functions as they were last released: {message}", remedy)
