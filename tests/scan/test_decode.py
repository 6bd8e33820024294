"""Encoded text is found, decoded, and led back to where it stands; clean text gives nothing."""

import base64
import gzip
import json
import quopri
import random
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.scan import triggers
from detector.scan.decode import DEPTH, Decoding, decoded
from detector.scan.decoders import Escaped, Percent
from tests.scan.origins import origin_of, place_of

SECRET = b"tok_Zb81+kQ/x=5Tq-Lw0~aM9"
Encode = Callable[[bytes], bytes]


def found(data: bytes, secret: bytes = SECRET) -> list[tuple[bytes, tuple[str, ...]]]:
    """The places (as text) and encodings in which the secret is seen."""
    seen = []
    for view in Decoding(data):
        at = view.data.find(secret)
        while at >= 0:
            origin = origin_of(view, at, at + len(secret))
            assert origin is not None
            (start, end), encodings = origin
            seen.append((data[start:end], encodings))
            at = view.data.find(secret, at + 1)
    return seen


def unicode_escaped(text: bytes) -> bytes:
    return "".join(f"\\u{byte:04x}" for byte in text).encode()


ENCODINGS: dict[str, Encode] = {
    "base64": base64.b64encode,
    "base64url": lambda text: base64.urlsafe_b64encode(text + b"\xfb\xff" + b"?" * 16).rstrip(b"="),
    "hex": lambda text: text.hex().encode(),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text).encode(),
    "escaped": unicode_escaped,
}


@pytest.mark.parametrize("name", ["base64", "hex", "percent", "escaped"])
@pytest.mark.parametrize("around", [b"%s", b"x=%s;", b"(%s)\n", b"a line\n%s\nanother", b"\x00%s\xff"])
def test_each_encoding_is_named_and_led_back_to_its_text(name: str, around: bytes) -> None:
    encoded = ENCODINGS[name](SECRET)
    assert found(around.replace(b"%s", encoded)) == [(encoded, (name,))]


def test_base64_is_decoded_at_any_alignment_padded_or_not_in_either_alphabet() -> None:
    for before in range(4):
        for glued in (b"", b"a", b"ab", b"tok-", b"path/to/", b"x_y"):
            for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
                for text in (b"\xff\x00\xfb"[:before] + b"u:" + SECRET, b"{" * before + SECRET + b"}"):
                    for encoded in (alphabet(text), alphabet(text).rstrip(b"=")):
                        assert found(b"k: " + glued + encoded + b" end"), (glued, text)


def test_the_url_alphabet_is_named() -> None:
    encoded = base64.urlsafe_b64encode(b"??>>??>>" + SECRET)
    assert b"_" in encoded or b"-" in encoded
    assert found(encoded) == [(encoded, ("base64url",))]


def test_escapes_end_where_the_secret_does() -> None:
    line = b'{"msg":"first\\n' + SECRET + b'\\nlast \\"quoted\\" \\/ \\x41"}'
    assert found(line) == [(SECRET, ("escaped",))]
    [layer] = [view.data for view in Decoding(line)]
    assert layer == b'{"msg":"first\n' + SECRET + b'\nlast "quoted" / A"}'


def test_colours_inside_and_around_are_taken_out() -> None:
    line = b"\x1b[32m" + SECRET[:9] + b"\x1b[1;31m" + SECRET[9:] + b"\x1b[0m"
    assert found(b"a\n" + line + b"\nb") == [(line[5:-4], ("ansi",))]


def test_a_percent_encoded_word_is_decoded_alone() -> None:
    quoted = urllib.parse.quote(b"a b&" + SECRET + b"&").encode()
    assert [one.data for one in decoded(b"100% of GET /x?q=" + quoted + b" done")] == [
        b"/x?q=a b&" + SECRET + b"&"
    ]


def test_encodings_are_followed_three_deep_and_no_further() -> None:
    once = base64.b64encode(b"user:" + SECRET)
    twice = urllib.parse.quote(json.dumps({"k": once.decode()}), safe="").encode()
    assert [encodings for _, encodings in found(b"GET /?" + twice)] == [("percent", "base64")]
    nested = SECRET
    for _ in range(DEPTH):
        nested = base64.b64encode(nested)
    assert [encodings for _, encodings in found(nested)] == [("base64",) * DEPTH]
    assert found(base64.b64encode(nested)) == []


