"""`python -m resources.spark_server prepare|start|stop|status`: the server from a shell.

Belongs here: arguments, words and exit codes. Not here: what the commands do.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from resources.errors import ResourceError
from resources.spark_server import commands, process_file
from resources.spark_server.layout import default_layout


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    layout = default_layout()
    try:
        if arguments.command == "prepare":
            commands.prepare(layout, aot=not arguments.no_aot)
        elif arguments.command == "start":
            options = commands.StartOptions(
                arguments.port, arguments.heap, arguments.cores, arguments.lifeline
            )
            return (
                commands.start_detached(layout, options)
                if arguments.detach
                else commands.start(layout, options)
            )
        elif arguments.command == "stop":
            stopped = process_file.stop(layout)
            print(f"stopped the server on port {stopped.port}" if stopped else "no server runs here")
        else:
            running = process_file.read(layout)
            if running is None or not running.ready:
                print(
                    "no server runs here"
                    if running is None
                    else f"the server on port {running.port} is starting"
                )
                return 1
            print(f"a server is ready at sc://127.0.0.1:{running.port}")
    except ResourceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m resources.spark_server", description=__doc__)
    every = parser.add_subparsers(dest="command", required=True)
    prepare = every.add_parser(
        "prepare", help="fetch the jars and make the AOT cache, where they are not there yet"
    )
    prepare.add_argument("--no-aot", action="store_true", help="only the jars")
    start = every.add_parser("start", help="run the server until it is interrupted")
    start.add_argument(
        "--port", type=int, default=_default_port(), help="default: the port of SPARK_REMOTE, or 15002"
    )
    start.add_argument("--heap", default=os.environ.get("PUSHLAKE_SPARK_HEAP", "2g"), help="Java's -Xmx")
    start.add_argument("--cores", type=int, default=int(os.environ.get("PUSHLAKE_SPARK_CORES", "4")))
    start.add_argument("--detach", action="store_true", help="return when the server is ready")
    start.add_argument("--lifeline", action="store_true", help="stop when standard input closes")
    every.add_parser("stop", help="stop the server that runs here")
    every.add_parser("status", help="exit 0 if a server is ready here")
    return parser


def _default_port() -> int:
    return urlsplit(os.environ.get("SPARK_REMOTE", "")).port or 15002


if __name__ == "__main__":
    sys.exit(main())
