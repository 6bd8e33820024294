"""Every form that a released version stored is read by this one, and written again as the same bytes.

A test here fails when a stored field is renamed, moved or dropped, or a tag changes. Do not mend the fixture: the
deployments that wrote such records are out there. Give the new form its own format version instead.
"""

import json
import typing
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.judge.aggregates import SecretAggregate
from detector.judge.compaction import AccountSums
from detector.judge.evidence import Sums
from detector.judge.policy import Policy
from detector.judge.routing import (
    CandidateStatuses,
    CandidateStatusesPart,
    CandidateSubscription,
    Fact,
    FindingDeleted,
    FindingOpened,
    FindingOver,
    Recall,
    ReportedFinding,
    SentCommand,
    WorkProgress,
    decode,
    encode,
    registry_key,
)
from detector.judge.stage import FACT, META, REPORTED, SENT, SUMS, Meta, key_of
from detector.judge.totals import Totals
from detector.judge.watermark import BEGINNING
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.scanner import PatternScanner
from detector.service.judge.store import AGGREGATE, SOURCES, TIMER, TOTALS, WATERMARK, Store, digest_of
from detector.values.events import CredentialIssued, Leak, LimitedRecord, RevocationOutcome, TaskHeartbeat
from detector.values.findings import Severity
from tests.fixtures.storage.archive import Archive
from tests.small_history import KEY

KIND = slice(17, 18)
# What 0.1.0 stores in place of the oldest leaks of a secret, once there are more than 4096: too many for the archive.
SECRET_SUMS = (
    b'{"count":3,"first":1772496020000000000,"last":1772496022000000000,"severity":5,'
    b'"patterns":["github-pat-classic"],"requests":{},"seen":["NF0c6VFvswM=","SJOBQTRzX4Q=","QUaAzOJJFO0="]}'
)
_FORMS: dict[bytes, Any] = {REPORTED: ReportedFinding, SENT: SentCommand}


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive("0.1.0")


def standing(archive: Archive) -> dict[int, dict[bytes, bytes]]:
    """The state topic by partition, as it is left when compacted."""
    found: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    for record in archive.records("state"):
        assert record.key is not None
        if record.value is None:
            found[record.partition].pop(record.key, None)
        else:
            found[record.partition][record.key] = record.value
    return dict(found)


def again(value: bytes, form: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(value, type=form))


# The fields that each has had since 0.1.0, at its end: of a leak when it was received, whose its time is, and the
# name that gave it away with its confidence; of a start its group; of an issue its group of tasks, who asked for it,
# and why it names no known task; of an identifier what it is without its case, and its shape; of what a task tells
# its heartbeat, and whether that lapsed.
_IDENTIFIERS = (
    "aws-access-key-id",
    "github-token-id",
    "hmac-sha256",
    "k8s-jti",
    "sha256",
    "vault-accessor",
    "vault-hmac",
)
_LATER: dict[str, list[Any]] = {
    "leak": [*[None] * 4, []],
    "task.started": [None],
    "credential.issued": [None] * 3,
    "told": [None, False],
    **{scheme: [None] * 2 for scheme in _IDENTIFIERS},
}
# The same of objects: by a field that only such objects have, what they have had since.
_LATER_NAMED: dict[str, dict[str, Any]] = {
    "evidences": {"resolution": None},
    "escalated": {"sent_at": BEGINNING},
    "parent_task_id": {"lapsed": False},
}


def with_later_fields(value: Any) -> Any:
    """Parsed JSON with the fields that events have had since 0.1.0."""
    if isinstance(value, dict):
        later = next((fields for name, fields in _LATER_NAMED.items() if name in value), {})
        return {name: with_later_fields(held) for name, held in value.items()} | later
    if isinstance(value, list):
        held = [with_later_fields(one) for one in value]
        tag = held[0] if held and isinstance(held[0], str) else ""
        return [*held, *_LATER.get(tag, ())]
    return value


def same(written: bytes, stored: bytes) -> bool:
    return bool(json.loads(written) == with_later_fields(json.loads(stored)))


def ordered(sums: bytes) -> Any:
    found = json.loads(sums)
    for tally in found["tallies"].values():
        tally["seen"].sort()
    assert any(tally["requests"] for tally in found["tallies"].values())
    return found


