"""Each line has its own share of decoding: no line hides what another says, and a line that is cut short is named."""

import base64
import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable
from unittest.mock import patch

import cramjam
import numpy as np
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detector.scan import packed_words
from detector.scan.binary_payloads import AT_ONCE
from detector.scan.decode import PIECE, Decoding
from detector.scan.shares import DECODING, FIRST_LOOK, MUCH, SECOND_LOOK, LimitedText, Share, Spending
from tests.scan.origins import origin_of, place_of

SECRET = b"tok_Zb81+kQ/x=5Tq-Lw0~aM9"
SAYS = b"the token is " + SECRET + b" and no more"
SMALL = Share(1 << 10, 8, 1 << 20)
Encode = Callable[[bytes], bytes]
b64 = base64.b64encode


def packed(text: bytes) -> bytes:
    return b64(gzip.compress(text, mtime=0))


def deflated(text: bytes) -> bytes:
    return b64(zlib.compress(text))


def wide(text: bytes) -> bytes:
    return b64(text.decode().encode("utf-16-le"))


ENCODED: dict[str, bytes] = {
    "base64 twice": b64(b64(SAYS)),
    "gzip": packed(SAYS),
    "zlib": deflated(SAYS),
    "UTF-16 in base64": wide(SAYS),
    "hex in base64": b64(SAYS.hex().encode()),
    "base64 in gzip in base64": packed(b64(SAYS)),
}
BOMB = packed(packed(b"x" * 3_000_000))
HOSTILE = [packed(b"%d\\n%%41&amp;=3D\x1b[m" % number * 40_000) for number in range(17)]


def told(data: bytes, share: Share = SECOND_LOOK) -> tuple[set[tuple[int, int]], list[int]]:
    """Where the secret is seen, as (line, place in the line), and the numbers of the lines that were cut short."""
    decoding = Decoding(data, share)
    seen = set()
    for view in decoding:
        at = view.data.find(SECRET)
        while at >= 0:
            place = origin_of(view, at, at + len(SECRET))
            if place is not None:
                start = place_of(view, at)
                seen.add((data.count(b"\n", 0, start), start - data.rfind(b"\n", 0, start) - 1))
            at = view.data.find(SECRET, at + 1)
    return seen, [data.count(b"\n", 0, one.start) for one in decoding.limited]


@pytest.mark.parametrize("share", [FIRST_LOOK, SECOND_LOOK], ids=["first", "second"])
@pytest.mark.parametrize("name", sorted(ENCODED))
@pytest.mark.parametrize("hostile", [HOSTILE, [BOMB] * 17], ids=["repetition", "nested"])
def test_lines_that_decode_to_too_much_hide_no_other_line(
    name: str, share: Share, hostile: list[bytes]
) -> None:
    data = b"\n".join([*hostile, b"it says " + ENCODED[name]])
    seen, limited = told(data, share)
    assert 17 in {line for line, _ in seen}
    assert limited == list(range(17))


def test_a_line_may_ask_for_its_share_and_not_for_a_byte_more() -> None:
    inner = SAYS + bytes(random.Random(3).choices(range(97, 123), k=6000))
    line, asked = packed(inner), len(inner) + 1
    assert told(line, Share(asked, 0, 0)) == ({(0, 0)}, [])
    assert told(line, Share(asked - 1, 0, 0)) == ({(0, 0)}, [0])
    assert told(line, Share(100, 2, 1 << 20)) == ({(0, 0)}, [])
    assert told(line[:-4], Share(100, 1, 1 << 20))[1] == [0]


def test_what_is_wrapped_over_many_lines_has_the_share_of_all_of_them() -> None:
    rng = random.Random(5)
    text = b"".join(b"%032x %s\n" % (rng.getrandbits(128), b"filler " * 5) for _ in range(900)) + SAYS
    for encoded in (gzip.compress(text, mtime=0), zlib.compress(text), text.decode().encode("utf-16-le")):
        wrapped = base64.encodebytes(encoded)
        seen, limited = told(b"before\n" + wrapped + b"after", FIRST_LOOK)
        assert seen, encoded[:4]
        assert limited == []


