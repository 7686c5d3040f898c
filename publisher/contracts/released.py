"""The list of what was released: `contracts/history/releases.yaml`, one entry a version of a contract, in the order of releasing.

Belongs here: an entry's form, reading the list, what it allows a contract to be. Not here: the versions' texts (releases.py), git (appended.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem
from publisher.contracts.source import ContractSource, parse_source

HISTORY = "history"
RELEASES = "releases.yaml"
WITHDRAWN = "withdrawn"
"""Stands for the digest where a release took a contract away; the version is the last that it had."""

_FORMS = {
    "entity": re.compile(r"[a-z][a-z0-9_]*"),
    "version": re.compile(r"[0-9]+\.[0-9]+\.[0-9]+"),
    "digest": re.compile(rf"sha256:[0-9a-f]{{64}}|{WITHDRAWN}"),
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
}


@dataclass(frozen=True)
class Release:
    """One version of one contract, or its end. `date` is the day of its release, ISO 8601."""

    entity: str
    version: str
    digest: str
    date: str

    @property
    def file(self) -> str:
        return f"{self.entity}-{self.version}.yaml"

    @property
    def number(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))

    @property
    def withdrawn(self) -> bool:
        return self.digest == WITHDRAWN


def parse_releases(text: str) -> tuple[list[Release], ContractSource]:
    """The entries of a list, and the list as it is written, with all that is wrong with it. Each entity's versions rise."""
    listed = parse_source(f"{HISTORY}/{RELEASES}", text)
    entries = listed.data.get("releases")
    if not listed.problems and not isinstance(entries, list):
        listed.problem((), "the file has no list of releases", "Restore it from git")
    found: list[Release] = []
    last: dict[str, Release] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) and not listed.problems else []):
        release = _release(entry)
        if release is None:
            listed.problem(("releases", index), "a release lacks entity, version, digest or date", "Restore the file from git")
            continue
        before = last.get(release.entity)
        if not _may_follow(before, release):
            message = f"{release.entity} {release.version} stands twice, or behind a higher version"
            listed.problem(
                ("releases", index), message, "Restore the file from git: `publisher contracts release` adds at its end"
            )
        found.append(release)
        last[release.entity] = release
    return found, listed


def standing_problems(contracts: Mapping[str, tuple[Contract, str]], releases: Sequence[Release]) -> Iterator[Problem]:
    """Contracts, each with its digest, that are neither the newest release of their entity nor a version after it. No approval clears that.

    An approval is of one content and has no end. So going back to a content that was approved once would need no new one, and let out again what was
    taken back since: only a new version has a digest of its own.
    """
    for contract, digest in contracts.values():
        mine = [release for release in releases if release.entity == contract.entity]
        if not mine or mine[-1].digest == digest:
            continue
        newest = mine[-1]
        of_old = next((release for release in mine if release.digest == digest), None)
        same = next((release for release in mine if release.version == contract.version), None)
        now = f"{newest.version} was withdrawn" if newest.withdrawn else f"{newest.version} was released"
        if of_old is not None:
            message = f"this very content was released as {of_old.version} on {of_old.date}, and then {now}: what was taken back would leave again, under an old approval"
        elif same is not None:
            message = f"{same.version} was released with another content on {same.date}, and a released version never changes"
        elif _number(contract.version) < newest.number:
            message = (
                f"the version goes back from {newest.version} to {contract.version}: nobody could tell which content it means"
            )
        else:
            continue
        remedy = f"Write a version higher than {newest.version}: its digest is its own, and what it widens needs an approval of its own"
        yield Problem(contract.file, contract.line("version"), f"{contract.entity}.version", message, remedy)


def _may_follow(before: Release | None, release: Release) -> bool:
    if before is None:
        return not release.withdrawn
    if release.withdrawn:
        return not before.withdrawn and release.version == before.version
    return release.number > before.number


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _release(entry: object) -> Release | None:
    if not isinstance(entry, Mapping) or set(entry) != set(_FORMS):
        return None
    if not all(isinstance(entry[key], str) and form.fullmatch(entry[key]) for key, form in _FORMS.items()):
        return None
    return Release(**entry)
