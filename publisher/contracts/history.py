"""Since when something leaves, from what, and who approved it: read from the released versions.

Belongs here: one field's (or withheld column's) way through the versions. Not here: storing versions (releases.py), printing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from publisher.contracts.check import APPROVALS, contract_of, read_folder
from publisher.contracts.diff.approvals import VOCABULARY, Approval, digest_of, read_approvals
from publisher.contracts.diff.change import Kind
from publisher.contracts.diff.entities import contract_changes, new_entity
from publisher.contracts.diff.fields import field_changes
from publisher.contracts.model import Contract, Field
from publisher.contracts.problems import Problem
from publisher.contracts.released import HISTORY, Release
from publisher.contracts.releases import history_in, read_history
from publisher.contracts.source import ContractSource
from publisher.contracts.vocabulary.fingerprint import LOCK, fingerprints, read_lock
from publisher.errors import ContractError, SettingsError

Versions = dict[str, list[tuple[Release, Contract | None]]]
"""Of each entity its releases in their order; without a contract where it was withdrawn."""


@dataclass(frozen=True)
class Step:
    """What one release did to a field: the sentences, the worst kind of them, and who approved that content, if anybody did."""

    release: Release
    kind: Kind
    says: tuple[str, ...]
    approval: Approval | None


@dataclass(frozen=True)
class SignedVersion:
    """A released version of a contract, its text, and the approval of that very content, if one was needed.

    `contract` is made of it by today's rules, alone: without what other contracts would add, as the namespace of its person.
    """

    release: Release
    text: str
    approval: Approval | None
    contract: Contract


def signed_versions(directory: Path) -> list[SignedVersion]:
    """Every released version in the order of releasing.

    Raises ContractError for a history or approvals that cannot be read, and for a version that widens what leaves and that nobody approved: a
    history that was edited together with its digests is found by that.
    """
    approvals = {(approval.entity, approval.digest): approval for approval in _approvals(directory)}
    history = read_history(directory)
    versions = _built(history)
    if unsigned := [problem for _, problem in _unsigned(versions, approvals)]:
        raise ContractError(unsigned)
    built = {release: contract for mine in versions.values() for release, contract in mine}
    return [
        SignedVersion(release, source.text, approvals.get((release.entity, release.digest)), contract)
        for release, source in history
        if source is not None and (contract := built[release]) is not None
    ]


def _unsigned(versions: Versions, approved: Mapping[tuple[str, str], Approval]) -> Iterator[tuple[Release, Problem]]:
    """Each released version is held against the one before it; the first lets all of it leave newly."""
    for entity, mine in versions.items():
        before, last = _renamed_from(mine[0][1], versions), ""
        for release, contract in mine:
            if contract is None:
                before, last = None, release.date
                continue
            changes = new_entity(contract) if before is None else contract_changes(before, contract)
            wider = [change for change in changes if change.kind == "widens"]
            approval = approved.get((entity, release.digest))
            if wider and approval is not None and approval.date < last:
                message = (
                    f"{entity} {release.version} was approved on {approval.date}, before the release of {last} that it follows"
                )
                remedy = f"Have {release.digest} approved as a change of that release, in approvals.yaml"
                yield release, Problem(f"{HISTORY}/{release.file}", wider[0].line, wider[0].field, message, remedy)
            elif wider and approval is None:
                message = f"{entity} {release.version} widens what leaves, and nobody approved it: {wider[0].says.rstrip('.')}"
                remedy = f"Restore the history from git, or have {release.digest} approved in approvals.yaml"
                yield release, Problem(f"{HISTORY}/{release.file}", wider[0].line, wider[0].field, message, remedy)
            before, last = contract, release.date


def _renamed_from(first: Contract | None, versions: Versions) -> Contract | None:
    """The last version of the entity under the name that it had before its first one, where it had another."""
    earlier = versions.get((first.renamed_from if first else None) or "", [])
    return next((contract for _, contract in reversed(earlier) if contract is not None), None)


def history_of(directory: Path, entity: str, name: str) -> list[Step]:
    """The steps of a field or source column, the first release first.

    Raises ContractError for a history or approvals that cannot be read, SettingsError for a name that no release knows.
    """
    approvals = _approvals(directory)
    versions = _built(read_history(directory), entity).get(entity)
    if not versions:
        raise SettingsError(f"no release has the entity {entity}: see {directory}/history/releases.yaml")
    by_digest = {(approval.entity, approval.digest): approval for approval in approvals}
    steps: list[Step] = []
    before: Contract | None = None
    for release, contract in versions:
        kind, says = _step(before, contract, name) if contract is not None else _withdrawn(before, name)
        if says:
            steps.append(Step(release, kind, tuple(says), by_digest.get((entity, release.digest))))
        before = contract
    if not steps:
        raise SettingsError(f"no release of {entity} has a field or column {name}")
    return steps


def approved_in_words(directory: Path) -> dict[str, str]:
    """Of each entity, and of the vocabulary, who approved what leaves now. Raises ContractError for a history or approvals that cannot be read."""
    approvals = {(approval.entity, approval.digest): approval for approval in _approvals(directory)}
    history = read_history(directory)
    wider = {release for release, _ in _unsigned(_built(history), approvals)}
    said: dict[str, str] = {}
    for source in read_folder(directory):
        entity, digest = str(source.data.get("name")), digest_of(source.data)
        mine = [release for release, _ in history if release.entity == entity]
        last = next((release for release in reversed(mine) if (entity, release.digest) in approvals), None)
        if not mine or mine[-1].digest != digest:
            said[entity] = "Not released: what stands here is a draft."
        elif last is None or wider.intersection(mine):
            said[entity] = "Nobody signed for it."
        else:
            given = approvals[entity, last.digest]
            since = "" if last.digest == digest else f" That was for contract {last.version}; since then only less leaves."
            said[entity] = f"By the {given.role} on {given.date}, assessment {given.assessment}.{since}"
    return said | _vocabulary_in_words(directory, approvals)


def _vocabulary_in_words(directory: Path, approvals: Mapping[tuple[str, str], Approval]) -> dict[str, str]:
    """Who approved what the functions do; the contracts say only which of them is used."""
    file, released = directory / LOCK, directory / HISTORY / LOCK
    lock = read_lock(file.read_text(encoding="utf-8")) if file.is_file() else None
    given = approvals.get((VOCABULARY, digest_of(dict(lock)))) if lock is not None else None
    if lock is None or lock != fingerprints():
        return {VOCABULARY: "Nobody signed for it: the functions are not those of vocabulary.lock."}
    if not released.is_file() or read_lock(released.read_text(encoding="utf-8")) != lock:
        return {VOCABULARY: "Not released: what the functions do now is a draft."}
    if given is None:
        return {VOCABULARY: "Nobody signed for it."}
    return {VOCABULARY: f"By the {given.role} on {given.date}, assessment {given.assessment}."}


def _approvals(directory: Path) -> list[Approval]:
    file = directory / APPROVALS
    approvals, problems = read_approvals(file.read_text(encoding="utf-8") if file.is_file() else None)
    if problems:
        raise ContractError(problems)
    return approvals


def released_contracts(texts: Mapping[str, str]) -> list[Contract]:
    """The contracts of a history's files. Raises ContractError for one that cannot be read; whether each was signed for is not asked."""
    return [contract for mine in _built(history_in(texts)).values() for _, contract in mine if contract is not None]


