"""The columns of the lake's own tables, as Spark's types, with their descriptions.

Belongs here: names, types and one sentence on each technical column. Not here: making the tables (`raw/lake.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pyspark.sql import types

from publisher.contracts import Contract

TYPES: dict[str, types.DataType] = {
    "string": types.StringType(),
    "boolean": types.BooleanType(),
    "integer": types.LongType(),
    "date": types.DateType(),
    "timestamp": types.TimestampType(),
    "strings": types.ArrayType(types.StringType()),
    "decimal": types.DecimalType(20, 0),
}

_OP = ("_op", "string", "insert, update, snapshot (backfill), delete or erase.")
_KEY = ("_key", "string", "The row's pseudonym.")
_SEQ = ("_seq", "integer", "The change's position in the platform's order; with the entity it identifies the event.")
_SUBJECT = ("_subject", "string", "The pseudonym of the person whom the row is about.")
_COMMITTED_AT = (
    "_committed_at",
    "timestamp",
    "When the platform wrote the change: before its commit, by the rest of its transaction. Cut to the contract's precision.",
)
_CONTRACT = ("_contract", "string", "The version of the contract under which it was released.")
_DIGEST = ("_digest", "integer", "XXH64 (seed 42) of the event's line, as a signed number.")
_OBJECT = ("_object", "string", "The raw object that brought it.")
_BATCH = ("_batch", "integer", "The batch that loaded it.")

Columns = list[tuple[str, str, str]]

OBJECTS: Columns = [
    ("object", "string", "The key of the raw object in the landing bucket."),
    ("etag", "string", "Its etag: with the key, its identity."),
    ("size_bytes", "integer", "Its size."),
    ("day", "date", "The day in its key; 1970-01-01 where the key names none."),
    ("hour", "timestamp", "The hour in its key."),
    (
        "found_by",
        "string",
        "event (its notification), listing (which found what no event told of) or erasure (which wrote it anew).",
    ),
    ("found_at", "timestamp", "When the lake came to know it."),
    _BATCH,
]
QUARANTINE: Columns = [
    ("object", "string", "The raw object that holds the value, or is itself bad."),
    ("digest", "string", "SHA-256 of the refused bytes; null where there are none."),
    ("length", "integer", "How many bytes they are."),
    ("entity", "string", "The entity that it names, where readable."),
    ("seq", "integer", "Its position, where readable."),
    ("reason", "string", "Which rule it breaks."),
    ("fields", "strings", "The fields that break it."),
    ("quarantined_at", "timestamp", "When."),
    _BATCH,
]
MANIFESTS: Columns = [
    ("of", "string", "The entity that it accounts for."),
    ("seq_from", "integer", "Where the range begins, exclusive."),
    ("seq_to", "integer", "Where it ends, inclusive."),
    ("revision", "integer", "The highest one counts."),
    ("closed_at", "timestamp", "When the platform had sent all of it."),
    ("events", "integer", "How many events the platform sent of it."),
    ("dead_letters", "integer", "How many it could not release."),
    ("digest", "string", "The sum of the events' digests, modulo 2 to the 64th."),
    (
        "backfill_due",
        "boolean",
        "Whether rows of the entity may not have been sent by the range's end, since a backfill has still to send them.",
    ),
    ("key_version", "integer", "Under which version of the platform's pseudonym key its events' codes were made."),
    _OBJECT,
    _BATCH,
]
RISK: Columns = [
    ("of", "string", "The entity."),
    ("kgroup", "string", "The k-group of its fields."),
    ("computed_at", "timestamp", "When the platform counted."),
    ("version", "integer", "The version of the coarsening that it led to."),
    ("k", "integer", "How many people must say the same."),
    ("people", "integer", "How many people there are."),
    ("groups", "integer", "How many groups of people say the same, of those who say anything."),
    ("smallest", "integer", "How many people the smallest of them has."),
    ("silent", "integer", "How many people say nothing."),
    ("coarsened", "integer", "How many people say less than the contract lets them, the silent ones among them."),
    ("people_below_k", "integer", "How many would be in groups below k if everything left as it is."),
    ("groups_before", "integer", "How many groups there would be then."),
    ("smallest_before", "integer", "How many people the smallest of those would have."),
    _OBJECT,
    _BATCH,
]
STATES: Columns = [
    ("of", "string", "The entity."),
    ("bucket", "integer", "Which of 256 parts of its rows, by their codes."),
    ("seq_low", "integer", "All events up to here are in this state."),
    ("seq_high", "integer", "Of the events up to here, perhaps some."),
    ("as_of", "timestamp", "When the platform told it."),
    ("released_as", "string", "The version of the contract under which its digest was made."),
    ("rows", "integer", "How many rows there were."),
    ("unreleased", "integer", "How many could not leave, had not yet, or wait behind one that could not."),
    ("digest", "string", "The sum of the digests of what the rows say, modulo 2 to the 64th."),
    _OBJECT,
    _BATCH,
]
BATCHES: Columns = [
    _BATCH,
    ("objects", "integer", "How many objects it reads."),
    ("bytes", "integer", "Their size in the landing bucket."),
    ("read", "integer", "JSON values read, and bad objects."),
    ("bronze", "integer", "Of these, in bronze."),
    ("manifests", "integer", "Of these, manifests, and reports on risk and state."),
    ("quarantined", "integer", "Of these, in quarantine."),
    ("erased", "integer", "Of these, not loaded, since their person had been erased."),
    ("conserved", "boolean", "Whether the sum holds, counted in the tables."),
    ("finished_at", "timestamp", "When silver had it."),
]
TOMBSTONES: Columns = [
    ("entity", "string", "Of which entity."),
    ("key", "string", "The deleted row's pseudonym."),
    ("seq", "integer", "The position of a delete of it; of several rows of a key the highest counts."),
    ("contract", "string", "The version of the contract under which the delete was released."),
    ("digest", "integer", "The digest of the delete."),
]
CONTRACTS: Columns = [
    ("entity", "string", "The entity."),
    ("version", "string", "The version, as `_contract` names it in bronze."),
    ("digest", "string", "SHA-256 of the contract's content."),
    ("released_on", "date", "The day on which it was released."),
    ("approved_by", "string", "The role of the person who signed for this very content; null where it only narrowed."),
    ("assessment", "string", "The assessment (DPIA) that the person referred to."),
    ("approved_on", "date", "The day of the signature."),
    ("text", "string", "The contract as it was released."),
    ("recorded_at", "timestamp", "When the lake came to know it."),
]
CONFLICTS: Columns = [
    ("entity", "string", "Of which entity."),
    ("positions", "integer", "How many positions of the batch have two contents."),
    ("found_at", "timestamp", "When the lake saw it."),
    _BATCH,
]
COMPLETENESS: Columns = [
    ("entity", "string", "The entity."),
    ("seq_from", "integer", "Where the manifest's range begins, exclusive."),
    ("seq_to", "integer", "Where it ends, inclusive."),
    ("revision", "integer", "Of the manifest."),
    ("events", "integer", "How many events the platform sent."),
    ("found", "integer", "How many different events bronze has."),
    ("verdict", "string", "agrees, missing, extra, contradicts, no manifest, late or healed."),
    ("dead_letters", "integer", "How many the platform could not release."),
    ("closed_at", "timestamp", "When the platform had sent all of it."),
    ("checked_at", "timestamp", "When it was compared; of several rows of a range the latest holds."),
    ("healed_to", "integer", "Of a healed range: as of which position digests of every part of the table agree."),
]
CHECKPOINTS: Columns = [
    ("checkpoint", "integer", "Its number: it rises in each lane. Two lanes that end at the same moment may share one."),
    ("at", "timestamp", "When the run ended that left the tables so."),
    ("lane", "string", "ingest, history or gold: the tables of a lane are of one moment."),
    ("table", "string", "Layer and name of a table of the lane."),
    ("version", "integer", "Its version in Delta's log."),
    ("upto_batch", "integer", "All batches up to here are in it, and none after; null in gold."),
    ("generation", "integer", "Under which generation batches loaded then."),
    ("key_version", "integer", "The version of the platform's pseudonym key that silver's codes were made under."),
]
ERASED: Columns = [
    (
        "code",
        "string",
        "SHA-256 of the person's code, or of entity and key of a row: it tells who came back, and leads to nobody.",
    ),
    ("what", "string", "person, row (of an entity without a person) or part (a row that goes with its person)."),
    ("seq", "integer", "What is erased: all up to this position, and deletes of later. Null until an erasure has begun."),
    ("asked_at", "timestamp", "When the lake came to know it."),
    ("erasure", "integer", "The erasure that carried it out; null as long as it waits."),
]
ADJUSTMENTS: Columns = [
    ("entity", "string", "Of which entity."),
    ("seq", "integer", "The event's position."),
    ("digest", "integer", "XXH64 (seed 42) of its line, as bronze had it."),
    ("bucket", "integer", "In which of 256 parts of its entity the row was, as in `ops/states`."),
    ("upto", "integer", "Up to which position its person is erased."),
    (
        "how",
        "string",
        "removed (an erasure took it out of bronze), dropped (a batch brought it later, and did not load it) or cleaned (it was dropped, and an erasure has cut it out of the raw object).",
    ),
    ("erasure", "integer", "Which erasure removed or cleaned it."),
    ("_object", "string", "The raw object that brought it."),
    _BATCH,
]
ERASURES: Columns = [
    ("erasure", "integer", "Its number."),
    ("people", "integer", "How many persons were erased."),
    ("rows", "integer", "How many rows of entities without a person."),
    ("events", "integer", "How many events went from bronze."),
    ("returned", "integer", "Of the persons, how many the platform has written of again since."),
    ("upto_batch", "integer", "Up to which batch bronze was searched."),
    ("tables", "string", "JSON: of each table how many rows went, and its version afterwards."),
    ("objects", "string", "JSON: the names of the raw objects that were `rewritten`, and of those that were `removed`."),
    (
        "objects_rewritten",
        "integer",
        "Raw objects that were written anew without what was theirs, in all tries; of those below `errors/` in the last.",
    ),
    ("objects_removed", "integer", "Raw objects that held nothing else, and no batch had loaded; counted so, too."),
    ("versions_removed", "integer", "Former versions of raw objects that were deleted, in the last try."),
    (
        "objects_unreadable",
        "integer",
        "Raw objects that break off or are no gzip: searched as far as they can be read. Of those that the last try had to look at.",
    ),
    ("files_vacuumed", "integer", "Files of tables that were deleted, in the last try."),
    ("files_searched", "integer", "Files of the lake and raw objects that were searched afterwards; nothing was found."),
    ("bytes_searched", "integer", "Their size."),
    ("began_at", "timestamp", "When the erasure began, at its first try."),
    ("ended_at", "timestamp", "When it was proven."),
]
PROGRESS: Columns = [
    ("name", "string", "What advances."),
    ("position", "integer", "How far."),
    ("note", "string", "What else must be known to go on."),
]


def struct(columns: Columns) -> types.StructType:
    """Columns as Spark's type; the descriptions become comments."""
    return types.StructType([types.StructField(name, TYPES[kind], True, {"comment": text}) for name, kind, text in columns])


