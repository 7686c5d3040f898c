"""Compares two sets of contracts, and says whether what widens is approved.

Belongs here: pairing the two sides, the vocabulary, approvals. Not here: the judgement of one contract (entities.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from publisher.contracts.across import resolve
from publisher.contracts.check import APPROVALS, contract_of, read_contracts
from publisher.contracts.diff.approvals import VOCABULARY, Approval, digest_of, read_approvals, time_problem
from publisher.contracts.diff.change import KINDS, Change
from publisher.contracts.diff.entities import contract_changes, gone_entity, new_entity, number_of
from publisher.contracts.diff.revisions import ContractSet
from publisher.contracts.lasting import lasting_problems
from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem
from publisher.contracts.released import RELEASES, Release, parse_releases, standing_problems
from publisher.contracts.vocabulary.behaviour import ENVELOPE, KGROUPS
from publisher.contracts.vocabulary.fingerprint import LOCK, fingerprints, lock_problem, read_lock


@dataclass(frozen=True)
class Diff:
    """All that changes, with the approvals of what widens. `problems` make the comparison worthless until they are mended."""

    changes: list[Change] = field(default_factory=list)
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    """By entity, where the very content of the new contract is approved."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """By entity, the digest that an approval has to name."""
    problems: list[Problem] = field(default_factory=list)
    within: str = ""
    """What stands before the name of a file, where another folder or revision than the usual one was named."""
    approvals_file: str = f"contracts/{APPROVALS}"
    """Where an approval is to be written."""

    @property
    def unapproved(self) -> list[Change]:
        """What would leave, or leave more, without anybody having approved it."""
        return [change for change in self.changes if change.kind == "widens" and change.entity not in self.approvals]


def diff_contracts(base: Mapping[str, Contract], head: Mapping[str, Contract]) -> list[Change]:
    """Every difference between two sets of contracts, judged; what widens first."""
    changes: list[Change] = []
    renamed = {contract.renamed_from for contract in head.values()} - head.keys()
    for entity in sorted({*base, *head}):
        if entity in renamed:
            continue
        if entity not in base and (was := base.get(head[entity].renamed_from or "")) is not None:
            changes += contract_changes(was, head[entity])
        elif entity not in base:
            changes += new_entity(head[entity])
        elif entity not in head:
            changes += gone_entity(base[entity])
        else:
            changes += contract_changes(base[entity], head[entity])
    return sorted(changes, key=lambda change: KINDS.index(change.kind))


def diff_sources(base: ContractSet, head: ContractSet, released: Iterable[Contract] = ()) -> Diff:
    """Compares two sets as they are written. The head must be usable; what the base holds that cannot be understood counts as absent.

    `released` are all contracts that ever were: what the lake keeps of them, the head's cannot contradict, whoever approves it.
    """
    before, unreadable = _read_base(base)
    contracts, problems = read_contracts(head.sources, gone=before)
    approvals, doubtful = read_approvals(head.approvals)
    unread = lock_problem(head.lock)
    if problems or doubtful or unread:
        return Diff(problems=[*problems, *doubtful, *([unread] if unread else [])])
    changes = [*_not_understood(unreadable, contracts), *_vocabulary(base.lock, head.lock), *diff_contracts(before, contracts)]
    digests = {contract.entity: digest_of(_data(head, contract)) for contract in contracts.values()}
    releases = parse_releases(head.history.get(RELEASES, "releases: []"))[0]
    stuck = [*_gone_back(before, contracts, digests, releases), *lasting_problems(contracts, [*before.values(), *released])]
    if stuck:
        return Diff(problems=stuck)
    if (lock := read_lock(head.lock)) == fingerprints():  # of any other lock nobody can sign what it means
        digests[VOCABULARY] = digest_of(dict(lock))
    approved = {a.entity: a for a in approvals if digests.get(a.entity) == a.digest}
    wider = {change.entity for change in changes if change.kind == "widens"}
    last = {release.entity: release.date for release in releases}
    given = [time_problem(approval, last.get(entity, "")) for entity, approval in approved.items() if entity in wider]
    if early := [problem for problem in given if problem]:
        return Diff(problems=early)
    return Diff(sorted(changes, key=lambda change: KINDS.index(change.kind)), approved, digests)


def _gone_back(
    base: Mapping[str, Contract], head: Mapping[str, Contract], digests: Mapping[str, str], releases: list[Release]
) -> list[Problem]:
    """Contracts that go back to what was: behind their newest release, or behind the base."""
    found = list(standing_problems({entity: (contract, digests[entity]) for entity, contract in head.items()}, releases))
    told = {problem.file for problem in found}
    for entity, contract in head.items():
        if entity in base and contract.file not in told and number_of(contract) < number_of(base[entity]):
            message = f"the version goes back from {base[entity].version} to {contract.version}: nobody could tell which content it means"
            remedy = f"Write a version higher than {base[entity].version}: its digest is its own, and what it widens needs an approval of its own"
            found.append(Problem(contract.file, contract.line("version"), f"{entity}.version", message, remedy))
    return found


def _data(side: ContractSet, contract: Contract) -> Mapping[str, object]:
    return next(source.data for source in side.sources if source.file == contract.file)


def _read_base(base: ContractSet) -> tuple[dict[str, Contract], list[str]]:
    """The contracts of the base that this publisher understands, and the files of those that it does not."""
    contracts: dict[str, Contract] = {}
    unreadable: list[str] = []
    for source in base.sources:
        contract = contract_of(source)
        if contract is None:
            unreadable.append(source.file)
        else:
            contracts[contract.entity] = contract
    for former in {contract.renamed_from for contract in contracts.values()}:
        contracts.pop(former or "", None)  # a history has both, and they are one
    resolved, problems = resolve(contracts, {})
    return (contracts if problems else resolved), unreadable


def _not_understood(files: list[str], head: Mapping[str, Contract]) -> list[Change]:
    says = "the former contract cannot be understood by this publisher, so all of the new one counts as new"
    return [Change("widens", contract.entity, "", says, contract.file) for contract in head.values() if contract.file in files]


def _vocabulary(base: str | None, head: str | None) -> list[Change]:
    """Changes of what the functions do. The head's lock must be that of this very publisher."""
    before, after, actual = read_lock(base), read_lock(head), fingerprints()
    if after != actual:
        says = f"{LOCK} is not that of this publisher: write it with `publisher contracts lock`"
        return [Change("widens", VOCABULARY, "", says, LOCK)]
    if before is None:
        return [
            Change("widens", VOCABULARY, "", "the base does not say what its functions did, so they cannot be compared", LOCK)
        ]
    return lock_changes(before, actual)


def lock_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """What the functions of one lock do otherwise than those of a former one, by name."""
    changed = [name for name, mark in after.items() if name in before and before[name] != mark]
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    of_rules = {
        ENVELOPE: "the time of each event is cut in another way than before",
        KGROUPS: "who leaves how coarsely follows other rules than before",
    }
    other = "the function gives other results, or takes other columns, than before"
    more = "unchanged contracts may let out more. Take the change of the code back, or have the new results approved"
    return [
        *(Change("widens", VOCABULARY, n, f"{of_rules.get(n, other)}: {more}", LOCK) for n in changed),
        *(Change("neutral", VOCABULARY, n, "the lock says newly what this does; no former one did", LOCK) for n in new),
        *(Change("neutral", VOCABULARY, n, "the vocabulary no longer has this function", LOCK) for n in gone),
    ]