def test_what_decodes_to_no_text_is_left_alone() -> None:
    rng = random.Random(5)
    noise = [rng.randbytes(48) for _ in range(200)]
    lines = [
        base64.b64encode(noise[0]),
        base64.b64encode(b"\x1f\x8b\x08" + noise[2]),
        b"sha256:" + noise[1].hex().encode(),
    ]
    lines += [one.hex().encode() for one in noise]
    lines += [
        b"/usr/local/lib/python3/site-packages/hypothesis/internal/conjecture",
        b"a" * 500,
        b"0" * 64,
        b"50% done",
    ]
    lines += [b"550e8400-e29b-41d4-a716-446655440000", b"C:\\Program Files"]
    assert list(Decoding(b"\n\n".join(lines))) == []


WRAPPED = b"some words before it " * 2 + SECRET + b" and after it"
RARE: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "wrapped": (base64.encodebytes(WRAPPED), ("base64",)),
    "html numbers": (b"".join(b"&#%d;&#x%02x;" % pair for pair in zip(SECRET[::2], SECRET[1::2], strict=False)) + b"&#57;", ("html",)),
    "html names": (SECRET.replace(b"_", b"&lowbar;").replace(b"/", b"&sol;").replace(b"=", b"&#61;"), ("html",)),
    "quoted-printable": (b"".join(b"=%02X" % byte for byte in SECRET), ("quoted-printable",)),
    "soft break": (SECRET[:9] + b"=\n" + SECRET[9:], ("quoted-printable",)),
    "utf-16-le": (SECRET.decode().encode("utf-16-le"), ("utf-16",)),
    "utf-16-be": (SECRET.decode().encode("utf-16-be"), ("utf-16",)),
    "powershell": (base64.b64encode(b"a ".decode().encode("utf-16-le") + SECRET.decode().encode("utf-16-le")), ("base64", "utf-16")),
    "gzip": (base64.b64encode(gzip.compress(SECRET)), ("base64", "gzip")),
    "zlib": (base64.urlsafe_b64encode(zlib.compress(SECRET)).rstrip(b"="), ("base64", "zlib")),
    "blanks": (b" ".join(SECRET[at : at + 1] for at in range(len(SECRET))), ("spaced",)),
    "lines": (b"\n".join(SECRET[at : at + 1] for at in range(len(SECRET))), ("spaced",)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(RARE))
@pytest.mark.parametrize("around", [b"k: %s;", b"(%s)\n", b"a line\nit is %s\nanother"])
def test_rarer_encodings_are_named_and_led_back_to_their_place(name: str, around: bytes) -> None:
    encoded, encodings = RARE[name]
    data = around.replace(b"%s", encoded)
    seen = [(text, told) for text, told in found(data) if told == encodings]
    assert seen
    for text, _ in seen:
        assert text in data
        assert len(text) <= len(encoded)


@pytest.mark.parametrize("level", [1, 2, 6, 9])
def test_zlib_is_known_by_its_header_at_every_level_whatever_follows(level: int) -> None:
    for filler in range(40):
        text = b"%d " % filler * filler + SECRET
        packed = base64.b64encode(zlib.compress(text, level))
        assert ("base64", "zlib") in [told for _, told in found(packed)], packed


@pytest.mark.parametrize("text", [b"horse horse horse", b"0123012301230123", b"abababababababab"])
def test_short_text_that_repeats_is_found_packed(text: bytes) -> None:
    packed = base64.b64encode(zlib.compress(text))
    assert found(packed, text) == [(packed, ("base64", "zlib"))]


def test_what_is_packed_and_damaged_says_what_stands_before_the_damage() -> None:
    whole = gzip.compress(SECRET * 9)
    for damaged in (whole[:-8] + b"wrong!!!", whole + b"\x1f\x8b\x08\xe0 and more"):
        assert ("base64", "gzip") in [told for _, told in found(base64.b64encode(damaged))]
    assert list(Decoding(base64.b64encode(gzip.compress(SECRET * 9)[:12] + bytes(30)))) == []


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"some words " * 900])
@pytest.mark.parametrize("between", [b"", bytes(3), bytes(600)])
def test_all_members_of_what_gzip_packed_are_read(before: bytes, between: bytes) -> None:
    members = [gzip.compress(text) for text in (before, b"", SECRET + b" and after it")]
    blob = between.join(members)
    encoded = base64.b64encode(blob)
    assert found(encoded) == [(encoded, ("base64", "gzip"))]
    assert found(base64.encodebytes(blob))


