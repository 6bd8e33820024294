"""Log records are passed on to a redacted topic once, in order and without leaks, also after cuts and crashes."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detector.kafka.batches import Limits, batches_of
from detector.kafka.handlers import Output, Partition, ToWrite, singly
from detector.kafka.positions import REREAD
from detector.records.dead_letters import NOT_MASKED
from detector.records.made_columns import columns_of
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.known_credentials import KeyRing
from detector.scan.redactor import Redactor
from detector.scan.scanner import Match, PatternScanner
from detector.scan.sightings import Scanner
from detector.service.scan.handler import ScanHandler, ScanSettings
from detector.service.scan.redaction import WAITING, Redacted, noted_offset, offset_note
from detector.values.errors import StopError
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import MILLISECOND, SECOND
from tests.fake_records import NOW, PARTITION, FakeRecord, records
from tests.redact.redactions import outside_masks_nothing_changed
from tests.redact.test_record_redactor import cri, docker, fluent, request
from tests.redact.test_stream_redactor import ENCODINGS, PEM, TOKEN
from tests.service.scan.test_scan_handler import TOPICS, event, scanner

KEY = DeploymentKey.of(b"k" * 32)
KNOWN = b"corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern
MASK = "‹github-pat-classic:40›".encode()
GOES_TO = "logs.redacted"
THREADS = ThreadPoolExecutor(1)
__all__ = ("scanner",)


def message(text: bytes, **more: Any) -> bytes:
    return json.dumps({"message": text.decode("utf-8", "replace"), **more}).encode()


class Topic:
    """An input partition, what is committed of it, and who reads it: one after another, as they die."""

    def __init__(self, scanner: Scanner, some: Sequence[FakeRecord], *, every_window: bool = True) -> None:
        self.finders = Finders(scanner, (KEY,), every_window=every_window)
        self.registered = RegisteredCredentials(self.finders)
        self.finders.renew(KeyRing((KEY,)).identifiers(Secret(KNOWN)))
        self.registered.complete.set()
        self.records = some
        self.offset, self.note = 0, ""
        self.written: list[Output] = []
        self.facts: list[Any] = []
        self.now = NOW
        self.handler = self._handler()
        self.taken = False

    handling: Any = "mask"

    def _handler(self) -> ScanHandler:
        return ScanHandler(
            ScanSettings(TOPICS, redacted=lambda topic: f"{topic}.redacted", unexamined=self.handling),
            self.registered,
            THREADS,
            self,
            clock=lambda: self.now,
            observe=self.facts.append,
        )

    async def committed(self, _partition: Partition) -> tuple[int, str]:
        return self.offset, self.note

    async def records_before(self, _partition: Partition, offset: int, since: int) -> Sequence[Any]:
        return [each for each in self.records if min(offset - REREAD, since) <= each.offset < offset]

    async def _take(self) -> None:
        if not self.taken:
            await self.handler.assigned(PARTITION)
            self.taken = True

    async def poll(self, most: int, *, commits: bool = True, columns: bool = True) -> None:
        """The next records and their transaction, which may not happen."""
        await self._take()
        some = [each for each in self.records if each.offset >= self.offset][:most]
        if some:
            given = columns_of(PARTITION.topic, PARTITION.number, some) if columns else some
            outputs = await self.handler.process(PARTITION, given)
            await self._commit(outputs, some[-1].offset + 1, commits=commits)

    async def tick(self, seconds: int, *, commits: bool = True) -> None:
        await self._take()
        self.now += seconds * SECOND
        await self._commit(await self.handler.tick(PARTITION, self.now), self.offset, commits=commits)

    async def _commit(self, outputs: Sequence[ToWrite], offset: int, *, commits: bool) -> None:
        if not commits:
            await self.die()
            return
        self.written += singly(outputs)
        self.offset, self.note = offset, self.handler.note(PARTITION)
        await self.handler.committed(PARTITION, offset)

    async def die(self) -> None:
        """Nothing is kept but what is committed."""
        self.handler, self.taken = self._handler(), False

    @property
    def passed(self) -> list[Output]:
        return [each for each in self.written if each.topic == GOES_TO]

    def letters(self) -> list[Any]:
        return [json.loads(each.value or b"") for each in self.written if each.topic == TOPICS.dead_letters]


async def passed_on(scanner: PatternScanner, values: Sequence[bytes | None], **fields: Any) -> list[Output]:
    topic = Topic(scanner, records(values, **fields))
    await topic.poll(len(values))
    await topic.tick(10)
    return topic.passed


def cut(secret: bytes, rng: random.Random) -> tuple[bytes, bytes]:
    place = rng.randint(1, len(secret) - 1)
    return b"a key " + secret[:place], secret[place:] + b" z"


def making(kind: str, rng: random.Random) -> list[bytes | None]:  # noqa: C901, PLR0911 - one for each kind
    """The values of some records that follow each other."""
    secret = rng.choice((TOKEN, KNOWN))
    clean = [b"nothing to see", b"", None, b'{"message": "fine", "level": 3}', b"a\nb\r\n", b"\xff\xfe\x00"]
    hidden = ENCODINGS[rng.choice(sorted(ENCODINGS))](secret)
    front, back = cut(secret, rng)
    match kind:
        case "clean":
            return [rng.choice(clean)]
        case "text":
            return [b"a " + hidden + b" b"]
        case "json":
            return [message(b"a " + hidden + b" b", level=1)]
        case "field":
            return [message(b"fine", task_id=secret.decode()), message(b"fine", stream=secret.decode())]
        case "cri":
            return [cri(front, b"P"), cri(b"other", stream=b"stderr"), cri(back)]
        case "docker":
            return [docker(front), docker(back + b"\n")]
        case "fluent":
            return [fluent(front, "P"), fluent(back)]
        case "open":
            return [rng.choice((cri(b"goes on " + front, b"P"), message(PEM.splitlines()[0])))]
        case "key":
            line = rng.choice((bytes, cri, lambda text: docker(text + b"\n"), message))
            return [line(text) for text in PEM.splitlines()]
        case "syslog":
            return [b"<34>Oct 11 22:14:15 host app[7]: token " + hidden]
        case "otlp":
            return [request([b"a " + secret, b"clean"])]
        case "events":
            return [event("task.started", rng.randrange(1 << 30), task_id="t")]
    raise ValueError(kind)


KINDS = (
    "clean", "clean", "text", "json", "field", "cri", "docker", "fluent", "open", "key", "syslog", "otlp", "events",
)  # fmt: skip


def known_redactor(scanner: PatternScanner) -> Redactor:
    finders = Finders(scanner, (KEY,))
    finders.renew(KeyRing((KEY,)).identifiers(Secret(KNOWN)))
    return finders.redactor("logs", NOW)


@given(kinds=st.lists(st.sampled_from(KINDS), max_size=25), seed=st.integers(0, 1 << 20))
@example(kinds=["open", "key", "clean", "key"], seed=3)
@settings(max_examples=40, deadline=None)
async def test_every_log_record_is_passed_on_once_in_order_without_its_leaks(
    scanner: PatternScanner, kinds: list[str], seed: int
) -> None:
    rng = random.Random(seed)
    groups = [(kind, value) for kind in kinds for value in making(kind, rng)]
    headers = [("traceparent", b"00-ab"), ("empty", None)]
    some = records([value for _, value in groups], key=b"pod-1", headers=headers)
    topic = Topic(scanner, some)
    while topic.offset < len(some):
        act = rng.random()
        if act < 0.15:
            await topic.poll(rng.randint(1, 9), commits=False)
        elif act < 0.25:
            await topic.die()
        elif act < 0.4:
            await topic.tick(0, commits=rng.random() < 0.7)
        else:
            await topic.poll(rng.randint(1, 9), columns=rng.random() < 0.8)
    if rng.random() < 0.5:
        await topic.die()  # what waited then is passed on although nothing comes
    await topic.tick(1)
    await topic.tick(6)
    assert topic.note == ""

    wanted = [each for each, (kind, _) in zip(some, groups, strict=True) if kind != "events"]
    assert [each.origin for each in topic.passed] == [each.offset for each in wanted]
    redactor = known_redactor(scanner)
    for new, old in zip(topic.passed, wanted, strict=True):
        assert (new.key, new.headers, new.partition) == (old.key, tuple(headers), old.partition)
        assert new.timestamp_ms == old.timestamp
        if new.value != old.value:
            assert new.value is not None
            assert old.value is not None
            if old.value[:1] == b"{":
                assert json.loads(new.value).keys() == json.loads(old.value).keys()
            if groups[old.offset][0] != "otlp":
                outside_masks_nothing_changed(old.value, new.value)
        assert groups[old.offset][0] != "clean" or new.value == old.value
        assert redactor.mask_spans(new.value or b"") == []
    everything = b"\n".join(each.value or b"" for each in topic.passed)
    assert TOKEN not in everything
    assert KNOWN not in everything
    assert not any(line in everything for line in PEM.splitlines()[1:-1])
    again = await passed_on(scanner, [each.value for each in topic.passed], key=b"pod-1", headers=headers)
    assert [each.value for each in again] == [each.value for each in topic.passed]
    assert sum(fact.records for fact in topic.facts if isinstance(fact, Redacted)) >= len(wanted)


async def test_each_of_two_headers_of_one_name_is_looked_at(scanner: PatternScanner) -> None:
    packed = gzip.compress(TOKEN)
    for headers in ([("x", packed), ("x", b"plain")], [("x", b"plain"), ("x", packed)]):
        (output,) = await passed_on(scanner, [b"clean"], headers=headers)
        values = [value for name, value in output.headers if name == "x"]
        assert packed not in values
        assert b"plain" in values


async def test_what_keys_headers_and_fields_beside_the_text_show_is_masked(scanner: PatternScanner) -> None:
    value = message(b"fine", task_id=TOKEN.decode(), time="2026-05-31T10:00:00Z")
    headers = [("authorization", b"Bearer " + TOKEN), ("x", b"y"), ("none", None)]
    (output,) = await passed_on(scanner, [value], key=b"user:" + TOKEN, headers=headers)
    assert output.value == value.replace(TOKEN, MASK)
    assert output.key == b"user:" + MASK
    assert output.headers == (("authorization", b"Bearer " + MASK), ("x", b"y"), ("none", None))


async def test_a_tombstone_and_an_empty_record_are_passed_on_and_events_are_not(
    scanner: PatternScanner,
) -> None:
    started = event("task.started", 0, task_id="t")
    outputs = await passed_on(scanner, [None, b"", started, b"x"])
    assert [(each.origin, each.value) for each in outputs] == [(0, None), (1, b""), (3, b"x")]


async def test_a_record_waits_for_the_rest_of_its_line_and_those_behind_it_with_it(
    scanner: PatternScanner,
) -> None:
    some = records([b"before", cri(b"a " + TOKEN[:9], b"P"), b"behind", cri(TOKEN[9:] + b" z")])
    topic = Topic(scanner, some)
    await topic.poll(3)
    assert [each.origin for each in topic.passed] == [0]
    assert topic.note == "1:1"
    await topic.die()
    await topic.handler.assigned(PARTITION)
    assert topic.handler.note(PARTITION) == "1:1"  # as long as nothing of it is passed on
    await topic.poll(1)
    assert topic.note == ""
    assert [each.value for each in topic.passed] == [
        b"before",
        cri(b"a " + MASK, b"P"),
        b"behind",
        cri(MASK + b" z"),
    ]


async def test_a_stage_that_is_slow_waits_for_what_is_there_to_be_read(scanner: PatternScanner) -> None:
    """The wait counts from the last record, not from the first part: on a busy machine a poll may take seconds."""
    some = records([cri(b"a " + TOKEN[:9], b"P"), cri(b"other", stream=b"stderr"), cri(TOKEN[9:] + b" z")])
    topic = Topic(scanner, some)
    await topic.poll(1)
    await topic.tick(4)
    await topic.poll(1)
    await topic.tick(4)
    await topic.poll(1)
    await topic.tick(10)
    assert [each.value for each in topic.passed] == [
        cri(b"a " + MASK, b"P"),
        some[1].value,
        cri(MASK + b" z"),
    ]


async def test_text_does_not_wait_for_ever_while_others_come(scanner: PatternScanner) -> None:
    some = records([cri(b"a " + TOKEN[:9], b"P"), *[cri(b"other", stream=b"stderr")] * 40])
    topic = Topic(scanner, some)
    await topic.poll(1)
    for _ in range(29):
        await topic.tick(1)
        await topic.poll(1)
    assert topic.passed == []
    await topic.tick(1)
    assert len(topic.passed) == 30


async def test_no_more_than_so_many_wait_and_what_is_known_later_is_masked_from_there(
    scanner: PatternScanner,
) -> None:
    some = records(
        [cri(b"a " + TOKEN[:20], b"P"), *[b"behind"] * (WAITING + 1000), cri(TOKEN[20:] + b" z"), b"end"]
    )
    topic = Topic(scanner, some)
    while topic.offset < len(some):
        await topic.poll(500)
    assert [each.origin for each in topic.passed] == list(range(len(some)))
    assert topic.passed[0].value == cri("‹unexamined:unfinished:22›".encode(), b"P")  # which is no secret yet
    assert TOKEN[20:] not in (topic.passed[-2].value or b"")
    assert topic.passed[-1].value == b"end"


async def test_what_has_no_place_for_a_mask_is_a_dead_letter_and_not_passed_on(
    scanner: PatternScanner,
) -> None:
    def field(number: int, value: bytes) -> bytes:
        return bytes((number << 3 | 2, len(value))) + value

    metric = field(1, field(2, field(2, field(1, b"name " + TOKEN) + field(2, b"unit"))))
    topic = Topic(scanner, records([metric, b"clean"]))
    await topic.poll(2)
    assert TOKEN not in b"".join(each.value or b"" for each in topic.written)
    assert [each.origin for each in topic.passed] == [1]
    letters = [each for each in topic.letters() if each["reason"] == NOT_MASKED]
    assert [each["offset"] for each in letters] in ([0], [])


class Counting:
    """A scanner that keeps what it is given."""

    def __init__(self, scanner: PatternScanner) -> None:
        self.scanner = scanner
        self.given: list[bytes] = []

    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        self.given.append(data)
        return self.scanner.scan(data, generic=generic)


TEXTS = [b"line %d" % number for number in range(300)]
LOGS = [message(text, a={"b": 1}) for text in TEXTS]


@pytest.mark.parametrize(
    ("values", "headers"),
    [
        (TEXTS, []),
        (TEXTS, [("traceparent", b"")]),
        (list(map(cri, TEXTS)), []),
        (LOGS, []),
        (LOGS, [("traceparent", b"")]),  # and the message, decoded
        ([*TEXTS, event("task.started", 0, task_id="t"), LOGS[9]], []),
        ([*TEXTS[:5], b"-----BEGIN RSA PRIVATE KEY-----", *TEXTS[5:20]], []),
        ([*TEXTS[:5], event("task.started", 0, task_id="t"), *TEXTS[5:20]], []),
        ([*TEXTS, b"token " + TOKEN], []),
    ],
)
async def test_what_was_scanned_as_it_stands_is_not_scanned_once_more(
    scanner: PatternScanner, values: list[bytes], headers: list[tuple[str, bytes]]
) -> None:
    counting = Counting(scanner)
    topic = Topic(counting, records(values, headers=headers))
    counting.given.clear()
    await topic.poll(len(values))
    lines = Counter(line for data in counting.given for line in data.split(b"\n"))
    for value, text in ((values[0], TEXTS[0]), (values[4], TEXTS[4])):  # of a CRI line that is the text alone
        assert (lines[value] or lines[text]) == 1
    assert [each.value for each in topic.passed][:5] == values[:5]


async def test_of_records_of_known_fields_the_messages_are_scanned_and_what_stands_beside_them(
    scanner: PatternScanner,
) -> None:
    def value(number: int, **fields: str) -> bytes:
        fields = {"task_id": f"t-{number % 7}", "stream": "stdout", **fields}
        return message(b'said "%d"' % number, time="2026-05-31T10:00:00Z", **fields)

    clean = list(map(value, range(200)))
    counting = Counting(scanner)
    topic = Topic(counting, records(clean))
    counting.given.clear()
    await topic.poll(200)
    given = b"\n".join(counting.given)
    assert given.count(b'said "9"') == 1
    assert b'said \\"' not in given
    assert [each.value for each in topic.passed] == clean

    numbered = b'{"message": "see \\u0041' + KNOWN + b'"}'  # as it stands it is found also without a decoder
    odd = [value(200, task_id=TOKEN.decode()), value(201, stream=KNOWN.decode()), numbered]
    outputs = await passed_on(scanner, [*clean, *odd])
    assert [each.value for each in outputs[:200]] == clean
    assert not any(secret in (each.value or b"") for each in outputs for secret in (TOKEN, KNOWN))


@pytest.mark.parametrize("clean", [[b"clean"], [b"clean"] * 300], ids=["few", "many"])
async def test_what_a_secret_in_another_record_tells_is_masked(
    scanner: PatternScanner, clean: list[bytes]
) -> None:
    values = [b"xx" + KNOWN + b"xx", b"a " + KNOWN + b" b", *clean]
    topic = Topic(scanner, records(values), every_window=False)
    assert not topic.finders.redactor("logs", NOW).mask_spans(values[0])
    await topic.poll(len(values))
    outputs = topic.passed
    shown = "‹known-credential:28›".encode()
    assert [each.value for each in outputs] == [b"xx" + shown + b"xx", b"a " + shown + b" b", *clean]


async def test_a_time_to_come_is_that_of_writing(scanner: PatternScanner) -> None:
    ahead = NOW // MILLISECOND + 7_200_000  # by which the brokers would refuse it
    outputs = await passed_on(scanner, [b"x"], timestamp=ahead)
    assert [each.timestamp_ms for each in outputs] == [NOW // MILLISECOND]


async def test_what_is_passed_on_is_counted_with_its_masks(scanner: PatternScanner) -> None:
    topic = Topic(scanner, records([b"a " + TOKEN, b"b " + KNOWN + b" " + TOKEN, b"c"]))
    await topic.poll(3)
    (fact,) = [each for each in topic.facts if isinstance(each, Redacted)]
    assert fact == Redacted(PARTITION, 3, {"github-pat-classic": 2, "known-credential": 1})


class Batch(list[bytes]):
    """What a producer's batch is asked for."""

    def append(self, *, timestamp: Any, key: Any, value: bytes, headers: Any) -> Any:  # type: ignore[override]
        del timestamp, key, headers
        super().append(value)
        return self

    def record_count(self) -> int:
        return len(self)

    def size(self) -> int:
        return 0


def test_a_partition_beyond_those_of_the_topic_counts_on_from_its_first() -> None:
    outputs = [Output("t", None, b"%d" % number, partition=number) for number in range(5)]
    made = batches_of(outputs, {"t": 3}, Limits(1000, 1000), Batch)
    assert made == {("t", 0): [[b"0", b"3"]], ("t", 1): [[b"1", b"4"]], ("t", 2): [[b"2"]]}


@pytest.mark.parametrize(
    ("note", "offset"),
    [("1:17", 17), ("0:3", 3), ("17", 17), ("", None), ("tool:17", None), ("1:x", None), ("anything", None)],
)
def test_the_offset_in_a_note(note: str, offset: int | None) -> None:
    assert noted_offset(note, "it") == offset


def test_a_note_of_a_later_version_is_refused() -> None:
    assert noted_offset(offset_note(17), "it") == 17
    with pytest.raises(StopError, match="it was written by a later curfewd"):
        noted_offset("2:17", "it")
