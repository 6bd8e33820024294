"""A stream that keeps asking for much decoding is cut short; no other is, and the cuts of batches change nothing."""

import base64
import gzip
import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.scan import binary_payloads
from detector.scan.binary_payloads import inflate
from detector.scan.decoding_shares import MOST_NARROW, DecodingShares
from detector.scan.finding_shares import Texts
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.shares import MUCH
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey, Secret, sha256_hex
from tests.bundled import bundled_scanner

KEY: Final = DeploymentKey.of(bytes(range(32)))
SECRET: Final = "Tq7-xW2_pL9vRk4.sD8hBn3~cY6mJf1z"  # no pattern knows it
TOKEN: Final = "hf_" + "qhHdBtdAbwdewQglGXEuYcSphgqQjEHtCd"
MOST: Final = 200_000
WINDOW: Final = 1000


def packed(text: bytes) -> bytes:
    return base64.b64encode(gzip.compress(text, mtime=0))


BOMB: Final = packed(b"A" * 40_000)
ROOMY: Final = packed(TOKEN.encode() + b" nothing" * 4)  # less than what a narrow share allows

Line = tuple[str | None, bytes]  # stream and text


@pytest.fixture(scope="module")
def finder() -> LeakFinder:
    known = KnownIndex([Identifier("sha256", sha256_hex(Secret(SECRET.encode())), length=len(SECRET))], [KEY])
    return LeakFinder(bundled_scanner(), known, [KEY])


def batch(lines: Sequence[Line], first: int) -> Batch:
    """Lines at the positions from `first` on."""
    ends = np.cumsum([len(text) + 1 for _, text in lines]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])

    def locate(place: int) -> RecordAt:
        index = int(ends.searchsorted(place))
        at = first + index
        return RecordAt(int(starts[index]), int(ends[index]), str(at), line=at, stream=lines[index][0])

    def texts() -> list[Texts]:
        at, streams = range(first, first + len(lines)), {stream for stream, _ in lines}
        alike = (None, lines[0][0]) if len(streams) == 1 else None
        return [Texts(starts, ends, at, lambda index: (None, lines[index][0]), alike, len(lines))]

    return Batch("logs", b"\n".join(text for _, text in lines), locate, texts)


def looked(
    finder: LeakFinder,
    lines: Sequence[Line],
    cuts: Sequence[int] = (),
    window: int = WINDOW,
    **most: int,
) -> tuple[set[tuple[int | None, str]], list[int]]:
    """The leaks (position, fingerprint), and the positions of what was not examined whole."""
    shares = DecodingShares(MOST, window, **most)
    leaks, limited = set(), []
    for first, after in itertools.pairwise([0, *cuts, len(lines)]):
        if first == after:
            continue
        part = batch(lines[first:after], first)
        shares.begin()
        look = finder.look(part, None, shares)
        leaks |= {(leak.line, leak.fingerprint) for leak in look.leaks}
        limited += [part.locate(text.start).line or 0 for text in look.limited]
    return leaks, limited


def test_behind_too_many_bombs_lines_have_a_narrow_share_and_what_is_cut_is_told(finder: LeakFinder) -> None:
    assert looked(finder, [("a", BOMB)] * 4) == (set(), [])  # each is within the share of a line
    _, limited = looked(finder, [("a", BOMB)] * 10)
    assert limited == [6, 7, 8, 9]


@pytest.mark.parametrize("count", range(1, 8))
def test_the_record_that_asks_for_too_much_may_be_the_last_of_a_batch(finder: LeakFinder, count: int) -> None:
    _, limited = looked(finder, [("a", BOMB)] * count)
    assert limited == [6, 7][: max(0, count - 6)]


@pytest.mark.parametrize("text", [SECRET.encode(), packed(SECRET.encode()), TOKEN.encode(), ROOMY])
def test_what_stands_in_their_midst_is_found(finder: LeakFinder, text: bytes) -> None:
    leaks, limited = looked(finder, [*[("a", BOMB)] * 10, ("a", text), *[("a", BOMB)] * 3])
    assert {line for line, _ in leaks} == {10}
    assert 10 not in limited


