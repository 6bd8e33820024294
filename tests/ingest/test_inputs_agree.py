"""The same lines in a file, a topic and the filter: the same log texts, events and leaks, at other positions."""

import base64
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from detector.ingest.kafka import RecordAssembler, batch_of
from detector.ingest.kafka_records import Contents, texts_in
from detector.ingest.values import log_texts
from detector.redact.stream_redactor import StreamRedactor
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.redactor import Redactor
from detector.scan.scanner import PatternScanner
from detector.values.events import CanonicalEvent, Leak
from detector.values.secrets import DeploymentKey
from tests.bundled import bundled_patterns, bundled_scanner
from tests.fake_records import NOW, TOPIC, FakeRecord
from tests.ingest.collecting import collect
from tests.patterns.generators import Generator

KEY = DeploymentKey.of(bytes(range(32)))
TOKENS = Generator(next(each for each in bundled_patterns() if each.id == "github-pat-classic"))
FILLER = "so long that Docker cuts it " * 600
POD = {"namespace_name": "shop", "pod_name": "web-5d9c7bf6f-x7k2p", "pod_id": "u"}
Found = tuple[int, str, str | None, str | None, str | None, int | None]
"""The line of a leak, and what else is known of it; the time where the line states one."""


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return bundled_scanner()


@pytest.fixture(scope="module")
def finder(scanner: PatternScanner) -> LeakFinder:
    return LeakFinder(scanner, KnownIndex(), [KEY])


def stamp(number: int) -> str:
    return f"2026-05-01T10:{number // 60 % 60:02}:{number % 60:02}Z"


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def log(number: int, text: str, **more: object) -> bytes:
    return dumps({"message": text, "time": stamp(number), "task_id": "job-1", "stream": "stdout", **more})


def event(number: int, _text: str) -> bytes:
    data = {"credential_id": f"c-{number}", "action": "read"}
    return dumps({
        "specversion": "1.0", "type": "credential.used", "source": "s", "id": str(number), "time": stamp(number), "data": data,
    })  # fmt: skip


Wrap = Callable[[int, str], bytes]
JSON: dict[str, Wrap] = {
    "flat": log,
    "more fields": lambda number, text: log(number, text, level="info", logger="app"),
    "escapes": lambda number, text: log(number, text, note='a "quoted" text', more={"é": [text[:9]]}),
    "pod": lambda number, text: dumps(
        {"log": f"{text}\n", "time": stamp(number), "stream": "stderr", "logtag": "F", "kubernetes": POD}
    ),
    "part": lambda number, text: dumps(
        {"log": text, "time": stamp(number), "stream": "stderr", "logtag": "P", "kubernetes": POD}
    ),
    "event": event,
    "text": lambda number, text: f"{stamp(number)} {text}".encode(),
    "text without a time": lambda _, text: f"level=info {text}".encode(),
}
CRI: dict[str, Wrap] = {
    "whole": lambda number, text: f"{stamp(number)} stdout F {text}".encode(),
    "other stream": lambda number, text: f"{stamp(number)} stderr F {text}".encode(),
    "part": lambda number, text: f"{stamp(number)} stderr P {text}".encode(),
}
DOCKER: dict[str, Wrap] = {
    "whole": lambda number, text: dumps({"log": f"{text}\n", "stream": "stdout", "time": stamp(number)}),
    "other stream": lambda number, text: dumps(
        {"log": f"{text}\n", "stream": "stderr", "time": stamp(number)}
    ),
    "escapes": lambda number, text: dumps({"log": f"é\t{text}\n", "stream": "stdout", "time": stamp(number)}),
    # Only its length tells the filter that Docker cut a line.
    "part": lambda number, text: dumps({"log": FILLER + text, "stream": "stderr", "time": stamp(number)}),
}
FORMATS = {"jsonl": JSON, "cri": CRI, "docker": DOCKER}
AFTER_PART = {"jsonl": "pod", "cri": "other stream", "docker": "other stream"}
PRINTED = ("token", "wrapped", "nothing", "nothing", "nothing")


def printed(kind: str, rng: random.Random) -> list[str]:
    """The texts of one or more lines."""
    token = TOKENS.make(rng).secret.decode()
    if kind == "token":
        return [f"pushed with {token} today"]
    if kind == "wrapped":
        return base64.encodebytes(f"user: ci\ntoken: {token}\n".encode() * 3).decode().split()
    return [f"build step {rng.randrange(99)}"]


def in_file(
    lines: Sequence[bytes], name: str, folder: Path, finder: LeakFinder
) -> tuple[list[CanonicalEvent], list[Leak]]:
    path = folder / "a.log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    sink = collect(path, name, NOW)
    return sink.events, [leak for batch, _ in sink.batches for leak in finder.find(batch)]


