"""The landing bucket: which raw objects there are, and their bytes.

Belongs here: listing, looking, reading, and writing one anew. Not here: which objects are new (the ledger), what is in them (bronze), why one is
written anew (erasure).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.aws import bucket_and_prefix, counted, s3_client
from resources.settings import setting

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

SUPERSEDES = "pushlake-supersedes"
"""Metadata of an object that was written anew: the etag of the version before."""


_TRIES = 3


class TooLarge(Exception):
    """An object, or what it unpacks to, is more than the caller has room for."""


@dataclass(frozen=True)
class LandedObject:
    """One version of an object: the same key with another etag is another object. `key` is the whole key in the bucket."""

    key: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class LandedVersion:
    """One version of an object in a bucket that keeps them. `marker`: it says only that the object was deleted."""

    key: str
    version: str
    latest: bool
    size: int
    marker: bool


class Landing:
    """The bucket (and prefix) of `landing_uri`. `calls` counts what it asked of S3; each object needs a client of its own for that."""

    def __init__(self, landing_uri: str, s3: S3Client) -> None:
        self.bucket, self.prefix = bucket_and_prefix(landing_uri)
        self._s3 = s3
        self.calls = counted(s3)

    def list(self, prefix: str = "", *, after: str | None = None) -> Iterator[LandedObject]:
        """The objects under `prefix`, by key; with `after`, those whose key is greater. Costs a request per 1,000."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + prefix, StartAfter=after or ""
        )
        for page in pages:
            for item in page.get("Contents", ()):
                yield LandedObject(item["Key"], unquoted(item["ETag"]), item["Size"], item["LastModified"])

    def head(self, key: str) -> LandedObject | None:
        """The object as it is now, or None if it is gone."""
        try:
            seen = self._s3.head_object(Bucket=self.bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            if _is_absence(error):
                return None
            raise
        return LandedObject(key, unquoted(seen["ETag"]), seen["ContentLength"], seen["LastModified"])

    def etag(self, key: str) -> str | None:
        """The object's etag now, or None if it is gone."""
        seen = self.head(key)
        return seen.etag if seen else None

    def chunks(self, key: str, size_bytes: int) -> Iterator[bytes]:
        """The object's bytes in pieces of at most `size_bytes`; none if it is gone."""
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        except self._s3.exceptions.ClientError as error:
            if _is_absence(error):
                return
            raise
        yield from body.iter_chunks(size_bytes)

    def read(self, key: str, version: str | None = None, *, etag: str | None = None, most: int | None = None) -> bytes | None:
        """The whole object, or one of its versions; None if it is gone, or has another etag than is asked for.

        A connection that breaks amid the object is asked again. Raises TooLarge, before it reads, if there are more than `most` bytes.
        """
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        which: dict[str, Any] = {} if version is None else {"VersionId": version}
        if etag is not None:
            which["IfMatch"] = f'"{etag}"'
        for left in reversed(range(_TRIES)):
            try:
                answer = self._s3.get_object(Bucket=self.bucket, Key=key, **which)
            except self._s3.exceptions.ClientError as error:
                if _is_absence(error):
                    return None
                raise
            if most is not None and answer["ContentLength"] > most:
                answer["Body"].close()
                raise TooLarge
            try:
                return answer["Body"].read()
            except (HTTPClientError, IncompleteReadError):  # botocore itself repeats only what fails before the first byte
                if not left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def supersedes(self, key: str) -> str | None:
        """Of an object that `rewrite` wrote, the etag of the one before; None for any other."""
        try:
            return self._s3.head_object(Bucket=self.bucket, Key=key)["Metadata"].get(SUPERSEDES)
        except self._s3.exceptions.ClientError as error:
            if _is_absence(error):
                return None
            raise

    def rewrite(self, key: str, body: bytes, etag: str) -> LandedObject | None:
        """Puts `body` in the place of the version with `etag`, and marks it as its successor; None where another version is there by now."""
        try:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfMatch=etag, Metadata={SUPERSEDES: etag})
        except self._s3.exceptions.ClientError as error:
            if _is_absence(error):
                return None
            raise
        return self.head(key)

    def versions(self, prefix: str = "") -> Iterator[LandedVersion]:
        """All versions below `prefix`, the present ones included, and the marks of deletions. A bucket without versions has one of each object."""
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
            for item in page.get("Versions", ()):
                yield LandedVersion(item["Key"], item["VersionId"], bool(item["IsLatest"]), item["Size"], marker=False)
            for mark in page.get("DeleteMarkers", ()):
                yield LandedVersion(mark["Key"], mark["VersionId"], bool(mark["IsLatest"]), 0, marker=True)

    def remove(self, key: str, version: str) -> None:
        """Deletes one version for good. Gone already is as good."""
        self._s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version)

    def path(self, key: str) -> str:
        """The object as Spark names it."""
        return f"s3a://{self.bucket}/{key}"


class LandingResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The landing bucket, as a resource. `landing_uri` empty: what LANDING_URI says."""

    landing_uri: str = ""

    def open(self) -> Landing:
        return Landing(self.landing_uri or setting("LANDING_URI"), s3_client())


def unquoted(etag: str) -> str:
    """S3 answers etags in quotes and notifies of them without."""
    return etag.strip('"')


def _is_absence(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound", "412", "PreconditionFailed")
