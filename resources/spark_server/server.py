"""The server's process: started, awaited, stopped.

Belongs here: one JVM on this machine. Not here: its options (options.py), the command line (__main__.py).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from resources.errors import ServerFailed, SetUpFailed
from resources.ports import LOOPBACK, accepts
from resources.spark_server import scratch as scratches
from resources.spark_server.jvm import Jvm
from resources.spark_server.layout import Layout
from resources.spark_server.options import LOG_SETTINGS, MAIN_CLASS, Workers, java_options, spark_settings

START_SECONDS = 120.0
STOP_SECONDS = 15.0
ENDED = 128 + signal.SIGTERM


class SparkServer:
    """One Spark Connect server; `with SparkServer(...) as server:` stops it at the end.

    Parameters: `heap` is Java's -Xmx; `cores` the tasks that run at once; `env` what the JVM sees, the AWS variables
    among them; `extra` further options of Java (the AOT training run uses them); `workers` of a cluster, where it has one.
    """

    def __init__(
        self,
        layout: Layout,
        jvm: Jvm,
        port: int,
        *,
        heap: str = "2g",
        cores: int = 2,
        env: Mapping[str, str] | None = None,
        extra: Sequence[str] = (),
        log: Path | None = None,
        workers: Workers | None = None,
    ) -> None:
        self._layout = layout
        self._jvm = jvm
        self.port = port
        self._heap = heap
        self._cores = cores
        self._workers = workers
        self._env = {
            **(os.environ if env is None else env),
            "SPARK_LOCAL_IP": workers.driver_host if workers else LOOPBACK,
            "PYSPARK_PYTHON": sys.executable,
        }
        self._extra = tuple(extra)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"sc://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Empties what former servers left, starts the JVM and does not wait for it. Raises SetUpFailed without jars, ServerFailed if the port is taken."""
        if not any(self._layout.jars.glob("*.jar")):
            raise SetUpFailed("The Spark server's jars are missing: run `python -m resources.spark_server prepare`.")
        if accepts(self.port):
            raise ServerFailed(f"Port {self.port} is taken: stop what listens there, or name another with --port.")
        scratch = self._layout.server / str(self.port)
        lock = scratches.claim(scratch, STOP_SECONDS)
        output = None
        try:
            scratches.empty_former(self._layout.server, scratch)
            arguments = scratch / scratches.ARGUMENTS
            arguments.write_text("\n".join(map(_quoted, self._arguments(scratch))) + "\n")
            output = self._log.open("ab") if self._log else None
            # Standard output is for the command that started us: Java's own warnings go there by default.
            to = output or sys.stderr
            self._process = subprocess.Popen(
                [str(self._jvm.java), f"@{arguments}"],
                stdin=subprocess.DEVNULL,
                stdout=to,
                stderr=to,
                cwd=scratch,
                env=self._env,
                preexec_fn=_die_with_parent,
                pass_fds=[lock],
            )
        finally:
            os.close(lock)
            if output:
                output.close()

    def wait_ready(self, seconds: float = START_SECONDS, over: threading.Event | None = None) -> float:
        """Waits until the server listens (or `over` is set); the seconds that took.

        Raises ServerFailed when it stops or is too slow.
        """
        began = time.monotonic()
        while (waited := time.monotonic() - began) < seconds:
            if accepts(self.port) or (over and over.is_set()):
                return waited
            code = self._process.poll() if self._process else None
            if self._process is None or code is not None:
                raise ServerFailed(f"The Spark server stopped while it started (exit code {code}); {self._where()}.")
            time.sleep(0.05)
        self.stop()
        raise ServerFailed(f"The Spark server was not ready within {seconds:.0f} s; {self._where()}.")

    def wait(self, seconds: float | None = None) -> int | None:
        """Waits for the process to end; its exit code, or None after `seconds`."""
        if self._process is None:
            return None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """Asks the process to end, and ends it when it does not within `seconds`; its exit code, None where there is no process.

        ENDED is that of a Java that was asked and ended by itself.
        """
        if self._process is None:
            return None
        self._process.terminate()
        code = self.wait(seconds)
        if code is None:
            self._process.kill()
            code = self._process.wait()
        self._process = None
        return code

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _arguments(self, scratch: Path) -> list[str]:
        settings = spark_settings(self.port, scratch, self._cores, self._env, self._workers)
        return [
            *java_options(self._jvm, self._heap, scratch),
            f"-Dlog4j2.configurationFile={LOG_SETTINGS}",
            *(f"-D{name}={value}" for name, value in settings.items()),
            *self._extra,
            *("-cp", os.pathsep.join(map(str, self._layout.class_path()))),
            MAIN_CLASS,
        ]

    def _where(self) -> str:
        return f"its log is {self._log}" if self._log else "its log is above"


def _quoted(argument: str) -> str:
    """An argument as Java's @file wants it."""
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _die_with_parent() -> None:
    """Runs in the child before Java does: Linux then ends it with its parent, even one that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
