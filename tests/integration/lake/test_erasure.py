"""Two persons and a row are erased from a lake in which they are everywhere: nothing of them stays in any file, and nobody else notices.

The erasure dies at one of its steps, in `make faults` at each, and is begun again.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from demo.cloud.ministack import Emulator
from lake_assets.assets.erasure import erasure_asset
from lake_assets.bronze.load import load_batch
from lake_assets.catalog import Catalog
from lake_assets.erasure import objects, requests
from lake_assets.erasure.codes import Codes, person_digest
from lake_assets.erasure.files import lake_files
from lake_assets.erasure.proof import search
from lake_assets.jobs import NOTHING_HALF_DONE
from lake_assets.lineage import build_lineage
from lake_assets.raw.alone import closing, look
from lake_assets.raw.batches import finished_below, read_batch
from lake_assets.transforms.fields import Rules
from publisher.contracts import Contract
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.spark import SparkConnectResource
from tests.fixtures.long import LONG
from tests.integration.lake.conftest import Lake
from tests.integration.lake.erasing import (
    CREDITOR,
    DEBTS,
    ERASED,
    FIRST,
    LATER,
    MOVED,
    OTHER,
    SECOND,
    Story,
    about,
    theirs,
    verdicts,
)
from tests.unit.lake.make_events import event, line, pseudonym

PLACES = ("an object put", "bronze", "proof", "settle") if LONG else ("bronze",)
"""Where the erasure dies, in `make faults` after each kind of thing that it leaves behind. Each beginning costs the better part of a minute."""


class Died(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
def story(lake: Lake, contracts: dict[str, Contract], rules: Rules, monkeypatch_module: pytest.MonkeyPatch) -> Story:
    told = Story(lake, contracts, rules)
    lake.s3.put_bucket_versioning(Bucket=lake.landing.bucket, VersioningConfiguration={"Status": "Enabled"})
    persons = range(6)
    first = [about(rules, "customers", n, n, 10 + n) for n in persons]
    first += [about(rules, "debts", DEBTS + n, n, 20 + n) for n in persons]
    first += [about(rules, "creditors", 400 + n, None, 30 + n) for n in range(3)]
    first += [about(rules, "debts", MOVED, FIRST, 41), about(rules, "debts", MOVED, OTHER, 42, "update")]
    lake.land("mixed.gz", [*first, first[1], first[6], *told.manifest(0, 50, first)])
    told.ingest()

    second = [about(rules, "customers", FIRST, FIRST, 51, "update"), about(rules, "debts", DEBTS + 5, 5, 52, "delete")]
    second += [about(rules, "debts", DEBTS + SECOND, None, 53, "delete")]
    alone, others = second[:1], second[1:]
    secret = pseudonym(FIRST).encode()
    lake.land("twice.gz", [about(rules, "customers", FIRST, FIRST, 10 + FIRST)])
    lake.notifications.delete(lake.notifications.receive())  # a version that nobody ever loads
    lake.land("alone.gz", alone)
    bad = [
        b'{"who":"' + secret + b'"',
        b'{"entity":"debts","op":"insert","seq":54,"subject":"' + secret + b'"}',
        b"no JSON of anybody",
    ]
    lake.put("joined.gz", gzip.compress(b"\n".join([others[0] + others[1], *bad]) + b"\n"))
    lake.land("twice.gz", [*told.manifest(50, 60, second)])
    lake.put("broken.gz", gzip.compress(b"\n".join(first[:3]) + b"\n")[:-4])
    told.ingest()

    asked = [about(rules, "customers", n, n, 60 + n, "erase") for n in (FIRST, SECOND)]
    asked += [about(rules, "debts", DEBTS + FIRST, FIRST, 65, "erase"), about(rules, "creditors", CREDITOR, None, 66, "erase")]
    lake.land("asked.gz", [*asked, *told.manifest(60, 70, asked)])
    told.ingest()
    failure = {"attemptsMade": 1, "rawData": base64.b64encode(b"\n".join(first[:2]) + b"\n").decode()}
    only = {"attemptsMade": 1, "rawData": base64.b64encode(first[1] + b"\n").decode()}
    body = gzip.compress("".join(json.dumps(each) + "\n" for each in (failure, only)).encode())
    lake.s3.put_object(Bucket=lake.landing.bucket, Key="errors/processing-failed/2026/11/24/04/f.gz", Body=body)
    lake.land("unloaded.gz", [first[0], first[1]])
    lake.land("unloaded-theirs.gz", [first[1]])

    told.proven = verdicts(told)
    told.before, told.raw = told.everything(), told.bodies()
    told.expected = {name: [row for row in rows if not theirs(repr(row).encode())] for name, rows in told.before.items()}
    told.codes = Codes({pseudonym(n): 0 for n in ERASED})
    told.found_before = search(lake_files(lake.uri), lake.landing, told.codes)
    for place in (*PLACES, None):
        with suppress(Died):
            run_until(told, place, monkeypatch_module)
    return told


def run_until(told: Story, place: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure that dies at a step, or between an object and the ledger. With none it comes through."""

    def step(name: str) -> None:
        if name == place:
            told.died_at.append(place)
            raise Died

    with monkeypatch.context() as patch:
        if place == "an object put":
            real = objects._register

            def register_once(tables: Any, rows: Any) -> None:
                rows = list(rows)
                if any(batch for *_, batch in rows):
                    told.died_at.append(place)
                    raise Died
                real(tables, rows)

            patch.setattr(objects, "_register", register_once)
        told.receipt = told.erase(step) or told.receipt


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterable[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_the_search_found_them_everywhere_before_and_finds_nothing_after(story: Story) -> None:
    places = {"bronze/customers", "bronze/debts", "bronze/creditors", "silver/customers", "silver/debts_history", "raw", "errors"}
    assert places <= set(story.found_before.hits)
    after = search(lake_files(story.lake.uri), story.lake.landing, story.codes)
    assert after.hits == {}
    assert after.files > 50
    assert story.died_at == list(PLACES)


def test_every_other_row_of_bronze_silver_and_history_is_as_it_was(story: Story) -> None:
    assert story.everything() == story.expected
    assert len(story.expected["bronze/debts"]) < len(story.before["bronze/debts"])
    assert pseudonym(MOVED) in repr(story.expected["silver/debts"]), "a row that is somebody else's by now"
    kept = {(row.entity, row.key) for row in story.lake.tables.read("ops", "tombstones").collect()}
    assert kept == {("debts", pseudonym(DEBTS + 5))}


def test_every_other_byte_of_every_raw_object_is_as_it_was(story: Story) -> None:
    after = story.bodies()
    gone = {key for key in story.raw if key not in after}
    assert {key.rsplit("/", 1)[1] for key in gone} == {"unloaded-theirs.gz"}
    for key, body in after.items():
        was = story.raw[key]
        if key.startswith("errors/"):
            assert body.endswith(b"\n" + innocent(story)), "one record is left, decoded"
            assert body.count(b"rawData") == 1
        elif key.endswith("broken.gz"):
            assert objects.unpack(key, story.lake.landing.read(key) or b"").text == innocent(story), (
                "still broken, without two lines"
            )
        elif key.endswith("joined.gz"):
            assert body.splitlines() == [about(story.rules, "debts", DEBTS + 5, 5, 52, "delete"), b"no JSON of anybody"]
        else:
            assert body.splitlines() == [each for each in was.splitlines() if not theirs(each)]
    assert after[f"{story.lake.prefix}alone.gz"] == b"", "loaded, so it stays without a line"


def innocent(story: Story) -> bytes:
    return about(story.rules, "customers", 0, 0, 10) + b"\n"


def test_manifests_agree_as_before_and_would_not_without_the_adjustments(story: Story) -> None:
    assert set(story.proven) == {"agrees"}
    assert verdicts(story, erased=True) == story.proven
    assert set(verdicts(story)) == {"agrees", "missing"}


def test_the_receipt_says_what_went_and_never_who(story: Story) -> None:
    told = story.receipt
    assert told is not None
    went = {name: len(rows) - len(story.expected[name]) for name, rows in story.before.items() if name.startswith("bronze/")}
    assert (told.erasure, told.people, told.rows, told.returned) == (1, 2, 1, 0)
    assert told.events == sum(went.values())
    assert {name: told.tables[name][0] for name in went} == went
    assert (told.objects_unreadable, told.files_searched > 50) == (1, True)
    [row] = story.lake.tables.read("ops", "erasures").collect()
    assert json.loads(row.tables)["bronze/debts"]["rows"] == went["bronze/debts"]
    after = story.bodies()
    written = sorted(k for k, was in story.raw.items() if after.get(k, was) != was and not k.startswith("errors/"))
    removed = sorted(story.raw.keys() - after.keys())
    assert (row.objects_rewritten, row.objects_removed) == (len(written), len(removed)), "by the try that died"
    assert json.loads(row.objects) == {"rewritten": written, "removed": removed}
    assert len(removed) == 1
    assert len(written) > 3
    assert not theirs(repr(row).encode())
    assert story.erase() is None, "nobody waits any more"


def test_a_repeated_batch_finds_the_objects_that_were_written_anew(story: Story) -> None:
    tables = story.lake.tables
    quarantined = tables.read("ops", "quarantine").count()
    for number in range(1, finished_below(tables) + 1):
        again = load_batch(tables, story.lake.landing, story.rules, read_batch(tables, number))
        assert again.conservation.holds, f"batch {number}"
    assert tables.read("ops", "quarantine").count() == quarantined
    assert story.everything() == story.expected


def test_what_comes_late_is_not_let_in_and_what_was_rewritten_makes_no_batch(story: Story) -> None:
    lake, rules = story.lake, story.rules
    late = [about(rules, "customers", FIRST, FIRST, 55, "update"), about(rules, "debts", DEBTS + FIRST, None, 91, "delete")]
    late += [about(rules, "customers", SECOND, SECOND, 92, "erase"), about(rules, "customers", OTHER, OTHER, 93, "update")]
    lake.land("late.gz", late)
    before = finished_below(lake.tables)
    done = story.ingest()
    objects_of = [each.key.rsplit("/", 1)[1] for each in read_batch(lake.tables, before + 1).objects]
    assert (finished_below(lake.tables), sorted(objects_of)) == (before + 1, ["late.gz", "unloaded.gz"])
    kept = done.bronze[-1].conservation
    assert (kept.read, kept.erased, kept.bronze) == (5, 3, {"customers": 2})
    assert not any(theirs(repr(rows).encode()) for rows in story.everything().values())


@dataclass
class Dagster:
    """The asset as Dagster runs it, on the story's lake."""

    story: Story
    instance: dg.DagsterInstance

    def materialize(self) -> dg.ExecuteInProcessResult:
        contracts = self.story.contracts
        catalog = Catalog(contracts, {}, build_lineage(contracts, {}))
        lake = LakeResource(spark=SparkConnectResource(remote=self.story.lake.remote), uri=self.story.lake.uri)
        landing = LandingResource(landing_uri=f"s3://{self.story.lake.landing.bucket}")
        resources = {"lake": lake, "landing": landing}
        return dg.materialize([erasure_asset(catalog)], resources=resources, instance=self.instance, raise_on_error=False)


@pytest.fixture
def dagster(story: Story, cloud: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterable[Dagster]:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Dagster(story, instance)


def test_the_next_erasure_cleans_what_came_late_and_takes_whom_an_operator_names(story: Story, dagster: Dagster) -> None:
    lake = story.lake
    assert requests.ask(lake.tables, [person_digest(pseudonym(LATER))]) == 1
    assert requests.ask(lake.tables, [person_digest(pseudonym(LATER))]) == 0
    ran = dagster.materialize()
    assert ran.success
    [told] = ran.asset_materializations_for_node("erase")
    shown = {name: told.metadata[name].value for name in ("erasure", "people", "objects rewritten")}
    assert shown == {"erasure": 2, "people": 1, "objects rewritten": 2}, "what was late, and what held the operator's"
    codes = Codes({**story.codes.known, pseudonym(LATER): 0, pseudonym(DEBTS + LATER): 0})
    assert search(lake_files(lake.uri), lake.landing, codes).hits == {}
    assert not codes.in_bytes(repr([each.to_json() for each in dagster.instance.all_logs(ran.run_id)]).encode()), "Dagster's log"
    assert pseudonym(OTHER) in repr(story.rows("silver", "customers"))
    assert closing(look(lake.tables)) is None


@pytest.mark.long
def test_a_code_that_a_living_person_mentions_is_told_and_nothing_is_called_proven(story: Story, dagster: Dagster) -> None:
    built = event(story.rules["debts"], 170, 200)
    built["subject"], built["record"]["customer_id"] = pseudonym(OTHER), pseudonym(5)
    story.lake.land("mentions.gz", [line(built), about(story.rules, "customers", 5, 5, 201, "erase")])
    story.ingest()
    ran = dagster.materialize()
    assert not ran.success
    [error] = [
        event.step_failure_data.error for event in ran.all_events if event.is_step_failure and event.step_failure_data.error
    ]
    assert re.search(r"Erasure 3 is not proven: erased codes are still in bronze/debts \(\d+\), raw", str(error))
    [run] = dagster.instance.get_runs()
    assert NOTHING_HALF_DONE.items() <= run.tags.items(), "not to be started again at once"
    assert closing(look(story.lake.tables)) is None, "the tables are whole: others go on"
    assert story.lake.tables.read("ops", "erasures").count() == 2
