"""Records that ask for much decoding: a first look with a small share, a second with a larger one, and one verdict."""

import base64
import bz2
import gzip
import json
import random

import msgspec
import pytest

from detector.registry.finders import Finders
from detector.scan.leaks import LeakFinder
from detector.scan.shares import FIRST_LOOK
from detector.stages.scan import PartitionScanner, ScanFacts, routes
from detector.values.events import LimitedRecord
from tests.bundled import bundled_scanner
from tests.fake_records import NOW, FakeRecord, records
from tests.stages.test_scan import ISSUE, KEY, OTHER, SECRET

b64 = base64.b64encode


def packed(text: bytes) -> bytes:
    return b64(gzip.compress(text, mtime=0))


FILLER = b"so it goes " * 3_600  # more than the first share of a line, less than the second
BOMB = packed(packed(b"x" * 3_000_000))
LINES = {
    "hostile": [
        BOMB,
        b"x " + BOMB,
        packed(b"no secret " * 90_000),
        packed(SECRET.encode() + b" token " * 90_000),
    ],
    "deep": [packed(FILLER + SECRET.encode()), packed(FILLER + OTHER.encode() + b" " + SECRET.encode())],
    "plain": [b64(b64(SECRET.encode())), packed(OTHER.encode()), b"nothing", SECRET.encode()],
}


def two_looks() -> Finders:
    finders = Finders(bundled_scanner(), (KEY,), share=FIRST_LOOK)
    finders.renew(ISSUE.identifiers)
    return finders


@pytest.fixture
def mixed() -> list[FakeRecord]:
    rng = random.Random(4)
    texts = [text for some in LINES.values() for text in some for _ in range(3)]
    rng.shuffle(texts)
    tasks = ["evil", "build-1"]
    return records(
        [
            json.dumps({"message": text.decode(), "task_id": rng.choice(tasks), "stream": "stdout"}).encode()
            for text in texts
        ]
    )


Found = set[tuple[str, str, str | None]]


def polled(
    some: list[FakeRecord], finders: Finders, size: int
) -> tuple[Found, list[LimitedRecord], set[str]]:
    """What the scan stage and look-back find in polls of a size: leaks, records cut short in both, and in the first."""
    scanner, again = PartitionScanner("logs", 0), PartitionScanner("logs", 0)
    leaks: Found = set()
    first: set[str] = set()
    limited: dict[str, LimitedRecord] = {}
    polls = [some[at : at + size] for at in range(0, len(some), size)]
    for poll in polls:
        facts = scanner.scan(poll, finders.finder, NOW)
        leaks |= {(leak.id, leak.fingerprint, leak.pattern) for leak in facts.leaks}
        first |= {record.id for record in facts.limited}
    for poll in [*polls, []]:
        back = again.look_back(poll, finders, NOW)
        gone = {(leak.id, leak.fingerprint) for leak in back.withdrawn}
        leaks = {leak for leak in leaks if leak[:2] not in gone}
        leaks |= {(leak.id, leak.fingerprint, leak.pattern) for leak in back.leaks}
        limited |= {record.id: record for record in back.limited}
    return leaks, list(limited.values()), first


@pytest.mark.parametrize("size", [1, 2, 5, 17, 1000])
def test_two_looks_find_what_one_large_look_finds_however_the_polls_fall(
    mixed: list[FakeRecord], size: int
) -> None:
    finders = two_looks()
    leaks, limited, first = polled(mixed, finders, size)
    once = PartitionScanner("logs", 0).scan(mixed, finders.second_finder, NOW)
    assert leaks == {(leak.id, leak.fingerprint, leak.pattern) for leak in once.leaks}
    assert sorted(limited, key=lambda record: record.id) == sorted(once.limited, key=lambda record: record.id)
    hostile = {
        record.offset for record in mixed if any(text in (record.value or b"") for text in LINES["hostile"])
    }
    deep = {record.offset for record in mixed if any(text in (record.value or b"") for text in LINES["deep"])}
    assert {record.offset for record in limited} == hostile
    assert first == {f"p0@{offset}" for offset in hostile | deep}


