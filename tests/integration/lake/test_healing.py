"""The real publisher and the real lake: what was sabotaged is found, named, sent again by the platform, and then the checks pass."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg

from lake_assets.assets.completeness import _arrived, _same
from lake_assets.bronze.load import load_batch
from lake_assets.completeness import verify_manifests, verify_states
from lake_assets.raw.batches import advance, finish_batch, read_batch
from lake_assets.raw.ledger import register
from lake_assets.silver.current import merge_batch, merge_tombstones
from lake_assets.silver.history import update_history
from lake_assets.transforms.fields import Rules
from publisher import manifest
from publisher.capture import install
from publisher.contracts import Contract, load_contracts
from publisher.database import connect
from publisher.digest import send_digest
from publisher.keys import LocalKeyring
from publisher.outbox import try_lock
from publisher.relay import Relay, Until, load_release_set
from publisher.resync import resync
from publisher.sinks import MemorySink
from publisher.wire import bucket_of
from tests.integration.lake.conftest import ENTITIES, Lake
from tests.integration.publisher.platform import DATA_KEY, PSEUDONYM_KEY, Platform

TOLD = ("customers", "creditors")
Lines = list[bytes]
Checked = dict[str, dg.AssetCheckResult]


@dataclass
class Way:
    """The platform with its publisher, and the lake that gets what is landed."""

    url: str
    lake: Lake
    contracts: dict[str, Contract]
    rules: Rules
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.releases = load_release_set(Path("contracts"), LocalKeyring(DATA_KEY, PSEUDONYM_KEY))
        with connect(self.url, "install") as connection:
            install(connection, load_contracts(Path("contracts")))

    def relay(self) -> Lines:
        """All that waits, and the manifests that account for it: of the lake's entities."""
        sink = MemorySink()
        with connect(self.url, "relay") as connection:
            manifest.cut(connection)
            assert try_lock(connection)
            Relay(connection, self.releases, sink, manifest_seconds=3600).run(Until.ACCOUNTED)
        return [line for line in sink.lines if of(line) in ENTITIES]

    def digest(self) -> Lines:
        """The relay has sent what was captured; so nothing is in doubt."""
        with connect(self.url, "digest") as connection:
            for entity in TOLD:
                state = send_digest(connection, self.releases, entity)
                assert not sum(state.unreleased)
        return self.relay()

    def bucket(self, entity: str, key: int) -> int:
        return bucket_of(self.releases.release.code(entity, str(key)))

    def land(self, name: str, lines: Iterable[bytes]) -> None:
        """From an object to history, as a run of ingest does it."""
        tables = self.lake.tables
        self.lake.land(name, list(lines))
        for number in register(tables, self.lake.landing, self.lake.notifications).batches:
            batch = read_batch(tables, number)
            loaded = load_batch(tables, self.lake.landing, self.rules, batch)
            assert (loaded.refused, loaded.conservation.holds) == ({}, True)
            contents = loaded.conservation.contents
            merge_tombstones(tables, contents, number)
            for entity in contents:
                merge_batch(tables, self.contracts[entity], number, contents[entity])
                update_history(tables, self.contracts[entity], number)
            finish_batch(tables, batch, loaded.counts)
            advance(tables)

    def check(self, minutes: int) -> tuple[Checked, Checked]:
        """`arrived` and `same_state`, after so many minutes."""
        self.now += timedelta(minutes=minutes)
        found = verify_manifests(self.lake.tables, TOLD, self.now)
        contracts = {entity: self.contracts[entity] for entity in TOLD}
        states = verify_states(self.lake.tables, contracts, {entity: each.known for entity, each in found.items()})
        arrived = {entity: _arrived(entity, each) for entity, each in found.items()}
        return arrived, {entity: _same(entity, states.get(entity), datetime.now(UTC)) for entity in TOLD}


def of(line: bytes) -> str:
    told = json.loads(line)
    return str(told["record"]["of"] if told["entity"].startswith("_") else told["entity"])


