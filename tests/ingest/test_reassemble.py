"""What is printed over many lines of a stream is seen whole, live and replayed, whatever stands between or cuts it."""

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detector.ingest.formats.flat_records import stream_key
from detector.ingest.kafka import RecordAssembler
from detector.ingest.kafka_records import Contents
from detector.ingest.line_continuation import lines_ending_in_digits
from detector.ingest.reassemble import BURST, LONGEST, PATIENCE, SHARE, STREAMS, StreamReassembler, goes_on
from detector.judge.routing import decode
from detector.records.timestamps import Ints, line_starts
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.stages.scan import find_leaks
from detector.values.events import Leak
from detector.values.secrets import DeploymentKey
from tests.bundled import bundled_patterns, bundled_scanner
from tests.fake_records import NOW, FakeRecord
from tests.ingest.collecting import collect
from tests.patterns.generators import Generator
from tests.service.scan.test_redaction import Topic
from tests.service.scan.test_scan_handler import TOPICS

KEY = DeploymentKey.of(bytes(range(32)))
TOKENS = Generator(next(each for each in bundled_patterns() if each.id == "github-pat-classic"))
EDGE = 256 << 10  # of the blocks in which files are read

Wrap = Callable[[str, int, int], bytes]


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return bundled_scanner()


@pytest.fixture(scope="module")
def finder(scanner: PatternScanner) -> LeakFinder:
    return LeakFinder(scanner, KnownIndex(), [KEY])


def token(seed: int) -> str:
    return TOKENS.make(random.Random(seed)).secret.decode()


def key(seed: int) -> str:
    body = base64.encodebytes(random.Random(seed).randbytes(600)).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----"


def wrapped(seed: int) -> str:
    text = f"host: db-7.internal\nuser: ci{seed}\nrun {token(seed)}\nretries: 3\n" * 2
    return base64.encodebytes(text.encode()).decode().rstrip()


PRINTED: dict[str, Callable[[int], str]] = {
    "key": key,
    "wrapped base64": wrapped,
}


def stamp(number: int) -> str:
    return f"2026-05-01T10:{number // 60 % 60:02}:{number % 60:02}Z"


def pod(text: str, stream: int, number: int) -> bytes:
    name = f"web-{stream}-5d9c7bf6f-x7k2p"
    held = {"namespace_name": "shop", "pod_name": name, "pod_id": f"u-{stream}"}
    return json.dumps(
        {"log": f"{text}\n", "stream": "stdout", "time": stamp(number), "kubernetes": held}
    ).encode()


def json_log(**more: str) -> Wrap:
    def wrap(text: str, stream: int, number: int) -> bytes:
        return json.dumps(
            {"message": text, "time": stamp(number), "task_id": f"job-{stream}", **more}
        ).encode()

    return wrap


WRAPS: dict[str, Wrap] = {
    "JSON": json_log(),
    "JSON with fields": json_log(level="info", logger="app"),
    "JSON with escapes": json_log(level="info", note='a "quoted" text'),
    "pods": pod,
    "CRI": lambda text, stream, number: f"{stamp(number)} {('stdout', 'stderr')[stream]} F {text}".encode(),
    "Docker": lambda text, stream, number: json.dumps(
        {"log": f"{text}\n", "stream": ("stdout", "stderr")[stream], "time": stamp(number)}
    ).encode(),
}


def mixed(printed: Callable[[int], str]) -> list[tuple[str, int]]:
    """The lines of two streams in turn."""
    pairs = zip_longest(printed(1).split("\n"), printed(2).split("\n"), fillvalue="and that is all")
    return [(line, stream) for pair in pairs for stream, line in enumerate(pair)]


def told(leaks: Sequence[Leak]) -> set[tuple[str, str | None, int]]:
    """Secrets, and the number of the record that shows the beginning of each."""
    return {
        (leak.fingerprint, leak.pattern, (leak.offset or 0) if leak.line is None else leak.line - 1)
        for leak in leaks
    }


def replayed(lines: Sequence[bytes], folder: Path, finder: LeakFinder) -> set[tuple[str, str | None, int]]:
    path = folder / "a.log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return told([leak for batch, _ in collect(path, None, NOW).batches for leak in finder.find(batch)])


