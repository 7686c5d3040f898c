"""Which release made an event: the contracts' text, the version of the coarsening, their digest, and the engine built from them.

Belongs here: loading, also what a predecessor used. Not here: the engine (release.py).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from publisher import outbox
from publisher.contracts import Contract, load_contracts
from publisher.contracts.kgroups import grouped
from publisher.database import Connection
from publisher.keys import LocalKeyring
from publisher.release import Release
from publisher.risk.steps import Ungated
from publisher.risk.store import load_steps


@dataclass(frozen=True)
class ReleaseSet:
    """The contracts in force, the engine under them, and the digest that claims name. Made of contracts alone, all k-groups are silent."""

    texts: Mapping[str, str]
    contracts: Mapping[str, Contract]
    keyring: LocalKeyring
    release: Release
    coarsening: int = 0

    @property
    def key_version(self) -> int:
        """The version of the pseudonym key, of which all contracts name the same."""
        return next((contract.key_version for contract in self.contracts.values()), 1)

    @property
    def digest(self) -> str:
        digest = hashlib.sha256(f"{self.coarsening}\0".encode())
        for name in sorted(self.texts):
            digest.update(f"{name}\0{self.texts[name]}\0".encode())
        return digest.hexdigest()[:32]

    def under(self, connection: Connection, coarsening: int) -> ReleaseSet:
        """The same contracts under a version of the coarsening."""
        steps = load_steps(connection, grouped(self.contracts), coarsening)
        return replace(self, release=Release(self.contracts, self.keyring, steps), coarsening=coarsening)


def load_release_set(directory: Path, keyring: LocalKeyring, *, former: bool = False) -> ReleaseSet:
    """Raises ContractError, with every problem, for contracts that cannot be used, SettingsError where the keys lack their version."""
    contracts = load_contracts(directory, former=former)
    keyring = keyring.under(next(iter(contracts.values())).key_version)
    texts = {contract.file: (directory / contract.file).read_text(encoding="utf-8") for contract in contracts.values()}
    return ReleaseSet(texts, contracts, keyring, Release(contracts, keyring))


def former_release(connection: Connection, digest: str, keyring: LocalKeyring) -> Release:
    """The engine of a release that is no longer in force, to repeat what was claimed under it."""
    texts, coarsening = outbox.contracts_of(connection, digest)
    with tempfile.TemporaryDirectory() as directory:
        for name, text in texts.items():
            (Path(directory) / Path(name).name).write_text(text, encoding="utf-8")
        releases = load_release_set(Path(directory), keyring, former=True)
    if coarsening is None:
        return Release(releases.contracts, releases.keyring, Ungated())
    return releases.under(connection, coarsening).release
