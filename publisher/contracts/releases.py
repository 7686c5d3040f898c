"""What was released when: every version of every contract as it was, in `contracts/history/`.

Belongs here: reading and adding to the history. Not here: the list's form (released.py), whether it only grew (appended.py), whether a change may be released (diff/), the
commands (release_command.py).

    contracts/history/
      releases.yaml           one entry a version: entity, version, digest (or `withdrawn`), date; it only grows
      customers-1.0.0.yaml    that version's text
      vocabulary.lock         what the functions did at the last release
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import yaml

from publisher.contracts.check import read_contracts, read_folder
from publisher.contracts.diff.approvals import digest_of
from publisher.contracts.diff.compare import Diff, diff_sources
from publisher.contracts.diff.revisions import ContractSet, history_texts, read_set
from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem
from publisher.contracts.released import HISTORY, RELEASES, WITHDRAWN, Release, parse_releases, standing_problems
from publisher.contracts.source import ContractSource, parse_source
from publisher.contracts.vocabulary.fingerprint import LOCK
from publisher.errors import ContractError

_HEAD = "# Written by `publisher contracts release`. A released version never changes: its digest says so.\n"


def read_releases(directory: Path) -> list[tuple[Release, ContractSource]]:
    """Every release with its text, in the order of releasing; empty where nothing was released.

    Raises ContractError for a history that was edited: who asks what left then must not get another answer.
    """
    return [(release, source) for release, source in read_history(directory) if source is not None]


def read_history(directory: Path) -> list[tuple[Release, ContractSource | None]]:
    """The same with the releases that took a contract away, which have no text. Raises ContractError."""
    return history_in(history_texts(directory))


def history_in(texts: Mapping[str, str]) -> list[tuple[Release, ContractSource | None]]:
    """The same of the texts of a history's files, by their names. Raises ContractError."""
    listed = ContractSource(f"{HISTORY}/{RELEASES}")
    releases: list[Release] = []
    if RELEASES in texts:
        releases, listed = parse_releases(texts[RELEASES])
    found: list[tuple[Release, ContractSource | None]] = []
    for index, release in enumerate(releases):
        if release.withdrawn:
            found.append((release, None))
            continue
        source = parse_source(f"{release.entity}.yaml", texts.get(release.file, ""))
        if digest_of(source.data) != release.digest:
            message = f"the text of {release.entity} {release.version} is missing or not what was released"
            listed.problem(("releases", index), message, f"Restore {HISTORY}/{release.file} from git")
        found.append((release, source))
    problems = [*listed.problems, *([] if listed.problems else _unlisted(texts, releases))]
    if problems:
        raise ContractError(problems)
    return found


def _unlisted(texts: Iterable[str], releases: Iterable[Release]) -> Iterator[Problem]:
    """A version that the list does not name: whoever takes an entry out of the list lowers what the next build compares with."""
    named = {RELEASES, *(release.file for release in releases if not release.withdrawn)}
    for file in texts:
        if file not in named:
            message = f"the list of releases, {HISTORY}/{RELEASES}, does not name this version"
            remedy = "Restore the list from git. Where a release was broken off, remove this file and release again"
            yield Problem(f"{HISTORY}/{file}", 0, "", message, remedy)


def last_released(directory: Path) -> ContractSet:
    """The newest version of each entity, as the base of a comparison; empty where nothing was released. Raises ContractError."""
    newest = {release.entity: source for release, source in read_history(directory)}
    lock = directory / HISTORY / LOCK
    return ContractSet(
        "the last release",
        [source for source in newest.values() if source is not None],
        lock.read_text(encoding="utf-8") if lock.is_file() else None,
    )


def release_problems(directory: Path) -> list[Problem]:
    """Contracts of a folder that go back behind what was released. Raises ContractError for a history that cannot be read."""
    releases = [release for release, _ in read_history(directory)]
    sources = read_folder(directory)
    contracts, problems = read_contracts(sources)
    if problems:
        return []  # the contracts' own check names them
    digests = {source.file: digest_of(source.data) for source in sources}
    return list(standing_problems({each.entity: (each, digests[each.file]) for each in contracts.values()}, releases))


def unreleased(directory: Path, released: Iterable[Contract]) -> Diff:
    """What the folder's contracts change against the last release, and against all `released` ones. Raises ContractError and SettingsError."""
    diff = diff_sources(last_released(directory), read_set(str(directory), directory), released)
    if diff.problems:
        raise ContractError(diff.problems)
    return diff


def add_release(directory: Path, today: date) -> list[Release]:
    """Adds every contract that is not in the history as it is, the end of those that are gone, and the vocabulary; what was added.

    The caller has made sure that it may be released. Raises ContractError.
    """
    known = [release for release, _ in read_history(directory)]
    newest = {release.entity: release for release in known}
    folder = directory / HISTORY
    added: list[Release] = []
    for source in read_folder(directory):
        release = Release(str(source.data["name"]), str(source.data["version"]), digest_of(source.data), today.isoformat())
        if release.entity not in newest or newest[release.entity].digest != release.digest:
            folder.mkdir(exist_ok=True)
            (folder / release.file).write_text(source.text, encoding="utf-8")
            added.append(release)
        newest.pop(release.entity, None)
    gone = [release for release in newest.values() if not release.withdrawn]
    added += [replace(release, digest=WITHDRAWN, date=today.isoformat()) for release in gone]
    if added:
        _write(folder / RELEASES, [*known, *added])
    lock = (directory / LOCK).read_text(encoding="utf-8")
    if folder.is_dir() and (not (folder / LOCK).is_file() or (folder / LOCK).read_text(encoding="utf-8") != lock):
        (folder / LOCK).write_text(lock, encoding="utf-8")
    return added


def _write(file: Path, releases: Iterable[Release]) -> None:
    entries = [asdict(release) for release in releases]
    file.write_text(_HEAD + yaml.safe_dump({"releases": entries}, sort_keys=False), encoding="utf-8")