def test_very_many_members_are_read_once_each_and_count_as_one_text() -> None:
    packed = gzip.compress(b"") * 40_000 + gzip.compress(SECRET)
    start = time.process_time()
    assert found(base64.b64encode(packed))
    assert time.process_time() - start < 10  # each copy of the rest would take minutes
    blob = base64.b64encode(gzip.compress(bytes(60_000)) * 40 + gzip.compress(SECRET))
    bomb = Decoding(blob)
    assert sum(len(view.data) for view in bomb) <= 64 * len(blob)
    assert bomb.limited


@pytest.mark.parametrize("width", [40, 64, 76, 160])
@pytest.mark.parametrize("after", [bytes(300), b"\0", b" more\xff" + b"text" * 40])
def test_a_secret_across_the_lines_of_binary_data_is_found(width: int, after: bytes) -> None:
    """As of `tar | base64`: the line in which the secret ends goes on with bytes that are not text."""
    start = width // 4 * 3
    for before in range(start - 8, start - 3):  # the text before it, from the start of a line on
        encoded = base64.b64encode(b"x" * (before - 8) + b" token: " + SECRET + after)
        lines = b"\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))
        assert found(lines), (before, lines)
        told = {told for _, told in found(lines)}
        assert ("base64",) in told
        assert told <= {("base64",), ("joined", "base64")}  # two lines of other lengths may be one word


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(
    [b"&#1", b"a;", b"=3D", b"=\n", b"=A0=", b" a b c d", b"a\0b\0c\0d\0", b"H4sI", b"eJw", b"eJz", b"eNq", b"eAF9", b"A__A____A__A", b"ADAAxxxxADAA", b"\rx\r\n",
     b"\\", b"\\u", b"\\n", b"\\101", b"\\1", b"\n", b"%4", b"%aF", b"%20%", b"\x1b", b"\x1b[", b"Zm9v", b"4a4B"]
), max_size=30).map(b"".join))  # fmt: skip
def test_the_compiled_triggers_are_those_of_the_regexes(data: bytes) -> None:
    told = [
        [(kind, at.tolist()) for kind, at in triggers.found(data, fast=fast).items()]
        for fast in (True, False)
    ]
    assert told[0] == told[1]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"\\", b"\\n", b"\\101", b"%41", b"%4", b" ", b"\n", b"word", b"-" * 60, b"- " * 13_000]
        ),
        max_size=80,
    ).map(b"".join)
)
def test_what_is_decoded_is_that_of_all_places(data: bytes) -> None:
    told = triggers.found(data)
    for decoder, every in (
        (Escaped(), rb"\\(?=[nrtux/\"'\\]|[01][0-7]{2})"),
        (Percent(), rb"%(?=[0-9A-Fa-f]{2})"),
    ):
        places = np.array([match.start() for match in re.finditer(every, data)], np.int64)
        some = told.get(decoder.trigger, places[:0])
        if places.size:
            assert decoder.rows(data, some).tolist() == decoder.rows(data, places).tolist()
        else:
            assert not some.size


@pytest.mark.parametrize(
    "first", [b"\\", b"%", b"%4", b"\x1b", b"=", b"=3", b"&", b"H4s", b"eJ", b"eN", b"eA", b"eF", b"A"]
)
def test_the_compiled_triggers_know_each_byte_that_may_follow(first: bytes) -> None:
    for rest in (b"1;", b"A____A__A_", b"=\n"):
        data = b"".join(b"@@" + first + bytes([byte]) + rest for byte in range(256)) + b"@@"
        told, plain = (triggers.found(data, fast=fast) for fast in (True, False))
        assert {kind: at.tolist() for kind, at in told.items()} == {
            kind: at.tolist() for kind, at in plain.items()
        }


