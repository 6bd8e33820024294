"""Records that could not be examined whole make one finding a stream, whatever the order they are told in."""

import random

import msgspec
import pytest

from detector.judge.ledger import Ledger
from detector.judge.policy import Accept, Policy
from detector.judge.routing import TaskStatus, TaskSubscription, decode, encode, route, task_key
from detector.judge.stage import FACT, AggregateState, applied, judge, judge_history
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import LimitedRecord, TaskStarted
from detector.values.findings import SCAN_LIMITED, Finding, Severity, finding_uid
from detector.values.times import HOUR, MINUTE, SECOND

START = 1_800_000_000 * SECOND
KEY = "l:logs/build-1/stdout"
STARTED = TaskStarted(time=START, source="ci", id="s", task_id="build-1", owner="ann", workload="w")


def limited(number: int, task_id: str | None = "build-1", stream: str | None = "stdout") -> LimitedRecord:
    return LimitedRecord(
        time=START + number * SECOND,
        source="logs",
        id=f"p0@{number}",
        reason="decoding",
        size=120,
        offset=number,
        partition=0,
        task_id=task_id,
        stream=stream,
    )


def only(findings: list[Finding]) -> Finding:
    (finding,) = [one for one in findings if one.rule == SCAN_LIMITED]
    return finding


@pytest.mark.parametrize(
    ("task_id", "stream", "key"),
    [("build-1", "stdout", KEY), (None, "stderr", "l:logs//stderr"), (None, None, "l:logs//")],
)
def test_a_stream_is_its_source_task_and_name(task_id: str | None, stream: str | None, key: str) -> None:
    record = limited(1, task_id, stream)
    assert route(record, CredentialRegistry()) == [(key, record)]
    assert decode(encode(record)) == record


@pytest.mark.parametrize("compact_every", [2, 8, 256])
def test_live_and_replayed_give_the_same_finding_whatever_the_order(compact_every: int) -> None:
    policy = Policy()
    records = [limited(number) for number in range(60)]
    ledger = Ledger(policy)
    ledger.apply(STARTED)
    ledger.seal_lifecycle()
    for record in (*records, *records[:5]):
        ledger.apply(record)
    replayed = only(judge_history(ledger, START + HOUR)[0])
    assert (replayed.count, replayed.key) == (60, KEY.removeprefix("l:"))
    assert replayed.uid == finding_uid(SCAN_LIMITED, replayed.key)
    assert replayed.severity == Severity.MEDIUM
    for seed in range(5):
        state: dict[bytes, bytes] = {}
        shuffled = [*records, *records[:9]]
        random.Random(seed).shuffle(shuffled)
        sent, last = [], None
        for at in range(0, len(shuffled), 7):
            facts = shuffled[at : at + 7]
            watermark = START + at * SECOND  # compaction waits for the lateness
            made = judge(KEY, state, facts, watermark, policy, compact_every=compact_every)
            state = applied(state, made)
            sent += made.sends
            assert made.commands == []
            last = made.findings[-1].finding if made.findings else last
        assert sent[0][0] == task_key("build-1")
        assert isinstance(sent[0][1], TaskSubscription)
        assert sent[0][1].key == KEY
        made = judge(KEY, state, [TaskStatus("build-1", STARTED)], START + HOUR // 2, policy)
        assert made.findings[-1].finding == replayed


def test_old_records_are_added_up_and_a_second_copy_still_counts_once() -> None:
    policy = Policy()
    state = AggregateState(KEY, policy, compact_every=40)
    for number in range(100):
        record = limited(number)
        state.take(record, encode(record), START)
    made = state.judge(START + HOUR)
    assert state.compacted
    stored = applied({}, made)
    assert len(stored) < 60
    again = judge(KEY, stored, [limited(50)], START + HOUR + MINUTE, policy)
    assert [change.finding.count for change in again.findings] in ([], [100])
    more = judge(KEY, stored, [limited(3000)], START + HOUR + MINUTE, policy)
    assert more.findings[-1].finding.count == 101


def test_the_finding_can_be_accepted_by_its_uid_until_its_evidence_is_later() -> None:
    first = judge(KEY, {}, [limited(1)], START, Policy()).findings[0].finding
    accept = Accept(reason="a fuzzer", expiry=first.last_seen, uid=first.uid)
    policy = msgspec.structs.replace(Policy(), accepts=(accept,))
    made = judge(KEY, {}, [limited(1)], START, policy)
    assert made.findings[0].finding.accepted == "a fuzzer"
    later = judge(KEY, applied({}, made), [limited(9)], START, policy)
    assert later.findings[0].finding.accepted is None


def test_the_finding_can_be_accepted_and_is_forgotten_after_the_retention() -> None:
    accept = Accept(reason="a fuzzer", expiry=START + HOUR, rule=SCAN_LIMITED, task="build-*")
    policy = msgspec.structs.replace(Policy(), accepts=(accept,))
    made = judge(KEY, {}, [limited(1)], START, policy)
    assert made.findings[0].finding.accepted == "a fuzzer"
    assert made.timer == START + SECOND + policy.retention
    end = judge(KEY, applied({}, made), [], START + SECOND + policy.retention, policy)
    assert applied(applied({}, made), end) == {}


@pytest.mark.parametrize("compact_every", [1, 256])
def test_a_record_that_stands_for_others_counts_as_many_as_were_told_at_most_whatever_the_order(
    compact_every: int,
) -> None:
    def grown(count: int) -> LimitedRecord:
        return msgspec.structs.replace(limited(7), id="p0@7#findings", reason="findings", records=count)

    facts = [limited(1), *map(grown, (3, 40, 900)), limited(2)]
    ledger = Ledger(Policy())
    ledger.seal_lifecycle()
    for fact in (limited(1), grown(900), limited(2)):
        ledger.apply(fact)
    assert only(judge_history(ledger, START + HOUR)[0]).count == 902
    for seed in range(6):
        random.Random(seed).shuffle(facts)
        state: dict[bytes, bytes] = {}
        for fact in facts:
            made = judge(KEY, state, [fact], START, Policy(), compact_every=compact_every)
            state = applied(state, made)
        made = judge(KEY, state, [limited(3)], START, Policy())
        assert made.findings[-1].finding.count == 903
        assert sum(key[:1] == FACT for key in state) == 3
    old = [grown(900), *(limited(number) for number in range(100, 160))]
    state = applied({}, judge(KEY, {}, old, START + 5 * HOUR, Policy(), compact_every=10))
    made = judge(KEY, state, [limited(3000)], START + 5 * HOUR, Policy())
    assert made.findings[-1].finding.count == 961
