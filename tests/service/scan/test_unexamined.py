"""What was not examined whole is masked on its way to a redacted topic, or passed on with a header; and counted."""

import base64
import bz2
import gzip
import json
import lzma
import random
import zlib
from collections import Counter
from collections.abc import Sequence

import cramjam
import pytest
import zstandard

from detector.kafka.handlers import Output
from detector.redact.unexamined import Handling
from detector.scan.scanner import PatternScanner
from detector.service.scan.handler import PATIENCE
from detector.service.scan.redaction import WAITING, Redacted
from detector.values.times import SECOND
from tests.fake_records import FakeRecord, records
from tests.redact.test_record_redactor import cri, docker, request
from tests.redact.test_stream_redactor import PEM, TOKEN
from tests.service.scan.test_redaction import Topic
from tests.service.scan.test_scan_handler import scanner

__all__ = ("scanner",)

LATER = PATIENCE // SECOND + 1
BOMB = b"see " + base64.b64encode(gzip.compress(b" " * (48 << 20) + TOKEN, 9)) + b" there"
HIDDEN: dict[str, bytes] = {
    "gzip": gzip.compress(b"token " + TOKEN, mtime=0),
    "zlib": zlib.compress(b"token " + TOKEN),
    "bzip2": bz2.compress(b"token " + TOKEN),
    "bzip2 of nothing": bz2.compress(b""),
    "xz": lzma.compress(b"token " + TOKEN),
    "zstd": zstandard.compress(b"token " + TOKEN),
    "lz4": bytes(cramjam.lz4.compress(b"token " + TOKEN)),
    "snappy": bytes(cramjam.snappy.compress(b"token " + TOKEN)),
    "utf-32-le": (b"token " + TOKEN).decode().encode("utf-32-le"),
    "utf-32-be": (b"token " + TOKEN).decode().encode("utf-32-be"),
}


