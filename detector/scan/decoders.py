"""The encodings that are decoded: one class each, listed in `BUNDLED`.

The loops are compiled and stand beside: base64 and hex digits in `runs`, escapes in `escapes`, characters set apart
in `strides`, what is packed or wide in `binary_payloads`, bytes printed one by one in `byte_lists`. Long words that
may be of several encodings have their classes in `word_decoders`. Where an encoding may begin is found by `triggers`,
in one pass for all bundled decoders.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, ClassVar, Final

import msgspec
import numpy as np

from detector.scan import (
    binary_payloads,
    byte_lists,
    cuts,
    escapes,
    grids,
    normalised,
    runs,
    strides,
    triggers,
    uuencoded,
    word_runs,
)
from detector.scan.decoder import BETWEEN, Decoder, GrowingDecoder, LinearDecoder, Part, Room, part_of_texts
from detector.scan.joins import LONGEST, MOST_PARTS
from detector.scan.kernels import ALNUM, CLASSES
from detector.scan.lines_apart import with_lines_apart
from detector.scan.terminal_controls import ControlStrings, Overstrike
from detector.scan.word_decoders import (
    Ascii85,
    Base32,
    Base32Hex,
    Base32Lower,
    Base58,
    Base85,
    Brotli,
    Deflated,
    PackedBase64,
    PackedHex,
    ReversedBase64,
    ReversedHex,
    ReversedToken,
    RotBase64,
    RotToken,
    SwappedToken,
    XoredBase64,
    XoredHex,
)
from detector.values import forms

SPACED: Final = "spaced"
JOINED: Final = "joined"
CHANGED: Final = frozenset({"reversed", "rot13", "swapped-case", "xor"})
"""What was done to the text itself."""


def _lines(data: bytes, places: Any) -> Any:
    """The lines that hold the places."""
    out = np.empty((places.size, 2), np.int64)
    return out[: escapes.lines(np.frombuffer(data, np.uint8), places, out)]


class Base64(LinearDecoder):
    """Base64 of either alphabet, padded or not, at any alignment in a run of its characters, wrapped or not."""

    group = forms.ENCODINGS
    names = (("base64",), ("base64url",))
    trigger = triggers.BASE64_TEXT
    examples = (
        (b"dG9rZW4gPSB0b2tfWmI4MStrUS94PTVUcQ==", b"token = tok_Zb81+kQ/x=5Tq"),
        (b"dG9rZW5zIGFyZSA_Pj8gdG9rX1piODE=", b"tokens are ?>? tok_Zb81"),
    )
    near_misses = (b"dG9rZW4gPQ==", b"//////////////////////////8=", b"a-kebab-case-name-that-is-long")

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes stretches of text, as `digits.base64_stretches` has them."""
        done = np.zeros(len(data), np.uint8)
        # Four alignments, and texts that are written twice; what is not used is no memory.
        out = np.empty(10 * len(data) + 64, np.uint8)
        segments = np.empty((2 * (len(places) + len(data) // 8 + 1), 4), np.int32)
        digits = np.empty((len(segments), 2), np.int64)
        starts, kinds = np.empty((2, 2 * len(places)), np.int64)
        view = np.frombuffer(data, np.uint8)
        size, count, texts = runs.unbase64(view, places, done, out, segments, digits, starts, kinds)
        if size:
            text = out[: size - 2].tobytes()
            rows, digits = segments[:count].copy(), digits[:count].copy()
            yield from with_lines_apart(Part(self.names, text, rows, starts[:texts], kinds[:texts], digits))


class Hex(LinearDecoder):
    """Hex digits of printable text, on one line or over several."""

    group = forms.ENCODINGS
    names = (("hex",),)
    trigger = triggers.HEX_TEXT
    examples = (
        (b"746f6b656e203d20746f6b5f5a6238312b6b512f783d355471", b"token = tok_Zb81+kQ/x=5Tq"),
        (b"0x746F6B656E203D20746F6B5F5A6238312B6B512F783D355471", b"token = tok_Zb81+kQ/x=5Tq"),
        (
            b"746f6b656e203d20746f6b5f5a6238312b6b512f783d35547120616e6420\n6d6f7265206f662069742c20696e20616e6f74686572206c696e652c2061\n6e64206f6e65206d6f7265",
            b"tok_Zb81+kQ/x=5Tq and more of it, in another line, and one more",
        ),
    )
    near_misses = (b"746f6b656e203d20", b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes stretches of text, as `digits.hex_stretches` has them."""
        out = np.empty(len(data) + 2 * len(places), np.uint8)
        segments = np.empty((len(places) + len(data) // 32 + 1, 4), np.int32)
        digits, starts = np.empty((len(segments), 2), np.int64), np.empty(len(places), np.int64)
        view = np.frombuffer(data, np.uint8)
        size, count, texts = word_runs.unhex(view, places, out, segments, digits, starts)
        if size:
            text, kinds = out[: size - 2].tobytes(), np.zeros(texts, np.int64)
            rows, digits = segments[:count].copy(), digits[:count].copy()
            yield from with_lines_apart(Part(self.names, text, rows, starts[:texts], kinds, digits))


class _Rewritten(LinearDecoder):
    """Text in which some bytes are escaped and the others stand as they are: rewritten by one compiled loop."""

    group = forms.ESCAPES
    loop: ClassVar[int]

    def rows(self, data: bytes, places: Any) -> Any:
        """The spans to rewrite: whole lines, unless a decoder says otherwise."""
        return _lines(data, places)

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Rewrites the spans as one part. Those in which nothing is escaped are left out."""
        rows = self.rows(data, places)
        size = int((rows[:, 1] - rows[:, 0]).sum()) + 2 * len(rows)
        out = np.empty(size, np.uint8)
        segments = np.empty(
            (size, 4), np.int32
        )  # what is decoded has two bytes or more; unused, it is no memory
        written, count = escapes.rewrite(self.loop, np.frombuffer(data, np.uint8), rows, out, segments)
        if written:
            yield Part(self.names, out[: written - 1].tobytes(), segments[:count].copy())


class Escaped(_Rewritten):
    r"""JSON and shell escapes, in whole lines: `\u0041`, `\x41`, `\u{41}`, `\101`, `\/`, `\"`."""

    names = (("escaped",),)
    trigger = triggers.ESCAPED
    loop = escapes.ESCAPED
    examples = (
        (b'{"m": "key\\u003dtok_\\u005ab81"}', b'{"m": "key=tok_Zb81"}'),
        (rb"a\tb\x3dc", b"a\tb=c"),
        (rb"\u{74}\x{6f}\u{00006B}=\u{1f511}", "tok=\U0001f511".encode()),
        (rb"\164\157\153 \0137\0132", b"tok _Z"),
    )
    near_misses = (
        rb"C:\Windows\System32",
        rb"C:\456 and \303\244",
        rb"\u{} \x{6 \u{123456789}",
        rb"s/\(.\)/\1\12/",
        b"a trailing backslash \\",
    )


class Percent(_Rewritten):
    """Percent-encoding, in whole words."""

    names = (("percent",),)
    trigger = triggers.PERCENT
    loop = escapes.PERCENT
    examples = ((b"GET /?key%3Dtok_%5Ab81 HTTP/1.1", b"/?key=tok_Zb81"),)
    near_misses = (b"100% of it", b"50%, 7%z")

    def rows(self, data: bytes, places: Any) -> Any:
        """The words that hold the places."""
        out = np.empty((places.size, 2), np.int64)
        return out[: escapes.words(np.frombuffer(data, np.uint8), places, out)]


class Ansi(_Rewritten):
    """Control sequences, such as colours, taken out of whole lines."""

    names = (("ansi",),)
    trigger = triggers.ANSI
    loop = escapes.ANSI
    examples = ((b"key=\x1b[1;32mtok_\x1b[0mZb81", b"key=tok_Zb81"),)
    near_misses = (b"\x1b(B", b"[1;32mtok_")


class Html(_Rewritten):
    """HTML entities, in whole lines."""

    rare = True
    names = (("html",),)
    trigger = triggers.ENTITY
    loop = escapes.ENTITIES
    examples = ((b"key&#61;tok&lowbar;Zb81 &amp; more", b"key=tok_Zb81 & more"),)
    near_misses = (b"a & b; c", b"&unknown;", b"?a=1&b=2")

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Says of ASCII letters and digits that they are rare: who escapes markup or other scripts leaves them."""
        for part in super().decode(data, places):
            counts = np.append(0, np.cumsum(CLASSES[np.frombuffer(part.data, np.uint8)] == ALNUM))
            first, starts, ends, steps = part.segments.T
            after = first + np.where(steps < 0, (ends - starts) // np.maximum(1, -steps), 0)
            yield msgspec.structs.replace(part, rare=counts[after] - counts[first])


class QuotedPrintable(_Rewritten):
    """Quoted-printable, in whole lines and the lines that soft line breaks tie to them."""

    names = (("quoted-printable",),)
    trigger = triggers.QUOTED
    loop = escapes.QUOTED
    examples = ((b"key=3Dtok_=5A=62=38=31", b"key=tok_Zb81"),)
    near_misses = (b"key=tok_Zb81", b"a == b")

    def rows(self, data: bytes, places: Any) -> Any:
        """The lines that hold the places, with those that go on in each other."""
        out = np.empty((places.size, 2), np.int64)
        return out[: escapes.soft_lines(np.frombuffer(data, np.uint8), places, out)]


class _Apart(LinearDecoder):
    """Characters with the same byte or bytes between each two of them."""

    group = forms.SPACED
    step: ClassVar[int]

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Closes them up, for each separator by itself."""
        view = np.frombuffer(data, np.uint8)
        for separator, names, least in _SEPARATORS:
            chosen = places[view[places] == separator]
            out = np.empty(len(data) + 2, np.uint8)
            segments = np.empty((chosen.size, 4), np.int32)
            size, count = strides.closed_up(view, chosen, self.step, least, out, segments)
            if size:
                yield part_of_texts(names, out[: size - 2].tobytes(), segments[:count])


class Apart(_Apart):
    """One byte between each two characters: UTF-16, blanks, one character a line."""

    names = (("utf-16",), (SPACED,))
    trigger = triggers.APART
    step = 2
    examples = (
        (b"t\0o\0k\0_\0Z\0b\0008\0001\0", b"tok_Zb81"),
        (b"t o k _ Z b 8 1 + k Q / x", b"tok_Zb81+kQ/x"),
        (b"t\no\nk\n_\nZ\nb\n8\n1\n+\nk\nQ\n/\nx\n", b"tok_Zb81+kQ/x"),
    )
    near_misses = (b"a b c d e", b"in a row")


class ApartLines(_Apart):
    """One character a line, with CR LF at the ends of lines."""

    names = ((SPACED,),)
    trigger = triggers.LINES
    step = 3
    examples = ((b"\r\n".join(bytes([byte]) for byte in b"tok_Zb81+kQ/x"), b"tok_Zb81+kQ/x"),)
    near_misses = (b"a\r\nb\r\nc\r\nlonger\r\n", b"ab\r\ncd\r\n")


class Grid(LinearDecoder):
    """One separator after every one to five characters: groups of four, a sign or invisible character between all."""

    group = forms.SPACED
    names = ((SPACED,),)
    trigger = triggers.GRID
    examples = (
        (b"tok_ Zb81 kQx5 Tq9L mN2w R7vH", b"tok_Zb81kQx5Tq9LmN2wR7vH"),
        (b"t-o-k-7-Z-b-8-1-k-Q-x-5-T-q-9-L-m-N", b"tok7Zb81kQx5Tq9LmN"),
        ("\u200b".join("tok7Zb81kQx5Tq9LmN").encode(), b"tok7Zb81kQx5Tq9LmN"),
        (b", ".join(bytes([byte]) for byte in b"tok7Zb81kQx5Tq9LmN"), b"tok7Zb81kQx5Tq9LmN"),
    )
    near_misses = (
        b"four more word than that",
        b"2026-05-04 08:00:00",
        b"550e8400-e29b-41d4-a716-446655440000",
    )

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Closes them up."""
        out = np.empty(len(data) + 2, np.uint8)
        segments = np.empty((len(data) // 2 + 2, 4), np.int32)
        starts = np.empty(len(places), np.int64)
        size, rows, texts = grids.closed_up(np.frombuffer(data, np.uint8), places, out, segments, starts)
        if size:
            text = out[: size - 2].tobytes()
            yield Part(self.names, text, segments[:rows].copy(), starts[:texts], np.zeros(texts, np.int64))


class Normalised(LinearDecoder):
    """Characters without a width left out, and full-width forms as ASCII, in whole lines."""

    group = forms.ESCAPES
    names = (("unicode",),)
    trigger = triggers.BEYOND
    examples = (
        ("key=tok_\u200bZb81 and \ufeffmore".encode(), b"key=tok_Zb81 and more"),
        ("\uff54\uff4f\uff4b\uff3f\uff3ab81\uff5e".encode(), b"tok_Zb81~"),
    )
    near_misses = ("caf\u00e9 \u2014 \u201cquoted\u201d".encode(), b"\xe2\x80")

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Rewrites the lines, as one part."""
        rows = _lines(data, places)
        size = int((rows[:, 1] - rows[:, 0]).sum()) + 2 * len(rows)
        out = np.empty(size, np.uint8)
        segments = np.empty((size, 4), np.int32)
        written, count = normalised.rewrite(np.frombuffer(data, np.uint8), rows, out, segments)
        if count:
            yield Part(self.names, out[: written - 1].tobytes(), segments[:count].copy())


class Packed(GrowingDecoder):
    """Base64 of what gzip or zlib packed."""

    group = forms.COMPRESSED
    names = (("base64", "gzip"), ("base64", "zlib"))
    trigger = triggers.PACKED
    examples = (
        (b"H4sIAAAAAAACAyvJz07NU7BVKMnPjo9KsjDUzg7Ur7A1DSkEAKU+brYZAAAA", b"token = tok_Zb81+kQ/x=5Tq"),
        (b"eJwryc9OzVOwVSjJz46PSrIw1M4O1K+wNQ0pBABvNAg2", b"token = tok_Zb81+kQ/x=5Tq"),
    )
    near_misses = (b"H4sI", b"eJwhat-is-that-not-a-blob-of-zlib-at-all")

    def decode(self, data: bytes, places: Any, room: Room) -> Iterator[Part]:
        """Inflates the blobs that begin at the places, line by line, some megabytes at a time."""
        for texts, rows in binary_payloads.inflated(data, places, room):
            starts = np.cumsum([0, *(len(text) + len(BETWEEN) for text in texts[:-1])])
            spans = np.array(rows, np.int64)
            segments = np.column_stack([starts, spans[:, :2], np.zeros(len(rows), np.int64)])
            yield Part(self.names, BETWEEN.join(texts), segments.astype(np.int32), starts, spans[:, 2])


class Wide(LinearDecoder):
    """Base64 of UTF-16."""

    group = forms.ENCODINGS
    names = (("base64", "utf-16"),)
    trigger = triggers.WIDE
    examples = (
        (
            b"dABvAGsAZQBuACAAPQAgAHQAbwBrAF8AWgBiADgAMQArAGsAUQAvAHgAPQA1AFQAcQA=",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
    )
    near_misses = (b"AGEAb", b"AAAAAAAAAAAAAAAAAAAAAAAA")

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes the runs of base64 around the places."""
        text, segments, digits, starts = binary_payloads.wide(data, places)
        if text:
            yield Part(self.names, text, segments, starts, np.zeros(len(starts), np.int64), digits)


class Listed(LinearDecoder):
    """Bytes printed one by one: by `xxd`, `od` and `hexdump`, as a list in a program's output; over many lines too."""

    group = forms.DUMPS
    names = (("hex-dump",), ("decimal",), ("octal",), ("binary",), (SPACED,))
    trigger = triggers.LISTED
    examples = (
        (b"00000000: 746f 6b65 6e20 3d20 746f 6b5f 5a62 3831", b"token = tok_Zb81"),
        (b"0000000 6f74 656b 206e 203d 6f74 5f6b 625a 3138", b"token = tok_Zb81"),
        (b"00000000  74 6f 6b 65 6e 20 3d 20  74 6f 6b 5f 5a 62 38 31", b"token = tok_Zb81"),
        (b"0x74, 0x6f, 0x6b, 0x65, 0x6e, 0x20, 0x3d, 0x20, 0x74, 0x6F, 0x6B, 0x5f, 0x5a", b"token = tok_Z"),
        (b"74:6f:6b:65:6e:20:3d:20:74:6f:6b:5f:5a:62:38:31", b"token = tok_Zb81"),
        (b"[116 111 107 101 110 32 61 32 116 111 107 95 90 98 56 49]", b"token = tok_Zb81"),
        (
            b'{"type":"Buffer","data":[116,111,107,101,110,32,61,32,116,111,107,95,90,98,56,49]}',
            b"token = tok_Zb81",
        ),
        (b"0000000 067564 062553 020156 020075 067564 057553 061132 030470", b"token = tok_Zb81"),
        (b"0000000 164 157 153 145 156 040 075 040 164 157 153 137 132 142 070 061", b"token = tok_Zb81"),
        (
            b"01110100 01101111 01101011 01100101 01101110 00100000 00111101 00100000 01110100 01101111 01101011 01011111",
            b"token = tok_",
        ),
        (b"0000000   t   o   k   e   n       =       t   o   k   _   Z   b   8   1", b"token = tok_Zb81"),
    )
    near_misses = (
        b"2026-05-01 10:00:00,123 45 67 [main]",
        b"16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        b"2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        b"used 1024 2048 4096 8192 16384 32768 65536 free",
        b"0000000 000000 000000 000000 000000 000000 000000 000000 000000",
    )

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Reads the lists, as `byte_lists` has them."""
        out = np.empty(2 * len(data) + 64, np.uint8)
        segments = np.empty((len(data) // 8 + 2 * len(places) + 16, 4), np.int32)
        starts, kinds = np.empty((2, 4 * len(places) + 8), np.int64)
        view = np.frombuffer(data, np.uint8)
        size, count, texts = byte_lists.read_lists(view, places, out, segments, starts, kinds)
        if size:
            yield Part(
                self.names, out[: size - 2].tobytes(), segments[:count].copy(), starts[:texts], kinds[:texts]
            )


class Uuencoded(LinearDecoder):
    """Uuencoded text, below the line that begins it."""

    group = forms.ENCODINGS
    names = (("uuencode",),)
    trigger = triggers.UUENCODED
    examples = (
        (b"begin 644 token\n9=&]K96X@/2!T;VM?6F(X,2MK42]X/354<0``\n`\nend\n", b"token = tok_Zb81+kQ/x=5Tq"),
    )
    near_misses = (
        b"begin 644 token\nend",
        b"begin 1000 tokens",
        b"begin 755 \n9=&]K\n",
        b"begin 644 token\n9=&]K96X@",
    )

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes the lines below."""
        out = np.empty(len(data), np.uint8)
        segments, starts = np.empty((len(data) // 5 + 1, 4), np.int32), np.empty(len(places), np.int64)
        digits = np.empty((len(segments), 2), np.int64)
        view = np.frombuffer(data, np.uint8)
        size, count, texts = uuencoded.unuuencode(view, places, out, segments, digits, starts)
        if size:
            text, kinds = out[: size - 2].tobytes(), np.zeros(texts, np.int64)
            yield Part(
                self.names, text, segments[:count].copy(), starts[:texts], kinds, digits[:count].copy()
            )


class Called(LinearDecoder):
    """Characters that a program makes one by one of their numbers, as `chr(116) + chr(111)`."""

    group = forms.DUMPS
    names = (("decimal",),)
    trigger = triggers.CALLED
    examples = (
        (b"chr(116)+chr(111)+chr(107)+chr(95)+" * 3 + b"chr(90)", b"tok_tok_tok_Z"),
        (b" || ".join(b"CHR(%d)" % byte for byte in b"tok_Zb81+kQ/x"), b"tok_Zb81+kQ/x"),
    )
    near_misses = (b"chr(10)+chr(13)", b"repr(12) and str(3456) for(11)")

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Reads the calls."""
        out, segments = np.empty(len(data), np.uint8), np.empty((len(data) // 4 + 1, 4), np.int32)
        starts = np.empty(len(places), np.int64)
        size, count, texts = uuencoded.called(np.frombuffer(data, np.uint8), places, out, segments, starts)
        if size:
            text, kinds = out[: size - 2].tobytes(), np.zeros(texts, np.int64)
            yield Part(self.names, text, segments[:count].copy(), starts[:texts], kinds)


class Joined(LinearDecoder):
    """A word that is cut in two: by the end of a line, or as strings that are put together."""

    group = forms.JOINED
    names = ((JOINED,),)
    trigger = triggers.CUT
    examples = (
        (b"run --token tok_Zb81kQx5\\\n    Tq9LmN2wR7vH", b"tok_Zb81kQx5Tq9LmN2wR7vH"),
        (b'token = "tok_Zb81kQx5" + "Tq9LmN2wR7vH"', b"tok_Zb81kQx5Tq9LmN2wR7vH"),
        (b'["tok_Zb81", "kQx5Tq9LmN2w", "R7vH"].join("")', b"tok_Zb81kQx5Tq9LmN2wR7vH"),
        (b'{"part1":"tok_Zb81kQx5","part2":"Tq9LmN2wR7vH"}', b"tok_Zb81kQx5Tq9LmN2wR7vH"),
    )
    near_misses = (
        b"tok_Zb81kQx5\n  Tq9LmN2wR7vH",
        b'"one": "tok_Zb81kQx5", "two": "Tq9LmN2wR7vH"',
        b'["tok_Zb81kQx5", "Tq9LmN2wR7vH"]',
        b"install --prefix=/usr/local \\\n  --with-openssl",
    )

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Puts them together."""
        # A word may be written twice, and few are cut: it costs time to ask for room that is not used.
        size, count = (
            min(3 * len(data), 4 * LONGEST * len(places)),
            min(len(data), 2 * MOST_PARTS * len(places)),
        )
        out, segments = np.empty(size + 64, np.uint8), np.empty((count + 2, 4), np.int32)
        starts = np.empty(2 * len(places), np.int64)
        view = np.frombuffer(data, np.uint8)
        size, count, texts = cuts.joined(view, places, cuts.scratch(), out, segments, starts)
        if size:
            text, kinds = out[: size - 2].tobytes(), np.zeros(texts, np.int64)
            yield Part(self.names, text, segments[:count].copy(), starts[:texts], kinds)


# The byte between each two characters, what that encoding is called, and how many characters there must be.
_SEPARATORS: Final = (
    (0, ("utf-16",), 6),
    (0x20, (SPACED,), 12),
    (0x0A, (SPACED,), 12),
    (0x0D, (SPACED,), 12),
)

BUNDLED: Final[tuple[Decoder, ...]] = (
    Base64(),
    Hex(),
    Escaped(),
    Percent(),
    Ansi(),
    Html(),
    QuotedPrintable(),
    Apart(),
    ApartLines(),
    Packed(),
    Wide(),
    Listed(),
    Grid(),
    Normalised(),
    Base32(),
    Base32Lower(),
    Base32Hex(),
    Base58(),
    PackedBase64(),
    Deflated(),
    Brotli(),
    PackedHex(),
    ReversedBase64(),
    ReversedHex(),
    RotBase64(),
    ReversedToken(),
    RotToken(),
    SwappedToken(),
    XoredBase64(),
    XoredHex(),
    Base85(),
    Ascii85(),
    Uuencoded(),
    Called(),
    Joined(),
    Overstrike(),
    ControlStrings(),
)


class Decoders:
    """Decoders by what finds the places for them: `compiled` by the number of their kind, `by_literal` in order."""

    def __init__(self, decoders: Iterable[Decoder]) -> None:
        self.compiled: dict[int, Decoder] = {}
        self.by_literal: tuple[tuple[Decoder, tuple[bytes, ...]], ...] = ()
        self._of: dict[frozenset[str], Decoders] = {}
        for decoder in decoders:
            self.add(decoder)

    def __iter__(self) -> Iterator[Decoder]:
        yield from self.compiled.values()
        yield from (decoder for decoder, _ in self.by_literal)

    def of(self, forms: frozenset[str]) -> "Decoders":
        """Those of some groups, and those of none."""
        if forms not in self._of:
            self._of[forms] = Decoders(each for each in self if each.group is None or each.group in forms)
        return self._of[forms]

    def add(self, decoder: Decoder) -> None:
        """Adds a decoder; a program that runs curfewd as a library does so before it scans anything.

        Raises:
            ValueError: there is one for this kind, or a trigger is so short that it stands everywhere.
        """
        self._of = {}
        trigger = decoder.trigger
        if isinstance(trigger, int):
            if trigger in self.compiled:
                raise ValueError(f"there is a decoder for {decoder.names} already")
            self.compiled[trigger] = decoder
        elif not trigger or min(map(len, trigger)) < triggers.LEAST_LITERAL:
            raise ValueError(
                f"the triggers of {decoder.names} need {triggers.LEAST_LITERAL} bytes or more, each"
            )
        else:
            self.by_literal += ((decoder, trigger),)


DECODERS: Final = Decoders(BUNDLED)


@cache
def rare_forms(encodings: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of the rare forms that text in these encodings may have been in."""
    return tuple(
        decoder.rare_form
        for decoder in BUNDLED
        if decoder.rare_form is not None and any(set(names) <= {*encodings} for names in decoder.names)
    )
