"""The compiled matcher against RE2: the same matches for any regex, text and place; where it gives up, RE2 is asked."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.patterns.regexes import MAX_MATCH, WINDOW, Regex, Span
from detector.scan import regex_backtracker as backtrack
from detector.scan.regex_finder import Finder
from detector.scan.regex_programs import Program, program_of
from tests.bundled import bundled_patterns

ATOMS = (
    "a",
    "b",
    "B",
    "1",
    "-",
    " ",
    ".",
    r"\d",
    r"\w",
    r"\s",
    r"\W",
    r"\S",
    r"\D",
    r"\.",
    r"\x41",
    r"\x80",
    r"\n",
)
CLASSES = ("[a-c]", "[^a]", "[A-Z0-9_]", r"[\w.-]", r"[^\s\"]", "[^-a]", "[]a]", r"[\]\x00-\x1f]", "[b\\-]")
PLACES = (r"\b", r"\B", "^", "$")
REPEATS = ("*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}", "{1,}?", "{0,1}")
# What the regexes above tell from each other, and ends of lines.
TEXTS = st.lists(
    st.sampled_from((b"a", b"b", b"B", b"1", b"-", b" ", b".", b"\n", b"A", b"c", b"_", b"\x80", b"\0", b"aaaa", b"ab1")),
    max_size=60,
).map(b"".join)  # fmt: skip


def repeated(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(parts.map("(?:{})".format), st.sampled_from(REPEATS)).map("".join)


def regexes() -> st.SearchStrategy[str]:
    single = st.sampled_from((*ATOMS, *CLASSES))
    leaves = st.one_of(
        single, st.sampled_from(PLACES), st.tuples(single, st.sampled_from(REPEATS)).map("".join)
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=4).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
            inner.map("(?i:{})".format),
            repeated(inner),
        ),
        max_leaves=8,
    )


PARTS = st.tuples(regexes(), regexes(), regexes()).map(
    lambda parts: f"{parts[0]}(?P<secret>{parts[1]}){parts[2]}"
)


def rows(regex: str, data: bytes, regions: Sequence[Span], *, multiline: bool = False) -> list[list[int]]:
    return Finder(regex, multiline=multiline).rows(data, np.frombuffer(data, np.uint8), np.array(regions))


def by_re2(regex: str, data: bytes, regions: Sequence[Span], *, multiline: bool = False) -> list[list[int]]:
    asked = Regex(regex, multiline=multiline)
    return [[*match, *secret] for region in regions for match, secret in asked.matches(data, *region)]


def in_lines(data: bytes) -> list[Span]:
    """The lines, each a region."""
    found, start = [], 0
    for line in data.split(b"\n"):
        found.append((start, start + len(line)))
        start += len(line) + 1
    return [region for region in found if region[1] > region[0]]


@given(PARTS, TEXTS, st.booleans())
def test_it_finds_what_re2_finds(regex: str, data: bytes, multiline: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    wanted = by_re2(regex, data, [(0, len(data))], multiline=multiline)
    assert rows(regex, data, [(0, len(data))], multiline=multiline) == wanted
    lines = in_lines(data)
    if lines:
        assert rows(regex, data, lines, multiline=multiline) == by_re2(
            regex, data, lines, multiline=multiline
        )


@given(PARTS, TEXTS, st.integers(0, 60), st.integers(0, 60))
def test_what_stands_around_a_region_is_seen_and_not_searched(
    regex: str, data: bytes, low: int, size: int
) -> None:
    start = min(low, len(data))
    region = (start, min(len(data), start + size))
    assert rows(regex, data, [region]) == by_re2(regex, data, [region])


def program(regex: str) -> Program:
    made = program_of(regex)
    assert made is not None
    return made


def given_up(regex: str, data: bytes) -> bool:
    """Whether the program alone does not get to the end of the text."""
    made, out = program(regex), np.empty((1024, 4), np.int64)
    view, regions = np.frombuffer(data, np.uint8), np.array([[0, len(data)]], np.int64)
    _, region, _ = backtrack.search(view, regions, 0, 0, made.code, made.classes, made.leads, out)
    return bool(region < 0)


@pytest.mark.parametrize(
    ("regex", "data"),
    [
        ("(?:a|a|aa)+(?P<secret>b)", b"b ab " + b"a" * 400 + b" aab"),  # more steps than there may be
        ("(?P<secret>(?:a|c)+)b", b"acb " + b"ac" * 4000 + b"b cb"),  # more choices than there is room for
        (r"[a-z]+[a-z ]+[a-z]+(?P<secret>\d)", b"x y z1 " + b"ab b " * 5000 + b"; a b c2"),
        ("[a-z]+(?P<secret>1)", b"ab1 " + b"a" * 50000 + b"; a1"),
    ],
)
def test_where_it_gives_up_re2_is_asked(regex: str, data: bytes) -> None:
    assert given_up(regex, data)
    assert rows(regex, data, [(0, len(data))]) == by_re2(regex, data, [(0, len(data))]) != []


def test_more_matches_than_are_told_at_once_are_all_told() -> None:
    data = b"k=a1 " * 5000
    regions = [(0, 12_000), (12_000, len(data))]
    found = rows(r"k=(?P<secret>\w+)", data, regions)
    assert len(found) == 5000
    assert found == by_re2(r"k=(?P<secret>\w+)", data, regions)


@pytest.mark.parametrize("regex", [r"k=(?P<secret>\w+)", r"k=(?P<secret>.*)z", r"(?P<secret>x{3,400}?)k"])
def test_long_lines_give_what_one_search_would_give(regex: str) -> None:
    rng = random.Random(5)
    parts = (b"k=", b"abc", b"x" * 300, b" ", b"z", b"-" * 3000, b"y" * (MAX_MATCH - 10))
    data = b"".join(rng.choices(parts, k=200))
    assert len(data) > 2 * WINDOW
    assert rows(regex, data, [(0, len(data))]) == by_re2(regex, data, [(0, len(data))]) != []


@pytest.mark.parametrize(
    "regex",
    [
        r"(?P<secret>\p{Greek}+)",
        r"(?P<secret>[[:alpha:]]+)",
        r"(?s:(?P<secret>a.b))",
        r"\A(?P<secret>a)",
        r"(?P<secret>\Qa.b\E)",
        r"(?i:(?P<secret>[\xe0-\xef]+))",
        "(?P<secret>a*)",
        r"(?:(?P<secret>a)|\b)*",
    ],
)
def test_what_only_re2_understands_is_left_to_it(regex: str) -> None:
    assert program_of(regex) is None
    data = b"xx aab a.b \xe9\xc9 alpha"
    assert rows(regex, data, [(0, len(data))]) == by_re2(regex, data, [(0, len(data))])


def test_every_bundled_pattern_has_a_program() -> None:
    patterns = tuple(pattern for pattern in bundled_patterns() if pattern.named is None)
    assert [one.id for one in patterns if program_of(one.regex, multiline=one.multiline) is None] == []