def test_what_is_cut_short_for_its_own_sake_counts_four_times(finder: LeakFinder) -> None:
    more_than_its_share = packed(b"A" * 70_000)
    _, limited = looked(finder, [("a", more_than_its_share), ("a", BOMB), ("b", BOMB)])
    assert limited == [0, 1]


SHUT: Final = 1000  # bytes: less than what a bomb in a narrow share counts


@pytest.mark.parametrize(
    "text",
    [SECRET.encode(), base64.b64encode(SECRET.encode()), SECRET.encode().hex().encode(), TOKEN.encode()],
)
def test_behind_still_more_bombs_nothing_is_unpacked_and_all_else_is_found(
    finder: LeakFinder, text: bytes
) -> None:
    lines = [*[("a", BOMB)] * 20, ("a", text), ("a", ROOMY), ("b", ROOMY), ("a", b"nothing")]
    leaks, limited = looked(finder, lines, most_narrow=SHUT)
    assert {line for line, _ in leaks} == {20, 22}
    assert [line for line in limited if line != 20] == [*range(6, 20), 21]  # any base64 might be packed


def test_what_is_shut_is_not_unpacked(finder: LeakFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []

    def counting(packed: memoryview, most: int) -> tuple[bytes, int, bool]:
        unpacked.append(most)
        return inflate(packed, most)

    monkeypatch.setattr(binary_payloads, "inflate", counting)
    _, limited = looked(finder, [("a", BOMB)] * 100, [10], most_narrow=SHUT)
    assert len(limited) == 94
    assert len(unpacked) < 30


def test_no_other_stream_and_no_later_window_is_cut_short(finder: LeakFinder) -> None:
    hidden = packed(b"B" * 20_000 + SECRET.encode())
    lines = [*[("a", BOMB)] * 10, ("b", hidden), ("a", hidden)]
    leaks, limited = looked(finder, lines)
    assert ({line for line, _ in leaks}, limited) == ({10}, [6, 7, 8, 9, 11])
    leaks, limited = looked(finder, lines, window=11)
    assert ({line for line, _ in leaks}, limited) == ({10, 11}, [6, 7, 8, 9])


def test_text_with_and_without_a_stream_is_kept_apart(finder: LeakFinder) -> None:
    _, limited = looked(finder, [(None, BOMB), ("a", BOMB)] * 10, [3, 10])
    assert limited == [12, 13, 14, 15, 16, 17, 18, 19]


def test_text_that_is_packed_as_text_is_asks_for_nothing(finder: LeakFinder) -> None:
    told = b"".join(b"%d GET /v1/items/%d 200 %d ms\n" % (n * 7919, n * n % 997, n % 83) for n in range(40))
    assert len(told) < MUCH * len(packed(told))
    assert looked(finder, [("a", packed(told))] * 400) == (set(), [])


def test_a_great_batch_of_bombs_decodes_to_little_more_than_the_share(
    finder: LeakFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.scan.sightings._VERY_MUCH", MOST)
    lines = [("a", BOMB)] * 2000
    seen = 0
    scan = finder._scanner.scan  # what is measured is how much it is given

    def counting(data: bytes, *, generic: bool = True) -> list[object]:
        nonlocal seen
        seen += len(data)
        return list(scan(data, generic=generic))

    monkeypatch.setattr(finder._scanner, "scan", counting)
    _, limited = looked(finder, lines, window=10_000)
    assert len(limited) == len(lines) - 6
    assert seen < 40_000 * len(lines) / 3


SOME = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from([BOMB, packed(b"B" * 30_000 + SECRET.encode()), ROOMY, TOKEN.encode(), b"nothing"]),
    ),
    max_size=40,
)


@settings(max_examples=25)
@given(lines=SOME, data=st.data(), most_narrow=st.sampled_from([0, SHUT, MOST_NARROW]))
def test_the_cuts_of_batches_change_nothing(
    finder: LeakFinder, lines: list[Line], data: st.DataObject, most_narrow: int
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(lines)), max_size=4).map(sorted))
    whole = looked(finder, lines, most_narrow=most_narrow)
    assert looked(finder, lines, cuts, most_narrow=most_narrow) == whole


def entities(text: bytes) -> bytes:
    return b"".join(b"&#%d;" % byte for byte in text)


def turned(text: bytes) -> bytes:
    return base64.b64encode(text)[::-1]