def test_what_the_first_look_cut_short_is_named_with_its_stream_and_the_offsets_that_it_covers() -> None:
    head, tail = BOMB[:60].decode(), BOMB[60:].decode()
    some = records(
        [
            b"nothing",
            f"2026-05-31T00:00:00Z stdout P {head}".encode(),
            f"2026-05-31T00:00:00Z stdout F {tail}".encode(),
        ]
    )
    facts = PartitionScanner("logs", 0).scan(some, two_looks().finder, NOW, with_clean=True)
    (record,) = facts.limited
    assert (record.source, record.id, record.offset, record.partition) == ("logs", "p0@1", 1, 0)
    assert (record.reason, record.size, record.stream) == ("decoding", len(BOMB), "stdout")
    assert facts.limited_spans == [(1, 2)]
    assert facts.clean == [0]
    assert msgspec.json.decode(msgspec.json.encode(facts), type=ScanFacts) == facts


def test_a_limited_record_goes_to_its_stream_without_the_secret_in_its_name() -> None:
    some = records([json.dumps({"message": BOMB.decode(), "task_id": f"t {OTHER}"}).encode()])
    finder: LeakFinder = two_looks().finder
    (record,) = PartitionScanner("logs", 0).scan(some, finder, NOW).limited
    assert OTHER.encode() not in msgspec.json.encode(record)
    ((key, fact),) = routes(record, {}, (KEY.material,))  # type: ignore[arg-type] # it has no owner to ask for
    assert key == f"l:logs/{record.task_id}/"
    assert fact is record


def test_what_only_the_second_look_explains_is_withdrawn() -> None:
    """A generic pattern sees more than the secret where what names it is not decoded yet."""
    text = b"password=" + SECRET.encode() + b"&" + packed(FILLER)
    finders = two_looks()
    some = [FakeRecord(text, 0)]
    leaks, limited, first = polled(some, finders, 1)
    once = PartitionScanner("logs", 0).scan(some, finders.second_finder, NOW)
    assert first == {"p0@0"}
    assert limited == []
    assert leaks == {(leak.id, leak.fingerprint, leak.pattern) for leak in once.leaks}


def test_without_a_look_back_the_first_look_is_the_last() -> None:
    finders = Finders(bundled_scanner(), (KEY,))
    assert not finders.looks_again
    assert finders.second_finder is finders.finder
    some = records(LINES["deep"] + LINES["hostile"])
    facts = PartitionScanner("logs", 0).scan(some, finders.finder, NOW)
    assert {record.offset for record in facts.limited} == {2, 3, 4, 5}
    assert PartitionScanner("logs", 0).look_back(some, finders, NOW).limited == []


def test_registering_keeps_the_shares() -> None:
    finders = two_looks()
    finders.renew(())
    finders.reload(bundled_scanner())
    assert finders.looks_again
    (record,) = PartitionScanner("logs", 0).scan(records([LINES["deep"][0]]), finders.finder, NOW).limited
    assert record.offset == 0


def turned(text: bytes) -> bytes:
    return b64(text)[::-1]


IN_VAIN = turned(b"nothing here is of interest to anybody, 0123 456 " * 2_000)
DAMAGED = b64(bz2.compress(random.Random(5).randbytes(900) * 4)[:-9] + bytes(9))
FOR_OTHERS = {
    "a form that showed nothing": ([IN_VAIN] * 3, turned(SECRET.encode() + b" nothing else is here")),
    "damaged words beside": (
        [DAMAGED] * 200,
        b64(bz2.compress(b"a little more of text " * 9 + SECRET.encode())),
    ),
}


@pytest.mark.parametrize("cause", sorted(FOR_OTHERS))
def test_what_others_cut_short_is_told_at_once_as_a_look_back_that_begins_later_sees_nothing_of_it(
    cause: str,
) -> None:
    flood, hidden = FOR_OTHERS[cause]
    finders = two_looks()
    some = records([*flood, hidden])
    facts = PartitionScanner("logs", 0).scan(some, finders.finder, NOW)
    assert PartitionScanner("logs", 0).look_back(some[-1:], finders, NOW).limited == []
    assert len(flood) in {record.offset for record in facts.limited_for_others}


def test_what_a_line_asks_for_by_itself_is_left_to_the_look_back() -> None:
    facts = PartitionScanner("logs", 0).scan(records(LINES["deep"]), two_looks().finder, NOW)
    assert len(facts.limited) == 2
    assert facts.limited_for_others == []
