"""Errors of a step as Dagster may keep them: its event log shows message, cause and traceback to everybody, and keeps them for long.

Belongs here: what is left of an unforeseen exception. Not here: the errors that this lake foresees (resources/errors.py): those hold
no value by their making.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from publisher.errors import PublisherError
from publisher.unforeseen import in_words
from resources.errors import ResourceError

P = ParamSpec("P")
T = TypeVar("T")
_FORESEEN = (ResourceError, PublisherError, dg.Failure, dg.RetryRequested)


class Unforeseen(ResourceError):
    """An exception that nobody foresaw: its class and where it was raised. Its text may quote a record, and is left out."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(in_words(error, but=__name__))


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
