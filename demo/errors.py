"""What the demo can fail with. Belongs here: the tree of errors. Not here: where they are raised.

DemoError
├── PortTaken        somebody else listens on a port that the demo needs
├── ProcessFailed    a child process ended or never got ready
└── SettingMissing   an environment variable is not set
"""

from __future__ import annotations

from pathlib import Path

LOG_LINES = 15


class DemoError(Exception):
    """The base of all. Its message is one sentence to a person, and says what to do."""


class PortTaken(DemoError):
    """Somebody else listens on the port."""

    def __init__(self, port: int, what: str, setting: str) -> None:
        self.port, self.what, self.setting = port, what, setting
        super().__init__(
            f"Port {port}, which {what} needs, is taken: stop what listens there, or choose another with {setting}=<port>."
        )


class ProcessFailed(DemoError):
    """A child process ended, or was not ready in time; the message ends with the last lines of its log."""

    def __init__(self, name: str, happened: str, log: Path | None) -> None:
        self.name, self.log = name, log
        super().__init__(f"{name} {happened}.{_tail(log)}")


class SettingMissing(DemoError):
    """An environment variable that is needed is not set."""

    def __init__(self, name: str, meaning: str) -> None:
        self.name = name
        super().__init__(f"{name} is not set: it must hold {meaning}. `make demo` and `make dev` set it themselves.")


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return f" The end of {log}:\n" + "\n".join(f"  {line}" for line in lines) if lines else f" {log} is empty."