def live(
    lines: Sequence[bytes], finder: LeakFinder, rng: random.Random, most: int
) -> set[tuple[str, str | None, int]]:
    some, hold, at = [FakeRecord(line, number) for number, line in enumerate(lines)], RecordAssembler(), 0
    found: list[Leak] = []
    while at < len(some):
        size = rng.randint(1, most)
        found += find_leaks(finder, "logs", 0, hold.read(some[at : at + size], NOW, Contents()))
        at += size
    return told(found + find_leaks(finder, "logs", 0, hold.flush()))


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("printed", PRINTED)
def test_two_streams_in_turn_show_what_each_shows_alone(
    finder: LeakFinder, tmp_path: Path, printed: str, wrap: str
) -> None:
    texts = mixed(PRINTED[printed])
    lines = [WRAPS[wrap](text, stream, number) for number, (text, stream) in enumerate(texts)]
    wanted: set[tuple[str, str | None, int]] = set()
    for stream in range(2):
        numbers = [number for number, (_, own) in enumerate(texts) if own == stream]
        alone = replayed([lines[number] for number in numbers], tmp_path, finder)
        assert alone
        wanted |= {(fingerprint, pattern, numbers[at]) for fingerprint, pattern, at in alone}
    assert replayed(lines, tmp_path, finder) == wanted
    for most in (1, 3, 1000):
        assert live(lines, finder, random.Random(most), most) == wanted


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("printed", ["key", "wrapped base64"])
def test_what_lies_over_the_edge_of_a_block_is_seen_at_its_first_line(
    finder: LeakFinder, tmp_path: Path, printed: str, wrap: str
) -> None:
    texts, size = [("nothing to see", 0)], 0
    while size < EDGE - 700:
        texts.append(("nothing to see", len(texts) % 2))
        size += len(WRAPS[wrap](*texts[-1], len(texts))) + 1
    first = len(texts)
    texts += [*mixed(PRINTED[printed]), *texts[:9]]
    lines = [WRAPS[wrap](text, stream, number) for number, (text, stream) in enumerate(texts)]
    found = replayed(lines, tmp_path, finder)
    assert len({fingerprint for fingerprint, _, _ in found}) == 2
    assert {at for _, _, at in found} <= set(range(first, first + len(mixed(PRINTED[printed]))))


_chunks = st.lists(
    st.tuples(st.sampled_from(["plain", "key", "wrapped base64"]), st.integers(0, 3)),
    max_size=7,
)


@settings(max_examples=15, deadline=None)
@given(
    chunks=_chunks,
    wrap=st.sampled_from([name for name in WRAPS if name not in {"CRI", "Docker"}]),
    seed=st.integers(0, 999),
)
def test_however_streams_are_mixed_and_polled_each_shows_what_it_shows_alone(
    finder: LeakFinder,
    tmp_path_factory: pytest.TempPathFactory,
    chunks: list[tuple[str, int]],
    wrap: str,
    seed: int,
) -> None:
    rng = random.Random(seed)
    queues: dict[int, list[str]] = {}
    for number, (kind, stream) in enumerate(chunks):
        text = "nothing to see" if kind == "plain" else PRINTED[kind](number)
        queues.setdefault(stream, []).extend([*text.split("\n"), "next"])
    texts: list[tuple[str, int]] = []
    while queues:
        stream = rng.choice(sorted(queues))
        texts.append((queues[stream].pop(0), stream))
        if not queues[stream]:
            del queues[stream]
    lines = [WRAPS[wrap](text, stream, number) for number, (text, stream) in enumerate(texts)]
    folder = tmp_path_factory.mktemp("mixed")
    secrets = {fingerprint for fingerprint, _, _ in replayed(lines, folder, finder)}
    alone: set[str] = set()
    for stream in {own for _, own in texts}:
        own = [line for line, (_, each) in zip(lines, texts, strict=True) if each == stream]
        alone |= {fingerprint for fingerprint, _, _ in replayed(own, folder, finder)}
    assert secrets == alone
    assert {fingerprint for fingerprint, _, _ in live(lines, finder, rng, rng.choice((1, 4, 60)))} == alone


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), wrap=st.sampled_from(sorted(WRAPS)))
def test_a_scan_stage_that_dies_in_the_middle_loses_nothing_and_shows_nothing_twice(
    scanner: PatternScanner, seed: int, wrap: str
) -> None:
    async def shown(rng: random.Random, deaths: float) -> set[tuple[str, str]]:
        topic = Topic(scanner, some)
        while topic.offset < len(some):
            await topic.poll(rng.randint(1, 9), commits=rng.random() >= deaths)
            if rng.random() < deaths:
                await topic.die()
        await topic.tick(60)
        leaks = [decode(each.value or b"") for each in topic.written if each.topic == TOPICS.work]
        return {(leak.id, leak.fingerprint) for leak in leaks if isinstance(leak, Leak)}

    texts = [*mixed(wrapped), *mixed(key)]
    some = [
        FakeRecord(WRAPS[wrap](text, stream, number), number) for number, (text, stream) in enumerate(texts)
    ]
    wanted = asyncio.run(shown(random.Random(seed), 0))
    assert len({fingerprint for _, fingerprint in wanted}) == 4
    assert asyncio.run(shown(random.Random(seed), 0.3)) == wanted


