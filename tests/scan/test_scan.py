"""The scanner finds what a plain search line by line would, wherever it stands and however the data is cut."""

import re  # the reference: over made-up text only
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.patterns.pattern import CheckSpec, Pattern
from detector.patterns.regexes import MAX_MATCH, WINDOW
from detector.scan.scanner import PIECE, REACH, Match, PatternScanner
from detector.values.errors import ConfigError
from detector.values.findings import Severity

NPM = b"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"


def pattern(name: str, regex: str, *keywords: str, **fields: Any) -> Pattern:
    known: dict[str, Any] = {"severity": Severity.HIGH, "placeholder_ok": True} | fields
    return Pattern(id=name, name=name, regex=regex, keywords=keywords, **known)


PATTERNS = (
    pattern("fixed", r"\b(?P<secret>key-[0-9a-f]{8})\b", "key-"),
    pattern("run", r"(?P<secret>tok[a-z]{5,40})", "tok"),
    pattern(
        "assigned", r"(?i)secret\s{0,3}=\s{0,3}(?P<secret>[^\s;]{4,64})(?:;|\s|$)", "secret", generic=True
    ),
    pattern("long", r"(?i)id:(?:\s|\[)?(?P<secret>[a-z0-9]{8,300}(?:==)?)(?:[^a-z0-9]|$)", "id:"),
    pattern("start", r"^(?P<secret>AK[A-Z]{6})", "ak"),
    pattern("end", r"(?P<secret>[0-9]{6})$"),
    pattern("context", r"(?P<secret>[0-9]{9})", "datadog"),
    pattern("loose", r"x.{0,30}y(?P<secret>z+)", "x"),
)


def spans(matches: Iterable[Match]) -> list[tuple[int, int, str]]:
    return [(match.start, match.end, match.pattern.id) for match in matches]


def reference(patterns: Iterable[Pattern], data: bytes) -> list[tuple[int, int, str]]:
    """Every pattern over every line with `re`; of those that overlap the best, by the documented order."""
    found = []
    for order, each in enumerate(patterns):
        start = 0
        for line in data.split(b"\n"):
            for match in re.finditer(each.regex.encode(), line):
                around = line[max(0, match.start() - REACH) : match.end() + REACH].lower()
                if each.keywords and not any(word.encode() in around for word in each.keywords):
                    continue
                low, high = match.span("secret")
                rank = (each.generic, not each.proven, low - high, order, low)
                found.append((rank, start + low, start + high, each.id))
            start += len(line) + 1
    covered = bytearray(len(data))
    best = []
    for _, low, high, name in sorted(found):
        if not any(covered[low:high]):
            covered[low:high] = b"x" * (high - low)
            best.append((low, high, name))
    return sorted(best)


SCANNER = PatternScanner(PATTERNS)
PIECES = st.sampled_from(
    [
        b"key-0123abcd",
        b"key-0123abcde",
        b"tokabcdefgh",
        b"secret = abcd;",
        b"SECRET=efgh ",
        b"secret",
        b"=",
        b"AKABCDEF",
        b"123456",
        b"987654321",
        b"datadog",
        b"ID:",
        b"==",
        b"x",
        b"yzz",
        b" ",
        b"\n",
        b"\r\n",
        b"\xff\xfe",
        b"\x00",
        b"-",
        b"tok",
        b"abcde",
    ]
)


@given(st.lists(PIECES, max_size=60).map(b"".join))
@settings(max_examples=400, deadline=None)
def test_the_result_is_that_of_a_plain_search_of_each_line(data: bytes) -> None:
    assert spans(SCANNER.scan(data)) == reference(PATTERNS, data)


EDGES = [
    0,
    WINDOW - MAX_MATCH,
    WINDOW,
    PIECE - 2 * MAX_MATCH,
    PIECE - MAX_MATCH,
    PIECE,
    2 * PIECE - 2 * MAX_MATCH,
]
FILLERS = st.sampled_from([b"-", b" ", b"a", b"9", b".-= ", b"some words\n", b"z" * 199 + b"\n", b"tok"])


@pytest.mark.slow
@given(
    st.tuples(st.sampled_from(EDGES), st.integers(-60, 60)).map(sum),
    FILLERS,
    FILLERS,
    st.lists(PIECES, min_size=1, max_size=8).map(b"".join),
    st.sampled_from([0, 100, MAX_MATCH, WINDOW]),
)
@settings(max_examples=50, deadline=None)
def test_it_does_not_matter_where_something_stands_to_the_edges_of_windows_and_batches(
    size: int, before: bytes, after: bytes, middle: bytes, behind: int
) -> None:
    data = repeated(before, size) + middle + repeated(after, behind)
    assert spans(SCANNER.scan(data)) == reference(PATTERNS, data)