ONE_ESCAPE: dict[bytes, bytes] = {
    b"\\n": b"a \n b", b"\\r": b"a \r b", b"\\t": b"a \t b", b"\\/": b"a / b", b'\\"': b'a " b', b"\\'": b"a ' b", b"\\\\": b"a \\ b",
    b"\\x41": b"a A b", b"\\u0041": b"a A b", b"%41": b"A", b"%aF": b"\xaf", b"\x1b[0m": b"a  b",
}  # fmt: skip


@pytest.mark.parametrize("escape", sorted(ONE_ESCAPE))
def test_one_escape_is_enough(escape: bytes) -> None:
    assert [view.data for view in Decoding(b"a " + escape + b" b")] == [ONE_ESCAPE[escape]]


def test_text_of_one_place_never_runs_into_that_of_another() -> None:
    data = base64.b64encode(b"first half of a secret") + b" and " + base64.b64encode(b"the second half of it")
    [view] = Decoding(data)
    joined = view.data.index(b"secret\n\nthe second")
    assert origin_of(view, joined, joined + len(b"secret\n\nthe second")) is None


def wrapped(digits: bytes) -> bytes:
    return b"\n".join(digits[at : at + 60] for at in range(0, len(digits), 60))


def base64_digit(at: int) -> int:
    return at * 8 // 6


def wrapped_place(at: int) -> int:
    return at + at // 60


@pytest.mark.parametrize(
    ("encode", "place"),
    [
        (base64.b64encode, base64_digit),
        (lambda text: text.hex().encode(), lambda at: 2 * at),
        (lambda text: wrapped(base64.b64encode(text)), lambda at: wrapped_place(base64_digit(at))),
        (
            lambda text: wrapped(base64.b64encode(text.decode().encode("utf-16-le"))),
            lambda at: wrapped_place(base64_digit(2 * at)),
        ),
        (
            lambda text: wrapped(base64.b64encode(base64.b64encode(text))),
            lambda at: wrapped_place(base64_digit(base64_digit(at))),
        ),
        (
            lambda text: wrapped(base64.b64encode(text.hex().encode())),
            lambda at: wrapped_place(base64_digit(2 * at)),
        ),
    ],
    ids=["base64", "hex", "base64 wrapped", "UTF-16 wrapped", "base64 twice, wrapped", "hex wrapped"],
)
def test_each_byte_is_led_back_to_the_first_digit_that_has_it(
    encode: Encode, place: Callable[[int], int]
) -> None:
    text = b"".join(b"<%03d>" % number for number in range(60))
    before = b"a line of no interest\n"
    seen = set()
    for view in Decoding(before + encode(text) + b"\n"):
        for number in range(60):
            at = view.data.find(b"<%03d>" % number)
            if at >= 0:
                assert place_of(view, at) == len(before) + place(5 * number), number
                seen.add(number)
    assert len(seen) == 60


chunks = st.one_of(
    st.binary(max_size=40),
    st.text(alphabet='ab %\\u0041n\x1b[m"', max_size=40).map(str.encode),
    st.binary(max_size=60).map(base64.b64encode),
    st.text(max_size=60).map(lambda text: base64.urlsafe_b64encode(text.encode())),
    st.text(alphabet=st.characters(codec="ascii"), max_size=60).map(
        lambda text: text.encode().hex().encode()
    ),
    st.text(alphabet="0123456789abcdefCDIZ", min_size=20, max_size=90).map(str.encode),
)


def rows_of(data: bytes, *, fast: bool) -> dict[int, list[list[int]]]:
    found = triggers.found(data, fast=fast)
    return {kind: found[kind].tolist() for kind in (triggers.BASE64_TEXT, triggers.HEX_TEXT) if kind in found}


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(chunks, max_size=12))
def test_the_compiled_search_finds_what_numpy_finds(parts: list[bytes]) -> None:
    data = b" ".join(parts) + b"".join(parts)
    assert rows_of(data, fast=True) == rows_of(data, fast=False)


def test_the_compiled_search_crosses_its_blocks() -> None:
    rng = random.Random(7)
    parts = [
        base64.b64encode(rng.randbytes(rng.randrange(30)) + b"some printable text " * rng.randrange(1, 400))
        for _ in range(30)
    ]
    parts += [(b"printable text in hex" * rng.randrange(1, 300)).hex().encode() for _ in range(10)]
    data = b" ".join(parts)
    rows = rows_of(data, fast=True)
    assert rows == rows_of(data, fast=False)
    assert len(rows[triggers.BASE64_TEXT]) >= 30
    assert len(rows[triggers.HEX_TEXT]) >= 10