class Handled(Topic):
    """A topic whose unexamined records are handled in one of the ways."""

    def __init__(
        self, scanner: PatternScanner, some: Sequence[FakeRecord], handling: Handling = "mask"
    ) -> None:
        self.handling = handling
        super().__init__(scanner, some)

    @property
    def counted(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for fact in self.facts:
            if isinstance(fact, Redacted):
                found.update(fact.unexamined)
        return found


async def through(topic: Handled, seconds: int = 10) -> list[Output]:
    await topic.poll(len(topic.records))
    await topic.tick(seconds)
    return topic.passed


def as_marked(outputs: Sequence[Output]) -> list[bytes | None]:
    return [dict(each.headers).get("curfewd-unexamined") for each in outputs]


def whole(reason: str, value: bytes) -> bytes:
    return f"‹unexamined:{reason}:{len(value)}›".encode()


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("decoding", BOMB),
        *(("encoding", value) for value in HIDDEN.values()),
        ("unreadable", b'{"log": "half of it: ' + TOKEN[:20]),
        ("unreadable", b'{"log": "\xff' + TOKEN + b'"}'),
        ("unreadable", b'{"log": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("unreadable", request([b"fine"])[:-3]),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
async def test_a_value_that_cannot_be_examined_is_masked_whole_and_others_are_not(
    scanner: PatternScanner, reason: str, value: bytes
) -> None:
    others = (b"before", b'{"message": "between"}', b"after")
    topic = Handled(scanner, records([others[0], value, others[1], value, others[2]]))
    first, one, second, other, third = await through(topic)
    assert (first.value, second.value, third.value) == others
    assert one.value == other.value == whole(reason, value)
    assert topic.counted == {reason: 2}


@pytest.mark.parametrize(("reason", "value"), [("decoding", BOMB), ("encoding", HIDDEN["gzip"])])
async def test_or_it_is_passed_on_with_a_header_that_says_so(
    scanner: PatternScanner, reason: str, value: bytes
) -> None:
    topic = Handled(scanner, records([b"before", value, b"token " + TOKEN]), "mark")
    first, marked, last = await through(topic)
    assert (first.value, marked.value) == (b"before", value)
    assert as_marked([first, marked, last]) == [None, reason.encode(), None]
    assert last.value == "token ‹github-pat-classic:40›".encode()
    assert topic.counted == {reason: 1}


async def test_what_is_marked_is_still_masked_where_a_secret_is_seen(scanner: PatternScanner) -> None:
    (one,) = await through(Handled(scanner, records([BOMB + b" token " + TOKEN]), "mark"))
    assert one.value == BOMB + " token ‹github-pat-classic:40›".encode()
    assert as_marked([one]) == [b"decoding"]


@pytest.mark.parametrize("carry", [docker, cri])
async def test_json_stays_json(scanner: PatternScanner, carry: object) -> None:
    value = carry(BOMB + b"\n") if callable(carry) else b""
    (one,) = await through(Handled(scanner, records([value])))
    assert one.value is not None
    assert "‹unexamined:decoding:".encode() in one.value
    assert BOMB[:100] not in one.value
    if value.startswith(b"{"):
        assert isinstance(json.loads(one.value), dict)


async def test_a_request_in_protobuf_shows_nothing_of_it(scanner: PatternScanner) -> None:
    topic = Handled(scanner, records([request([BOMB])]))
    (one,) = await through(topic)
    assert one.value is not None
    assert BOMB[:100] not in one.value
    assert topic.counted == {"decoding": 1}


@pytest.mark.parametrize("hidden", ["gzip", "utf-32-le"])
async def test_keys_and_headers_too(scanner: PatternScanner, hidden: str) -> None:
    value = HIDDEN[hidden]
    some = [
        FakeRecord(offset=0, value=b"one", key=value),
        FakeRecord(offset=1, value=b"two", headers=(("kept", b"x"), ("h", value))),
    ]
    topic = Handled(scanner, some)
    one, two = await through(topic)
    assert (one.key, one.value) == (whole("encoding", value), b"one")
    assert two.headers == (("kept", b"x"), ("h", whole("encoding", value)))
    assert topic.counted == {"encoding": 2}
    one, two = await through(Handled(scanner, some, "mark"))
    # Between the letters of UTF-32 stand invisible characters: what can be seen so is masked all the same.
    left = (
        value
        if hidden == "gzip"
        else "token ".encode("utf-32-le") + "‹github-pat-classic:40›".encode() + b"\0\0\0"
    )
    assert (one.key, dict(two.headers)["h"]) == (left, left)
    assert as_marked([one, two]) == [b"encoding", b"encoding"]


async def test_names_of_headers_are_masked(scanner: PatternScanner) -> None:
    some = [FakeRecord(offset=0, value=b"one", headers=((f"x {TOKEN.decode()}", b"y"), ("z", None)))]
    (one,) = await through(Handled(scanner, some))
    assert [name for name, _ in one.headers] == ["x ‹github-pat-classic:40›", "z"]


async def test_a_key_whose_end_does_not_come_is_masked_and_lines_of_text_after_it_are_not(
    scanner: PatternScanner,
) -> None:
    lines = PEM.splitlines()[:4]
    topic = Handled(scanner, records([*lines, b"and then it went on to work", b"for long"]))
    outputs = await through(topic, LATER)
    assert [each.value for each in outputs] == [
        lines[0],
        *(whole("unfinished", line) for line in lines[1:]),
        b"and then it went on to work",
        b"for long",
    ]


async def test_a_line_whose_rest_does_not_come_is_masked(scanner: PatternScanner) -> None:
    part = cri(b"token " + TOKEN[:20], b"P")
    topic = Handled(scanner, records([b"before", part, cri(b"whole", stream=b"stderr")]))
    first, cut, last = await through(topic, LATER)
    assert (first.value, last.value) == (b"before", cri(b"whole", stream=b"stderr"))
    assert TOKEN[:20] not in (cut.value or b"")
    assert topic.counted == {"unfinished": 1}


async def test_a_line_that_waits_when_too_much_waits_is_masked_and_what_waits_for_it_is_not(
    scanner: PatternScanner,
) -> None:
    part = cri(b"token " + TOKEN[:20], b"P")
    some = [part, *(cri(b"line %d" % number, stream=b"stderr") for number in range(WAITING + 10))]
    topic = Handled(scanner, records(some))
    for _ in range(5):
        await topic.poll(500)
    assert len(topic.passed) > WAITING
    assert TOKEN[:20] not in (topic.passed[0].value or b"")
    assert topic.passed[1].value == some[1]
    assert topic.counted == {"unfinished": 1}


async def test_lines_of_too_many_writers_are_not_passed_as_clean(scanner: PatternScanner) -> None:
    """A part that is given up for others may hold the first half of a secret."""
    part = cri(b"token " + TOKEN[:20], b"P")
    others = [
        FakeRecord(offset=number + 1, value=cri(b"x", b"P"), key=b"%d" % number) for number in range(300)
    ]
    topic = Handled(scanner, [FakeRecord(offset=0, value=part, key=b"k"), *others])
    await topic.poll(len(topic.records))
    assert TOKEN[:20] not in (topic.passed[0].value or b"")


async def test_wrapped_gzip_that_is_longer_than_what_is_held_is_masked_from_there_on(
    scanner: PatternScanner,
) -> None:
    text = random.Random(3).randbytes(40_000) + b" token " + TOKEN + b" "
    lines = base64.encodebytes(gzip.compress(text, mtime=0)).splitlines()
    topic = Handled(scanner, records([*lines, b"done."]))
    while topic.offset < len(topic.records):
        await topic.poll(100)
    await topic.tick(LATER)
    outputs = topic.passed
    shown = b"".join(each.value or b"" for each in outputs[:-1])
    assert outputs[-1].value == b"done."
    assert topic.counted["unfinished"] > 100
    assert lines[-3] not in shown
    assert lines[0] in shown  # its start was examined


async def test_lines_that_a_share_keeps_from_being_put_together_are_masked(scanner: PatternScanner) -> None:
    """Somebody prints wrapped base64 without end: another's is not scanned together any more."""
    rng = random.Random(7)
    flood = [base64.b64encode(rng.randbytes(57)) for _ in range(6000)]
    secret = base64.b64encode(b"a" * 30 + b" token " + TOKEN + b" and more text behind it that is long")
    own = [secret[:76], secret[76:]]
    topic = Handled(scanner, records([*flood, b"an end", *own, b"the end"]))
    await topic.poll(len(topic.records))
    await topic.tick(LATER)
    shown = {each.value for each in topic.passed}
    assert own[0] not in shown
    assert {b"an end", b"the end"} <= shown


async def test_text_is_not_taken_for_something_else(scanner: PatternScanner) -> None:
    """What only begins like an encoding, or holds bytes that are no text, is passed on as it is."""
    values = [
        b"x^2 + y^2 = z^2",
        "x^2 = é".encode(),
        b"PK of the table: id",
        b"BZh is how bzip2 begins",
        b"\x00\x01\x02 nul and \xff\xfe others",
        b"a\x00\x00\x00b",
        b"{not json} at all",
        b"{'a': 1, 'of': 'python'}",
        "log in UTF-16, whole".encode("utf-16-le"),
        b"-----BEGIN is how a key begins",
    ]
    topic = Handled(scanner, records(values))
    outputs = await through(topic, LATER)
    assert [each.value for each in outputs] == [*values[:-1], whole("unfinished", values[-1])]
    assert topic.counted == {"unfinished": 1}  # the last: its end may be anywhere
