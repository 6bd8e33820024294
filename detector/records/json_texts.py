"""The strings and numbers of a JSON text, and where each byte of what they say stands in it."""

import re  # possessive: it never looks back
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import msgspec

_TOKEN: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"|[^\s"{}\[\],:]++', re.DOTALL)
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL
)
_SHORT: Final = {ord("b"): b"\b", ord("f"): b"\f", ord("n"): b"\n", ord("r"): b"\r", ord("t"): b"\t"}
_UNICODE: Final = ord("u")
_CONTINUED: Final = range(0x80, 0xC0)  # bytes of UTF-8 that do not begin a character
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_OPENERS: Final = (b"{", b"[")


class Token(msgspec.Struct, frozen=True):
    """A string (without its quotes) or another scalar, in text[start:end]."""

    start: int
    end: int
    quoted: bool


def tokens(text: bytes, start: int = 0) -> Iterator[Token]:
    """Everything in a JSON text from `start` on that is neither structure nor space; the names of members too."""
    for match in _TOKEN.finditer(text, start):
        quoted = match.start(1) >= 0
        yield Token(*(match.span(1) if quoted else match.span()), quoted)


class JsonStrings:
    """What a string of JSON, written as `raw`, says: `text` in UTF-8."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._places: list[int] = []  # where in the text what was an escape begins
        self._escapes: list[tuple[int, int, int]] = []  # its size there, where it is in `raw`, its size there
        pieces: list[bytes] = []
        at = size = 0
        for match in _ESCAPE.finditer(raw):
            decoded = _unescaped(match.group())
            pieces += (raw[at : match.start()], decoded)
            size += match.start() - at
            self._places.append(size)
            self._escapes.append((len(decoded), match.start(), match.end() - match.start()))
            size += len(decoded)
            at = match.end()
        pieces.append(raw[at:])
        self.text = b"".join(pieces)

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """Where text[start:end] stands in `raw`: whole escapes and whole characters."""
        low, high = self._raw_of(start, after=False), self._raw_of(end, after=True)
        while low and self._raw[low] in _CONTINUED:
            low -= 1
        while high < len(self._raw) and self._raw[high] in _CONTINUED:
            high += 1
        return low, high

    def decoded(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text stands what raw[start:end] says, or a part of it says."""
        return self._decoded_of(start, after=False), self._decoded_of(end, after=True)

    def _raw_of(self, at: int, *, after: bool) -> int:
        number = bisect_right(self._places, at) - 1
        if number < 0:
            return at
        place, (size, begin, length) = self._places[number], self._escapes[number]
        if at >= place + size:
            return begin + length + at - place - size
        return begin + length if after and at > place else begin

    def _decoded_of(self, at: int, *, after: bool) -> int:
        number = bisect_right(self._escapes, at, key=lambda escape: escape[1]) - 1
        if number < 0:
            return at
        place, (size, begin, length) = self._places[number], self._escapes[number]
        if at >= begin + length:
            return place + size + at - begin - length
        return place + size if after and at > begin else place


def begins(text: bytes) -> int | None:
    """Where in a text the JSON begins that it ends with, space aside; None if it ends with none."""
    stripped = text.rstrip()
    if stripped[-1:] not in (b"}", b"]"):
        return None
    found = [at for at in (stripped.find(opener) for opener in _OPENERS) if at >= 0]
    for at in sorted(found):
        try:
            _RAW.decode(stripped[at:])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return at
    return None


def _unescaped(escape: bytes) -> bytes:
    if escape[1] != _UNICODE:
        return _SHORT.get(escape[1], escape[1:])
    units = [int(escape[at : at + 4], 16) for at in range(2, len(escape), 6)]
    wide = b"".join(unit.to_bytes(2, "big") for unit in units)
    return wide.decode("utf-16-be", "replace").encode()
