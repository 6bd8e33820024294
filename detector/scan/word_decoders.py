"""The encodings of long words: base32, base58, digits backwards or in rot13, base64 of what was packed but by gzip.

`long_words` tells which words may be of one. All these classes are listed in `decoders.BUNDLED`.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from detector.scan import base85, long_words, packed_words, triggers, word_runs, xored
from detector.scan.decoder import BETWEEN, GrowingDecoder, LinearDecoder, Part, Room, part_of_texts
from detector.scan.digits import BASE64, HEX
from detector.values import forms


class _Base32(LinearDecoder):
    """Base32 in one of its alphabets, padded or not, wrapped or not."""

    group = forms.ENCODINGS
    trigger: ClassVar[int]

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes the words."""
        rows = np.column_stack([np.full(len(places), self.trigger - triggers.LONG_WORD), places])
        out = np.empty(len(data) + 64, np.uint8)
        segments = np.empty((len(rows) + len(data) // 32 + 2, 4), np.int32)
        starts = np.empty(len(rows), np.int64)
        size, count, texts = word_runs.unbase32(np.frombuffer(data, np.uint8), rows, out, segments, starts)
        if size:
            text, kinds = out[: size - 2].tobytes(), np.zeros(texts, np.int64)
            yield Part(self.names, text, segments[:count].copy(), starts[:texts], kinds)


class Base32(_Base32):
    """Base32 of text (RFC 4648, section 6)."""

    names = (("base32",),)
    trigger = triggers.LONG_WORD + long_words.BASE32
    examples = (
        (b"ORXWWZLOEA6SA5DPNNPVUYRYGEVWWUJPPA6TKVDR", b"token = tok_Zb81+kQ/x=5Tq"),
        (
            b"ORXWWZLOEA6SA5DPNNPVUYRYGEVWWUJPPA6TKVDREBQW4ZBANVXXEZJAN5TCA2LUFQQGS3RAMFXG\n65DIMVZCA3DJNZSQ====",
            b"token = tok_Zb81+kQ/x=5Tq and more of it, in another line",
        ),
    )
    near_misses = (
        b"ORXWWZLOEA6Q====",
        b"THISISNOTATALLWHATITLOOKSLIKEATALL",
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    )


class Base32Lower(_Base32):
    """Base32 in lower case."""

    names = (("base32",),)
    trigger = triggers.LONG_WORD + long_words.BASE32_LOWER
    examples = ((b"orxwwzloea6sa5dpnnpvuyrygevwwujppa6tkvdr", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (b"thisisnotatallwhatitlookslikeatall",)


class Base32Hex(_Base32):
    """Base32 with the digits of hex first (RFC 4648, section 7)."""

    names = (("base32hex",),)
    trigger = triggers.LONG_WORD + long_words.BASE32HEX
    examples = ((b"EHNMMPBE40UI0T3FDDFLKOHO64LMMK9FF0UJAL3H", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (b"9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08",)


class Base58(LinearDecoder):
    """Base58 of text (Bitcoin's alphabet)."""

    group = forms.ENCODINGS
    names = (("base58",),)
    trigger = triggers.LONG_WORD + long_words.BASE58
    bound = long_words.MOST58
    examples = ((b"orN6suicLYzeRAxvx71ZNAqmucHZPuXDcc", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (
        b"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    )

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes the words that are text as a whole."""
        limbs = np.empty(long_words.MOST58 // 5 + 2, np.uint64)
        rows = np.column_stack([np.zeros(len(places), np.int64), places])
        out = np.empty(len(data) + 2 * len(rows) + 8, np.uint8)
        segments = np.empty((len(rows), 4), np.int32)
        size, count = word_runs.unbase58(np.frombuffer(data, np.uint8), rows, limbs, out, segments)
        if size:
            yield part_of_texts(self.names[0], out[: size - 2].tobytes(), segments[:count].copy())


class _Turned(LinearDecoder):
    """Digits of text that were turned in one way or another."""

    group = forms.OBFUSCATED
    rare = True
    trigger: ClassVar[int]

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes the words as far as they are text."""
        rows = np.column_stack([np.zeros(len(places), np.int64), places])
        out = np.empty(len(data) + 2 * len(rows) + 8, np.uint8)
        segments = np.empty((len(rows), 4), np.int32)
        how = word_runs.TURNED[self.trigger - triggers.LONG_WORD - long_words.REVERSED_BASE64]
        size, count = word_runs.unturned(np.frombuffer(data, np.uint8), rows, *how, out, segments)
        if size:
            yield part_of_texts(self.names[0], out[: size - 2].tobytes(), segments[:count].copy())


class ReversedBase64(_Turned):
    """Base64 of text, written backwards."""

    names = (("reversed", "base64"),)
    trigger = triggers.LONG_WORD + long_words.REVERSED_BASE64
    examples = ((b"==QcUVTP49SUrtSM4ImWft2b0BSPg4WZr9Gd", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (
        b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        b"j46Zr8+ZGAPxQkxpjMKxfb1ZKh113+aCijlgvgT6zDbXNgDWeLvmaFPmCte0H6Ow",
    )


class ReversedHex(_Turned):
    """Hex digits of text, written backwards."""

    names = (("reversed", "hex"),)
    trigger = triggers.LONG_WORD + long_words.REVERSED_HEX
    examples = ((b"174553d387f215b6b2138326a5f5b6f64702d302e656b6f647", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",)


class RotBase64(_Turned):
    """Base64 of text in rot13."""

    names = (("rot13", "base64"),)
    trigger = triggers.LONG_WORD + long_words.ROT_BASE64
    examples = ((b"qT9eMJ4tCFO0o2gsJzV4ZFgeHF94CGIHpD==", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (b"j46Zr8+ZGAPxQkxpjMKxfb1ZKh113+aCijlgvgT6zDbXNgDWeLvmaFPmCte0H6Ow",)


class ReversedToken(_Turned):
    """A token with its prefix, written backwards."""

    names = (("reversed",),)
    trigger = triggers.LONG_WORD + long_words.REVERSED_TEXT
    examples = ((b"RTXU0vbd05klHkAXCdW6TcwTaElK6FtYMnt_phg", b"ghp_tnMYtF6KlEaTwcT6WdCXAkHlk50dbv0UXTR"),)
    near_misses = (b"/nix/store/abcdefghijklmnopqrstuvwxyz012345-some-package",)


class RotToken(_Turned):
    """A token with its prefix, in rot13."""

    names = (("rot13",),)
    trigger = triggers.LONG_WORD + long_words.ROT_TEXT
    examples = ((b"tuc_gaZLgS6XyRnGjpG6JqPKNxUyx50qoi0HKGE", b"ghp_tnMYtF6KlEaTwcT6WdCXAkHlk50dbv0UXTR"),)
    near_misses = (b"tuc_gaZLgS6XyRnGjpG6JqPKN", b"call_gaZLgS6XyRnGjpG6JqPKNxUyx50qoi0HKGE")


class SwappedToken(_Turned):
    """A token with its prefix, small letters and capitals the other way round."""

    names = (("swapped-case",),)
    trigger = triggers.LONG_WORD + long_words.SWAPPED_TEXT
    examples = ((b"GHP_TNmyTf6kLeAtWCt6wDcxaKhLK50DBV0uxtr", b"ghp_tnMYtF6KlEaTwcT6WdCXAkHlk50dbv0UXTR"),)
    near_misses = (b"GHP_TNmyTf6kLeAtWCt6wDcx",)


class _Xored(GrowingDecoder):
    """What digits say, each byte XORed with the same one."""

    group = forms.OBFUSCATED
    digits: ClassVar[tuple[Any, int]]
    most_keys: ClassVar[int] = 48  # of a word: those that leave ASCII what it is, and some more

    def decode(self, data: bytes, places: Any, room: Room) -> Iterator[Part]:
        """Decodes the words that are text with some key."""
        table, bits = self.digits
        view, rows = np.frombuffer(data, np.uint8), np.ascontiguousarray(places)
        sizes = (rows[:, 1] - rows[:, 0]) * bits // 8
        ends = np.cumsum(sizes)
        spans = np.column_stack([ends - sizes, ends])
        keys, wanted = np.empty((len(rows), self.most_keys), np.uint8), np.empty(len(rows), np.int64)
        said = np.empty(int(ends[-1]), np.uint8)
        xored.keys_of(view, rows, table, bits, spans, said, keys, wanted)
        texts = np.flatnonzero(wanted)
        if not texts.size:
            return
        rows, spans, keys, wanted = rows[texts], spans[texts], keys[texts], wanted[texts]
        sizes = sizes[texts] + len(BETWEEN)
        lines = room.lines(rows[:, 0])
        if (wanted <= xored.FEW).all():
            room.spend(lines, wanted * sizes)
        else:
            for row, line in enumerate(lines.tolist()):
                if wanted[row] > xored.FEW and wanted[row] * sizes[row] > room.left(line):
                    wanted[row] = xored.FEW
                    room.cut_short(line)
                room.spend_one(line, int(wanted[row] * sizes[row]))
        out = np.empty(int((wanted * sizes).sum()), np.uint8)
        segments = np.empty((int(wanted.sum()), 4), np.int32)
        xored.unxored(said, spans, rows, keys, wanted, out, segments)
        yield part_of_texts(self.names[0], out[: -len(BETWEEN)].tobytes(), segments)


class XoredBase64(_Xored):
    """Base64 of text XORed with one byte."""

    names = (("base64", "xor"),)
    trigger = triggers.LONG_WORD + long_words.XORED_BASE64
    digits = (BASE64, 6)
    examples = ((b"dW5qZG8hPCF1bmpeW2M5MCpqUC55PDRVcA==", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (b"j46Zr8+ZGAPxQkxpjMKxfb1ZKh113+aCijlgvgT6zDbXNgDWeLvmaFPmCte0H6Ow",)


class XoredHex(_Xored):
    """Hex digits of text XORed with one byte."""

    names = (("hex", "xor"),)
    trigger = triggers.LONG_WORD + long_words.XORED_HEX
    digits = (HEX, 4)
    examples = ((b"2e35313f347a677a2e3531050038626b71310b7522676f0e2b", b"token = tok_Zb81+kQ/x=5Tq"),)
    near_misses = (
        b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        b"00000000000000010000000000000002",
    )


class Base85(LinearDecoder):
    """Base85 of text, in the alphabet of Python's `b85encode` (RFC 1924)."""

    group = forms.ENCODINGS
    names: ClassVar[tuple[tuple[str, ...], ...]] = (("base85",),)
    trigger: ClassVar[int] = triggers.LONG_WORD + long_words.BASE85
    alphabet: ClassVar[int] = 0
    examples: ClassVar[tuple[tuple[bytes, bytes], ...]] = (
        (b"bZ={AZXi7%bZ={4T4FdcD{E0Ncs(^#aUfxCWFT#Ca%B", b"token = tok_Zb81+kQ/x=5Tq and more"),
    )
    near_misses: ClassVar[tuple[bytes, ...]] = (b"bZ={AZXi7%bZ={4T4Fdc", b"A-B-C-D-E-F-G-H-I-J-K-L-M-N-O-P")

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes the groups."""
        out, segments = (
            np.empty(len(data) + 2 * len(places) + 8, np.uint8),
            np.empty((len(places), 4), np.int32),
        )
        view = np.frombuffer(data, np.uint8)
        size = base85.unbase85(view, np.ascontiguousarray(places), self.alphabet, out, segments)
        yield part_of_texts(self.names[0], out[: size - 2].tobytes(), segments)


class Ascii85(Base85):
    """The same in the alphabet of Ascii85, with or without Adobe's signs around it."""

    names = (("ascii85",),)
    trigger = triggers.LONG_WORD + long_words.ASCII85
    alphabet = 1
    examples = ((b"<~FDkr+DBM(bFDkr%>%0HG.r/!8GWdo`E?J\\-A0>`-Eb,~>", b"token = tok_Zb81+kQ/x=5Tq and more"),)
    near_misses = (b"2026-05-04 10:11:12.123456789 +0000", b"1234567890123456789012345678901234567890")


class _PackedWords(GrowingDecoder):
    """Base64 or hex of what was compressed."""

    group = forms.COMPRESSED
    trigger: ClassVar[int]

    def decode(self, data: bytes, places: Any, room: Room) -> Iterator[Part]:
        """Decompresses the words, line by line, some megabytes at a time."""
        kind = (
            packed_words.IN_HEX if self.trigger == triggers.PACKED_HEX else self.trigger - triggers.LONG_WORD
        )
        rows = np.column_stack([np.full(len(places), kind), places])
        for texts, found in packed_words.unpacked(data, rows, room):
            starts = np.cumsum([0, *(len(text) + len(BETWEEN) for text in texts[:-1])])
            spans = np.array(found, np.int64)
            segments = np.column_stack([starts, spans[:, :2], np.zeros(len(found), np.int64)])
            yield Part(
                packed_words.NAMES, BETWEEN.join(texts), segments.astype(np.int32), starts, spans[:, 2]
            )


class PackedBase64(_PackedWords):
    """Base64 of what bzip2, xz, lzma, zstd and lz4 packed."""

    names = tuple(
        name for name in packed_words.NAMES if name[0] == "base64" and name[1] not in {"deflate", "brotli"}
    )
    trigger = triggers.LONG_WORD + long_words.IN_BASE64
    examples = (
        (
            b"QlpoOTFBWSZTWSTU4cEAAAubgEAIokIkEJIJpEAgADFMmJkGRhEAaGamnqDN1WrYPeCgm0JBT2yfi7kinChIEmpw4IA=",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
        (
            b"/Td6WFoAAAD/EtlBAgAhARYAAAB0L+WjAQAYdG9rZW4gPSB0b2tfWmI4MStrUS94PTVUcQAAAAAAASkZAIKrAAZynnoBAAAAAABZWg==",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
        (
            b"XQAAgAD//////////wA6G8mpPyRrPdWajEqEFsZWdSV1NBESCFrzAXJ2Bf//jzAAAA==",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
        (
            b"KLUv/SBJzQEA9AJ0b2tlbiA9IHRva19aYjgxK2tRL3g9NVRxIGFuZCBtb3JlIG9mIHRoZSBzYW1lOgIAUyn4ClQZ",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
        (
            b"BCJNGFRArjwAAADxIHRva2VuID0gdG9rX1piODEra1EveD01VHEgYW5kIG1vcmUgb2YgdGhlIHNhbWUsFgAJDgBQIG1vcmUG95RMAAAAAOSJdtQ=",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
    )
    near_misses = (b"QlpoOTFBWSZTWSTU4cEAAAubgEAIokIkEJIJpEAgADFMmAAAAAAAAAAAAAA", b"KLUv/SBJzQEA9AJ0b2tlbi")


class Deflated(_PackedWords):
    """Base64 of deflate without a header."""

    names = (("base64", "deflate"),)
    trigger = triggers.LONG_WORD + long_words.DEFLATED
    examples = (
        (
            b"K8nPTs1TsFUoyc+Oj0qyMNTODtSvsDUNKVRIzEtRyM0vSlXIT1MoyUhVKE7MTbUCqcOuHgA=",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
    )
    near_misses = (b"j46Zr8+ZGAPxQkxpjMKxfb1ZKh113+aCijlgvgT6zDbXNgDWeLvmaFPmCte0H6Ow",)


class Brotli(_PackedWords):
    """Base64 of what brotli packed into one block."""

    names = (("base64", "brotli"),)
    trigger = triggers.LONG_WORD + long_words.BROTLI
    examples = (
        (
            b"G0UAAEQ3l+q6QQyCxRIOTy+Hg+mI3HTYgAP2F1r3wQPHwSEHdgrbl+cqAwfnXseE7uDvOt9lwmV1YLZkCCxC0qwO",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
    )
    near_misses = (b"G0UAAEQ3l+q6QQyCxRIOTy+Hg+mI3HTYgAP2F1r3wQPHwSEHdgrbl+cqAwfnXseE7uDvOt9lwmV1YLZkCC",)


class PackedHex(_PackedWords):
    """Hex of what gzip and zlib packed."""

    names = (("hex", "gzip"), ("hex", "zlib"))
    trigger = triggers.PACKED_HEX
    examples = (
        (
            b"1f8b08000000000002032bc9cf4ecd53b05528c9cf8e8f4ab230d4ce0ed4afb0350d290400a53e6eb619000000",
            b"token = tok_Zb81+kQ/x=5Tq",
        ),
        (b"789c2bc9cf4ecd53b05528c9cf8e8f4ab230d4ce0ed4afb0350d2904006f340836", b"token = tok_Zb81+kQ/x=5Tq"),
    )
    near_misses = (b"789cd081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", b"1f8b0800")

    def decode(self, data: bytes, places: Any, room: Room) -> Iterator[Part]:
        """Decompresses the words that begin at the places."""
        spans = np.empty((len(places), 2), np.int64)
        view, scratch = np.frombuffer(data, np.uint8), np.empty(word_runs.SCRATCH, np.uint8)
        count = word_runs.hex_words(view, places, scratch, spans)
        if count:
            yield from super().decode(data, spans[:count], room)
