"""What git knows of the history: a list that lost an entry, and a vocabulary that was released without a signature."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from publisher.contracts.diff import compare
from publisher.contracts.released import HISTORY, RELEASES
from publisher.contracts.vocabulary.fingerprint import LOCK
from publisher.contracts.vocabulary.fingerprint import fingerprints as actual
from tests.unit.contracts.release_history import commit, edit, git, run, without_last_entry


def entry_and_text_gone(folder: Path) -> None:
    """With the text, the folder alone does not show it."""
    without_last_entry(folder)
    (folder / HISTORY / "customers-1.1.0.yaml").unlink()


def history_gone(folder: Path) -> None:
    shutil.rmtree(folder / HISTORY)


def day_changed(folder: Path) -> None:
    listed = folder / HISTORY / RELEASES
    listed.write_text(listed.read_text().replace("date: '2026-11-24'", "date: '2026-11-20'"))


@pytest.mark.parametrize("spoil", [entry_and_text_gone, history_gone, day_changed])
def test_git_knows_what_the_list_has_lost(repository: Path, spoil: Callable[[Path], None]) -> None:
    assert (run(repository, "diff").exit_code, run(repository, "diff").stderr) == (0, "")
    spoil(repository)
    for message in (None, "two", "three"):  # not committed, committed, and behind another commit
        if message is not None:
            (repository.parent / message).touch()
            commit(repository, message)
        for command in ("diff", "release"):
            result = run(repository, command)
            assert result.exit_code == 2
            assert "stood in the list at" in result.output
            assert "Restore the entry: `git show" in result.output


def test_a_branch_is_held_against_where_it_left_the_remotes_default_branch(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository.parent), str(clone))
    mine = clone / repository.name
    git(clone, "checkout", "--quiet", "-b", "work")
    edit(mine / "debts.yaml", ("value: 30, unit: d", "value: 20, unit: d"), ("version: 1.0.0", "version: 1.1.0"))
    assert run(mine, "release").exit_code == 0
    commit(mine, "released on the branch")
    git(clone, "revert", "--no-edit", "HEAD")
    assert run(mine, "diff").exit_code == 0, "a branch may undo its own"
    entry_and_text_gone(mine)
    commit(mine, "what main has is gone")
    assert "customers 1.1.0 stood in the list at" in run(mine, "diff").output


def test_where_git_cannot_tell_that_is_said(released: Path, tmp_path: Path) -> None:
    outside = run(released, "diff")
    assert (outside.exit_code, "Not looked at: whether the list of releases only grew, since" in outside.stderr) == (0, True)
    git(released.parent, "init", "--quiet", "--initial-branch=main")
    commit(released, "one")
    (released.parent / "more").touch()
    commit(released, "two")
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{released.parent}", str(clone))
    git(clone, "remote", "remove", "origin")
    shallow = run(clone / released.name, "diff")
    assert (shallow.exit_code, "this clone is shallow (fetch the whole history)" in shallow.stderr) == (0, True)


def spoil_vocabulary(folder: Path, monkeypatch: pytest.MonkeyPatch, **marks: str) -> None:
    """The code of functions is another, and both locks are written as if that had been released."""
    monkeypatch.setattr(compare, "fingerprints", lambda: {**actual(), **marks})
    for lock in (folder / LOCK, folder / HISTORY / LOCK):
        lock.write_text(json.dumps({**actual(), **marks}))


def test_a_lock_copied_over_the_historys_does_not_sign_for_the_functions(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_vocabulary(repository, monkeypatch, present="0" * 32)
    for message in (None, "two"):
        if message is not None:
            commit(repository, message)
        for command in ("diff", "release"):
            result = run(repository, command)
            assert result.exit_code == 2
            assert (
                "history/vocabulary.lock: the functions as they were last released: nobody approved what these do by it: present."
                in result.output
            )
            assert "Restore it from git, or have sha256:" in result.output


def test_a_function_more_needs_no_signature(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil_vocabulary(repository, monkeypatch, another="0" * 32)
    assert run(repository, "diff").exit_code == 0


def test_without_git_an_unsigned_lock_is_refused(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil_vocabulary(released, monkeypatch, another="0" * 32)
    assert "nobody approved what these do by it: another" in run(released, "diff").output
    (released / HISTORY / LOCK).write_text("half wri")
    assert (
        "history/vocabulary.lock:1: the functions as they were last released: it cannot be read. Restore it from git"
        in run(released, "diff").output
    )