def test_escapes_within_escapes_are_cut_short_too() -> None:
    line = b"".join(rb"\\\\n %2525 &amp;amp;amp; =3D3D3D " + b"\x1b[\x1b[m0m " for _ in range(200))
    seen, limited = told(line + b"\n" + ENCODED["gzip"], SMALL)
    assert limited == [0]
    assert {number for number, _ in seen} == {1}
    assert sum(len(view.data) for view in Decoding(line, SMALL)) < 60 * len(line)


def test_much_that_is_inflated_comes_in_several_layers_line_by_line() -> None:
    lines = [packed(b"line %d is dull " % number * 3_000) for number in range(600)]
    lines.insert(590, packed(b64(SAYS) + b" filler" * 3000))
    views = list(Decoding(b"\n".join(lines)))
    assert sum(len(view.data) for view in views) > 4 * AT_ONCE
    assert max(len(view.data) for view in views) < 2 * AT_ONCE
    assert told(b"\n".join(lines)) == ({(590, 0)}, [])


def test_long_data_is_decoded_in_pieces_that_part_nothing() -> None:
    filler = b"a line of no interest at all, %d\n"
    before = b"".join(filler % number for number in range(PIECE // 32))
    wrapped = base64.encodebytes(b"words " * 30 + SAYS)
    for cut in range(0, len(wrapped), 40):
        data = before[: PIECE - cut].rsplit(b"\n", 1)[0] + b"\n" + wrapped + b"end\n" + filler * 40_000
        assert len(data) > 2 * PIECE
        assert told(data)[0], cut


def test_shares_grow_with_the_line_and_the_second_is_never_the_smaller() -> None:
    for size in (0, 1, 100, 511, 4096, 1 << 16, 1 << 20, 1 << 24, 1 << 26):
        first, second = int(FIRST_LOOK.of(size)), int(SECOND_LOOK.of(size))
        assert 4 * size <= first <= second
        assert first >= 8 << 10
        assert second <= max(64 << 10, 64 * size)


def test_nothing_is_reckoned_where_nothing_counts() -> None:
    spending = Spending(b"a line\nanother", FIRST_LOOK)
    assert not spending.asked
    assert spending.over() is None
    assert spending.limited(0) == []


def test_a_line_that_is_cut_short_for_others_counts_once() -> None:
    spending = Spending(b"a\nb", Share(100, 0, 0))
    spending.spend(np.array([0, 1]), np.array([50, 50]))
    spending.cut_short(0)
    spending.cut_short(1, for_others=True)
    assert spending.much().tolist() == [[0, 4 * (50 - MUCH)], [2, 50 - MUCH]]
    assert spending.limited(10) == [LimitedText(10, 11, DECODING), LimitedText(12, 13, DECODING, alone=False)]


def wrapped(encode: Encode, width: int) -> Encode:
    def lines(text: bytes) -> bytes:
        digits = encode(text)
        return b"\n".join(digits[at : at + width] for at in range(0, len(digits), width))

    return lines


TEXTS = st.one_of(
    st.binary(max_size=60),
    st.text(alphabet='ab %\\u0041n&#;=3D\x1b[m"', max_size=60).map(str.encode),
    st.integers(1, 60_000).map(lambda times: b"\\n%41&amp;" * (times // 9)),
    st.just(SAYS),
)
STEPS: list[Encode] = [
    b64, packed, deflated, lambda text: text.hex().encode(),
    lambda text: b64(text.decode("latin-1").encode("utf-16-le")),
    lambda text: packed(text)[:76], lambda text: deflated(text)[:76], lambda text: packed(text)[:75],
    lambda text: b"x" + b64(text), lambda text: b64(text)[:77], lambda text: text + b"=",
    lambda text: b"\n".join([packed(text)[:76]] * 3), wrapped(b64, 76), wrapped(packed, 76), wrapped(deflated, 64),
]  # fmt: skip


@st.composite
def strangers(draw: st.DrawFn) -> bytes:
    """Lines of somebody else, encoded one to three times."""
    text = draw(TEXTS)
    for encode in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=3)):
        text = encode(text[:200_000])
    return text.replace(SECRET, b"tok_other")


VICTIMS = [
    *ENCODED.values(),
    wrapped(packed, 76)(SAYS * 9),
    wrapped(b64, 76)(b"words " * 30 + SAYS),
    b64(b64(b64(SAYS))),
    (packed(SAYS + bytes(range(32, 64))) + b"AAAA" * 19)[:76],
]


# Lines of somebody else that the line below goes on with, as if one text were wrapped.
JOINED = {
    "base64 twice": b64(packed(b"the words are many words" * 9)[:75]),
    "base64 thrice": b64(packed(b"y" * 30_000)[:81] + b64(b"words of mine and more words")[:36]),
    "UTF-16": wide(b"words and words and words and words of mine and more w"),
}


@pytest.mark.parametrize("share", [SMALL, FIRST_LOOK, SECOND_LOOK], ids=["small", "first", "second"])
@pytest.mark.parametrize(
    ("above", "victim", "place"),
    [
        ("base64 twice", b64(b64(SAYS)), 22),
        ("base64 thrice", b64(b64(b64(SAYS))), 29),
        ("UTF-16", wide(SAYS), 34),
    ],
    ids=[*JOINED],
)
def test_what_a_line_says_is_laid_at_that_line_whatever_it_is_joined_with(
    above: str, victim: bytes, place: int, share: Share
) -> None:
    assert told(victim, share)[0] == {(0, place)}
    assert told(JOINED[above] + b"\n" + victim, share)[0] == {(1, place)}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(strangers(), max_size=6),
    st.sampled_from(VICTIMS),
    st.lists(strangers(), max_size=3),
    st.sampled_from([SMALL, FIRST_LOOK]),
)
@example([(packed(b"y" * 9000) + b"A" * 76)[:76]], ENCODED["gzip"][:76], [], FIRST_LOOK)
@example([deflated(b"y" * 200)[:76]], deflated(SAYS)[:76], [], FIRST_LOOK)
@example([wide(b"words and words and words")[:78]], wide(SAYS), [], FIRST_LOOK)
@example([JOINED["base64 twice"]], b64(b64(SAYS)), [], SMALL)
@example([JOINED["base64 thrice"]], b64(b64(b64(SAYS))), [], FIRST_LOOK)
def test_nothing_that_others_print_hides_what_a_line_says(
    before: list[bytes], victim: bytes, after: list[bytes], share: Share
) -> None:
    alone, _ = told(victim, share)
    data = b"\n".join([*before, victim, *after])
    first = sum(lines.count(b"\n") + 1 for lines in before)
    seen, _ = told(data, share)
    assert {line - first for line, _ in seen} >= {line for line, _ in alone}


@settings(max_examples=60, deadline=None)
@given(st.lists(strangers(), min_size=1, max_size=5), st.sampled_from([SMALL, FIRST_LOOK]))
@example(
    [
        b"AAAAAAAAAAAAAAAAAAAAAAAAAQEBAQEBAQEBAQENDQ0NDSAgICAgICAgICBcXAAAAAAAAAAAAAA=",
        (
            b"XG4lNDEmYW1wO1xuJTQxJmFtcDtcbiU0MSZhbXA7XG4lNDEmYW1wO1xuJTQxJmFtcDtcbiU0MSZhbXA7"
            b"XG4lNDEmYW1wO1xuJTQxJmFtcDtcbiU0MSZhbXA7"
        ),
    ],
    SMALL,
)
@example(
    [
        b"H4sIAAAAAAACA/MwKfZ0hABnR5Myr9Cq0Iow1zJfnyRnf/fkyOLwcqdSH+0IU9NykBJbWwCmHMDtMAAAAA==",
        b"\n".join([b"H4sIAAAAAAACA2NgAAJGADWRxcYGAAAA"] * 3),
    ],
    SMALL,
)
def test_whether_a_record_is_cut_short_depends_on_it_alone(records: list[bytes], share: Share) -> None:
    alone = [bool(told(b"\n" + record + b"\n", share)[1]) for record in records]
    starts, data = [], b""
    for record in records:
        starts.append(data.count(b"\n") + 1)
        data += b"\n" + record + b"\n"
    _, limited = told(data, share)
    together = [
        any(start <= line < start + record.count(b"\n") + 1 for line in limited)
        for start, record in zip(starts, records, strict=True)
    ]
    assert together == alone


@pytest.mark.parametrize("preset", [0, 6, 9])
@pytest.mark.parametrize("form", [lzma.FORMAT_XZ, lzma.FORMAT_ALONE])
def test_the_dictionary_that_xz_asks_for_is_no_larger_than_the_text_and_hides_nothing(
    form: int, preset: int
) -> None:
    line = b64(lzma.compress(bytes(range(33, 120)) + SAYS, form, preset=preset))
    seen, limited = told(line, FIRST_LOOK)
    assert seen
    assert not limited


@pytest.mark.parametrize("size", [60, 30_000, 250_000])
def test_what_bzip2_packed_is_read_with_blocks_no_larger_than_it_may_say(size: int) -> None:
    line = b64(bz2.compress(random.Random(size).randbytes(size).hex().encode() + SAYS))
    seen, limited = told(line, FIRST_LOOK)
    assert seen
    assert not limited


@pytest.mark.parametrize("form", ["bzip2", "zstd"])
def test_bombs_of_large_blocks_are_tried_a_few_times_and_named_and_hide_nothing_else(form: str) -> None:
    text = SAYS[::-1] + b"ab" * 450_000
    bomb = b64(bz2.compress(text) if form == "bzip2" else zstandard.compress(text))
    data = b"\n".join([*[bomb] * 200, packed(SAYS), b64(SAYS)])
    with patch.object(packed_words, "_unpacked", wraps=packed_words._unpacked) as tries:
        seen, limited = told(data, FIRST_LOOK)
    assert 1 <= tries.call_count <= 8 + len(data) // (8 << 10)
    assert {line for line, _ in seen} == {200, 201}
    assert set(range(200)) <= set(limited)


@pytest.mark.parametrize("pack", [cramjam.lz4.compress, cramjam.brotli.compress], ids=["lz4", "brotli"])
def test_what_lz4_and_brotli_packed_is_read_as_far_as_it_may_say(
    pack: Callable[[bytes], cramjam.Buffer],
) -> None:
    seen, limited = told(b64(bytes(pack(SAYS + b"and more of it"))), FIRST_LOOK)
    assert seen
    assert not limited
    seen, limited = told(b64(bytes(cramjam.lz4.compress(SAYS + b"ab" * 450_000))), FIRST_LOOK)
    assert seen
    assert limited


@pytest.mark.parametrize("form", ["bzip2", "xz", "gzip in hex"])
def test_words_of_one_width_below_each_other_are_read_each(form: str) -> None:
    def word(number: int) -> bytes:
        text = b"%03d %s" % (number, SAYS)
        if form == "gzip in hex":
            return gzip.compress(text, mtime=0).hex().encode()
        return b64(bz2.compress(text) if form == "bzip2" else lzma.compress(text)).rstrip(b"=")

    words = [word(number) for number in range(90)]
    lines = [one for one in words if len(one) == len(words[0])]
    seen, limited = told(b"\n".join(lines), SECOND_LOOK)
    assert len({line for line, _ in seen}) == len(lines) > 4
    assert not limited


def test_a_blob_of_many_nuls_behind_a_member_still_shows_the_next() -> None:
    blob = gzip.compress(b"first of them", mtime=0) + bytes(5000) + gzip.compress(SAYS, mtime=0)
    seen, _ = told(b64(blob), FIRST_LOOK)
    assert seen
