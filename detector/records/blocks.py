"""Cuts a stream of bytes into blocks of whole lines, with bounded memory whatever the lines are like."""

import re  # over single classes, each bounded: nothing in it can backtrack far
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from detector.values.errors import BadRecordError

BLOCK: Final = 256 * 1024  # scanning is fastest on batches of this size
LONG_LINE: Final = 1024 * 1024  # a longer line of text is scanned in pieces
LONG_JSON: Final = 16 * 1024 * 1024  # a longer JSON object is not decoded
_OVERLAP: Final = 16 * 1024  # what stands across a cut inside a line is whole in the next piece
_NEAR: Final = 4096  # how far back a cut inside a line looks for a delimiter
_DELIMITERS: Final = (b" ", b"\t", b",", b";", b"&", b'"')
_BEGIN, _END = b"-----BEGIN ", b"-----END "
# Base64 wrapped, a soft line break, one character a line; or a line before any of them.
_GOES_ON: Final = re.compile(rb"(?:(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{40,160}|(?<!=)=|\A.)\r?\Z", re.DOTALL)
# Bytes printed one by one: numbers with a blank or sign behind each, characters with blanks before each.
LISTED: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{1,8}[ ,:;-]{1,4}){4}"
    rb"|(?:  [ \\][!-~]){4}|\A[ \t]{0,64}(?:0x)?[0-9A-Fa-f]{1,3},\r?\n?\Z"
)
_LONGEST_GOING_ON: Final = 512  # bytes of such a line, with what a log puts before it
_KEY_BLOCK: Final = 16 * 1024  # a secret over many lines is at most this long


class Block(msgspec.Struct, frozen=True):
    """Whole lines, or one piece of a line too long to be held.

    `part` is 0 for whole lines (the last may lack its newline at the end of the stream), else the number of
    the piece, from 1; `last` that no piece of that line follows. `fresh` bytes of `data`, at its end, were in
    no piece before.
    """

    data: bytes
    part: int = 0
    last: bool = True
    fresh: int = 0


def safe_cut(data: bytes | bytearray, cut: int) -> int:
    """`cut`, a line's start, or the start of a line before it if something over many lines stands open there.

    That is a `-----BEGIN` block, or lines of which each goes on in the next as encodings do.
    """
    window = max(0, cut - _KEY_BLOCK)
    closed = data.rfind(_END, window, cut)
    begin = data.find(_BEGIN, window if closed < 0 else closed, cut)
    return _first_going_on(data, cut, window) if begin < 0 else data.rfind(b"\n", 0, begin) + 1


def _first_going_on(data: bytes | bytearray, cut: int, window: int) -> int:
    """The start of the first of the lines right before `cut` that go on; `cut` if they reach over the window."""
    first = cut
    if data[cut - 3 : cut - 2] == b"\n":  # of hostile text such lines may be all
        first -= 2 * max(0, _single_characters(data[window:cut]) - 1)  # more may stand in the uppermost
    seen: set[bytes] = set()  # lines that go on
    while first > window:
        end = first - 1
        start = data.rfind(b"\n", max(0, end - _LONGEST_GOING_ON), end) + 1
        if not start and end > _LONGEST_GOING_ON:
            return first
        line = bytes(data[start:end])
        if line not in seen:
            if not (_GOES_ON.search(line) or LISTED.search(line)):
                return first
            seen.add(line)
        first = start
    return first if first == 0 else cut


def _single_characters(data: bytes | bytearray) -> int:
    """How often a character and a line feed stand at the end of the data, behind each other."""
    feeds, characters = data[::-2], data[-2::-2]
    after = characters.find(b"\n")
    return min(len(feeds) - len(feeds.lstrip(b"\n")), len(characters) if after < 0 else after)


def blocks(chunks: Iterable[bytes], longest: int = LONG_LINE) -> Iterator[Block]:
    """Blocks of about the size of the chunks; lines of more than `longest` bytes come in pieces.

    Raises:
        BadRecordError: as `chunks` does, after what came before it was given.
    """
    cutter = _Cutter(longest)
    try:
        for chunk in chunks:
            yield from cutter.feed(chunk)
    except BadRecordError:
        yield from cutter.end()
        raise
    yield from cutter.end()


class _Cutter:
    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held: list[bytes] = []
        self._size = 0
        self._lines_held = False
        self._part = 0
        self._tail = b""
        self._seen = 0  # bytes of the tail that were in a piece already

    def feed(self, chunk: bytes) -> Iterator[Block]:
        if self._part:
            newline = chunk.find(b"\n") + 1
            yield from self._pieces(chunk[:newline] if newline else chunk, last=bool(newline))
            if not newline:
                return
            chunk = chunk[newline:]
        if not chunk:
            return
        if b"\n" not in chunk and not self._lines_held:
            self._hold(chunk, lines=False)
            if self._size > self._longest:
                yield from self._pieces(self._take(), last=False)
            return
        end = chunk.rfind(b"\n") + 1
        # Where the cut is, only the end of the text tells: nearly always the chunk alone, which is then copied once.
        cut = safe_cut(chunk, end) if end > _KEY_BLOCK + _LONGEST_GOING_ON else 0
        if cut:
            self._held.append(chunk[:cut])
            yield Block(self._take())
            self._hold(chunk[cut:], lines=cut < end)
            return
        data = self._take() + chunk
        end = data.rfind(b"\n") + 1
        cut = safe_cut(data, end) or (end if len(data) > 2 * _KEY_BLOCK else 0)
        if cut:
            yield Block(data[:cut])
        self._hold(data[cut:], lines=cut < end)

    def end(self) -> Iterator[Block]:
        if self._part:
            yield from self._pieces(b"", last=True)
        elif self._size:
            yield Block(self._take())

    def _hold(self, data: bytes, *, lines: bool) -> None:
        if data:
            self._held.append(data)
            self._size += len(data)
            self._lines_held = self._lines_held or lines

    def _take(self) -> bytes:
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held, self._size, self._lines_held = [], 0, False
        return data

    def _pieces(self, data: bytes, *, last: bool) -> Iterator[Block]:
        tail = self._tail + data
        while len(tail) > LONG_LINE:
            cut = _delimited(tail, LONG_LINE)
            self._part += 1
            yield Block(tail[:cut], self._part, last=False, fresh=cut - self._seen)
            keep = _delimited(tail, cut - _OVERLAP)
            tail, self._seen = tail[keep:], cut - keep
        self._part = self._part or 1
        self._tail = tail
        if last:
            yield Block(tail, self._part + 1, last=True, fresh=len(tail) - self._seen)
            self._part, self._tail, self._seen = 0, b"", 0


def _delimited(data: bytes, cut: int) -> int:
    """The place after the last delimiter shortly before `cut`, so that no word is cut; else `cut`."""
    for delimiter in _DELIMITERS:
        found = data.rfind(delimiter, cut - _NEAR, cut)
        if found >= 0:
            return found + 1
    return cut
