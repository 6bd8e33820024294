"""Lines in which something is to be rewritten: short ones whole, of long ones what stands around it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.patterns.pattern import Pattern
from detector.patterns.regexes import MAX_MATCH
from detector.scan import escapes
from detector.scan.decode import Decoding
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import REACH, PatternScanner
from detector.values.events import Leak
from detector.values.findings import Severity
from detector.values.registrable import MAX_LENGTH
from detector.values.secrets import DeploymentKey, Secret
from tests.scan.origins import origin_of

KEY = DeploymentKey.of(bytes(range(32)), "k")
FILLERS = st.sampled_from([b"some words ", b"x", b" ", b"\t", b"no-blank-in-it-", b"line\n", b"\n"])
TEXTS = st.lists(
    st.one_of(
        st.just(b"\\/"),
        st.just(b"\\/"),
        st.tuples(FILLERS, st.sampled_from([1, 7, 3000, 30_000])).map(lambda some: some[0] * some[1]),
        st.tuples(FILLERS, st.integers(-20, 20)).map(
            lambda some: (some[0] * escapes.AROUND)[: escapes.AROUND + some[1]]
        ),
    ),
    max_size=8,
).map(b"".join)


def stretches(data: bytes) -> list[tuple[int, int]]:
    view = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(view == ord("\\"))
    out = np.empty((places.size, 2), np.int64)
    return [(low, high) for low, high in out[: escapes.lines(view, places, out)].tolist()]


def leaks_of(finder: LeakFinder, line: bytes) -> list[Leak]:
    record = RecordAt(0, len(line), "0")
    return finder.find(Batch("f", line, lambda _: record))


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_a_stretch_ends_with_its_line_or_at_a_blank_far_from_what_is_rewritten(data: bytes) -> None:
    found = stretches(data)
    assert all(high <= low for (_, high), (low, _) in pairwise(found))
    for low, high in found:
        inside = data[low:high]
        assert b"\\" in inside
        assert b"\n" not in inside
        if low and data[low - 1] != 0x0A:
            assert data[low] in b" \t"
            assert inside.index(b"\\") >= escapes.AROUND
        if high < len(data) and data[high] != 0x0A:
            assert data[high - 1] in b" \t"
            assert len(inside) - inside.rindex(b"\\") > escapes.AROUND
    covered = sum(data.count(b"\\", low, high) for low, high in found)
    assert covered == data.count(b"\\")


def test_what_is_around_holds_a_match_and_its_keywords() -> None:
    assert escapes.AROUND > MAX_MATCH + REACH


def test_of_a_long_line_only_what_is_around_an_escape_is_decoded() -> None:
    line = b"word " * 200_000
    text = line + b"a\\/b " + line
    (view,) = Decoding(text)
    assert 2 * escapes.AROUND < len(view.data) < 2 * escapes.AROUND + 20
    assert b"word a/b word" in view.data
    at = view.data.index(b"a/b")
    assert origin_of(view, at, at + 3) == ((len(line), len(line) + 4), ("escaped",))


def test_a_long_line_without_a_blank_is_decoded_as_a_whole() -> None:
    text = b"word," * 20_000 + b"\\/" + b"word," * 20_000
    [view] = Decoding(text)
    assert view.data == text.replace(b"\\/", b"/")


@pytest.mark.parametrize(("away", "wanted"), [(0, 1), (REACH - 200, 1), (2 * REACH, 0)])
def test_a_keyword_counts_as_far_from_an_escaped_secret_as_from_a_plain_one(away: int, wanted: int) -> None:
    regex = r"\b(?P<secret>z[0-9]{9})\b"
    pattern = Pattern(id="named", name="named", regex=regex, severity=Severity.HIGH, keywords=("datadog",))
    finder = LeakFinder(PatternScanner([pattern]), KnownIndex(), [])
    far = b"word " * 20_000
    for text in (b"z170354928", b"\\u007a170354928", b"\x1b[1mz170354928"):
        line = far + b"datadog" + b" word" * (away // 5) + b" " + text + b" " + far
        assert len(leaks_of(finder, line)) == wanted


def test_a_long_registered_secret_is_found_escaped_in_a_long_line() -> None:
    secret = b"".join(b"%d/" % number for number in range(3300))
    assert MAX_LENGTH - 1024 < len(secret) <= MAX_LENGTH
    index = KnownIndex(KeyRing([KEY]).identifiers(Secret(secret)), [KEY])
    finder = LeakFinder(PatternScanner([]), index, [KEY])
    line = b"word " * 20_000 + secret.replace(b"/", b"\\/", 1) + b" word" * 20_000
    (leak,) = leaks_of(finder, line)
    assert leak.encodings == ("escaped",)
