"""Two demos in one folder: the second ends with a sentence, and the first keeps what is its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import stack
from demo.errors import DemoError
from demo.processes import Supervisor
from demo.stack import Stack

ROOT = Path(__file__).parents[3]
FIRST = """
import sys, time
from pathlib import Path
from demo.processes import Supervisor
from demo.stack import Stack
with Supervisor(Path(sys.argv[1])) as supervisor:
    stack = Stack.prepare(supervisor, "run")
    (stack.folder / "live").touch()
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def first(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that prepared the same folder and lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", FIRST, str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PUSHLAKE_STATE": str(tmp_path)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_one_takes_nothing_from_the_first_and_may_start_when_it_is_dead(
    first: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "STATE", tmp_path)
    with pytest.raises(DemoError) as refused:
        Stack.prepare(Supervisor(tmp_path), "run")
    assert str(refused.value) == (
        f"Another process ({first.pid}) runs in {tmp_path / 'run'}: wait for its end or end it, or set PUSHLAKE_STATE to another "
        "folder for this one."
    )
    assert (tmp_path / "run" / "live").exists()
    assert Stack.prepare(Supervisor(tmp_path), "dev").folder.exists(), "`make dev` has a folder of its own"

    first.kill()
    first.wait()
    prepared = Stack.prepare(Supervisor(tmp_path), "run")
    assert [path.name for path in prepared.folder.iterdir()] == ["logs"]