DIGITS = base64.b64encode(random.Random(4).randbytes(57)).decode()


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        (DIGITS, True),
        (f"2026-05-01 data: {DIGITS}", True),
        (f"{DIGITS}\r", True),
        ("6f" * 30, True),
        (f"{DIGITS} and so on", False),
        (DIGITS[:39], False),
        (DIGITS * 3, False),
        ("at " + "6f" * 20, False),
        ("sha256:" + "6f" * 32, False),
        ("/srv/builds/linux/release/output/packages/all", False),
        ("", False),
    ],
)
def test_a_line_goes_on_that_ends_in_digits_that_are_no_hash_and_no_path(line: str, *, goes: bool) -> None:
    assert goes_on(line.encode()) is goes
    data = f"first\n{line}\nlast".encode()
    assert (1 in lines_ending_in_digits(data, line_starts(data))) is goes
    held = json.dumps({"message": line, "level": "x"}).encode() if "\r" not in line else data
    assert bool(lines_ending_in_digits(held, line_starts(held))) is goes


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([DIGITS, DIGITS[:39], "a", "", "6f" * 20, f"x {DIGITS}", f"{DIGITS} x"]), max_size=20
    )
)
def test_runs_of_digits_are_found_wherever_they_begin(lines: list[str]) -> None:
    data = "\n".join(lines).encode()
    wanted = [number for number, line in enumerate(lines) if goes_on(line.encode())]
    assert lines_ending_in_digits(data, line_starts(data)) == wanted


