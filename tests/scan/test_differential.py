"""The fast path against a slow one in plain Python: nothing is missed and nothing is made up, however it is cut."""

import random
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import contexts, logtext
from benchmarks.decoys import decoy
from benchmarks.families import FAMILIES
from detector.patterns.prefilter import LONG_LINE
from detector.patterns.regexes import MAX_MATCH, WINDOW
from detector.scan.leaks import Batch, LeakFinder
from detector.scan.scanner import PIECE
from detector.values.events import Leak
from detector.values.secrets import Secret
from detector.values.times import parse_rfc3339
from tests.bundled import regex_scanner, with_regex
from tests.fuzz.texts import (
    KEY,
    KNOWN,
    _by_line,
    _read,
    _spans,
    _told,
    finder,
    known,
    plain,
)
from tests.patterns.generators import Generator
from tests.scan.surroundings import ENCODINGS, surrounded

GLUE = (b" ", b"\n", b"", b"=", b'"', b"'", b":", b",", b"/", b"\t", b"_", b"-", b"\xff", b".", b"\\n", b"\r\n", b"a", b"0", b"A")  # fmt: skip
AFTERWARDS = parse_rfc3339("2027-01-01T00:00:00Z")
FILLERS = (b"-", b" ", b"a", b"9", b".-= ", b"some words\n", b"z" * 199 + b"\n", b"\x00")

# Not hypothesis' own: thousands of choices go into one text, and there is nothing in them to be made smaller.
CHANCE = st.integers(0, 1 << 32).map(random.Random)


@cache
def generators() -> tuple[Generator, ...]:
    return tuple(map(Generator, with_regex()))


def fragments(rng: random.Random) -> Iterator[bytes]:
    """Without end: what a pattern matches, beginnings of it, look-alikes, known credentials, noise."""
    while True:
        generator = rng.choice(generators())
        made = generator.make(rng)
        yield rng.choice(
            (
                made.text,
                made.text,
                made.secret,
                made.text[: rng.randrange(len(made.text))],
                made.text[rng.randrange(len(made.text)) :],
                made.secret.swapcase(),
                rng.choice(generator.pattern.near_misses).encode(),
                rng.choice(generator.pattern.examples).encode(),
                rng.choice(KNOWN),
                rng.randbytes(12).replace(b"\x0b", b" "),
            )
        )


def log_of(rng: random.Random, pieces: int) -> bytes:
    some = fragments(rng)
    return b"".join(part for _ in range(pieces) for part in (next(some), rng.choice(GLUE)))


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(CHANCE, st.integers(1, 12))
def test_patterns_find_what_a_plain_search_of_each_line_finds(rng: random.Random, pieces: int) -> None:
    data = log_of(rng, pieces)
    assert _spans(regex_scanner(), data) == _spans(plain()[0], data)


@pytest.mark.slow
def test_each_patterns_own_evidence_is_judged_alike() -> None:
    for pattern in with_regex():
        made = Generator(pattern).make(random.Random(pattern.id))
        shorter = made.text[: made.end - 1] + made.text[made.end :]
        changed = made.text[: made.start] + made.secret[::-1] + made.text[made.end :]
        texts = (*map(str.encode, (*pattern.examples, *pattern.near_misses)), made.text, shorter, changed)
        # One search for all. A key over many lines may end in another text.
        for text in texts if pattern.multiline else [b"\n".join(texts)]:
            assert _spans(regex_scanner(), text) == _spans(plain()[0], text), pattern.id


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(
    CHANCE,
    st.sampled_from((LONG_LINE, WINDOW - MAX_MATCH, WINDOW, PIECE - 2 * MAX_MATCH, PIECE)),
    st.integers(-200, 200),
    st.sampled_from(FILLERS),
    st.sampled_from(FILLERS),
)
def test_lines_and_texts_of_any_length_are_searched_as_if_they_were_short(
    rng: random.Random, edge: int, shift: int, before: bytes, after: bytes
) -> None:
    size = edge + shift
    data = (before * (size // len(before) + 1))[:size] + log_of(rng, 6) + after * (MAX_MATCH // len(after))
    assert _spans(regex_scanner(), data) == _spans(plain()[0], data)


@settings(max_examples=200, deadline=None)
@given(CHANCE, st.integers(1, 30))
def test_known_credentials_are_found_as_by_looking_for_them(rng: random.Random, pieces: int) -> None:
    parts = [
        *KNOWN,
        *(secret[:-1] for secret in KNOWN),
        *(secret[1:] for secret in KNOWN),
        *GLUE,
        b"word",
        b"7",
    ]
    data = b"".join(rng.choices(parts, k=pieces))
    assert known().seen(data)[0] == plain()[1].find(data)


def slow_finder() -> LeakFinder:
    scanner, registered = plain()
    return LeakFinder(scanner, registered, (KEY,))  # type: ignore[arg-type] # it answers as an index


@settings(max_examples=60, deadline=None)
@given(CHANCE)
def test_the_leaks_of_encoded_text_are_those_that_the_plain_search_sees(rng: random.Random) -> None:
    some = fragments(rng)
    names = [None, *(name for name in ENCODINGS if name != "gzip")]
    texts = [text for text in (next(some) for _ in range(6)) if text]
    data = b"\n".join(surrounded(text, rng, names).data for text in texts).replace(b"\x0b", b" ")
    batch = Batch("log", data, _by_line(data))
    assert finder().find(batch) == slow_finder().find(batch)


def realistic(rng: random.Random, blocks: int) -> bytes:
    """Blocks of pipelines' logs with secrets, registered credentials and decoys in them."""
    lines: list[str] = []
    for _ in range(blocks):
        block = logtext.block(rng)
        family = rng.choice(FAMILIES)
        planted = contexts.plant(
            family, family.make(rng), rng.choice([contexts.PLAIN, *contexts.SHARES]), rng
        )
        inserts = [block.wrap(line) for line in planted.lines]
        inserts += [block.wrap(decoy(rng)[1]), block.wrap(f"token={rng.choice(KNOWN).decode()} ")]
        hidden = ENCODINGS[rng.choice(sorted(ENCODINGS))](b"token=" + rng.choice(KNOWN), rng)
        inserts += [block.wrap(line) for line in hidden.decode().split("\n") if line]
        at = rng.randrange(len(block.lines))
        lines += [*block.lines[:at], *inserts, *block.lines[at:]]
    return "\n".join([*lines, ""]).encode()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_real_looking_logs_show_the_same_leaks_to_both_and_in_chunks(seed: int) -> None:
    data = realistic(random.Random(seed), 24)
    batch = Batch("f", data, _by_line(data))
    fast = finder().find(batch)
    assert fast == slow_finder().find(batch)
    assert len(_fingerprints(fast)) >= 20
    assert any(leak.encodings and leak.pattern is None for leak in fast)  # registered, and hidden
    for size in (len(data), 256 << 10, 4099):
        assert _fingerprints(_read(data, size, AFTERWARDS)) == _fingerprints(fast)


def _fingerprints(leaks: Sequence[Leak]) -> set[str]:
    return {fingerprint for _, fingerprint in _told(leaks)}


def test_the_plain_search_is_of_the_same_patterns() -> None:
    data = b" ".join(secret for secret in KNOWN)
    assert {Secret(data[start:end]) for start, end in plain()[1].find(data)} == set(map(Secret, KNOWN))
