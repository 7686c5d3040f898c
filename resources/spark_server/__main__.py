"""`python -m resources.spark_server prepare|start|stop|status`: the server from a shell.

Belongs here: arguments, words and exit codes. Not here: what the commands do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from resources.errors import ResourceError
from resources.ports import DEFAULT_PORT, LOOPBACK, address_of
from resources.spark_server import commands, process_file
from resources.spark_server.layout import default_layout

_folder = click.option(
    "--folder", type=click.Path(path_type=Path), help="Where this server writes; default: `spark` in the state folder."
)


@click.group(help="The warm Spark Connect server of the lake.")
def cli() -> None:
    pass


@cli.command()
@click.option("--aot/--no-aot", default=True, help="Make the AOT cache too (a training run, once).")
def prepare(aot: bool) -> None:
    """Fetch the jars and make the AOT cache, where they are not there yet."""
    commands.prepare(default_layout(), aot=aot)


@cli.command()
@click.option("--port", type=int, default=lambda: _default_port(), help="Default: the port of SPARK_REMOTE, or 15002.")
@click.option("--heap", default="2g", envvar="PUSHLAKE_SPARK_HEAP", show_default=True, help="Java's -Xmx.")
@click.option("--cores", default=2, envvar="PUSHLAKE_SPARK_CORES", show_default=True, help="Tasks that run at once.")
@click.option(
    "--master", default="", envvar="PUSHLAKE_SPARK_MASTER", help="A cluster's, as spark://host:7077. Default: this machine alone."
)
@click.option(
    "--driver-host",
    default=LOOPBACK,
    envvar="PUSHLAKE_SPARK_DRIVER_HOST",
    show_default=True,
    help="Where the cluster's workers reach this server.",
)
@click.option(
    "--worker-heap", default="1g", envvar="PUSHLAKE_SPARK_WORKER_HEAP", show_default=True, help="Java's -Xmx on each worker."
)
@click.option("--detach", is_flag=True, help="Return when the server is ready.")
@click.option("--lifeline", is_flag=True, help="Stop when standard input closes.")
@_folder
def start(
    port: int,
    heap: str,
    cores: int,
    master: str,
    driver_host: str,
    worker_heap: str,
    detach: bool,
    lifeline: bool,
    folder: Path | None,
) -> None:
    """Run the server until it is interrupted."""
    options = commands.StartOptions(port, heap, cores, lifeline, master, driver_host, worker_heap)
    run: Callable[..., Any] = commands.start_detached if detach else commands.start
    run(default_layout(folder), options)


@cli.command()
@_folder
def stop(folder: Path | None) -> None:
    """Stop the server that runs here."""
    stopped = process_file.stop(default_layout(folder))
    click.echo(f"stopped the server on port {stopped.port}" if stopped else "no server runs here")


@cli.command()
@_folder
def status(folder: Path | None) -> None:
    """Say whether a server is ready here; exit code 1 if not."""
    running = process_file.read(default_layout(folder))
    if running is None:
        click.echo("no server runs here")
    elif running.ready:
        click.echo(f"a server is ready at sc://127.0.0.1:{running.port}")
        return
    else:
        click.echo(f"the server on port {running.port} is starting")
    sys.exit(1)


def _default_port() -> int:
    remote = os.environ.get("SPARK_REMOTE", "")
    return address_of(remote)[1] if remote else DEFAULT_PORT


def main() -> None:
    try:
        cli(prog_name="python -m resources.spark_server")
    except ResourceError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
