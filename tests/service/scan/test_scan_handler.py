"""The scan stage's handler: routes, dead letters and what it keeps between polls, without Kafka."""

import asyncio
import base64
import gzip
import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.kafka import RecordAssembler
from detector.ingest.kafka_records import Contents
from detector.judge.routing import Claim, InputProgress, decode
from detector.judge.watermark import BEGINNING
from detector.kafka.handlers import Output, Partition, Refusal, singly
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.scan.shares import FIRST_LOOK, SECOND_LOOK, Share
from detector.service.scan.handler import (
    LARGEST,
    NoPositions,
    ScanHandler,
    ScannedPoll,
    ScanSettings,
    ScanTopics,
)
from detector.service.scan.redaction import Redacted
from detector.stages.scan import find_leaks
from detector.values.errors import StopError
from detector.values.events import CredentialIssued, CredentialUsed, Leak, LimitedRecord, TaskStarted
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import SECOND, SKEW, format_rfc3339, parse_rfc3339
from tests.bundled import bundled_patterns, bundled_scanner
from tests.fake_records import NOW, PARTITION, FakeRecord, records
from tests.ingest.collecting import collect

KEY = DeploymentKey.of(b"k" * 32)
SECRET = "corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
OTHER = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"
TOPICS = ScanTopics("work", 3, "registry", "dead")
TIME = "2026-05-31T10:00:00Z"
KAFKA = NOW - 60 * SECOND  # when Kafka got a fake record


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return bundled_scanner()


def event(kind: str, number: int, time: str = TIME, **data: Any) -> bytes:
    return json.dumps(
        {"specversion": "1.0", "type": kind, "source": "s", "id": str(number), "time": time, "data": data}
    ).encode()


def issued(secret: str = SECRET, **data: Any) -> bytes:
    (identifier,) = KeyRing((KEY,)).identifiers(Secret(secret.encode()))
    names = ("scheme", "value", "length", "check")
    wire = {name: getattr(identifier, name) for name in names}
    return event("credential.issued", 1, credential_id="c", task_id="t", identifiers=[wire], **data)


def log(message: str, time: str = TIME) -> bytes:
    return json.dumps({"message": message, "time": time}).encode()


class Earlier(NoPositions):
    """Gives those records, whatever is asked, and notes the offsets before which they are asked for."""

    def __init__(self, asked: list[int], before: Sequence[Any], note: str) -> None:
        self._asked = asked
        self._before = before
        self._note = note

    async def committed(self, _partition: Partition) -> tuple[int, str]:
        return len(self._before), self._note

    async def records_before(self, _partition: Partition, offset: int, _since: int) -> Sequence[Any]:
        self._asked.append(offset)
        return self._before


class Scan:
    """A handler and what it works with."""

    def __init__(
        self,
        scanner: PatternScanner,
        before: Sequence[Any] = (),
        *,
        classifier: RecordClassifier = BUNDLED,
        note: str = "",
    ) -> None:
        self.finders = Finders(scanner, (KEY,))
        self.registered = RegisteredCredentials(self.finders)
        self.registered.complete.set()
        self.threads = ThreadPoolExecutor(1)
        self.asked: list[int] = []
        self.now = NOW

        self.handler = ScanHandler(
            ScanSettings(TOPICS, classifier_of=lambda _: classifier),
            self.registered,
            self.threads,
            Earlier(self.asked, before, note),
            clock=lambda: self.now,
        )

    async def poll(self, some: Sequence[Any]) -> list[Output]:
        """What a poll gives, but for the marks that say that the partition is taken."""
        outputs = [*singly(await self.handler.process(PARTITION, some))]
        await self.handler.committed(PARTITION, some[-1].offset + 1)
        return [output for output in outputs if not (output.key or b"").startswith(b"m:")]


