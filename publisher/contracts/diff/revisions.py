"""Where the two sets of contracts come from: a folder, or a revision of the git repository that holds one.

Belongs here: reading files. Not here: what they mean.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from publisher.contracts.check import APPROVALS, NOT_CONTRACTS, read_folder
from publisher.contracts.released import HISTORY
from publisher.contracts.source import ContractSource, parse_source
from publisher.contracts.vocabulary.fingerprint import LOCK
from publisher.errors import SettingsError

GIT_SECONDS = 30
YAML = frozenset({".yaml", ".yml"})


@dataclass
class ContractSet:
    """The contracts of one side, as they are written, with the files that stand beside them."""

    name: str
    sources: list[ContractSource] = field(default_factory=list)
    lock: str | None = None
    approvals: str | None = None
    history: Mapping[str, str] = field(default_factory=dict)
    """The texts of what was released, with their list, by the names of their files."""

    def placed(self, file: str) -> str:
        """A file of this side as a message names it, where another folder or revision than the usual may be meant."""
        return f"{self.name.rstrip('/')}/{file}" if Path(self.name).is_dir() else f"{self.name}:{file}"


def read_set(name: str, contracts_dir: Path) -> ContractSet:
    """A folder of contracts, or what `contracts_dir` held at a git revision. Raises SettingsError for what is neither."""
    folder = Path(name)
    if folder.is_dir():
        return ContractSet(name, read_folder(folder), _text(folder / LOCK), _text(folder / APPROVALS), history_texts(folder))
    return _revision(name, contracts_dir)


def history_texts(directory: Path) -> dict[str, str]:
    """Every version that lies in a folder's history, and their list."""
    folder = directory / HISTORY
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {file.name: _text(file) or "" for file in files if file.suffix.lower() in YAML}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _revision(name: str, contracts_dir: Path) -> ContractSet:
    if not contracts_dir.is_dir():
        raise SettingsError(
            f"there is no folder {contracts_dir}: set CONTRACTS_DIR to the folder of contracts in the git repository"
        )
    found = git(contracts_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found is None:
        raise SettingsError(f"{name} is neither a folder nor a git revision known here: in CI, fetch tags and history first")
    commit = found.strip()
    texts = {file: git(contracts_dir, "show", f"{commit}:./{file}") for file in _listed(contracts_dir, commit, "")}
    released = [file for file in _listed(contracts_dir, commit, f"{HISTORY}/") if Path(file).suffix.lower() in YAML]
    history = {file: git(contracts_dir, "show", f"{commit}:./{HISTORY}/{file}") or "" for file in released}
    sources = [
        parse_source(file, texts[file] or "") for file in sorted(texts) if file.endswith(".yaml") and file not in NOT_CONTRACTS
    ]
    return ContractSet(name, sources, texts.get(LOCK), texts.get(APPROVALS), history)


def _listed(contracts_dir: Path, commit: str, below: str) -> list[str]:
    listed = git(contracts_dir, "ls-tree", "-z", "--name-only", commit, f"./{below}") or ""
    return [Path(path).name for path in listed.split("\0") if path]


def git(folder: Path, *arguments: str) -> str | None:
    """What git says, None where it refuses."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=GIT_SECONDS, check=False)
    except FileNotFoundError:
        raise SettingsError("git is not installed: install it, or name a folder of contracts to compare with") from None
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None
