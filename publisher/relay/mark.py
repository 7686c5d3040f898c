"""The mark on the stream: which database published last, kept where no copy of the database can take it along.

Belongs here: reading, comparing and writing it. Not here: when (loop.py, run.py), epochs (epoch.py).

A copy of the disk, or a base backup that is started without a promotion, has the same system identifier, the same timeline and the same outbox: nothing in
it tells that it is a copy (tried). So every half minute the relay commits a random token to its database, and then writes it to a tag of the stream. Whoever finds
a token there that its database does not know has been overtaken: by a copy of itself, or it is one, or it was restored. Then only a person can say which one is to go on.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from publisher.database import Connection
from publisher.errors import InstallError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

logger = logging.getLogger("publisher.relay")

BEAT_SECONDS = 30.0
FORBIDDEN = frozenset({"AccessDeniedException", "UnknownOperationException"})

OVERTAKEN = (
    "another database has published to this stream since: this one is a copy of it, or was restored. If this one is to publish from now on, stop "
    "every other relay and give `publisher install --new-epoch`; if it is a copy, set LAKE_STREAM to another stream, and rotate what it holds"
)


class Mark:
    """The tag of this database on one stream."""

    def __init__(self, client: Callable[[], KinesisClient], stream: str) -> None:
        self._client = client
        self._stream = stream
        self._forbidden = False
        self._unwritten: str | None = None

    def check(self, connection: Connection) -> None:
        """Raises InstallError when the stream bears a token that this database never wrote. A stream that cannot be asked says nothing."""
        try:
            self._known(connection)
        except (ClientError, BotoCoreError) as error:
            self._failed(error)

    def beat(self, connection: Connection) -> None:
        """Checks, then writes a new token. It is committed here before it is there, so a crash between the two is no overtaking.

        A stream that cannot be asked is not written to either; one that refuses the token gets the same again, and its last one stays known here.
        """
        if self._forbidden:
            return
        try:
            there = self._known(connection)
            if self._unwritten is None:
                self._unwritten = secrets.token_hex(16)
                connection.execute(REMEMBER, {"token": self._unwritten, "there": there})
            client = self._client()
            client.add_tags_to_stream(StreamName=self._stream, Tags={tag_of(connection): self._unwritten})
            self._unwritten = None
        except (ClientError, BotoCoreError) as error:
            self._failed(error)

    def _known(self, connection: Connection) -> str | None:
        tag = tag_of(connection)
        client = self._client()
        answer = client.list_tags_for_stream(StreamName=self._stream, Limit=50)
        there = next((each["Value"] for each in answer.get("Tags", []) if each["Key"] == tag), None)
        if there is not None:
            row = connection.execute(KNOWN, [there]).fetchone()
            if row and not row[0]:
                raise InstallError(OVERTAKEN)
        return there

    def _failed(self, error: ClientError | BotoCoreError) -> None:
        code = str(error.response.get("Error", {}).get("Code")) if isinstance(error, ClientError) else type(error).__name__
        if code in FORBIDDEN:
            if not self._forbidden:
                remedy = "allow kinesis:ListTagsForStream and kinesis:AddTagsToStream: until then a copy of the database is not noticed"
                logger.warning("the stream's mark may not be used", extra={"fields": {"reason": code, "remedy": remedy}})
            self._forbidden = True
        else:
            logger.warning("the stream's mark was not reached: next time", extra={"fields": {"reason": code}})


def forget(connection: Connection) -> None:
    """Lets this database overtake whoever published last: after a restore, when a person has said so."""
    connection.execute("DELETE FROM publisher.marks")


def tag_of(connection: Connection) -> str:
    """The same for a database and every copy of it, and another for any other. No name of a database is in it."""
    row = connection.execute("SELECT system_identifier, current_database()::text FROM pg_control_system()").fetchone()
    if row is None:
        raise InstallError("the database does not tell its system identifier: grant the role pg_monitor")
    return f"pushlake-publisher:{hashlib.sha256(f'{row[0]}/{row[1]}'.encode()).hexdigest()[:16]}"


KNOWN = """
SELECT NOT EXISTS (SELECT FROM publisher.marks) OR EXISTS (SELECT FROM publisher.marks WHERE token = %s)
"""

REMEMBER = """
-- Older than the one that is there, none can come back.
WITH written AS (INSERT INTO publisher.marks (token) VALUES (%(token)s))
DELETE FROM publisher.marks WHERE mark < (SELECT mark FROM publisher.marks WHERE token = %(there)s)
"""