def test_what_waits_is_bounded_in_streams_bytes_and_records() -> None:
    streams: StreamReassembler[int] = StreamReassembler()
    begin, given = b"-----BEGIN PRIVATE KEY-----", []
    for number in range(STREAMS + 50):
        given += streams.take(number, begin, number, number)
    assert given == list(range(50))
    assert streams.first == 50
    for number in range(LONGEST // 8):
        given += streams.take("one", begin if number == 0 else b"x" * 60, 10_000 + number, 400)
    assert len([each for each in given if each >= 10_000]) == LONGEST // 8
    assert streams.late(400 + PATIENCE) == [*range(51, STREAMS + 50)]
    assert not streams
    for number in range(3 * STREAMS):
        streams.collect(number, DIGITS.encode(), number, number)
    assert len(streams._lines) == STREAMS
    assert streams.end() == []
    assert streams.groups() == []  # of each there was but one line


def collected(texts: Sequence[bytes]) -> int:
    """How many records are looked at a second time, all of one stream, that are read at once."""
    streams: StreamReassembler[int] = StreamReassembler()
    marked = [number for number, text in enumerate(texts) if goes_on(text)]
    for first in range(0, len(texts), 256):
        some = texts[first : first + 256]
        numbers = [number - first for number in marked if first <= number < first + 256]
        places = range(first, first + len(some))
        streams.watch(numbers, places, lambda _: ("one", None), some.__getitem__, lambda at, *_: at)
    streams.end()
    return sum(map(len, streams.groups()))


def test_of_nothing_but_digits_a_share_is_looked_at_a_second_time() -> None:
    many = 20 * BURST
    again = collected([DIGITS.encode()] * many)
    assert BURST < again < 1.5 * (BURST + many / SHARE)
    # Blobs that are rare are looked at whole, however many there have been.
    blob = [*[DIGITS.encode()] * 30, *[b"nothing to see"] * 31 * SHARE]
    assert collected(blob * 100) == 31 * 100


def test_the_digits_of_one_task_take_no_share_from_another() -> None:
    streams: StreamReassembler[tuple[str, int]] = StreamReassembler()
    blob = [DIGITS.encode()] * 30 + [b"the end"]
    for number in range(20 * BURST):
        streams.take(("evil", "stdout"), DIGITS.encode(), ("evil", number), number)
    streams.groups()
    at = 20 * BURST
    for text in blob:
        for stream, own in ((("evil", "stdout"), DIGITS.encode()), (("build", "stdout"), text)):
            streams.take(stream, own, (stream[0], at), at)
            at += 1
    assert [len(group) for group in streams.groups() if group[0][0] == "build"] == [31]


@pytest.mark.parametrize("singly", [True, False])
def test_a_block_of_many_tasks_is_collected_task_by_task(singly: bool) -> None:  # noqa: FBT001 - a parameter of the case
    streams: StreamReassembler[tuple[str | None, int]] = StreamReassembler()
    texts = [(("evil", "build")[number % 64 == 0], DIGITS.encode()) for number in range(30 * BURST)]
    texts += [("build", b"the end")]
    for first in range(0, len(texts), 256):
        some = texts[first : first + 256]
        if singly:
            for at, (task, text) in enumerate(some, start=first):
                streams.collect((task, None), text, (task, at), at)
                streams._passed += 1
        else:
            streams.watch(
                [at for at, (_, text) in enumerate(some) if goes_on(text)],
                range(first, first + len(some)),
                lambda at: (some[at][0], None),  # noqa: B023 - called at once
                lambda at: some[at][1],  # noqa: B023 - the same
                lambda at, stream, _: (stream[0], at),
            )
    streams.end()
    collected_of = Counter(task for group in streams.groups() for task, _ in group)
    assert collected_of["evil"] < 1.5 * (BURST + len(texts) / SHARE)
    assert collected_of["build"] >= 30 * BURST // 64


@pytest.mark.parametrize("begin", [b"-----BEGIN RSA PRIVATE KEY-----", DIGITS.encode()])
def test_a_task_with_too_many_streams_gives_up_one_of_its_own(begin: bytes) -> None:
    streams: StreamReassembler[str] = StreamReassembler()
    streams.take(("build", "stdout"), begin, "build", 0)
    given = [
        one for n in range(STREAMS + 50) for one in streams.take(("evil", str(n)), begin, f"evil {n}", n)
    ]
    given += streams.take(("build", "stdout"), begin[11:] + b"-----END RSA", "build", STREAMS + 50)
    groups = streams.groups()
    together = ["build", "build"]
    assert given[-2:] == together or together in groups


def test_of_records_that_come_singly_a_share_is_collected_too() -> None:
    streams: StreamReassembler[int] = StreamReassembler()
    for number in range(20 * BURST):
        streams.take("one", DIGITS.encode(), number, number)
    streams.end()
    assert sum(map(len, streams.groups())) < 1.5 * (BURST + 20 * BURST / SHARE)


def test_what_is_longer_is_looked_at_in_pieces_that_overlap() -> None:
    streams: StreamReassembler[int] = StreamReassembler()
    for number in range(1000):
        assert streams.take("one", DIGITS.encode(), number, number) == [number]
    streams.take("one", b"the end", 1000, 1000)
    pieces = streams.groups()
    assert pieces[0][0] == 0
    assert pieces[-1][-1] == 1000
    for before, after in pairwise(pieces):
        assert len(set(before) & set(after)) > 20


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60),
    st.lists(st.integers(1, 20)),
    st.sampled_from([1, 2, 1 << 63]),
)
@example([(0, True), (1, True), (0, False), (1, False)], [4], 1)
def test_of_a_line_alone_nothing_is_asked_and_groups_are_the_same(
    lines: list[tuple[int, bool]], cuts: list[int], numbers: int
) -> None:
    """With the numbers of streams the same lines are brought together as when each record is asked for its stream.

    Also where different streams have one number: there are no more of them than `numbers`.
    """
    texts = [DIGITS.encode() if goes else b"the end" for _, goes in lines]
    names = [(f"task {number % 3}", f"stream {number}") for number, _ in lines]
    every: StreamReassembler[int] = StreamReassembler()
    some: StreamReassembler[int] = StreamReassembler()

    def watch(streams: StreamReassembler[int], block: range, keys: Ints | None) -> None:
        marked = [number for number, at in enumerate(block) if lines[at][1]]
        streams.watch(
            marked,
            block,
            lambda number: names[block[number]],
            lambda number: texts[block[number]],
            lambda number, *_: block[number],
            keys=keys,
        )
        if len(block) == 3 and numbers > 2:  # and a record that comes singly
            streams.take(names[block[0]], texts[block[0]], block[-1], block[-1])

    for first, end in pairwise(accumulate([*cuts, len(lines)], initial=0)):
        block = range(first, min(end, len(lines)))
        if block:
            watch(every, block, None)
            watch(some, block, np.array([stream_key(*names[at]) % numbers for at in block]))
            assert sorted(some.groups()) == sorted(every.groups())
            assert some.first == every.first
    every.end()
    some.end()
    assert sorted(some.groups()) == sorted(every.groups())


