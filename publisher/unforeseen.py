"""What may be told of an exception that nobody foresaw: its class and where it was raised. Its text may quote a record.

Belongs here: those words, for the publisher's commands and the lake's steps alike. Not here: errors of our own (errors.py).
"""

from __future__ import annotations

from types import TracebackType

OURS = ("lake_assets", "resources", "publisher")


def in_words(error: BaseException, but: str = "") -> str:
    """Class and place of an exception, and why no more is said. `but` names a module of ours that only passed it on."""
    kind = type(error)
    return (
        f"{kind.__module__}.{kind.__qualname__} at {_where(error.__traceback__, but)}. Its text is left out, since it may quote a "
        "record: look at that line, and try it on data that you may see."
    )


def _where(traceback: TracebackType | None, but: str) -> str:
    """`module:line` of the innermost frame of our own, and of the innermost at all."""
    frames = []
    while traceback is not None:
        frames.append((str(traceback.tb_frame.f_globals.get("__name__", "?")), traceback.tb_lineno))
        traceback = traceback.tb_next
    ours = [frame for frame in frames if frame[0].partition(".")[0] in OURS and frame[0] != but]
    named = [f"{module}:{line}" for module, line in [*ours[-1:], *frames[-1:]]]
    return ", from ".join(reversed(dict.fromkeys(named))) or "an unknown place"