def repeated(filler: bytes, size: int) -> bytes:
    return (filler * (max(size, 0) // len(filler) + 1))[: max(size, 0)]


@pytest.mark.parametrize("size", [1000, 100_000, 3_000_000])
def test_a_line_of_any_length_is_searched_whole(size: int) -> None:
    places = range(0, size - 100, 997)
    line = bytearray(b"." * size)
    for place in places:
        line[place : place + 12] = b"key-0123abcd"
    found = SCANNER.scan(bytes(line))
    assert [match.start for match in found] == list(places)


def test_a_flood_of_hits_loses_nothing() -> None:
    """A regex that ends anywhere fires at every byte; the scanner stops listening and searches instead."""
    flooding = pattern("flood", r"(?P<secret>q[a-z]{3,})", "q")
    scanner = PatternScanner([*PATTERNS, flooding])
    data = (b"q" * 7000 + b" key-0123abcd\n") * 40 + (b"q" * 7 + b" key-0123abcd\n") * 1000
    assert spans(scanner.scan(data)) == reference([*PATTERNS, flooding], data)


@pytest.mark.parametrize("line", [b"key-%08x and more\n", b"%08x nothing\n", b"key-%08x "])
@pytest.mark.parametrize("before", [b"", b"\n" * 100_000, b"x" * 100_000])
def test_it_stops_in_crowded_text_behind_so_many_secrets_and_misses_none_before(
    line: bytes, before: bytes
) -> None:
    data = before + b"".join(line % (number * 0x9E3779B1 & 0xFFFFFFFF) for number in range(9000))
    whole = SCANNER.scan(data)
    found, end = SCANNER.scan_first(data, 1000)
    assert spans(found) == spans(match for match in whole if match.start < end)
    if b"more" in line:
        assert 1000 < len(found) < 4000
        assert data[end - 1 : end] == b"\n"
    else:
        assert end == len(data)
    assert spans(SCANNER.scan_first(data, 10_000)[0]) == spans(whole)


def test_a_match_is_at_most_16_kib() -> None:
    long = pattern("long", r"(?P<secret>L[a-z]{10,}M)", "l")
    scanner = PatternScanner([long])
    fits, too_long = b"L" + b"a" * (MAX_MATCH - 2) + b"M", b"L" + b"a" * MAX_MATCH + b"M"
    assert spans(scanner.scan(fits)) == [(0, MAX_MATCH, "long")]
    assert scanner.scan(too_long) == []


KEY = pattern(
    "private-key",
    r"-----BEGIN (?P<secret>KEY-----(?:[\s\S]{10,1000}?)-----END) KEY-----",
    "-----begin key",
    multiline=True,
)
WITH_KEY = PatternScanner([*PATTERNS, KEY])


@pytest.mark.slow
@given(st.sampled_from(EDGES), st.integers(-300, 300), st.sampled_from([b"-", b"text\n", b"\n"]))
@settings(max_examples=60, deadline=None)
def test_a_secret_of_many_lines_is_found_across_the_edges_of_batches(
    edge: int, shift: int, filler: bytes
) -> None:
    body = b"-----BEGIN KEY-----\n" + b"MIIEabcdefgh\n" * 20 + b"-----END KEY-----"
    size = max(0, edge + shift)
    data = repeated(filler, size) + body + b"\n" + filler * PIECE
    start = size + len(b"-----BEGIN ")
    assert spans(WITH_KEY.scan(data)) == [(start, size + len(body) - len(b" KEY-----"), "private-key")]


def test_a_single_line_pattern_never_crosses_a_line() -> None:
    scanner = PatternScanner([pattern("wide", r"a\s+(?P<secret>b[^c]*c)", "a")])
    assert scanner.scan(b"a\nbc\n a b\nc") == []
    assert spans(scanner.scan(b"x\na bc\n")) == [(4, 6, "wide")]


def test_invalid_utf8_around_a_secret_is_only_bytes() -> None:
    assert spans(SCANNER.scan(b"\xff\xc3key-0123abcd\xe2\x82")) == [(2, 14, "fixed")]


@pytest.mark.parametrize("before", [b"", b"token=", b"%2A", b"B", b"A"])
@pytest.mark.parametrize("end", [b"B", b"z", b"+", b"=", b"A", b"-"])
def test_a_run_of_one_character_is_found_by_keywords_too(before: bytes, end: bytes) -> None:
    regex = r"(?:\b|%[0-9A-F]{2})(?P<secret>A{9,12}[B-Za-z0-9+=][a-z]{4})\b"
    ends = [f"aaaaaaaaa{chr(byte)}" for byte in b"bcdefghijklmnopqrstuvwxyz0123456789+="]
    by_regex = PatternScanner([pattern("run", regex, "aaaaaaaaa")])
    by_keywords = PatternScanner([pattern("run", regex, *ends, by_keywords=True)])
    for size in range(8, 14):
        data = before + b"A" * size + end + b"wxyz " + b"A" * 5000
        assert spans(by_keywords.scan(data)) == spans(by_regex.scan(data))


NPM_CHECKED = pattern("npm", r"\b(?P<secret>npm_[A-Za-z0-9]{36})\b", "npm_", checks=(CheckSpec("npm-crc32"),))
ANY_NPM = pattern("any-npm", r"(?P<secret>npm_[A-Za-z0-9]{36}\S*)", "npm_")
ASSIGNED = pattern("assigned", r"token=(?P<secret>\S+)", "token=", generic=True)


def test_one_secret_is_one_match_and_the_most_specific_pattern_has_it() -> None:
    line = b"token=" + NPM + b",more"
    for order in ([ANY_NPM, ASSIGNED, NPM_CHECKED], [NPM_CHECKED, ASSIGNED, ANY_NPM]):
        assert spans(PatternScanner(order).scan(line)) == [(6, 46, "npm")]
    assert spans(PatternScanner([ASSIGNED, ANY_NPM]).scan(line)) == [(6, 51, "any-npm")]


def test_of_equals_the_first_in_the_files_wins() -> None:
    one, two = (pattern(name, r"(?P<secret>key-[0-9]{4})", "key") for name in ("one", "two"))
    assert spans(PatternScanner([two, one]).scan(b"key-1234")) == [(0, 8, "two")]


def test_two_patterns_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"pattern `npm`: the id is taken"):
        PatternScanner([NPM_CHECKED, NPM_CHECKED])


@pytest.mark.parametrize("keywords", [("abc",), ()])
def test_a_regex_that_hyperscan_refuses_still_finds(keywords: tuple[str, ...]) -> None:
    """RE2 and Go know `(?U)` (lazy first), Hyperscan does not: it looks for the keywords, or at every line."""
    refused = pattern("refused", r"(?U)(?P<secret>abc[0-9]+)\b", *keywords)
    data = b"key-0123abcd\n" + b"\n" * 70000 + b"an abc123 in it\n"
    start = data.index(b"abc123")
    assert spans(PatternScanner([*PATTERNS, refused]).scan(data)) == [
        (0, 12, "fixed"),
        (start, start + 6, "refused"),
    ]


def test_no_patterns_and_no_data_give_nothing() -> None:
    assert PatternScanner([]).scan(b"anything\n") == []
    assert SCANNER.scan(b"") == []


def test_threads_share_a_scanner() -> None:
    data = b"key-0123abcd and words\n" * 5000
    expected = spans(SCANNER.scan(data))
    results: list[list[tuple[int, int, str]]] = []
    threads = [threading.Thread(target=lambda: results.append(spans(SCANNER.scan(data)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4
    assert len(expected) == 5000


def test_nothing_that_is_printed_of_a_match_shows_the_secret() -> None:
    (match,) = SCANNER.scan(b"key-0123abcd")
    assert "0123abcd" not in repr(match)
    assert match.secret.reveal() == b"key-0123abcd"


def test_patterns_with_one_regex_are_each_found_where_their_own_checks_and_keywords_say_so() -> None:
    regex = r"\b(?P<secret>same_[a-z0-9]{4,8})"
    made = [
        pattern("with-word", regex, "word"),
        pattern("digits", regex, "same_", checks=(CheckSpec("charset-mix", {"digits": 4}),)),
    ]
    lines = [b"word same_k3x9", b"same_k3x9", b"same_8361", b"", b"word same_8361 same_q5z8"]
    scanner = PatternScanner(made)
    found = [(match.secret.reveal(), match.pattern.id) for match in scanner.scan(b"\n".join(lines * 20))]
    assert found == 20 * [
        (b"same_k3x9", "with-word"),
        (b"same_8361", "digits"),
        (b"same_8361", "with-word"),
        (b"same_q5z8", "with-word"),
    ]


@pytest.mark.parametrize("size", [100, 1 << 16], ids=["little", "much"])
def test_generic_patterns_may_be_left_out_and_hide_nothing_from_the_others(size: int) -> None:
    data = b"secret = key-0123abcd; secret=other; tokabcdefgh 123456\n"
    data *= size // len(data) + 1
    scanner = PatternScanner(PATTERNS)
    every, specific = scanner.scan(data), scanner.scan(data, generic=False)
    assert any(match.pattern.generic for match in every)
    assert spans(specific) == [each for each in spans(every) if each[2] != "assigned"]
