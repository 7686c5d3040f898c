"""Sessions on the warm Spark server that SPARK_REMOTE names.

Belongs here: opening, interrupting and closing sessions, keeping values out of Spark's errors, times that come back. Not here: the
server (spark_server/), tables (tables.py). Not built on dagster-pyspark's PySparkResource: that holds one session a process, and
importing it costs every Dagster process 0.35 s where this costs nothing until a session is opened.
"""

from __future__ import annotations

import logging
import re
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.errors import ResourceError, ServerFailed, SparkFailed
from resources.ports import address_of
from resources.settings import setting

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

FEW_TASKS: Mapping[str, str] = {"spark.sql.adaptive.enabled": "false", "spark.sql.shuffle.partitions": "1"}
"""A session's settings for few rows joined with a table of middle size: planned once, and one task a stage."""

SMALL_WORK: Mapping[str, str] = {
    **FEW_TASKS,
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # To mark the rows of a table of a few files is a job more than to write those files anew: 2.0 s instead of 1.3.
    "spark.databricks.delta.merge.deletionVectors.persistent": "false",
}
"""A session's settings for statements over some thousands of rows: neither compiled nor planned twice, and one task a stage.

Both batch and table must be small: a MERGE of 500 rows into 200,000 takes 11 s of CPU with them, 4 s without.
"""

_SHARED_CODE: Mapping[str, str] = {
    "spark.sql.artifact.isolation.enabled": "false",
    "spark.sql.artifact.isolation.alwaysApplyClassloader": "false",
}
"""No class loader for each session, since nobody brings classes here.

Spark keeps generated code by class loader, and a session is as long as a batch: so each batch compiled all of its code anew, which was half of the time
that its MERGEs took. See docs/decisions/0036-generated-code-is-shared.md.
"""

_CLOSED = ("SESSION_CLOSED", "SESSION_CHANGED")
_TAKEN = "TARGET_SESSION_ID_ALREADY_CLOSED"
_EXISTS = "TARGET_SESSION_ID_ALREADY_EXISTS"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pushlake.invalid/spark-session")


class _Refused(Exception):
    """A session that the server did not copy, by Spark's error class."""

    def getCondition(self) -> str:  # noqa: N802 (as PySpark's own exceptions have it)
        return str(self)


class SparkConnectResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The Spark server, as a resource: `with spark.session("bronze/17") as session: …`. `remote` empty: what SPARK_REMOTE says."""

    remote: str = ""

    @contextmanager
    def session(self, name: str, *, interrupt_orphans: bool = True) -> Iterator[SparkSession]:
        """A session of its own for one unit of work, closed at the end.

        Its id is derived from `name` (a batch, say; or a run, for work that no other run repeats). A client that was killed
        leaves its operation running, and that may still commit seconds later; so whoever repeats the work under the same
        name first interrupts what is left of it.
        A session is for one thread: a MERGE takes its transaction id from the session's settings.
        """
        session = open_session(self.remote or setting("SPARK_REMOTE"), name)
        try:
            if interrupt_orphans:
                with spark_errors(f"interrupting what was left of {name}"):
                    session.interruptAll()
            yield session
        finally:
            close_session(session)


def open_session(remote: str, name: str | None = None) -> SparkSession:
    """Connects to `remote` (`sc://host:port`); raises ServerFailed in one sentence if nothing answers there."""
    address = address_of(remote)
    try:
        socket.create_connection(address, timeout=10).close()  # PySpark's own client tries for ten minutes
    except OSError:
        raise _no_answer(address, "nothing listens there") from None
    _quieten_client()
    from pyspark.errors.exceptions.base import PySparkException
    from pyspark.sql import SparkSession

    try:
        session: SparkSession = _first_that_opens(SparkSession.builder, remote, name)
    except (PySparkException, _Refused) as error:
        raise _no_answer(address, _condition(error)) from None
    return session


def _no_answer(address: tuple[str, int], why: str) -> ServerFailed:
    return ServerFailed(
        f"No Spark server answers at {address[0]}:{address[1]} ({why}): start one with "
        "`python -m resources.spark_server start`, or correct SPARK_REMOTE."
    )


def _first_that_opens(builder: Any, remote: str, name: str | None, *, again: bool = True) -> Any:
    """The session of `name`, or of the first of its successors that was never closed: Spark opens no id twice.

    Closing interrupted what ran in those before, so only the one that opens can have orphans.
    """
    import grpc

    template = _template(builder, remote)
    try:
        for attempt in count():
            identity = str(uuid.uuid4()) if name is None else session_id(name if attempt == 0 else f"{name}#{attempt}")
            try:
                template.client.clone(identity).close()
            except grpc.RpcError as error:  # of this call alone the client makes no exception of its own
                refused = re.match(r"\[([A-Z_.]+)\]", str(error.details()))
                reason = refused[1] if refused else error.code().name
                if reason.endswith(_TAKEN):
                    continue
                if reason.endswith(_CLOSED) and again:  # the template ended this moment
                    return _first_that_opens(builder, remote, name, again=False)
                # Of a client that died the session is still there, with what it left running.
                if not reason.endswith(_EXISTS):
                    raise _Refused(reason) from None
            return builder.remote(_with_session_id(remote, identity)).create()
    finally:
        _leave(template)
    raise AssertionError("unreachable: count() has no end")


def _template(builder: Any, remote: str) -> Any:
    """The session that all others are copied from: what a session does with classes is settled when it is made, and before its first setting but for a copy.

    It ends by itself when nobody has opened one for an hour, so a day may need several.
    """
    from pyspark.errors.exceptions.base import PySparkException

    for attempt in count():
        name = f"template/{datetime.now(UTC):%Y-%m-%d}#{attempt}"
        session = builder.remote(_with_session_id(remote, session_id(name))).create()
        try:
            for setting_name, value in _SHARED_CODE.items():
                session.conf.set(setting_name, value)
            return session
        except PySparkException as error:
            _leave(session)
            if not _condition(error).endswith(_CLOSED):
                raise
    raise AssertionError("unreachable: count() has no end")


def _leave(session: Any) -> None:
    """Forgets a session here, and not on the server. Left open it would stay this thread's active one, whose settings PySpark asks for when a time is a literal."""
    session.release_session_on_close = False
    session.stop()


def close_session(session: SparkSession) -> None:
    """Releases the session and its views on the server; a server that is gone has nothing left to release.

    Asked once: the client would go on asking for ten minutes, and a session that is left ends by itself.
    """
    session.client.set_retry_policies([])
    session.stop()


def session_id(name: str) -> str:
    """The id that every session of this name has."""
    return str(uuid.uuid5(_NAMESPACE, name))


def as_micros(column: Column | str) -> Column:
    """How a timestamp is collected: as a number, for `from_micros`.

    `collect()` itself gives it in the machine's own zone and does not say so; in the hour that its clocks go through twice, not even which one.
    """
    from pyspark.sql import functions as sf

    return sf.unix_micros(column)


def from_micros(micros: int) -> datetime:
    """The time, in UTC, that `as_micros` collected."""
    return _EPOCH + timedelta(microseconds=micros)


@contextmanager
def spark_errors(doing: str) -> Iterator[None]:
    """Turns Spark's exceptions into SparkFailed: Spark's text quotes the values that it failed on."""
    import grpc
    from pyspark.errors.exceptions.base import PySparkException

    try:
        yield
    except ResourceError:
        raise
    except PySparkException as error:
        raise SparkFailed(doing, _condition(error)) from None
    except grpc.RpcError as error:  # what brings rows to the server leaves these as they are
        raise SparkFailed(doing, error.code().name) from None


def _condition(error: Exception) -> str:
    named = getattr(error, "getCondition", lambda: None)()
    return str(named or type(error).__name__)


def _with_session_id(remote: str, identity: str) -> str:
    base = remote.rstrip("/")
    return f"{base};session_id={identity}" if "/;" in base else f"{base}/;session_id={identity}"


def _quieten_client() -> None:
    """PySpark's client logs each failed query as JSON on standard error, the values it failed on included."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
