"""What was released when: every version of every contract as it was, in `contracts/history/`.

Belongs here: reading and adding to the history. Not here: whether a change may be released (diff/), the commands (release_command.py).

    contracts/history/
      releases.yaml           one entry a version: entity, version, digest, date
      customers-1.0.0.yaml    that version's text
      vocabulary.lock         what the functions did at the last release
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import yaml

from publisher.contracts.check import read_folder
from publisher.contracts.diff.approvals import digest_of
from publisher.contracts.diff.compare import Diff, diff_sources
from publisher.contracts.diff.revisions import ContractSet, read_set
from publisher.contracts.source import ContractSource, parse_source
from publisher.contracts.vocabulary.fingerprint import LOCK
from publisher.errors import ContractError

HISTORY = "history"
RELEASES = "releases.yaml"
_HEAD = "# Written by `publisher contracts release`. A released version never changes: its digest says so.\n"
_FORMS = {
    "entity": re.compile(r"[a-z][a-z0-9_]*"),
    "version": re.compile(r"[0-9]+\.[0-9]+\.[0-9]+"),
    "digest": re.compile(r"sha256:[0-9a-f]{64}"),
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
}


@dataclass(frozen=True)
class Release:
    """One version of one contract. `date` is the day of its release, ISO 8601."""

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


def read_releases(directory: Path) -> list[tuple[Release, ContractSource]]:
    """Every release with its text, in the order of releasing; empty where nothing was released.

    Raises ContractError for a history that was edited: who asks what left then must not get another answer.
    """
    folder = directory / HISTORY
    if not (folder / RELEASES).is_file():
        return []
    listed = parse_source(f"{HISTORY}/{RELEASES}", (folder / RELEASES).read_text(encoding="utf-8", errors="replace"))
    entries = listed.data.get("releases")
    if not listed.problems and not isinstance(entries, list):
        listed.problem((), "the file has no list of releases", "Restore it from git")
    found: list[tuple[Release, ContractSource]] = []
    for index, entry in enumerate(entries if isinstance(entries, list) and not listed.problems else []):
        release = _release(entry)
        if release is None:
            listed.problem(("releases", index), "a release lacks entity, version, digest or date", "Restore the file from git")
            continue
        file = folder / release.file
        source = parse_source(
            f"{release.entity}.yaml", file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        )
        if digest_of(source.data) != release.digest:
            message = f"the text of {release.entity} {release.version} is missing or not what was released"
            listed.problem(("releases", index), message, f"Restore {HISTORY}/{release.file} from git")
        found.append((release, source))
    if listed.problems:
        raise ContractError(listed.problems)
    return found


def last_released(directory: Path) -> ContractSet:
    """The newest version of each entity, as the base of a comparison; empty where nothing was released. Raises ContractError."""
    newest: dict[str, tuple[Release, ContractSource]] = {}
    for release, source in read_releases(directory):
        if release.entity not in newest or release.number > newest[release.entity][0].number:
            newest[release.entity] = release, source
    lock = directory / HISTORY / LOCK
    return ContractSet(
        "the last release",
        [source for _, source in newest.values()],
        lock.read_text(encoding="utf-8") if lock.is_file() else None,
    )


def unreleased(directory: Path) -> Diff:
    """What the folder's contracts change against the last release. Raises ContractError and SettingsError."""
    diff = diff_sources(last_released(directory), read_set(str(directory), directory))
    if diff.problems:
        raise ContractError(diff.problems)
    return diff


def add_release(directory: Path, today: date) -> list[Release]:
    """Adds every contract that is not in the history as it is, and the vocabulary; what was added.

    The caller has made sure that it may be released. Raises ContractError.
    """
    known = read_releases(directory)
    there = {(release.entity, release.digest) for release, _ in known}
    folder = directory / HISTORY
    added: list[Release] = []
    for source in read_folder(directory):
        release = Release(str(source.data["name"]), str(source.data["version"]), digest_of(source.data), today.isoformat())
        if (release.entity, release.digest) not in there:
            folder.mkdir(exist_ok=True)
            (folder / release.file).write_text(source.text, encoding="utf-8")
            added.append(release)
    if added:
        _write(folder / RELEASES, [*(release for release, _ in known), *added])
    lock = (directory / LOCK).read_text(encoding="utf-8")
    if folder.is_dir() and (not (folder / LOCK).is_file() or (folder / LOCK).read_text(encoding="utf-8") != lock):
        (folder / LOCK).write_text(lock, encoding="utf-8")
    return added


def _release(entry: object) -> Release | None:
    if not isinstance(entry, Mapping) or set(entry) != set(_FORMS):
        return None
    if not all(isinstance(entry[key], str) and form.fullmatch(entry[key]) for key, form in _FORMS.items()):
        return None
    return Release(**entry)


def _write(file: Path, releases: Iterable[Release]) -> None:
    entries = [asdict(release) for release in releases]
    file.write_text(_HEAD + yaml.safe_dump({"releases": entries}, sort_keys=False), encoding="utf-8")
