"""Child processes: none is left, whatever happens to the parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from demo.errors import PortTaken, ProcessFailed
from demo.processes import Supervisor, require_free_port, start
from resources.ports import LOOPBACK, accepts, free_port

ROOT = Path(__file__).parents[3]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]
# A child with a child of its own, whose pid it says.
PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""
FAMILY = [sys.executable, "-c", PARENT]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(true: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def test_they_stop_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with Supervisor(tmp_path) as supervisor:
        for name in ("one", "two", "three"):
            script = (
                "import signal, sys, time\n"
                f"def stop(*_):\n    open({str(said)!r}, 'a').write({name!r} + ' ')\n    sys.exit(0)\n"
                "signal.signal(signal.SIGTERM, stop)\nprint('ready', flush=True)\ntime.sleep(60)\n"
            )
            log = tmp_path / f"{name}.log"
            supervisor.start(name, [sys.executable, "-c", script], ready=lambda log=log: "ready" in log.read_text())
    assert said.read_text().split() == ["three", "two", "one"]


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    child = start("stubborn", STUBBORN, log=log)
    wait_until(lambda: "ready" in log.read_text())
    started = time.monotonic()
    assert child.stop(deadline_seconds=0.3) == -signal.SIGKILL
    assert time.monotonic() - started < 5
    assert child.stop() == -signal.SIGKILL


def test_the_children_of_a_child_go_with_it(tmp_path: Path) -> None:
    log = tmp_path / "family.log"
    child = start("family", FAMILY, log=log)
    wait_until(lambda: log.read_text().strip())
    grandchild = int(log.read_text())
    child.stop()
    wait_until(lambda: gone(grandchild))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_none_is_left_when_the_parent_ends(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import signal, sys, time\nfrom pathlib import Path\nfrom demo.processes import Supervisor\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs inherit that it is ignored
        f"with Supervisor(Path({str(tmp_path)!r})) as supervisor:\n"
        f"    print(supervisor.start('family', {FAMILY!r}).pid, flush=True)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    log = tmp_path / "family.log"
    wait_until(lambda: log.read_text().strip())
    parent.send_signal(number)
    parent.communicate()
    wait_until(lambda: gone(child) and gone(int(log.read_text())))


def test_a_ctrl_c_in_the_terminal_reaches_the_parent_alone(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("sleep", SLEEP)
        assert os.getpgid(child.pid) != os.getpgrp()
        assert os.getsid(child.pid) == child.pid


def test_one_that_ends_before_it_is_ready_says_why(tmp_path: Path) -> None:
    script = "print('the reason'); raise SystemExit(3)"
    with Supervisor(tmp_path) as supervisor, pytest.raises(ProcessFailed, match="ended with code 3") as failed:
        supervisor.start("early", [sys.executable, "-c", script], ready=lambda: False)
    assert "the reason" in str(failed.value)


def test_one_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        with pytest.raises(ProcessFailed, match="not ready within"):
            supervisor.start("slow", SLEEP, ready=lambda: False, ready_seconds=0.3)
        supervisor.raise_if_ended()
    assert supervisor.children == []


def test_one_that_ends_is_noticed(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        child = supervisor.start("short", [sys.executable, "-c", "pass"])
        child.process.wait()
        with pytest.raises(ProcessFailed, match="short ended with code 0"):
            supervisor.raise_if_ended()


def test_a_taken_port_gets_one_sentence_that_says_what_to_do() -> None:
    port = free_port()
    assert require_free_port(port, "the UI", "UI_PORT") == port
    assert not accepts(port)
    with socket.socket() as other:
        other.bind((LOOPBACK, port))
        other.listen()
        assert accepts(port)
        with pytest.raises(PortTaken) as taken:
            require_free_port(port, "the UI", "UI_PORT")
    assert str(taken.value) == (
        f"Port {port}, which the UI needs, is taken: stop what listens there, or choose another with UI_PORT=<port>."
    )