def routed(outputs: Sequence[Output]) -> list[tuple[str, type[Any]]]:
    return [
        ((output.key or b"").decode(), type(decode(output.value or b"")))
        for output in outputs
        if output.topic == "work"
    ]


async def test_events_go_to_the_aggregates_they_concern(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    some = records(
        [event("task.started", 0, task_id="t"), issued(), event("credential.used", 2, credential_id="c")]
    )
    outputs = [*singly(await scan.handler.process(PARTITION, some))]
    found = routed(outputs)
    assert ("t:t", TaskStarted) in found
    assert ("t:t", CredentialIssued) in found
    assert ("c:c", Claim) in found
    assert [key for key, kind in found if kind is CredentialUsed] == ["t:t"]
    assert [output.key for output in outputs if output.topic == "registry"] == [b'["cred","c","s","1"]']
    await scan.handler.committed(PARTITION, 3)
    assert routed(await scan.poll([FakeRecord(event("credential.used", 3, credential_id="c"), 3)])) == [
        ("t:t", CredentialUsed)
    ]


async def test_the_owner_of_an_issue_that_was_not_committed_is_forgotten(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    used = event("credential.used", 2, credential_id="c")
    assert ("t:t", CredentialUsed) in routed(
        [*singly(await scan.handler.process(PARTITION, records([issued(), used])))]
    )
    await scan.handler.revoked(
        PARTITION
    )  # the transaction was aborted: another may have read on before the issue
    await scan.handler.assigned(PARTITION)
    assert routed(await scan.poll(records([used]))) == [("c:c", CredentialUsed)]


async def test_whoever_registered_a_credential_first_owns_it_until_the_names_say_otherwise(
    scanner: PatternScanner,
) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    assert await scan.poll(records([issued()]))
    again = event("credential.issued", 4, credential_id="c", task_id="another")
    some = records([again, event("credential.used", 5, credential_id="c")])
    assert [key for key, kind in routed(await scan.poll(some)) if kind is CredentialUsed] == ["t:t"]


async def test_in_a_topic_of_logs_nothing_is_an_event(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    scan.handler = ScanHandler(
        ScanSettings(
            TOPICS, classifier_of=lambda topic: BUNDLED.logs_only() if topic == PARTITION.topic else BUNDLED
        ),
        scan.registered,
        scan.threads,
        clock=lambda: NOW,
    )
    await scan.handler.assigned(PARTITION)
    forged = records([event("credential.revoked", 0, credential_id="c"), log(f"token {OTHER}")])
    assert {kind for _, kind in routed(await scan.poll(forged))} == {Leak}


@pytest.mark.parametrize("share", [FIRST_LOOK, SECOND_LOOK])
async def test_a_record_cut_short_is_counted_and_reported_unless_it_is_looked_at_again(
    scanner: PatternScanner, share: Share
) -> None:
    scan = Scan(scanner)
    facts: list[ScannedPoll | Redacted] = []
    registered = RegisteredCredentials(Finders(scanner, (KEY,), share=share))
    registered.complete.set()
    scan.handler = ScanHandler(
        ScanSettings(TOPICS), registered, scan.threads, clock=lambda: NOW, observe=facts.append
    )
    await scan.handler.assigned(PARTITION)
    bomb = base64.b64encode(gzip.compress(b"x" * 3_000_000))
    found = routed(await scan.poll(records([bomb, b"nothing", bomb + b" too"])))
    (poll,) = facts
    assert isinstance(poll, ScannedPoll)
    assert (poll.limited, poll.limited_size) == (2, 2 * len(bomb) + len(" too"))
    reported = [(f"l:{PARTITION.topic}//", LimitedRecord)] * 2
    assert found == (reported if share is SECOND_LOOK else [])


async def test_no_record_is_scanned_before_what_was_registered_when_its_partition_came_is_known(
    scanner: PatternScanner,
) -> None:
    """The last holder may have committed an issue of which the registry topic does not show the record yet."""
    scan = Scan(scanner)
    readable = asyncio.Event()
    identifiers = KeyRing((KEY,)).identifiers(Secret(SECRET.encode()))
    issue = CredentialIssued(
        id="1", source="s", time=0, credential_id="c", task_id="t", identifiers=identifiers
    )

    async def registry_is_read() -> None:
        await readable.wait()
        await scan.registered.register([issue])

    scan.handler = ScanHandler(
        ScanSettings(TOPICS),
        scan.registered,
        scan.threads,
        clock=lambda: NOW,
        registry_is_read=registry_is_read,
    )
    begun = asyncio.create_task(scan.handler.assigned(PARTITION))
    await asyncio.sleep(0.01)
    assert not begun.done()
    readable.set()
    await begun
    assert ("t:t", Leak) in routed(await scan.poll(records([log(f"token {SECRET}")])))


async def test_what_was_not_committed_is_not_registered(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.handler.process(PARTITION, records([issued()]))
    await scan.handler.revoked(PARTITION)
    await scan.handler.assigned(PARTITION)
    await scan.handler.committed(PARTITION, None)
    assert len(scan.registered.registry) == 0


async def test_leaks_of_registered_credentials_and_of_unknown_secrets(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.poll(records([issued()]))
    outputs = await scan.poll(
        [
            FakeRecord(log(f"token {SECRET} token {SECRET}"), 7),
            FakeRecord(log(f"x {SECRET}\n{OTHER} {OTHER}"), 8),
        ]
    )
    found = [((output.key or b"").decode(), decode(output.value or b"")) for output in outputs]
    leaks = [(key, leak.id, leak.offset, leak.pattern) for key, leak in found if isinstance(leak, Leak)]
    assert [leak for leak in leaks if leak[0][:2] == "t:"] == [
        ("t:t", "p0@7", 7, None),
        ("t:t", "p0@8", 8, None),
    ]
    assert {key[:2] for key, id_, _, pattern in leaks if id_ == "p0@8" and pattern} == {"i:", "s:"}
    assert {key[:2] for key, id_, _, _ in leaks if id_ == "p0@7"} == {"t:", "i:"}
    written = b"".join(output.value or b"" for output in outputs)
    assert SECRET.encode() not in written
    assert OTHER.encode() not in written


async def test_dead_letters_say_where_and_why_and_nothing_else(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    (letter,) = await scan.poll([FakeRecord(b'{"message": "hunter2"', 5)])
    assert letter.topic == "dead"
    told = json.loads(letter.value or b"")
    assert {name: told[name] for name in ("source", "partition", "offset", "reason")} == {
        "source": "logs",
        "partition": 0,
        "offset": 5,
        "reason": "truncated-json",
    }
    assert b"hunter2" not in (letter.value or b"")


async def test_what_the_runner_refuses_is_a_dead_letter(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    (large,) = await scan.poll([FakeRecord(event("task.started", 0, task_id="t" * 100_000), 9)])
    for refusal, reason, offset in (
        (Refusal("output-too-large", output=large, limit=4 * LARGEST), "too-large", 9),
        (Refusal("record-failed", 4, FakeRecord(b"secret", 4), error="KeyError"), "unreadable", 4),
        (Refusal("record-unreadable", 6, error="CorruptRecordException"), "unreadable", 6),
    ):
        (letter,) = await scan.handler.refused(PARTITION, refusal)
        told = json.loads(letter.value or b"")
        assert (told["reason"], told["offset"]) == (reason, offset)
        assert "secret" not in told["detail"]


async def test_a_topic_that_takes_less_than_an_event_needs_stops_the_stage(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    (output,) = await scan.poll([FakeRecord(event("task.started", 0, task_id="t"), 9)])
    with pytest.raises(StopError, match=r"work is larger than the 50 bytes"):
        await scan.handler.refused(PARTITION, Refusal("output-too-large", output=output, limit=50))


async def test_an_event_that_fits_alone_but_not_with_what_is_said_of_it_is_a_dead_letter(
    scanner: PatternScanner,
) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    large = issued(revocation={"handle": "x" * 300_000})
    outputs = await scan.poll([FakeRecord(large, 7), FakeRecord(event("task.started", 2, task_id="t"), 8)])
    assert [output.topic for output in outputs] == ["dead", "work"]
    letter = json.loads(outputs[0].value or b"")
    assert (letter["reason"], letter["offset"]) == ("too-large", 7)
    assert len(scan.registered.registry) == 0


async def test_held_text_is_scanned_after_some_seconds(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    part = json.dumps({"log": f"token {OTHER} ", "stream": "stdout", "time": TIME}).encode()
    assert await scan.poll([FakeRecord(part, 3)]) == []
    assert await scan.handler.tick(PARTITION, NOW + SECOND) == []
    later = [*singly(await scan.handler.tick(PARTITION, NOW + 6 * SECOND))]
    assert {type(decode(output.value or b"")) for output in later} == {Leak}
    after = [*singly(await scan.handler.tick(PARTITION, NOW + 20 * SECOND))]
    assert {type(decode(output.value or b"")) for output in after} == {InputProgress}


async def test_what_was_held_when_the_partition_moved_is_read_again(scanner: PatternScanner) -> None:
    parts = [
        json.dumps({"log": text, "stream": "stdout", "time": TIME}).encode()
        for text in (f"token {OTHER[:9]}", f"{OTHER[9:]} end\n")
    ]
    some = records(parts)
    scan = Scan(scanner, before=some[:1])
    await scan.handler.assigned(PARTITION)
    leaks = [decode(output.value or b"") for output in await scan.poll(some[1:])]
    assert {leak.id for leak in leaks if isinstance(leak, Leak)} == {"p0@0"}
    assert scan.asked == [1]


async def test_text_that_waited_when_a_process_died_is_scanned_though_no_record_comes(
    scanner: PatternScanner,
) -> None:
    part = records([b"%s stdout P token=%s" % (TIME.encode(), OTHER.encode())])
    before = Scan(scanner)
    await before.handler.assigned(PARTITION)
    assert await before.poll(part) == []
    after = Scan(scanner, part, note=before.handler.note(PARTITION))
    await after.handler.assigned(PARTITION)
    ticks = [[*singly(await after.handler.tick(PARTITION, NOW + each * SECOND))] for each in (0, 6)]
    told = [[decode(output.value or b"") for output in outputs] for outputs in ticks]
    assert [{one.offset for one in some if isinstance(one, Leak)} for some in told] == [set(), {0}]
    assert not after.handler.note(PARTITION)


async def test_every_partition_of_work_is_told_how_far_an_input_has_got(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.poll(records([event("task.started", 0, task_id="t"), log("nothing")]))
    marks = [*singly(await scan.handler.tick(PARTITION, NOW))]
    assert [mark.partition for mark in marks] == [0, 1, 2]
    assert {decode(mark.value or b"") for mark in marks} == {
        InputProgress("logs-0", parse_rfc3339(TIME) - 10 * SECOND)
    }
    assert await scan.handler.tick(PARTITION, NOW) == []


def moment(ahead: int) -> str:
    return format_rfc3339(KAFKA + ahead)


@pytest.mark.parametrize("line", [moment(120 * SECOND).encode() + b" x", log("x", moment(120 * SECOND))])
async def test_text_is_no_progress_of_an_input(scanner: PatternScanner, line: bytes) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.poll(records([line] * 300))
    assert await scan.handler.tick(PARTITION, NOW) == []


async def test_an_event_ahead_of_kafka_pushes_no_further_than_the_skew(scanner: PatternScanner) -> None:
    for time, pushed in ((2 * SECOND, 2 * SECOND), (500 * SECOND, SKEW)):
        scan = Scan(scanner)
        await scan.handler.assigned(PARTITION)
        await scan.poll(records([event("task.started", 0, moment(time), task_id="t")]))
        marks = [*singly(await scan.handler.tick(PARTITION, NOW))]
        assert {decode(mark.value or b"") for mark in marks} == {
            InputProgress("logs-0", KAFKA + pushed - 10 * SECOND)
        }


async def test_where_nothing_is_an_event_no_progress_is_told(scanner: PatternScanner) -> None:
    scan = Scan(scanner, classifier=BUNDLED.logs_only())
    await scan.handler.assigned(PARTITION)
    forged = event("task.started", 0, moment(500 * SECOND), task_id="t")
    outputs = await scan.handler.process(PARTITION, records([forged, log("x")]))
    outputs += [*singly(await scan.handler.tick(PARTITION, NOW))]
    assert [output for output in outputs if output.topic == "work"] == []


async def test_that_a_partition_is_taken_is_told_before_anything_of_it(scanner: PatternScanner) -> None:
    scan, idle = Scan(scanner), Partition(PARTITION.topic, PARTITION.number + 1)
    some = records([event("task.started", 0, task_id="t")])
    busy = [*singly(await scan.handler.process(PARTITION, some))]
    for partition, outputs in ((PARTITION, busy), (idle, [*singly(await scan.handler.tick(idle, NOW))])):
        source = f"{partition.topic}-{partition.number}"
        assert [decode(output.value or b"") for output in outputs[:3]] == [
            InputProgress(source, BEGINNING)
        ] * 3
    assert await scan.handler.tick(idle, NOW) == []


async def test_a_partition_says_again_how_far_it_is(scanner: PatternScanner) -> None:
    scan, behind = Scan(scanner), Partition(PARTITION.topic, PARTITION.number + 1)
    await scan.handler.assigned(PARTITION)
    await scan.poll(records([event("task.started", 0, task_id="t")]))
    told = [*singly(await scan.handler.tick(PARTITION, NOW))]
    assert await scan.handler.tick(PARTITION, NOW + 9 * SECOND) == []
    assert await scan.handler.tick(PARTITION, NOW + 10 * SECOND) == told
    assert await scan.handler.tick(PARTITION, NOW + 11 * SECOND) == []
    announced = [*singly(await scan.handler.tick(behind, NOW))]
    later = [*singly(await scan.handler.tick(behind, NOW + 10 * SECOND))]
    assert later
    assert {decode(output.value or b"") for output in (*announced, *later)} == {
        InputProgress(f"{behind.topic}-{behind.number}", BEGINNING)
    }


async def test_a_partition_without_events_is_as_far_as_all_of_it_is_read(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.poll(records([event("task.started", 0, task_id="t")]))
    latest = parse_rfc3339(TIME) - 10 * SECOND
    for after, caught_up, reported in (
        (10, 10, latest),
        (40, 29, latest),  # in half a minute before its end there was an event
        (60, 35, NOW + 25 * SECOND),
        (80, 35, NOW + 25 * SECOND),  # what came since is not read
        (90, 85, NOW + 75 * SECOND),
    ):
        marks = await scan.handler.tick(PARTITION, NOW + after * SECOND, caught_up=NOW + caught_up * SECOND)
        assert {decode(mark.value or b"") for mark in singly(marks)} == {InputProgress("logs-0", reported)}
    scan.now = NOW + 90 * SECOND
    await scan.poll(records([event("task.started", 1, task_id="t2")]))
    again = await scan.handler.tick(PARTITION, NOW + 101 * SECOND, caught_up=NOW + 100 * SECOND)
    assert {decode(mark.value or b"") for mark in singly(again)} == {InputProgress("logs-0", latest)}


async def test_patterns_are_swapped_between_polls(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    some = [FakeRecord(log(OTHER), 1)]
    assert await scan.poll(some)
    scan.finders.reload(PatternScanner(()))
    assert await scan.poll(some) == []
    scan.finders.reload(scanner)
    assert await scan.poll(some)


async def test_what_is_removed_from_the_registry_is_not_found_any_more(scanner: PatternScanner) -> None:
    scan = Scan(scanner)
    await scan.handler.assigned(PARTITION)
    await scan.poll(records([issued()]))
    key = b'["cred","c","s","1"]'
    gone = [
        FakeRecord(value, offset, key=json.dumps(["cred", f"n{offset}", "s", "1"]).encode())
        for offset, value in enumerate([None] * 1001)
    ]
    await scan.registered.apply([FakeRecord(None, 5000, key=key), *gone, FakeRecord(b"?", 1, key=b"?")])
    assert scan.registered.unreadable == 1
    assert not scan.finders.known.registered(KeyRing((KEY,)).identifiers(Secret(SECRET.encode()))[0])
    assert await scan.poll([FakeRecord(log(SECRET), 9)]) == []


PRIVATE_KEY = next(
    example
    for pattern in bundled_patterns()
    if pattern.id == "private-key-pem"
    for example in pattern.examples
)


@given(
    kinds=st.lists(st.sampled_from(["plain"] * 6 + ["known", "token", "key", "rich"]), max_size=60),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_polls_cut_anywhere_give_the_leaks_that_replay_finds(
    scanner: PatternScanner, tmp_path_factory: pytest.TempPathFactory, kinds: list[str], seed: int
) -> None:
    messages: list[str] = []
    for kind in kinds:
        texts = {"known": [f"a {SECRET}"], "token": [f"b {OTHER}"], "key": PRIVATE_KEY.split("\n")}
        messages += texts.get(kind, [kind])
    lines = [
        json.dumps({"message": text, "time": TIME, **({"level": "x"} if text == "rich" else {})}).encode()
        for text in messages
    ]
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    identifiers = KeyRing((KEY,)).identifiers(Secret(SECRET.encode()))
    finder = LeakFinder(scanner, KnownIndex(identifiers, (KEY,)), (KEY,))
    wanted = sorted(
        {
            (f"p0@{int(leak.id) - 1}", leak.fingerprint, leak.pattern or "")
            for batch, _ in collect(path, "jsonl", NOW).batches
            for leak in finder.find(batch)
        }
    )
    rng, hold, found, at = random.Random(seed), RecordAssembler(), [], 0
    while at < len(lines):
        size = rng.randint(1, 20)
        segments = hold.read(records(lines)[at : at + size], NOW, Contents())
        found += find_leaks(finder, "logs", 0, segments)
        at += size
    found += find_leaks(finder, "logs", 0, hold.flush())
    # A line that goes on is looked at twice, perhaps in two polls: the judge counts a leak once.
    assert sorted({(leak.id, leak.fingerprint, leak.pattern or "") for leak in found}) == wanted


async def test_a_topic_that_is_named_like_a_token_is_named_otherwise_in_all_outputs(
    scanner: PatternScanner,
) -> None:
    token = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"  # made up
    scan, partition = Scan(scanner), Partition(token, 0)
    some = [
        FakeRecord(value, offset, topic=token)
        for offset, value in enumerate(
            [log(token), b'{"specversion": "1.0"', event("task.started", 0, task_id="t")]
        )
    ]
    outputs = [*singly(await scan.handler.process(partition, some))]
    outputs += [*singly(await scan.handler.tick(partition, NOW))]
    outputs += await scan.handler.refused(partition, Refusal("record-failed", offset=1, error="ValueError"))
    written = [(output.key or b"") + (output.value or b"") for output in outputs]
    assert len(written) > 4
    assert [each for each in written if token.encode() in each] == []
    named = [each for each in written if "‹github-pat-classic:40:".encode() in each]
    assert {b"reason" in each for each in named} == {True, False}, (
        "dead letters, and the progress of the input"
    )
