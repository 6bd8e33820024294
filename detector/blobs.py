"""Base64 whose bytes are not text yet: over many lines, of UTF-16, of what gzip or zlib packed."""

import binascii
import re  # over single classes: nothing in them can backtrack
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

MOST_INFLATED: Final = 64 << 10  # bytes of one packed blob
_LEAST_WRAPPED, _MOST_WRAPPED = 40, 160  # digits of a line that may go on in the next
_LEAST_PACKED: Final = 24  # digits
_EITHER: Final = 15  # window bits, and
_HEADER: Final = 32  # zlib's word for a header of gzip or of zlib
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_DIGIT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_DIGITS: Final = re.compile(rb"[A-Za-z0-9+/_-]+")
_BEFORE: Final = re.compile(rb"[A-Za-z0-9+/_-]{0,64}\Z")
_NEXT: Final = re.compile(rb"\r?\n[ \t]{0,16}([A-Za-z0-9+/_-]{1,1024})(?![A-Za-z0-9+/_-])")
_WIDE: Final = re.compile(rb"(?:[\t\n\r -~]\0){6,}|(?:\0[\t\n\r -~]){6,}")

Span = tuple[int, int]


def pieces(data: bytes, start: int, stop: int) -> list[Span]:
    """The digits in data[start:stop] and those of the lines below that go on with them: none is longer than the others."""
    found = [(start, stop)]
    width = stop - start
    while _LEAST_WRAPPED <= width <= _MOST_WRAPPED:
        match = _NEXT.match(data, found[-1][1])
        size = 0 if match is None else match.end(1) - match.start(1)
        if match is None or size > width or size % 4 == 1:
            break
        found.append(match.span(1))
        if size < width and len(found) > 2:  # noqa: PLR2004 - before the first digits others may stand
            break
        width = size
    return found


def joined(data: bytes, parts: Sequence[Span]) -> bytes:
    """What the digits of all of them say."""
    digits = b"".join(data[start:stop] for start, stop in parts).translate(_TO_STANDARD)
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def after_padding(data: bytes, stop: int) -> int:
    """The end of the `=` behind digits."""
    return stop + len(data[stop : stop + 2]) - len(data[stop : stop + 2].lstrip(b"="))


def packed(data: bytes, places: Sequence[int], budget: int) -> Iterator[tuple[int, int, str, bytes]]:
    """(start, end, encoding, text) of the blobs that begin at the places, of `budget` bytes in all."""
    done = 0
    for start in places:
        gzip = data[start : start + 1] == b"H"
        if start < done or (not gzip and start and data[start - 1] in _DIGIT):
            continue
        run = _DIGITS.match(data, start)
        done = start if run is None else run.end()
        if done - start < _LEAST_PACKED:
            continue
        parts = pieces(data, start, done)
        done = parts[-1][1]
        inflater = zlib.decompressobj(_HEADER + _EITHER)
        try:
            text = inflater.decompress(joined(data, parts), min(budget, MOST_INFLATED))
        except zlib.error:
            continue
        unused = len(inflater.unused_data)
        while len(parts) > 1 and unused >= (size := (parts[-1][1] - parts[-1][0]) * 3 // 4):
            unused -= size
            parts.pop()
        budget -= len(text)
        if text:
            yield start, after_padding(data, parts[-1][1]), "gzip" if gzip else "zlib", text
        if budget <= 0:
            return


def wide(data: bytes, places: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, text) of the base64 of UTF-16 around the places: each is that of the first of four digits."""
    done = 0
    for place in places:
        if place < done:
            continue
        low = place
        while low > done:
            before = _BEFORE.search(data, max(low - 64, done), low)
            if before is None or before.start() == low:
                break
            low = before.start()
        run = _DIGITS.match(data, place)
        parts = pieces(data, low, place if run is None else run.end())
        parts[0] = (low + (place - low) % 4, parts[0][1])
        done = parts[-1][1]
        for match in _WIDE.finditer(joined(data, parts)):
            text = match[0].replace(b"\0", b"")
            yield low, after_padding(data, _last(parts, match.end())), text


def _last(parts: Sequence[Span], size: int) -> int:
    """The end of the part in which the digits of the first `size` bytes end."""
    digits = 0
    for start, stop in parts:
        digits += stop - start
        if digits * 3 >= size * 4:
            return stop
    return parts[-1][1]
