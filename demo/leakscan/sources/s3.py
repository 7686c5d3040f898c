"""All objects of a bucket, their old versions, keys and metadata.

Belongs here: listing and fetching. Not here: formats (decode.py).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from demo.leakscan.clients import client_of
from demo.leakscan.decode import CONTENT, NAME, Facet, content
from demo.leakscan.errors import Gone
from demo.leakscan.plant import files
from demo.leakscan.sources.base import Documents, Source

METADATA, OLD = "metadata", "old version"
SCRATCH = "leakscan-controls"


@dataclass(frozen=True)
class ObjectItem:
    """One version of an object."""

    source: str
    environment: Mapping[str, str]
    bucket: str
    key: str
    version: str | None
    is_latest: bool
    size: int

    @property
    def planted(self) -> bool:
        return self.key.startswith(f"{SCRATCH}/")

    @property
    def place(self) -> str:
        old = "" if self.is_latest else f" (version {self.version})"
        return f"s3://{self.bucket}/{self.key}{old}"

    def facets(self) -> Iterator[Facet]:
        yield Facet(NAME, [self.key.encode()])
        version = {"VersionId": self.version} if self.version else {}
        try:
            answer = client_of("s3", self.environment).get_object(Bucket=self.bucket, Key=self.key, **version)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion", "404"):
                raise Gone from None
            raise
        headers = {name: answer.get(name) for name in ("Metadata", "ContentDisposition", "ContentType", "CacheControl")}
        yield Facet(METADATA, [json.dumps(headers, default=str).encode()])
        for facet in content(answer["Body"].read()):
            yield facet if self.is_latest else replace(facet, name=f"{OLD}: {facet.name}")


@dataclass(frozen=True)
class BucketSource:
    """A bucket. Controls are put under a prefix of their own and removed afterwards, with all their versions."""

    name: str
    environment: Mapping[str, str]
    bucket: str

    @property
    def facet_names(self) -> tuple[str, ...]:
        old = tuple(f"{OLD}: {facet}" for facet in CONTENT) if self._versioned() else ()
        return (NAME, METADATA, *CONTENT, *old)

    def items(self) -> Iterator[ObjectItem]:
        for listed in self._listed(""):
            is_latest = listed.get("IsLatest", True)
            version, size = listed.get("VersionId"), listed.get("Size", 0)
            yield ObjectItem(self.name, self.environment, self.bucket, listed["Key"], version, is_latest, size)

    @contextmanager
    def plant(self, documents: Documents) -> Iterator[list[Source]]:
        prefix = f"{SCRATCH}/{secrets.token_hex(8)}/"
        try:
            self._plant_below(prefix, documents)
            yield []
        finally:
            self._remove_below(prefix)

    def _plant_below(self, prefix: str, documents: Documents) -> None:
        for name, body in files(documents):
            self._put(prefix + name, body)
        for number, text in enumerate(documents[NAME]):
            self._put(f"{prefix}{number}/{text.decode()}", b"")
        for number, text in enumerate(documents[METADATA]):
            self._put(f"{prefix}metadata-{number}", b"", text)
        if self._versioned():
            old = {facet: documents[f"{OLD}: {facet}"] for facet in CONTENT}
            for name, body in files(old):
                self._put(f"{prefix}old-{name}", body)
                self._put(f"{prefix}old-{name}", b"")

    def _put(self, key: str, body: bytes, disposition: bytes = b"") -> None:
        s3 = client_of("s3", self.environment)
        extra = {"ContentDisposition": disposition.decode()} if disposition else {}
        s3.put_object(Bucket=self.bucket, Key=key, Body=body, **extra)

    def _remove_below(self, prefix: str) -> None:
        s3 = client_of("s3", self.environment)
        for listed in list(self._listed(prefix, markers=True)):
            version = {"VersionId": listed["VersionId"]} if "VersionId" in listed else {}
            s3.delete_object(Bucket=self.bucket, Key=listed["Key"], **version)

    def _versioned(self) -> bool:
        return "Status" in client_of("s3", self.environment).get_bucket_versioning(Bucket=self.bucket)

    def _listed(self, prefix: str, *, markers: bool = False) -> Iterator[dict[str, Any]]:
        s3 = client_of("s3", self.environment)
        if not self._versioned():
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from page.get("Contents", ())
            return
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            yield from page.get("Versions", ())
            if markers:
                yield from page.get("DeleteMarkers", ())
