"""The search for keys in processes finds what a process holds, in each form, and says so when it could not look."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.lake_keys import KeySearch, family, forms_of, search_processes

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/mem").exists(), reason="the memory of other processes can be read on Linux only"
)
CONTROL = secrets.token_hex(16)
HOLDER = "import base64, sys; sys.path; key = base64.b64decode(sys.stdin.readline()); text = {0}; print('ready', flush=True); sys.stdin.readline()"


@pytest.fixture
def key() -> bytes:
    return secrets.token_bytes(32)


def start(holds: str, key: bytes, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLDER.format(holds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **env}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(base64.b64encode(key) + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        yield process


@pytest.mark.parametrize(("form", "holds"), enumerate(["key[:]", "base64.b64encode(key)", "key.hex()", "key.hex().upper()"]))
def test_a_key_is_found_in_whatever_form_a_process_holds_it(key: bytes, form: int, holds: str) -> None:
    for process in start(holds, key, CONTROL=CONTROL):
        needles = {"the pseudonym key": [forms_of(key)[form]]}
        result = search_processes({"lake": family(process.pid)}, needles, CONTROL.encode())
        assert result.found == [f"the pseudonym key in lake {process.pid}"]
        assert not result.ok
        assert base64.b64encode(key).decode() not in result.summary()


def test_a_process_without_the_key_passes_and_the_control_proves_that_it_was_read(key: bytes) -> None:
    for process in start("0", secrets.token_bytes(32), CONTROL=CONTROL):
        lake = {"lake": [process.pid]}
        result = search_processes(lake, {"the pseudonym key": forms_of(key)}, CONTROL.encode())
        assert result.ok, result.summary()
        assert result.bytes > 1 << 20
        assert search_processes(lake, {}, secrets.token_hex(16).encode()).missed == [f"lake {process.pid}"]


def test_a_process_that_ended_is_none_and_no_process_is_no_proof(key: bytes) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    result = search_processes({"lake": [ended.pid, *family(ended.pid)]}, {"key": forms_of(key)}, b"control")
    assert (result.processes, result.ok) == ([], False)


def test_where_no_memory_can_be_seen_the_environments_are_searched_and_the_summary_says_so(
    key: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.lake_keys._PROC", tmp_path / "none")
    needles = {"the pseudonym key": forms_of(key)}
    for process in start("0", b"", CONTROL=CONTROL):
        clean = search_processes({"lake": [process.pid]}, needles, CONTROL.encode())
        assert clean.ok
        assert "only their environments searched" in clean.summary()
    for process in start("0", b"", CONTROL=CONTROL, LEFT_THERE=key.hex()):
        assert search_processes({"lake": [process.pid]}, needles, CONTROL.encode()).found == [
            f"the pseudonym key in lake {process.pid}"
        ]
        assert search_processes({"lake": [process.pid]}, {}, b"another control").missed == [f"lake {process.pid}"]


def test_two_searches_are_one_that_passes_only_if_both_do_and_each_looked_at_something() -> None:
    clean, dirty, nothing = KeySearch(["spark 1"], 5), KeySearch(["run 2"], 7, found=["the data key in run 2"]), KeySearch()
    assert (clean + clean).ok
    assert (clean + clean).bytes == 10
    assert (clean + dirty).found == ["the data key in run 2"]
    assert not (clean + dirty).ok
    assert not (clean + nothing).ok
    assert not (nothing + clean).ok


def test_what_may_not_be_read_is_said(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, overlap: int) -> Iterator[bytes]:
        raise PermissionError

    monkeypatch.setattr("demo.lake_keys._memory", refuse)
    result = search_processes({"lake": [os.getpid()]}, {"key": forms_of(key)}, b"control")
    assert result.unread == [f"lake {os.getpid()}"]
    assert "not readable" in result.summary()