def test_behind_the_end_of_a_line_that_went_on_nothing_is_asked_of_its_stream() -> None:
    streams: StreamReassembler[int] = StreamReassembler()
    asked: list[int] = []

    def stream(number: int) -> tuple[str, str]:
        asked.append(number)
        return f"task {number % 2}", "stdout"

    marked = [2, 3, 9]
    keys = np.array([stream_key(f"task {number % 2}", "stdout") for number in range(20)])
    streams.watch(
        marked,
        range(20),
        stream,
        lambda number: DIGITS.encode() if number in marked else b"the end",
        lambda number, *_: number,
        keys=keys,
    )
    assert sorted(streams.groups()) == [[2, 4], [3, 5], [9, 11]]
    assert sorted(asked) == [2, 3, 4, 5, 9, 11]


def test_of_a_record_far_behind_a_line_that_goes_on_nothing_is_asked() -> None:
    """A stream that comes again after a thousand records of others costs no look at its name."""
    streams: StreamReassembler[int] = StreamReassembler()
    asked: list[int] = []
    keys = np.arange(PATIENCE)
    keys[-1] = keys[0]

    def watch(first: int, end: int) -> None:
        def stream(number: int) -> tuple[str, str]:
            asked.append(first + number)
            return f"task {keys[first + number]}", "stdout"

        marked = [0] if first == 0 else []
        streams.watch(
            marked, range(first, end), stream, lambda _: b"", lambda number, *_: number, keys=keys[first:end]
        )

    watch(0, 1)
    watch(1, PATIENCE)
    assert asked == []
    assert streams.groups() == []


@pytest.mark.parametrize("edges", [(0, 3000), (0, 1500, 3000), (0, 1500, 1501, 3000)])
@pytest.mark.parametrize("marked", [[1500], [0, 1500]])
@pytest.mark.parametrize(("away", "together"), [(PATIENCE - 65, True), (PATIENCE - 64, False)])
def test_a_line_goes_on_in_a_record_that_is_not_too_far_behind_it(
    edges: tuple[int, ...], marked: list[int], away: int, *, together: bool
) -> None:
    """The last line that goes on counts; wherever blocks begin."""
    streams: StreamReassembler[int] = StreamReassembler()
    keys = np.arange(3000)
    keys[[*marked, marked[-1] + away]] = stream_key("task", "stdout")

    def stream(number: int) -> tuple[str, str]:
        return ("task", "stdout") if keys[number] == stream_key("task", "stdout") else (f"{number}", "stdout")

    for first, end in pairwise(edges):
        streams.watch(
            [number - first for number in marked if first <= number < end],
            range(first, end),
            lambda number, first=first: stream(first + number),  # type: ignore[misc]
            lambda number, first=first: DIGITS.encode() if first + number in marked else b"the end",  # type: ignore[misc]
            lambda number, *_, first=first: first + number,
            keys=keys[first:end],
        )
    streams.end()
    groups = streams.groups()
    assert any({marked[-1], marked[-1] + away} <= {*group} for group in groups) is together


def never_asked(*_: object) -> Any:
    pytest.fail("a record was looked at")


def test_of_a_record_far_behind_one_in_the_same_block_nothing_is_asked() -> None:
    keys = np.arange(PATIENCE)
    keys[-1] = keys[0]
    streams: StreamReassembler[int] = StreamReassembler()
    marked = [0, PATIENCE - 1]
    streams.watch(marked, range(PATIENCE), never_asked, never_asked, never_asked, keys=keys)
    assert streams.first == PATIENCE - 1
