"""Errors of a step as Dagster may keep them: its event log shows message, cause and traceback to everybody, and keeps them for long.

Belongs here: what is left of an unforeseen exception. Not here: the errors that this lake foresees (resources/errors.py): those hold
no value by their making.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

import dagster as dg

from publisher.errors import PublisherError
from resources.errors import ResourceError

P = ParamSpec("P")
T = TypeVar("T")
_FORESEEN = (ResourceError, PublisherError, dg.Failure, dg.RetryRequested)
_OURS = ("lake_assets", "resources", "publisher")


class Unforeseen(ResourceError):
    """An exception that nobody foresaw: its class and where it was raised. Its text may quote a record, and is left out."""

    def __init__(self, error: BaseException) -> None:
        kind = type(error)
        super().__init__(
            f"{kind.__module__}.{kind.__qualname__} at {_where(error.__traceback__)}. Its text is left out, since it may quote a "
            "record: look at that line, and try it on data that you may see."
        )


def without_values(step: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Wraps a step, so that an exception that it does not foresee ends it as Unforeseen, without text, cause and context."""

    @wraps(step)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        try:
            yield from step(*args, **kwargs)
        except _FORESEEN as error:
            error.__cause__ = error.__context__ = None  # what led to it may hold what it leaves out
            raise
        except Exception as error:  # noqa: BLE001 (what is not foreseen cannot be named)
            raise Unforeseen(error) from None

    return guarded


def _where(traceback: TracebackType | None) -> str:
    """`module:line` of the innermost frame of our own, and of the innermost at all."""
    frames = []
    while traceback is not None:
        frames.append((str(traceback.tb_frame.f_globals.get("__name__", "?")), traceback.tb_lineno))
        traceback = traceback.tb_next
    ours = [frame for frame in frames if frame[0].partition(".")[0] in _OURS and frame[0] != __name__]
    named = [f"{module}:{line}" for module, line in [*ours[-1:], *frames[-1:]]]
    return ", from ".join(reversed(dict.fromkeys(named))) or "an unknown place"