FLOOD: Final = turned(b"nothing here is of interest to anybody, 0123 456")
SPELLED: Final = entities(b"nothing here is of interest to anybody, 0123 456")
TURNED: Final = b"nothing here is of interest to anybody, 0123 456".hex().encode()[::-1]
IN_VAIN: Final = 400  # bytes: some lines of these


@pytest.mark.parametrize(
    ("flood", "hidden"),
    [
        (FLOOD, turned(SECRET.encode())),
        (SPELLED, entities(SECRET.encode())),
        (TURNED, SECRET.encode().hex().encode()[::-1]),
    ],
)
def test_a_stream_is_not_examined_for_a_rare_form_that_showed_nothing_and_this_is_told(
    finder: LeakFinder, flood: bytes, hidden: bytes
) -> None:
    lines = [*[("a", flood)] * 20, ("a", hidden), ("b", hidden), ("a", b"nothing")]
    assert looked(finder, lines)[1] == []
    leaks, limited = looked(finder, lines, most_in_vain=IN_VAIN)
    assert {line for line, _ in leaks} == {21}
    assert limited == [*range(limited[0], 21)]
    assert limited[0] < 20


@pytest.mark.parametrize(
    "text",
    [
        SECRET.encode(),
        base64.b64encode(SECRET.encode()),
        SECRET.encode().hex().encode(),
        b"".join(b"%%%02X" % byte for byte in SECRET.encode()),
        b"".join(rb"\u%04x" % byte for byte in SECRET.encode()),
        packed(SECRET.encode()),
        SECRET.encode()[::-1],
        TOKEN.encode(),
        base64.b64encode(TOKEN.encode()),
    ],
)
def test_all_other_forms_are_found_behind_a_rare_one(finder: LeakFinder, text: bytes) -> None:
    lines = [*[("a", FLOOD)] * 20, *[("a", SPELLED)] * 20, ("a", text), *[("a", FLOOD)] * 3]
    leaks, _ = looked(finder, lines, most_in_vain=IN_VAIN)
    assert {line for line, _ in leaks} == {40}


def test_a_rare_form_that_showed_a_secret_is_looked_at_to_the_end(finder: LeakFinder) -> None:
    lines = [
        ("a", FLOOD),
        ("a", turned(SECRET.encode())),
        *[("a", FLOOD)] * 40,
        ("a", turned(SECRET.encode())),
    ]
    leaks, limited = looked(finder, lines, most_in_vain=IN_VAIN)
    assert ({line for line, _ in leaks}, limited) == ({1, 42}, [])


@pytest.mark.parametrize(
    "line",
    [
        b"&lt;item name=&quot;a&quot;&gt;one &amp; two, nothing else&lt;/item&gt;",
        "".join(f"&#{ord(letter)};" for letter in "\u043d\u0438\u0447\u0435\u0433\u043e").encode(),
    ],
)
def test_escaped_markup_and_other_scripts_are_not_rare(finder: LeakFinder, line: bytes) -> None:
    hidden = entities(SECRET.encode())
    leaks, limited = looked(finder, [*[("a", line)] * 400, ("a", hidden)], most_in_vain=IN_VAIN)
    assert ({line for line, _ in leaks}, limited) == ({400}, [])


FORMS = st.sampled_from(["a", "ab"]).flatmap(
    lambda streams: st.lists(
        st.tuples(
            st.sampled_from(streams),
            st.sampled_from(
                [FLOOD, FLOOD, SPELLED, turned(SECRET.encode()), entities(TOKEN.encode()), BOMB, b"nothing"]
            ),
        ),
        max_size=40,
    )
)


@settings(max_examples=40)
@given(lines=FORMS, data=st.data(), window=st.sampled_from([15, WINDOW]))
def test_the_cuts_of_batches_change_nothing_of_what_is_examined_in_rare_forms(
    finder: LeakFinder, lines: list[Line], data: st.DataObject, window: int
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(lines)), max_size=4).map(sorted))
    lines = [(stream, text + b" ok") for stream, text in lines]  # no word goes on in the next line
    whole = looked(finder, lines, (), window, most_narrow=SHUT, most_in_vain=IN_VAIN)
    assert looked(finder, lines, cuts, window, most_narrow=SHUT, most_in_vain=IN_VAIN) == whole