def test_all_facts_in_the_work_topic_are_read_and_written_as_they_were(archive: Archive) -> None:
    seen = set()
    for record in archive.records("work"):
        fact = decode(record.value or b"")
        seen.add(type(fact))
        assert same(encode(fact), record.value or b"")
        assert record.key is not None
        assert record.key[1:2] == b":"
    later = {
        LimitedRecord,
        RevocationOutcome,
        CandidateSubscription,
        CandidateStatuses,
        CandidateStatusesPart,
        Recall,
        TaskHeartbeat,
        FindingOpened,
        FindingOver,
        FindingDeleted,
        WorkProgress,
    }
    assert seen | later == set(typing.get_args(Fact))


def test_a_fact_that_0_1_0_did_not_know_has_a_form_of_its_own() -> None:
    value = b'["limited",1777593600000000000,"logs","p0@7","decoding",120,null,7,0,"build-1","stdout",1,[]]'
    fact = decode(value)
    assert isinstance(fact, LimitedRecord)
    assert (fact.id, fact.reason, fact.size, fact.offset, fact.stream) == (
        "p0@7",
        "decoding",
        120,
        7,
        "stdout",
    )
    assert encode(fact) == value


def test_how_far_work_is_judged_has_a_form_of_its_own() -> None:
    value = b'["reached",3,1777593600123,[0,10000]]'
    fact = decode(value)
    assert fact == WorkProgress.of(3, (1777593600123456789, 1777593600123999999, 1777593590123000000))
    assert isinstance(fact, WorkProgress)
    assert fact.times == (1777593600123000000, 1777593600123000000, 1777593590123000000)
    assert encode(fact) == value


def test_what_became_of_a_command_has_a_form_of_its_own() -> None:
    value = (
        b'["credential.revocation.outcome",1777593600000000000,"revoker","7/1","c-1","7","confirmed",'
        b'"lookup answered 403","vault",null,1777593599000000000,null]'
    )
    fact = decode(value)
    assert isinstance(fact, RevocationOutcome)
    assert (fact.command_id, fact.proof, fact.dead_at) == ("7", "lookup answered 403", 1777593599 * 10**9)
    assert encode(fact) == value


def test_the_messages_about_candidates_have_forms_of_their_own() -> None:
    asked = b'["candidates","k:c-1",1777593595000000000,1777593605000000000,1777597200000000000]'
    subscription = decode(asked)
    assert subscription == CandidateSubscription(
        "k:c-1", *(s * 10**9 for s in (1777593595, 1777593605, 1777597200))
    )
    assert encode(subscription) == asked
    start = b'["task.started",1777593500000000000,"ci","1","build-1","ci-job",null,null,null,null,"repo"]'
    end = b'["task.ended",1777593700000000000,"ci","2","build-1","succeeded"]'
    told = b'["ran",[["told","build-1",%b,%b]]]' % (start, end)
    statuses = decode(told)
    assert isinstance(statuses, CandidateStatuses)
    (status,) = statuses.statuses
    assert (status.task_id, status.start, status.end) == ("build-1", decode(start), decode(end))
    assert encode(statuses) == b'["ran",[["told","build-1",%b,%b,null,false]]]' % (start, end)
    part = decode(b'["ran-part",%b,"repo",1,3,[["told","build-1",%b,%b]]]' % (asked, start, end))
    assert part == CandidateStatusesPart(subscription, "repo", 1, 3, statuses.statuses)


def test_the_state_is_read_and_written_as_it_was(archive: Archive) -> None:
    seen = set()
    for record in archive.records("state"):
        key, value = record.key or b"", record.value
        kind = key[KIND] if key[:1] == AGGREGATE else key
        seen.add(kind)
        if value is None:
            continue
        if kind == FACT:
            assert same(encode(decode(value)), value)
        elif kind == META:
            assert json.loads(again(value[12:], Meta)) == [*json.loads(value[12:]), None]  # its joins
            assert digest_of(key_of(value[12:])) == key[1:17]
        elif kind in _FORMS:
            assert same(again(value, _FORMS[kind]), value)
        elif kind == SUMS:  # in which a set stands in any order
            assert ordered(again(value, AccountSums)) == ordered(value)
        elif kind == WATERMARK:
            assert str(int(value)).encode() == value
        elif kind == TOTALS:
            assert json.loads(again(value, Totals)) == [*json.loads(value), [{}]]  # the same
        else:
            assert again(value, {SOURCES: dict[str, int]}[kind]) == value
    assert seen == {FACT, META, REPORTED, SENT, SUMS, WATERMARK, SOURCES, TOTALS}


