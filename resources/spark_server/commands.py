"""What the command line does.

Belongs here: set-up, the foreground server with its end, the detached one. Not here: arguments (__main__.py).
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from types import FrameType

import click

from resources.errors import ServerFailed
from resources.ports import LOOPBACK
from resources.spark_server import process_file
from resources.spark_server.aot import aot_options, make_aot_cache
from resources.spark_server.guard import Guard, writer_guard
from resources.spark_server.jars import fetch_jars
from resources.spark_server.jvm import find_jvm
from resources.spark_server.layout import Layout
from resources.spark_server.options import Workers, worker_java_options
from resources.spark_server.server import START_SECONDS, SparkServer


@dataclass(frozen=True)
class StartOptions:
    port: int
    heap: str
    cores: int
    lifeline: bool
    master: str = ""
    """Of a cluster; empty: this machine alone."""
    driver_host: str = LOOPBACK
    worker_heap: str = "1g"


def prepare(layout: Layout, *, aot: bool = True) -> None:
    """Makes what the server needs and is not there yet; says what took how long. Two at once wait for each other."""
    layout.state.mkdir(parents=True, exist_ok=True)
    with (layout.state / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _prepare(layout, aot)


def _prepare(layout: Layout, aot: bool) -> None:
    jvm = find_jvm()
    began = time.monotonic()
    fetched = fetch_jars(layout, jvm)
    click.echo(f"Spark jars: {'fetched' if fetched else 'there'}{_seconds_since(began)}")
    if aot:
        began = time.monotonic()
        outcome = make_aot_cache(layout, jvm)
        click.echo(f"AOT cache: {outcome}{_seconds_since(began)}")


def start(layout: Layout, options: StartOptions) -> None:
    """Runs the server until SIGINT, SIGTERM or, with a lifeline, the end of standard input.

    Where LAKE_URI names a lake in S3, it holds that lake's writer lease meanwhile. Raises LeaseHeld if another server does.
    """
    running = process_file.read(layout)
    if running:
        raise ServerFailed(f"A server already runs here, on port {running.port}: `stop` it first, or use it.")
    jvm = find_jvm()
    workers = (
        Workers(options.master, options.driver_host, options.worker_heap, layout.jars, worker_java_options(jvm))
        if options.master
        else None
    )
    extra = aot_options(layout, jvm)
    server = SparkServer(layout, jvm, options.port, heap=options.heap, cores=options.cores, extra=extra, workers=workers)
    over = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    with writer_guard(os.environ) as guard:
        server.start()
        if options.lifeline:
            threading.Thread(target=_watch_standard_input, args=(over,), daemon=True).start()
        process_file.write(layout, process_file.Running(os.getpid(), options.port))
        try:
            waited = server.wait_ready(over=over)
            if not over.is_set():
                click.echo(f"ready at {server.url} after {waited:.1f} s")
            _watch(server, guard, over)
        finally:
            server.stop()
            process_file.remove(layout)


def _watch(server: SparkServer, guard: Guard, over: threading.Event) -> None:
    """Waits until it is over. Raises ServerFailed if the server ends first, LeaseHeld if its lease does."""
    while not over.wait(0.2):
        code = server.wait(0)
        if code is not None:
            raise ServerFailed(f"The Spark server ended by itself with exit code {code}; its log is above.")
        guard.tick()


def start_detached(layout: Layout, options: StartOptions) -> None:
    """Starts `start` in a session of its own and returns when the server is ready."""
    layout.server.mkdir(parents=True, exist_ok=True)
    log = layout.server / "server.log"
    command = [sys.executable, "-m", "resources.spark_server", "start", "--port", str(options.port)]
    command += ["--folder", str(layout.server), "--heap", options.heap, "--cores", str(options.cores)]
    command += ["--master", options.master, "--driver-host", options.driver_host, "--worker-heap", options.worker_heap]
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        running = process_file.read(layout)
        if running and running.pid == child.pid and running.ready:
            click.echo(f"ready at sc://127.0.0.1:{options.port}; stop it with `python -m resources.spark_server stop`")
            return
        if child.poll() is not None:
            raise ServerFailed(f"The server did not start: {_last_line(log.read_text())} (the log is {log})")
        time.sleep(0.1)
    child.terminate()
    raise ServerFailed(f"The server was not ready within {START_SECONDS:.0f} s; its log is {log}.")


def _watch_standard_input(over: threading.Event) -> None:
    while os.read(0, 4096):  # not sys.stdin: Python aborts at its end while a thread waits inside that one's lock
        pass
    over.set()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _seconds_since(began: float) -> str:
    seconds = time.monotonic() - began
    return f" ({seconds:.0f} s)" if seconds >= 1 else ""