def record(contract: Contract) -> Columns:
    """The columns of an entity's record, in contract order."""
    return [(field.name, field.type, field.description) for field in contract.fields]


def bronze(contract: Contract) -> Columns:
    """`bronze/<entity>`: every event."""
    return [*record(contract), _OP, _KEY, _SEQ, _SUBJECT, _COMMITTED_AT, _CONTRACT, _DIGEST, _OBJECT, _BATCH]


def silver(contract: Contract) -> Columns:
    """`silver/<entity>`: the current rows, and what decides between two events of a key."""
    return [*record(contract), _KEY, _SEQ, _SUBJECT, _COMMITTED_AT, _CONTRACT, _DIGEST]


def history(contract: Contract) -> Columns:
    """`silver/<entity>_history`: one row a change."""
    return [
        *record(contract),
        *(_KEY, _SUBJECT, _OP, _COMMITTED_AT, _CONTRACT, _DIGEST),
        ("_seq_from", "integer", "The change that began this state."),
        ("_seq_to", "integer", "The change that ended it; null while nothing has."),
        ("_valid_from", "timestamp", "When it began: the latest time of any change up to it, since clocks may step back."),
        ("_valid_to", "timestamp", "When it ended."),
        ("_is_current", "boolean", "Whether it holds now; never for a delete."),
    ]


def fingerprint(contracts: Mapping[str, Contract]) -> str:
    """Changes when a table of the lake would: tells in one look-up that all of them are there."""
    shape = [
        OBJECTS,
        QUARANTINE,
        MANIFESTS,
        RISK,
        STATES,
        BATCHES,
        TOMBSTONES,
        CONTRACTS,
        CONFLICTS,
        COMPLETENESS,
        CHECKPOINTS,
        ERASED,
        ADJUSTMENTS,
        ERASURES,
        PROGRESS,
    ]
    shape += [layer(contract) for contract in contracts.values() for layer in (bronze, silver, history)]
    return hashlib.sha256(json.dumps([sorted(contracts), shape]).encode()).hexdigest()[:16]