def _built(history: Iterable[tuple[Release, ContractSource | None]], only: str | None = None) -> Versions:
    """Raises ContractError for a version that is no contract any more."""
    versions: Versions = {}
    for release, source in history:
        if only in (None, release.entity):
            versions.setdefault(release.entity, []).append((release, None if source is None else _contract(release, source)))
    return versions


def _contract(release: Release, source: ContractSource) -> Contract:
    contract = contract_of(source)
    if contract is None:
        raise ContractError([replace(problem, file=f"{HISTORY}/{release.file}") for problem in source.problems])
    return contract


def _step(before: Contract | None, now: Contract, name: str) -> tuple[Kind, list[str]]:
    was, field = _field(before, name), _field(now, name)
    if field is not None and was is not None:
        changes = list(field_changes(was, field))
        kinds = {kind for kind, _ in changes}
        return ("widens" if "widens" in kinds else "narrows" if "narrows" in kinds else "neutral"), [says for _, says in changes]
    if field is not None:
        return "widens", [
            f"leaves: {field.derivation.text} of {_column(now, field.derivation.column)}, as {field.classification}"
        ]
    if was is not None:
        return "narrows", ["leaves no more"]
    return "neutral", _of_column(before, now, name)


def _withdrawn(before: Contract | None, name: str) -> tuple[Kind, list[str]]:
    known = _field(before, name) is not None or (before is not None and name in before.columns)
    return "narrows", ["nothing of it leaves any more: the contract was withdrawn"] if known else []


def _of_column(before: Contract | None, now: Contract, name: str) -> list[str]:
    """The same for a name that is a source column."""
    if name not in now.columns:
        return ["the platform no longer has this column"] if before is not None and name in before.columns else []
    derived = [f"{field.name} ({field.derivation.text})" for field in now.fields if field.derivation.column == name]
    known = (
        [f.name for f in before.fields if f.derivation.column == name] if before is not None and name in before.columns else None
    )
    if known == [field.name for field in now.fields if field.derivation.column == name]:
        return []
    way = "never leaves" if name in now.withheld else f"leaves only as {', '.join(derived)}"
    return [f"{_column(now, name)}: {way}"]


def _column(contract: Contract, name: str) -> str:
    column = contract.columns[name]
    return f"{contract.table}.{name} ({column.classification}{', encrypted' if column.encrypted else ''})"


def _field(contract: Contract | None, name: str) -> Field | None:
    return next((field for field in contract.fields if field.name == name), None) if contract is not None else None