def in_topic(
    records: Sequence[FakeRecord], rng: random.Random, finder: LeakFinder
) -> tuple[list[CanonicalEvent], list[Leak]]:
    assembler, contents, at = RecordAssembler(), Contents(), 0
    leaks: list[Leak] = []
    while at < len(records):
        size = rng.choice((1, 3, 400))
        segments = assembler.read(records[at : at + size], NOW, contents)
        leaks += finder.find(batch_of(TOPIC, 0, segments))
        at += size
    return [found for _, found in contents.events], leaks + finder.find(batch_of(TOPIC, 0, assembler.flush()))


def filtered(data: bytes, rng: random.Random, scanner: PatternScanner) -> bytes:
    redactor, done, at = StreamRedactor(Redactor(scanner)), b"", 0
    while at < len(data):
        size = rng.choice((100, 4000, 100_000))
        done += redactor.feed(data[at : at + size])
        at += size
    return done + redactor.end()


def chunked(lines: Sequence[bytes], name: str, rng: random.Random) -> list[list[int]]:
    """Which lines stand in one record. Lines of plain text in one record would be one text."""
    chunks: list[list[int]] = []
    joins = False
    for number, line in enumerate(lines):
        may_join = name == "cri" or line[:1] == b"{"
        if joins and may_join and rng.random() < 0.5:
            chunks[-1].append(number)
        else:
            chunks.append([number])
        joins = may_join
    return chunks


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_files_topics_and_the_filter_agree(
    name: str,
    data: st.DataObject,
    finder: LeakFinder,
    scanner: PatternScanner,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    wraps = FORMATS[name]
    run = st.tuples(st.sampled_from(sorted(wraps)), st.sampled_from(PRINTED), st.sampled_from([1, 2, 12, 30]))
    runs = data.draw(st.lists(run, max_size=12))
    rng = random.Random(data.draw(st.integers(0, 1 << 30)))
    lines: list[bytes] = []
    timeless: set[int] = set()
    for kind, text, times in runs:
        for line in (line for _ in range(times) for line in printed(text, rng)):
            if kind == "part" and text == "token":
                cut = line.index("ghp_") + rng.randrange(1, 40)
                lines.append(wraps["part"](len(lines), line[:cut]))
                lines.append(wraps[AFTER_PART[name]](len(lines), line[cut:]))
                continue
            if kind == "text without a time":
                timeless.add(len(lines))
            lines.append(wraps[kind](len(lines), line))
    lines.append(wraps["whole" if "whole" in wraps else "flat"](len(lines), "the end"))

    def whereabouts(leaks: Sequence[Leak], line: Callable[[Leak], int]) -> set[Found]:
        return {
            (
                line(leak),
                leak.fingerprint,
                leak.pattern,
                leak.task_id,
                leak.stream,
                None if line(leak) in timeless else leak.time,
            )
            for leak in leaks
        }

    events, leaks = in_file(lines, name, tmp_path_factory.mktemp("lines"), finder)
    wanted = whereabouts(leaks, lambda leak: (leak.line or 0) - 1)
    found, shown = in_topic([FakeRecord(line, number) for number, line in enumerate(lines)], rng, finder)
    assert found == events
    assert whereabouts(shown, lambda leak: leak.offset or 0) == wanted

    chunks = chunked(lines, name, rng)
    values = [b"\n".join(lines[number] for number in chunk) for chunk in chunks]
    found, shown = in_topic([FakeRecord(value, number) for number, value in enumerate(values)], rng, finder)
    assert found == events
    assert {(chunks[leak.offset or 0][0], leak.fingerprint) for leak in shown} == {
        (next(chunk[0] for chunk in chunks if line in chunk), fingerprint) for line, fingerprint, *_ in wanted
    }

    whole = b"".join(line + b"\n" for line in lines)
    passed = filtered(whole, rng, scanner)
    assert passed.count(b"\n") == len(lines)
    if (
        not wanted and "‹unexamined:unfinished:".encode() not in passed
    ):  # of the part of a line whose end never comes
        assert passed == whole
    assert in_file(passed.split(b"\n")[:-1], name, tmp_path_factory.mktemp("passed"), finder) == (events, [])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", ["plain", "é 😀", "", "two  spaces ", "x" * 20_000])
def test_a_line_says_the_same_in_a_topic_and_to_the_filter(name: str, text: str) -> None:
    for kind, wrap in FORMATS[name].items():
        if kind == "event":  # of which the filter knows nothing: to it, that is a log record
            continue
        line = wrap(7, text)
        in_record = texts_in(FakeRecord(line), line, NOW, BUNDLED)
        in_filter = log_texts(line)
        assert [(log.text, log.rest, log.stream, log.ends, log.channel is None) for log in in_record] == [
            (log.text, log.rest, log.stream, log.ends, log.channel is None) for log in in_filter
        ]
        assert in_record
