"""Latency counts from the record that was appended to an input, through both stages."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.routing import encode, route
from detector.kafka.handlers import singly
from detector.records.made_columns import columns_of
from detector.scan.scanner import PatternScanner
from detector.service.judge.reports import JudgedTransaction, OutputCause
from detector.service.record_times import LONGEST, PollTimes, longest_backdating, output_timestamp
from detector.values.times import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from tests.bundled import bundled_scanner
from tests.fake_records import NOW, PARTITION, FakeRecord
from tests.service.judge.judge_without_kafka import Record
from tests.service.judge.test_judge_over_time import T0, Story, end, issue, leak, run_story, use
from tests.service.scan.test_scan_handler import Scan, event, log

APPENDED = NOW // MILLISECOND - 5000
HEADER = "-----BEGIN RSA PRIVATE " + "KEY-----"


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return bundled_scanner()


async def test_what_follows_from_a_record_bears_its_timestamp(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    outputs = await scan.poll(
        [
            FakeRecord(event("task.started", 0, task_id="a"), 7, timestamp=APPENDED),
            FakeRecord(event("task.started", 1, task_id="b"), 9, timestamp=APPENDED + 70),
            FakeRecord(event("task.started", 2, task_id="c"), 10, timestamp=-1),
            FakeRecord(b"no JSON {", 11, timestamp=APPENDED + 90),
        ]
    )
    stamps = {output.key: output.timestamp_ms for output in outputs if output.topic == "work"}
    assert stamps == {b"t:a": APPENDED, b"t:b": APPENDED + 70, b"t:c": None}


async def test_text_that_was_held_over_counts_from_its_own_poll(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    secret = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"
    await scan.poll([FakeRecord(log("quiet"), 3, timestamp=APPENDED - 900)])
    assert await scan.poll([FakeRecord(log(HEADER + secret), 4, timestamp=APPENDED)]) == []
    outputs = [*singly(await scan.handler.tick(PARTITION, NOW + 10 * SECOND))]
    leaks = [output for output in outputs if (output.key or b"").startswith(b"s:")]
    assert [output.timestamp_ms for output in leaks] == [APPENDED]


@given(st.one_of(st.none(), st.integers(-(1 << 63), 1 << 63)), st.integers(0, 1 << 62), st.integers(0, DAY))
def test_no_broker_takes_offence_at_a_timestamp(began: int | None, now: int, most: int) -> None:
    stamp = output_timestamp(began, now, most)
    if stamp is not None:
        assert now // MILLISECOND - most // MILLISECOND - 1 <= stamp <= now // MILLISECOND
        assert began is not None
        assert began >= 0


def test_a_topic_that_keeps_for_minutes_is_not_dated_back_by_an_hour() -> None:
    assert longest_backdating(2 * MINUTE) == MINUTE
    assert longest_backdating(7 * DAY) == longest_backdating(None) == LONGEST == HOUR


def test_polls_long_past_are_remembered_roughly_and_not_without_end() -> None:
    polls = PollTimes()
    assert polls.earlier().of(5) is None
    for number in range(1000):
        polls.read([FakeRecord(b"", 10 * number, timestamp=number)])
    assert polls.earlier().of(9999) == 999
    assert polls.earlier().of(9985) == 998
    assert polls.earlier().of(0) == 1000 - 64
    assert polls.earlier().of(None) is None


@pytest.mark.parametrize("as_polled", [list, partial(columns_of, "logs", 0)])
def test_a_record_of_this_poll_has_its_own_time_and_any_other_that_of_its_poll(
    as_polled: Callable[[Sequence[Any]], Sequence[Any]],
) -> None:
    polls = PollTimes()
    polls.read(as_polled([FakeRecord(b"", 3, timestamp=30), FakeRecord(b"", 4, timestamp=40)]))
    times = polls.read(as_polled([FakeRecord(b"", 7, timestamp=70), FakeRecord(b"", 9, timestamp=90)]))
    assert [times.of(offset) for offset in (4, 7, 8, 9, 10)] == [30, 70, 70, 90, 70]


def appended(one: Story, at_ms: int, *events: Any) -> None:
    """Events routed as from input records that appeared at a time."""
    for each in events:
        for key, payload in route(each, one.registry):
            where = one.world.work[0]
            where.append(Record(len(where), key.encode(), encode(payload), at_ms))


def caused(one: Story) -> list[OutputCause]:
    return [each for fact in one.world.facts if isinstance(fact, JudgedTransaction) for each in fact.causes]


def test_a_command_counts_from_the_record_that_brought_it_about() -> None:
    async def story(one: Story) -> None:
        now = T0 // MILLISECOND
        appended(one, now - 900, issue(), end(at=T0 - HOUR))
        await one.world.drain()
        before = len(caused(one))
        # The registry of whoever sent it was behind: it goes to the credential's id, and from there to the task.
        appended(one, now - 50, use(T0, task="t1"))
        await one.world.drain()
        kinds = {each.kind: each.began_ms for each in caused(one)[before:]}
        assert kinds == {"finding": now - 50, "command": now - 50}
        uids = {uid for uid, record in one.world.findings}
        assert {each.uid for each in caused(one)} <= uids

    run_story(story, partitions=1)


def test_what_time_alone_brings_is_not_measured() -> None:
    async def story(one: Story) -> None:
        appended(one, T0 // MILLISECOND, issue(), leak(T0))
        await one.world.drain()
        before = len(caused(one))
        assert before
        await one.until(T0 + HOUR)
        assert "revocation-unconfirmed" in one.rules
        assert len(caused(one)) == before

    run_story(story, partitions=1)


def test_a_command_names_the_finding_that_asked_for_it() -> None:
    async def story(one: Story) -> None:
        appended(one, T0 // MILLISECOND, issue(), leak(T0))
        await one.world.drain()
        rules = {uid: record["finding_info"]["analytic"]["uid"] for uid, record in one.world.findings}
        commands = [each for each in caused(one) if each.kind == "command"]
        assert [rules[each.uid] for each in commands] == ["leaked-credential"]
        assert msgspec.structs.asdict(commands[0])["began_ms"] == T0 // MILLISECOND

    run_story(story, partitions=1)
