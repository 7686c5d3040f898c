"""Runs `datacontract` commands in one process that cannot reach a network: `python offline.py RESULTS < commands`, as JSON.

Belongs here: the process, which imports nothing of ours. Not here: what is run and expected (test_odcs_tools.py). One process, since
importing the tool takes a second, and there is a command for each contract and format.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

NETWORK = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")
attempts: list[str] = []


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Of whatever library: Python tells its hooks before it asks the system."""
    if event in NETWORK:
        attempts.append(f"{event} {arguments[-1] if event == 'socket.connect' else arguments[0]}")
        raise OSError("There is no network here.")


def run(app: object, command: list[str]) -> dict[str, object]:
    """The command's exit code and output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            app(command)  # type: ignore[operator]
            code: object = 0
        except SystemExit as left:
            code = left.code
        except Exception as error:  # noqa: BLE001 (what a person would see as a traceback)
            code, _ = 1, print(repr(error))
    return {"code": code, "output": out.getvalue(), "attempts": attempts.copy()}


if __name__ == "__main__":
    sys.addaudithook(refuse)
    from datacontract.cli import app  # what the command `datacontract` calls

    results = []
    for command in json.load(sys.stdin):
        attempts.clear()
        results.append(run(app, command))
    Path(sys.argv[1]).write_text(json.dumps(results))
