"""Raw objects without what is theirs: found, written anew under the same key, known to the ledger as the same.

Belongs here: which objects, and their order of steps. Not here: their bytes (bodies.py), the tables (tables.py).

Those that a batch loaded are found through bronze; what no bronze row tells of is searched: objects that quarantine names, that brought something after
an erasure, that no batch has loaded, what Firehose could not deliver, and former versions. The rows of quarantine go before an object is
written, and the ledger knows the new etag after: a try that dies between finds the object by its mark.

An object of which nothing is left stays, empty, if a batch has loaded it: its batch can then be repeated, and finds nothing missing. Any other is deleted.
Each object is held in memory whole, unpacked: Firehose buffers at most 128 MiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyspark.sql import functions as sf

from lake_assets.bronze.erased import DROPPED
from lake_assets.erasure.bodies import cut, cut_failures, failures_text, pack, unpack
from lake_assets.erasure.codes import Codes
from lake_assets.raw.batches import ERASURE
from lake_assets.raw.ledger import RAW, hour_of
from lake_assets.transforms import schemas
from resources.errors import ResourceError
from resources.landing import LandedObject, Landing
from resources.spark import as_micros, spark_errors
from resources.tables import LakeTables

ERRORS = "errors/"
THREADS = 4
NOT_LOADED = 0
"""The batch of what the ledger knows and no batch loads: a version that an erasure replaced before any had."""


TOGETHER = 64
"""Objects that are written between two commits of the ledger."""


class ObjectChanged(ResourceError):
    """An object was overwritten by somebody while an erasure wrote it anew."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key} was overwritten while it was written anew: nothing is lost, start the erasure again. Nobody should write there twice."
        )


@dataclass
class Objects:
    """What was done to raw objects.

    `rewritten` and `removed` are their keys, of all tries as far as the ledger knows: below `errors/` it knows nothing, and these are of this try, as the
    sums are.
    """

    rewritten: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    searched: int = 0
    versions: int = 0
    unreadable: int = 0


@dataclass(frozen=True)
class _Looked:
    """An object that was searched. `packed` is what stands in its place: None where nothing of theirs was in it, empty where nothing else was."""

    key: str
    etag: str
    whole: bool
    packed: bytes | None = None
    digests: tuple[str, ...] = ()
    supersedes: str | None = None


Ledger = dict[str, dict[str, int]]
"""Of each key the etags that a batch has, each with it. What the ledger knows and no batch loads is not among them: its successor is still to be loaded."""

Quarantine = Callable[[Iterable[tuple[str, str]]], None]
"""Takes rows of refused values, each an object and a digest, out of quarantine."""


def clean(
    tables: LakeTables,
    landing: Landing,
    codes: Codes,
    loaded: Iterable[str],
    quarantine: Quarantine,
    began: datetime,
) -> Objects:
    """Takes what is theirs out of the landing bucket. `loaded` are the objects that bronze names; the first try `began` then. Raises SparkFailed."""
    done, ledger = Objects(), _ledger(tables)
    unknown = {seen.key for seen in landing.list(RAW) if seen.etag not in ledger.get(seen.key, {})}
    wanted = sorted({*loaded, *unknown, *_told_of(tables), *(seen.key for seen in landing.list(ERRORS))})
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(wanted), TOGETHER):
            looks = pool.map(lambda key: _look(landing, codes, key, ledger.get(key, {})), wanted[start : start + TOGETHER])
            looked = [each for each in looks if each is not None]
            done.searched += len(looked)
            done.unreadable += sum(not each.whole for each in looked)
            hit = [each for each in looked if each.packed is not None]
            quarantine((each.key, digest) for each in hit for digest in each.digests)
            _register(tables, [version for each in hit for version in _replaced_unloaded(landing, each, ledger)])
            written = list(pool.map(lambda each: _write(landing, each, each.etag in ledger.get(each.key, {})), hit))
            for each, now_there in zip(hit, written, strict=True):
                (done.removed if now_there is None else done.rewritten).add(each.key)
            new = [(now, ledger[now.key][before]) for now, before in filter(None, written) if before in ledger.get(now.key, {})]
            # What a try has written that died before the ledger knew.
            new += [
                (now, ledger[each.key][before])
                for each in looked
                if each.supersedes and (now := landing.head(each.key))
                for before in [each.supersedes]
            ]
            _register(tables, [(now.key, now.etag, now.size, batch) for now, batch in new])
        former = [each for each in landing.versions() if not each.latest and not each.marker and _is_raw(landing, each.key)]
        hits = pool.map(lambda each: _names_them(landing, codes, each.key, each.version), former)
        for each in [each for each, named in zip(former, hits, strict=True) if named]:
            landing.remove(each.key, each.version)
            done.versions += 1
        earlier = sorted(_registered_since(tables, began) - done.rewritten - done.removed)
        for key, etag in zip(earlier, pool.map(landing.etag, earlier), strict=True):
            (done.removed if etag is None else done.rewritten).add(key)
    return done