@settings(max_examples=200, deadline=None)
@given(st.lists(chunks, max_size=8))
def test_anything_may_come_and_every_origin_lies_within_the_data(parts: list[bytes]) -> None:
    data = b"\n".join(parts)
    for view in Decoding(data):
        for start in range(0, len(view.data), 7):
            place = origin_of(view, start, min(start + 5, len(view.data)))
            if place is not None:
                assert 0 <= place[0][0] < place[0][1] <= len(data)
                assert place[1]


HEADS: dict[str, Callable[[int], bytes]] = {
    "time": lambda n: b"2026-11-24T09:%02d:53.4%d Z " % (n, 9**n),
    "build step": lambda n: b"#27 %d.997 " % (9 + n),
    "level": lambda _: b"[INFO] ",
    "server": lambda n: b"2026/11/24 12:00:00 [error] 31#31: *%d " % (98 + n),
}


@pytest.mark.parametrize(
    ("before", "digits", "soft"), [(b"", 75, True), (b"", 71, False), (b"API_KEY=", 63, False)]
)
def test_a_soft_break_behind_digits_is_told_from_their_padding(
    before: bytes,
    digits: int,
    soft: bool,  # noqa: FBT001 - a table's column
) -> None:
    line = before + (b"Zr8Lq2WvN5tY" * 7)[:digits]
    texts = [one.data for one in decoded(line + b"=\nafter\n") if "quoted-printable" in one.encodings]
    assert texts == ([line + b"after"] if soft else [])


@pytest.mark.parametrize("before", [b"?a=1&k=\n", b"?k=3D1 "], ids=["line", "escape"])
@pytest.mark.parametrize("padding", [b"=", b"=="])
def test_padding_is_no_soft_break_behind_one_or_behind_what_is_escaped(before: bytes, padding: bytes) -> None:
    basic = b"Authorization: Basic " + base64.b64encode(b"ci:glpat-Qm3vX8rT2kLw9ZpB5nHd"[: 30 - len(padding)])
    assert basic.endswith(padding)
    texts = [
        one.data
        for one in decoded(before + basic + b"\nwith no warnings")
        if "quoted-printable" in one.encodings
    ]
    assert len(texts) == 1
    assert texts[0].endswith(padding)


@pytest.mark.parametrize("digits", [47, 48, 75])
def test_a_line_of_the_width_of_quoted_printable_goes_on_behind_what_is_escaped(digits: int) -> None:
    first = b"key=3D" + b"." * (75 - 6 - digits) if digits < 75 else b"=3D=\n"
    token = (b"Zr8Lq2WvN5tY" * 7)[:digits]
    [text] = [
        one.data for one in decoded(first + token + b"=\nafter\n") if "quoted-printable" in one.encodings
    ]
    assert text.endswith(token + b"after")


@pytest.mark.parametrize("head", sorted(HEADS))
def test_what_a_log_puts_before_each_line_parts_neither_wrapped_base64_nor_soft_breaks(head: str) -> None:
    mail = quopri.encodestring(
        b"Subject: the build failed; its environment was = " + b"words " * 3 + SECRET + b" and more"
    )
    for encoded, name in ((base64.encodebytes(WRAPPED), "base64"), (mail, "quoted-printable")):
        lines = [b"before it", *encoded.strip().split(b"\n"), b"after it"]
        data = b"\n".join(HEADS[head](number) + line for number, line in enumerate(lines))
        assert len(lines) > 3
        assert (name,) in [told for _, told in found(data)], data


def test_a_word_below_is_no_part_of_what_was_wrapped() -> None:
    text = b"some words before it, 57 bytes in all "[: 57 - len(SECRET)] + SECRET
    blob = base64.b64encode(text)
    assert len(blob) == 76
    for below in (b"done", b"2026-11-24T09:00:54Z all done", b"x" * 80):
        [view] = Decoding(b"2026-11-24T09:00:53Z " + blob + b"\n" + below + b"\n")
        assert view.data == text, below
