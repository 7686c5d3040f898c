"""Did the list of releases only grow? What git knows of it is held against what stands there.

Belongs here: which earlier revisions count, and what may not be gone. Not here: the list itself (released.py), other files of the history (releases.py).

Who takes an entry out of the list lowers what the next build compares with: the same change would then widen nothing. The folder alone cannot show
that; git can. On a branch, the list must hold all that it held where the branch left the remote's default branch; on that branch itself, or
where there is no remote, all that it held in any commit of the branch's own line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from publisher.contracts.diff.revisions import git
from publisher.contracts.problems import Problem
from publisher.contracts.released import HISTORY, RELEASES, Release, parse_releases
from publisher.errors import ContractError, SettingsError

SKIPPED = "Not looked at: whether the list of releases only grew, since"
MOST_REVISIONS = 500
"""Of the list's revisions, so many at most are read, the newest first."""


def check_only_grew(directory: Path) -> str:
    """Raises ContractError with the releases that earlier revisions of the list have and it has no more; a sentence where none could be compared."""
    try:
        head = git(directory, "rev-parse", "--verify", "--quiet", "HEAD")
    except SettingsError:
        return f"{SKIPPED} git is not installed."
    if head is None:
        return f"{SKIPPED} {directory} is in no git repository with a commit."
    revisions = _revisions(directory, head.strip())
    if not revisions:
        why = "this clone is shallow (fetch the whole history)" if _is_shallow(directory) else "no commit has one"
        return f"{SKIPPED} {why}."
    file = directory / HISTORY / RELEASES
    now = parse_releases(file.read_text(encoding="utf-8", errors="replace"))[0] if file.is_file() else []
    for revision in revisions:
        text = git(directory, "show", f"{revision}:./{HISTORY}/{RELEASES}")
        if text is not None and (lost := _lost(parse_releases(text)[0], now)):
            raise ContractError([_problem(release, revision) for release in lost])
    return ""


def _revisions(directory: Path, head: str) -> list[str]:
    """The commits whose list counts; none where the clone holds nothing earlier than what is built."""
    if (base := _left_the_default_branch(directory, head)) is not None and base != head:
        return [base]
    listed = git(directory, "log", "--first-parent", f"-{MOST_REVISIONS}", "--format=%H", "--", f"./{HISTORY}/{RELEASES}") or ""
    revisions = listed.split()
    # The one commit of a shallow clone has every file as it is built: to compare with it would find nothing, and look like a check.
    return [] if _is_shallow(directory) and revisions in ([], [head]) else revisions


def _left_the_default_branch(directory: Path, head: str) -> str | None:
    """Where HEAD's line and that of the remote's default branch parted; None where no remote's branch is known."""
    named = (git(directory, "for-each-ref", "--format=%(symref)", "refs/remotes/*/HEAD") or "").split()
    for branch in [*named, "refs/remotes/origin/main", "refs/remotes/origin/master"]:
        base = git(directory, "merge-base", head, branch)
        if base is not None:
            return base.strip()
    return None


def _is_shallow(directory: Path) -> bool:
    return (git(directory, "rev-parse", "--is-shallow-repository") or "").strip() == "true"


def _lost(before: Iterable[Release], now: Iterable[Release]) -> list[Release]:
    """An entity's entries must begin with those that it had. Of different entities the order may differ: two branches may have been joined."""
    mine: dict[str, list[Release]] = {}
    for release in now:
        mine.setdefault(release.entity, []).append(release)
    return [release for release in before if not mine.get(release.entity) or mine[release.entity].pop(0) != release]


def _problem(release: Release, revision: str) -> Problem:
    message = f"{release.entity} {release.version} stood in the list at {revision[:12]}, and is gone, changed or moved: the build would compare with less than was released"
    remedy = f"Restore the entry: `git show {revision[:12]}:./{HISTORY}/{RELEASES}` in the folder of contracts. What was released in error is undone by a new version"
    return Problem(f"{HISTORY}/{RELEASES}", 0, "", message, remedy)