def test_a_trigger_that_was_off_a_row_changed_behind_it_a_lost_object_and_an_altered_record_are_found_named_and_healed(
    new_database: Callable[..., str], platform_template: str, lake: Lake, contracts: dict[str, Contract], rules: Rules
) -> None:
    way = Way(new_database(platform_template), lake, contracts, rules)
    with psycopg.connect(way.url, autocommit=True) as session:
        platform = Platform(session)
        people = [platform.customer() for _ in range(12)]
        banks = [platform.creditor() for _ in range(8)]
        sent = way.relay()
        altered = way.releases.release.code("creditors", str(banks[0]))

        # A lost object: two customers who closed their account, of which the manifest alone arrives.
        platform.sql("UPDATE customers SET status = 'closed' WHERE id = ANY (%s)", people[:2])
        sent += [line for line in way.relay() if json.loads(line)["entity"] != "customers"]
        # A trigger that was off for a while: one row changed, one came, one went.
        platform.sql("ALTER TABLE customers DISABLE TRIGGER USER")
        platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", people[3])
        came = platform.customer()
        platform.sql("DELETE FROM customers WHERE id = %s", people[4])
        for name in ("insert", "update", "delete"):
            platform.sql(f"ALTER TABLE customers ENABLE ALWAYS TRIGGER publisher_{name}")
        # A row changed behind the trigger, which is on all the time: no trigger sees a rewrite.
        platform.sql(f"ALTER TABLE creditors ALTER sector TYPE text USING CASE id WHEN {banks[1]} THEN 'card' ELSE sector END")
        sent += way.digest()
        # A record altered on its way, in S3.
        here = [at for at, line in enumerate(sent) if b'"creditors"' in line and altered.encode() in line]
        assert len(here) == 1
        assert b'"sector":"bank"' in sent[here[0]]
        sent[here[0]] = sent[here[0]].replace(b'"sector":"bank"', b'"sector":"card"')
        way.land("first.gz", sent)

        # Found: what did not arrive at once, what it did to the rows when nothing more comes.
        arrived, same = way.check(0)
        assert {entity: each.passed for entity, each in (*arrived.items(),)} == {"customers": False, "creditors": False}
        assert "customers (" in str(arrived["customers"].description)
        assert ": missing, 0 of 2" in str(arrived["customers"].description)
        assert "creditors (" in str(arrived["creditors"].description)
        assert ": contradicts, 8 of 8" in str(arrived["creditors"].description)
        assert "none can be compared yet" in str(same["customers"].description), "what is late is no difference"
        arrived, same = way.check(61)
        wrong = {
            "customers": sorted({way.bucket("customers", key) for key in (*people[:2], people[3], came, people[4])}),
            "creditors": sorted({way.bucket("creditors", key) for key in banks[:2]}),
        }
        for entity, buckets in wrong.items():
            assert not same[entity].passed
            assert f"publisher resync {entity} --buckets {','.join(map(str, buckets))}`" in str(same[entity].description)
            assert not arrived[entity].passed

        # Healed, by the platform alone: it gets the codes of the parts, for the row that went.
        release, sent = way.releases.release, Lines()
        for entity, buckets in wrong.items():
            rows = lake.tables.spark.sql(f"SELECT _key FROM {lake.tables.sql_name('silver', entity)}").collect()
            with connect(way.url, "resync") as connection:
                done = resync(
                    connection, way.releases.contracts, release, entity, buckets, threading.Event(), [r._key for r in rows]
                )
            assert done.gone == (entity == "customers")
        sent = way.relay()
        way.land("second.gz", [*sent, *way.digest()])
        arrived, same = way.check(1)
        assert [(each.passed, each.description) for each in same.values() if not each.passed] == []
        arrived, same = way.check(1)
    assert [(each.passed, each.description) for each in arrived.values() if not each.passed] == []
    assert all(
        "is healed: all parts of the table say what the platform says" in str(each.description) for each in arrived.values()
    )
    found = verify_manifests(lake.tables, TOLD, way.now)
    assert all(each.seq == each.known and each.until is not None for each in found.values()), "the chain goes on"