def texts(landing: Landing) -> Iterator[tuple[str, str | None, int]]:
    """All that lies in the landing bucket below raw/ and errors/: key, version and size."""
    for each in landing.versions():
        if not each.marker and _is_raw(landing, each.key):
            yield each.key, each.version, each.size


def text_of(landing: Landing, key: str, version: str | None) -> bytes | None:
    """What an object says, decoded: what a search reads. None if it is gone."""
    body = landing.read(key, version)
    if body is None:
        return None
    unpacked = unpack(key, body)
    whole = unpacked.text if unpacked.whole else unpacked.text + b"\n" + body
    return failures_text(whole) if _is_failure(landing, key) else whole


def _names_them(landing: Landing, codes: Codes, key: str, version: str) -> bool:
    text = text_of(landing, key, version)
    return text is not None and bool(codes.in_bytes(text))


def _look(landing: Landing, codes: Codes, key: str, known: Mapping[str, int]) -> _Looked | None:
    seen, body = landing.head(key), landing.read(key)
    if seen is None or body is None:
        return None
    unpacked = unpack(key, body)
    before = landing.supersedes(key) if known and seen.etag not in known else None
    mark = before if before in known else None
    found = (cut_failures if _is_failure(landing, key) else cut)(unpacked.text, codes)
    if found is None:
        return _Looked(key, seen.etag, unpacked.whole, supersedes=mark)
    packed = pack(found.body, unpacked) if found.body.strip() or seen.etag in known else b""
    return _Looked(key, seen.etag, unpacked.whole, packed, found.digests)


def _replaced_unloaded(landing: Landing, looked: _Looked, ledger: Ledger) -> list[tuple[str, str, int, int]]:
    """The version that goes before any batch has loaded it: its notification may still come, and nobody shall look for it then."""
    if looked.etag in ledger.get(looked.key, {}) or _is_failure(landing, looked.key):
        return []
    return [(looked.key, looked.etag, 0, NOT_LOADED)]


def _write(landing: Landing, looked: _Looked, loaded: bool) -> tuple[LandedObject, str] | None:
    """Puts what is left, and gives it with the etag before; None where the object was deleted, all its versions."""
    assert looked.packed is not None
    if not loaded and not looked.packed:
        for each in landing.versions(looked.key.removeprefix(landing.prefix)):
            if each.key == looked.key:
                landing.remove(each.key, each.version)
        return None
    now = landing.rewrite(looked.key, looked.packed, looked.etag)
    if now is None:
        raise ObjectChanged(looked.key)
    return now, looked.etag


def _ledger(tables: LakeTables) -> Ledger:
    with spark_errors("reading the ledger"):
        rows = (
            tables.read("ops", "objects")
            .where(sf.col("_batch") != NOT_LOADED)
            .select("object", "etag", "_batch")
            .toArrow()
            .to_pydict()
        )
    found: Ledger = {}
    for key, etag, batch in zip(rows["object"], rows["etag"], rows["_batch"], strict=True):
        found.setdefault(key, {})[etag] = batch
    return found


def _registered_since(tables: LakeTables, began: datetime) -> set[str]:
    """The objects that this erasure wrote or removed, in all its tries: nobody else registers any so, and no other erasure runs."""
    since = int(began.timestamp() * 1_000_000)
    rows = tables.read("ops", "objects").where((sf.col("found_by") == ERASURE) & (as_micros("found_at") >= since))
    with spark_errors("looking up what the erasure wrote"):
        return {row.object for row in rows.select("object").distinct().collect()}


def _told_of(tables: LakeTables) -> set[str]:
    """Objects with something in quarantine, or that still hold events which a load dropped."""
    quarantined = tables.read("ops", "quarantine").select("object")
    dropped = tables.read("ops", "adjustments").where(sf.col("how") == DROPPED)
    with spark_errors("looking for objects to search"):
        return {row.object for row in quarantined.union(dropped.select("_object")).distinct().collect()}


def _register(tables: LakeTables, rows: Iterable[tuple[str, str, int, int]]) -> None:
    """Adds versions to the ledger: no notification or listing makes a batch of them, and a repeated batch takes the last."""
    now = datetime.now(UTC)
    rows = list(rows)
    if not rows:
        return
    values = [(key, etag, size, hour_of(key).date(), hour_of(key), ERASURE, now, batch) for key, etag, size, batch in rows]
    with spark_errors("registering objects that were written anew"):
        frame = tables.spark.createDataFrame(values, schemas.struct(schemas.OBJECTS)).coalesce(1)
        frame.write.format("delta").mode("append").save(tables.path("ops", "objects"))


def _is_raw(landing: Landing, key: str) -> bool:
    return key.startswith((landing.prefix + RAW, landing.prefix + ERRORS))


def _is_failure(landing: Landing, key: str) -> bool:
    return key.startswith(landing.prefix + ERRORS)
