"""The platform's digests held against history: what was changed, lost or never captured is named by its part, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from lake_assets.completeness import StateVerdict, verify_states
from lake_assets.raw import progress
from lake_assets.silver.history import history_progress, update_history
from lake_assets.transforms.events import typed_events, typed_records
from lake_assets.transforms.fields import Rules
from publisher import wire
from publisher.contracts import Contract, Field
from publisher.wire import BUCKETS, bucket_of, digest_of, record_of
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import START, event, line

BASE = 1 << wire.EPOCH_BITS
ENTITY = "customers"


@dataclass
class Story:
    """Forty customers, some changed and some deleted, in bronze and history up to `low`."""

    lake: Lake
    contract: Contract
    rules: Rules
    lines: list[bytes]
    batch: int = 0

    def take(self, *changes: tuple[int, int, str]) -> None:
        new = [line(event(self.rules[ENTITY], key, BASE + seq, op=op)) for key, seq, op in changes]
        self.lines += new
        self.batch += 1
        tables = self.lake.tables
        frame = tables.spark.createDataFrame([("o", each.decode()) for each in new], "object STRING, line STRING").coalesce(1)
        tables.append("bronze", ENTITY, typed_events(frame, self.rules[ENTITY], self.batch), batch=self.batch)
        update_history(tables, self.contract, self.batch)

    def state(self, upto: int) -> dict[str, bytes]:
        """What a key says after the events up to a position."""
        last: dict[str, tuple[int, bytes | None]] = {}
        for each in self.lines:
            told = json.loads(each)
            if told["seq"] <= BASE + upto and told["seq"] > last.get(told["key"], (0, None))[0]:
                last[told["key"]] = told["seq"], record_of(each) if "record" in told else None
        return {key: record for key, (_, record) in last.items() if record is not None}

    def digest(
        self, low: int, high: int, state: dict[str, bytes], unreleased: Iterable[int] = (), released_as: str | None = None
    ) -> None:
        """Tells the lake that the table says this."""
        told = []
        for bucket in range(BUCKETS):
            mine = [record for key, record in state.items() if bucket_of(key) == bucket]
            counts = {
                "seq_low": BASE + low, "seq_high": BASE + high, "rows": len(mine), "digest": sum(map(digest_of, mine)),
                "unreleased": int(bucket in unreleased),
            }  # fmt: skip
            told.append(wire.state_digest(BASE + high, START, ENTITY, released_as or self.contract.version, bucket, counts).line)
        told.append(told[0])  # delivered twice
        tables = self.lake.tables
        frame = tables.spark.createDataFrame([("o", each.decode()) for each in told], "object STRING, line STRING").coalesce(1)
        self.batch += 1
        tables.append("ops", "states", typed_records(frame, self.rules[wire.STATE], self.batch), batch=self.batch)

    def verdict(self, complete_to: int) -> StateVerdict | None:
        return verify_states(self.lake.tables, {ENTITY: self.contract}, {ENTITY: BASE + complete_to}).get(ENTITY)


@pytest.fixture(scope="module")
def story(lake: Lake, contracts: dict[str, Contract], rules: Rules) -> Story:
    story = Story(lake, contracts[ENTITY], rules, [])
    story.take(*((key, key + 1, "insert") for key in range(40)))
    story.take(*((key, 50 + key, "update") for key in range(10)), (11, 70, "delete"), (12, 71, "erase"))
    return story


def test_nothing_is_said_before_there_is_a_digest_or_the_lake_is_not_so_far(story: Story) -> None:
    assert story.verdict(100) is None
    story.digest(80, 81, story.state(80))
    assert story.verdict(79) is None, "not proven complete up to it"


def test_history_says_what_the_platform_says_byte_for_byte(story: Story) -> None:
    found = story.verdict(81)
    assert found is not None
    assert (found.rows, found.compared, found.left_out, found.differing) == (38, BUCKETS, 0, ())


def test_what_nobody_captured_is_named_by_its_part(story: Story) -> None:
    """A row changed behind the triggers, one that came, one that went."""
    state = story.state(80)
    changed, gone, *_ = sorted(state)
    other = story.state(80)[sorted(state)[5]]
    unseen = {**state, changed: other, "f" * 32: other}
    del unseen[gone]
    story.digest(82, 83, unseen)
    found = story.verdict(90)
    assert found is not None
    assert set(found.differing) == {bucket_of(changed), bucket_of(gone), bucket_of("f" * 32)}
    assert found.seq_high == BASE + 83


def test_an_altered_record_is_found_by_the_next_digest(story: Story) -> None:
    tables = story.lake.tables
    key = sorted(story.state(80))[7]
    name = tables.sql_name("silver", f"{ENTITY}_history")
    tables.spark.sql(
        f"UPDATE {name} SET marketing_consent = NOT marketing_consent WHERE _key = '{key}' AND _is_current"
    ).collect()
    story.digest(84, 85, story.state(80))
    found = story.verdict(90)
    assert found is not None
    assert found.differing == (bucket_of(key),)
    tables.spark.sql(
        f"UPDATE {name} SET marketing_consent = NOT marketing_consent WHERE _key = '{key}' AND _is_current"
    ).collect()


def test_no_false_alarm_for_what_moves_cannot_leave_or_left_under_another_contract(story: Story) -> None:
    story.take((20, 91, "update"), (21, 96, "update"))
    seen = story.state(95)  # the snapshot saw the first, which may lie between low and high, and not the second
    moved = {bucket_of(json.loads(each)["key"]) for each in story.lines[-2:]}
    unreleased = bucket_of(sorted(seen)[3])
    story.digest(90, 97, {k: v for k, v in seen.items() if bucket_of(k) != unreleased}, unreleased=[unreleased])
    found = story.verdict(97)
    assert found is not None
    assert found.differing == ()
    assert found.left_out == len(moved | {unreleased})
    story.digest(98, 99, {}, released_as="9.9.9")
    found = story.verdict(99)
    assert found is not None
    assert found.differing == (), "rows of a former contract are not expected to be the same"
    assert found.left_out == len({bucket_of(key) for key in story.state(99)})


def test_a_digest_under_a_former_contract_is_compared_by_what_that_one_named(story: Story) -> None:
    """The lake has the next contract before the platform has it."""
    former = story.contract
    more = (*former.fields, replace(former.field("birth_band"), name="birth_year"))
    less = tuple(field for field in former.fields if field.name != "joined_on")

    def verdict(fields: tuple[Field, ...], upto: int) -> StateVerdict:
        now = replace(former, version="9.0.0", fields=fields)
        return verify_states(story.lake.tables, {ENTITY: now}, {ENTITY: BASE + upto}, [former, now])[ENTITY]

    story.digest(110, 111, story.state(110))
    found = verdict(more, 111)
    assert (found.seq_high, found.compared, found.left_out, found.differing) == (BASE + 111, BUCKETS, 0, ())
    lost = story.state(110)
    gone = min(lost)
    del lost[gone]
    story.digest(112, 113, lost)
    assert verdict(more, 113).differing == (bucket_of(gone),)
    story.digest(114, 115, lost)
    found = verdict(less, 115)
    assert (found.seq_high, found.compared, found.left_out, found.differing) == (BASE + 115, 0, BUCKETS, ()), (
        "of a withdrawn field nobody can tell"
    )


def test_it_waits_for_history_and_half_a_digest_counts_for_nothing(story: Story) -> None:
    tables = story.lake.tables
    progress.write(tables, history_progress(ENTITY), position=1)
    story.digest(120, 121, {})
    found = story.verdict(121)
    assert found is not None
    assert found.seq_high == BASE + 115, "history is not so far: the last verdict stands"
