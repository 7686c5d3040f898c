"""Which release made an event: the contracts' text, its digest, and the engine built from it.

Belongs here: loading, also what a predecessor used. Not here: the engine (release.py).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from publisher import outbox
from publisher.contracts import Contract, load_contracts
from publisher.database import Connection
from publisher.keys import Keyring
from publisher.release import Release


@dataclass(frozen=True)
class ReleaseSet:
    """The contracts in force, the engine under them, and the digest that claims name."""

    digest: str
    texts: Mapping[str, str]
    contracts: Mapping[str, Contract]
    release: Release


def load_release_set(directory: Path, keyring: Keyring) -> ReleaseSet:
    """Raises ContractError, with every problem, for contracts that cannot be used."""
    contracts = load_contracts(directory)
    texts = {contract.file: (directory / contract.file).read_text(encoding="utf-8") for contract in contracts.values()}
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{name}\0{texts[name]}\0".encode())
    return ReleaseSet(digest.hexdigest()[:32], texts, contracts, Release(contracts, keyring))


def former_release(connection: Connection, digest: str, keyring: Keyring) -> Release:
    """The engine of a release that is no longer in force, to repeat what was claimed under it."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in outbox.contracts_of(connection, digest).items():
            (Path(directory) / Path(name).name).write_text(text, encoding="utf-8")
        return load_release_set(Path(directory), keyring).release