async def test_the_registry_is_read_and_written_as_it_was(archive: Archive) -> None:
    records = archive.records("registry")
    registered = RegisteredCredentials(Finders(PatternScanner(()), (KEY,)))
    await registered.apply(records)
    assert registered.unreadable == 0
    gone = {record.key for record in records if record.value is None}
    issued = [(record.key, decode(record.value)) for record in records if record.value is not None]
    for (key, issue), record in zip(
        issued, (each for each in records if each.value is not None), strict=True
    ):
        assert isinstance(issue, CredentialIssued)
        assert registry_key(issue) == key
        assert same(encode(issue), record.value or b"")
    known = {
        issue.credential_id
        for key, issue in issued
        if key not in gone and isinstance(issue, CredentialIssued)
    }
    assert gone
    assert len(registered.registry) == len(known)
    assert all(registered.registry.known(each) for each in known)
    identifiers = [*registered.registry.identifiers()]
    schemes = {each.scheme for each in identifiers}
    assert {"hmac-sha256", "sha256", "aws-access-key-id", "vault-accessor"} <= schemes
    assert any(each.check for each in identifiers)


def test_the_stores_say_what_the_state_topic_says(archive: Archive, tmp_path: Path) -> None:
    expected = standing(archive)
    for path in archive.unpack_stores(tmp_path):
        number = int(path.name.rpartition("-")[2])
        store = Store(path)
        try:
            assert store.position() is None  # with a log of its own it could not be believed: it is rebuilt
            assert store.watermark() == int(expected[number][WATERMARK])
            assert store.sources() == msgspec.json.decode(expected[number][SOURCES])
            assert store.totals() == msgspec.json.decode(expected[number][TOTALS], type=Totals)
            held = {key: value for key, value in expected[number].items() if key[:1] == AGGREGATE}
            assert all(store.get(key) == value for key, value in held.items())
            entries = [entry for digest in {key[1:17] for key in held} for entry in store.entries(digest)]
            assert len(entries) == len(held)
            metas = [(key, value) for key, value in held.items() if key[KIND] == META]
            timers = {TIMER + value[:12] + key[1:17] for key, value in metas if value[0] != 0xFF}
            due = {key for key, _ in store.due(0, 1 << 80, 1000)}
            assert timers <= due  # what is no longer meant is skipped when its time comes
            assert timers
        finally:
            store.close()


def test_a_note_beside_an_offset_is_the_first_one_that_waits(archive: Archive) -> None:
    noted = [row for row in archive.lines("offsets.jsonl") if row["metadata"]]
    (row,) = noted
    assert (row["group"], row["topic"], row["metadata"]) == ("upgrade-scan", "logs", "6")
    assert row["offset"] == 7


def test_the_sums_of_a_secret_are_read_as_they_were() -> None:
    sums = msgspec.json.decode(SECRET_SUMS, type=Sums)
    assert (sums.count, sums.first, sums.last) == (3, 1772496020000000000, 1772496022000000000)
    assert (sums.severity, sums.patterns, len(sums.seen)) == (Severity.CRITICAL, ("github-pat-classic",), 3)
    aggregate = SecretAggregate("s:" + "ab" * 32, Policy())
    for number in range(20):  # the earliest are never among the sums
        aggregate.take(leak(number), 0)
    aggregate.restore_sums(SECRET_SUMS)
    (finding,) = aggregate.judge(1772496100000000000, []).findings.values()
    assert (finding.count, finding.first_seen, finding.last_seen) == (23, leak(0).time, sums.last)


def leak(number: int) -> Leak:
    return Leak(
        time=1772496000000000000 + number * 10**9,
        source="logs",
        id=f"p0@{number}",
        identifiers=(),
        fingerprint="ab" * 32,
        pattern="github-pat-classic",
        severity=5,
        excerpt="",
    )
