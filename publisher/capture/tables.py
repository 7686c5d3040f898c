"""The publisher's own tables, in the schema `publisher` of the platform's database.

Belongs here: their DDL and why each is there. Not here: triggers (triggers.py), the outbox itself (ring.py), statements that use them.

All of it is idempotent. Nothing here is granted to anybody: the triggers write as their owner, so an application needs no
right on the outbox, and cannot read it.
"""

from __future__ import annotations

from publisher import ring

_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS publisher;

CREATE SEQUENCE IF NOT EXISTS publisher.seq AS bigint CACHE 1 NO CYCLE;
"""

_OTHERS = """
-- The high bits of seq, the cluster that it counts for, and the version of the pseudonym key that makes its codes (epoch.py).
CREATE TABLE IF NOT EXISTS publisher.epochs (
    epoch integer PRIMARY KEY,
    system_identifier bigint NOT NULL,
    timeline integer NOT NULL,
    reason text NOT NULL,
    key_version integer NOT NULL DEFAULT 1,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE publisher.epochs ADD COLUMN IF NOT EXISTS key_version integer NOT NULL DEFAULT 1;

-- What is on its way, so that a successor repeats the same bytes: which rows of which partition, under which release.
CREATE TABLE IF NOT EXISTS publisher.claims (
    partition smallint PRIMARY KEY,
    release text NOT NULL,
    seqs bigint[] NOT NULL
);
CREATE TABLE IF NOT EXISTS publisher.releases (
    release text PRIMARY KEY,
    contracts jsonb NOT NULL,
    coarsening integer,
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Null: used before there was a gate on k-groups.
ALTER TABLE publisher.releases ADD COLUMN IF NOT EXISTS coarsening integer;

-- How coarse each combination of a k-group leaves (risk/store.py): a keyed digest of the combination, and its step.
CREATE TABLE IF NOT EXISTS publisher.coarsenings (
    version integer PRIMARY KEY,
    entity text NOT NULL,
    kgroup text NOT NULL,
    k integer NOT NULL,
    definition text NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resent_at timestamptz,
    resent bigint
);
CREATE TABLE IF NOT EXISTS publisher.coarsening_steps (
    entity text NOT NULL,
    kgroup text NOT NULL,
    combination bytea NOT NULL,
    version integer NOT NULL REFERENCES publisher.coarsenings,
    step smallint NOT NULL,
    PRIMARY KEY (entity, kgroup, combination, version)
);

-- Events that may not leave: names and reasons, no values. What was captured waits beside it in `parked`.
CREATE TABLE IF NOT EXISTS publisher.dead_letters (
    seq bigint PRIMARY KEY,
    entity text NOT NULL,
    op text NOT NULL,
    key text NOT NULL,
    reason text NOT NULL,
    fields text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('parked', 'waiting', 'requeued', 'sent', 'superseded')),
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz,
    subject text
);
-- Whom it is about, so that an erasure finds it when its row is gone.
ALTER TABLE publisher.dead_letters ADD COLUMN IF NOT EXISTS subject text;
CREATE INDEX IF NOT EXISTS dead_letters_open ON publisher.dead_letters (entity, key)
    WHERE state IN ('parked', 'waiting', 'requeued');
CREATE TABLE IF NOT EXISTS publisher.parked (LIKE publisher.outbox INCLUDING DEFAULTS);
CREATE UNIQUE INDEX IF NOT EXISTS parked_seq ON publisher.parked (seq);

-- Contiguous ranges of seq and what became of them, per entity (manifest.py). The range without seq_to is open.
CREATE TABLE IF NOT EXISTS publisher.ranges (
    range bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seq_from bigint NOT NULL,
    seq_to bigint UNIQUE,
    cut_xid xid8,
    cut_at timestamptz,
    closed_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS ranges_open ON publisher.ranges ((true)) WHERE seq_to IS NULL;
CREATE INDEX IF NOT EXISTS ranges_pending ON publisher.ranges (seq_to) WHERE closed_at IS NULL;
CREATE TABLE IF NOT EXISTS publisher.tallies (
    range bigint NOT NULL REFERENCES publisher.ranges ON DELETE CASCADE,
    entity text NOT NULL,
    events bigint NOT NULL DEFAULT 0,
    dead_letters bigint NOT NULL DEFAULT 0,
    digest numeric(20) NOT NULL DEFAULT 0,
    revision integer NOT NULL DEFAULT 0,
    closed_at timestamptz,
    sent_revision integer,
    PRIMARY KEY (range, entity)
);
CREATE INDEX IF NOT EXISTS tallies_unsent ON publisher.tallies (range)
    WHERE closed_at IS NOT NULL AND sent_revision IS DISTINCT FROM revision;

-- How far a backfill is, and which entity needs one: after the first install, a table rewrite, or a new epoch.
CREATE TABLE IF NOT EXISTS publisher.backfills (
    entity text PRIMARY KEY,
    due text,
    position text,
    upto text,
    rows bigint NOT NULL DEFAULT 0,
    started_at timestamptz,
    finished_at timestamptz
);

-- Who was erased (erasure/): `subject` is the platform's key until the relay has purged, `person` a keyed digest of it for good.
CREATE TABLE IF NOT EXISTS publisher.erasures (
    erasure bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity text NOT NULL,
    namespace text NOT NULL,
    entities text[] NOT NULL,
    subject text,
    person bytea NOT NULL,
    seq_from bigint NOT NULL,
    seq_to bigint NOT NULL,
    events jsonb NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    purged jsonb
);
CREATE INDEX IF NOT EXISTS erasures_open ON publisher.erasures (erasure) WHERE settled_at IS NULL;

-- What this database wrote on the stream (relay/mark.py): a copy of it knows none that was written since.
CREATE TABLE IF NOT EXISTS publisher.marks (
    mark bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a captured table looked like: a rewrite of it fires no trigger, and is found by comparison.
CREATE TABLE IF NOT EXISTS publisher.captured (
    relation oid PRIMARY KEY,
    entity text NOT NULL,
    filenode oid,
    columns text NOT NULL
);
"""

TABLES = _SCHEMA + ring.DDL + _OTHERS
