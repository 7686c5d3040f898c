"""Starts, watches and stops the processes of the demo.

Belongs here: process groups, readiness, ordered stops, ports, memory. Not here: what the processes are (demo.cloud,
demo.main). Every child leads a session of its own, so Ctrl-C reaches the supervisor alone and it stops the children
in order; should the supervisor itself be killed, `demo.reaper` ends them.
"""

from __future__ import annotations

import atexit
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from demo.errors import PortTaken, ProcessFailed
from resources.ports import LOOPBACK

STOP_SECONDS = 10.0


@dataclass
class Child:
    """A running child: the leader of its own session and process group."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None
    stop_signal: signal.Signals

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, deadline_seconds: float = STOP_SECONDS) -> int | None:
        """Asks, waits, then kills what is left of the group; the exit code of the leader. Safe to call twice."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, self.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(deadline_seconds)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5.0)
        _reaper().forget(self.pid)
        return self.process.returncode

    def wait_ready(self, ready: Callable[[], bool], seconds: float, every: float = 0.05) -> float:
        """Waits until `ready()` is true and returns the seconds it took.

        Raises ProcessFailed, with the end of the child's log, if the child ends or the time is up first.
        """
        started = time.monotonic()
        while True:
            if not self.alive:
                raise ProcessFailed(self.name, f"ended with code {self.process.returncode} before it was ready", self.log)
            if ready():
                return time.monotonic() - started
            if time.monotonic() - started > seconds:
                raise ProcessFailed(self.name, f"was not ready within {seconds:.0f} s", self.log)
            time.sleep(every)


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    user: int | None = None,
) -> Child:
    """Starts one child, its output appended to `log` (none: discarded); `user` is a uid to drop to when root."""
    output: IO[bytes] | int = subprocess.DEVNULL
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("ab")
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            **as_user(user),
        )
    finally:
        if not isinstance(output, int):
            output.close()
    _reaper().register(process.pid, stop_signal)
    return Child(name, process, log, stop_signal)


def as_user(user: int | None) -> dict[str, Any]:
    """The arguments with which `subprocess` drops to a user and to that user's group alone."""
    return {} if user is None else {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": []}


def temporary_folder(name: str) -> Path:
    """A folder that every user can enter, removed when this process ends, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"pushlake-{name}-")).resolve()
    folder.chmod(0o755)
    _reaper().remove(folder)
    return folder


class Supervisor:
    """The children of one command, stopped in the reverse order of their start when the block ends, however it ends."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: list[Child] = []

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        ready: Callable[[], bool] | None = None,
        ready_seconds: float = 60.0,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Child:
        """Starts a child with its log at `<logs>/<name>.log`, and waits for `ready` if given."""
        log = self.logs / f"{name}.log"
        child = start(name, command, env=env, cwd=cwd, log=log, stop_signal=stop_signal)
        self.children.append(child)
        if ready is not None:
            child.wait_ready(ready, ready_seconds)
        return child

    def adopt(self, child: Child) -> Child:
        """Takes over a child that something else started, e.g. `Postgres.child`."""
        self.children.append(child)
        return child

    def raise_if_ended(self) -> None:
        """Raises ProcessFailed for the first child that is no longer running."""
        for child in self.children:
            if not child.alive:
                raise ProcessFailed(child.name, f"ended with code {child.process.returncode}", child.log)

    def stop(self, child: Child, deadline_seconds: float = STOP_SECONDS) -> int | None:
        """Stops one child before the others; its exit code."""
        code = child.stop(deadline_seconds)
        self.children.remove(child)
        return code

    def stop_all(self, deadline_seconds: float = STOP_SECONDS) -> None:
        """Stops the children, last started first. A second Ctrl-C cannot interrupt this half-way."""
        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
        try:
            while self.children:
                self.children.pop().stop(deadline_seconds)
        finally:
            if main:
                signal.signal(signal.SIGINT, before)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop_all()


def require_free_port(port: int, what: str, setting: str) -> int:
    """Returns `port`; raises PortTaken, which names the setting that moves it, if somebody listens there."""
    with socket.socket() as probe:
        # As the servers themselves do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(port, what, setting) from error
    return port


class _Reaper:
    """The parent's end of the pipe to `demo.reaper`."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("reaper.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """Ends it with this process: should children be left, it ends them first."""
        assert self._process.stdin is not None
        if self.owner == os.getpid():
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()

    def register(self, group: int, first: signal.Signals) -> None:
        self._write(f"+{group} {int(first)}\n")

    def forget(self, group: int) -> None:
        self._write(f"-{group}\n")

    def remove(self, folder: Path) -> None:
        self._write(f"~{folder}\n")

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with self._lock, suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


_current_reaper: _Reaper | None = None
_reaper_lock = threading.Lock()


def _reaper() -> _Reaper:
    """The reaper of this very process: one that was inherited over a fork belongs to the parent."""
    global _current_reaper
    with _reaper_lock:
        if _current_reaper is None or _current_reaper.owner != os.getpid():
            _current_reaper = _Reaper()
            atexit.register(_current_reaper.close)
        return _current_reaper
