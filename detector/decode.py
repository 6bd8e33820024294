"""Text that log lines carry encoded: found, decoded, and led back to where it stands.

    data ── layer ──▶ decoded text, joined by newlines ── layer ──▶ … at most `DEPTH` deep

A layer holds everything that one step of decoding gives of a batch, so that it is scanned in one more pass. What
is decoded in all is bounded. Each encoding is one function: give it to `_ENCODINGS`.
"""

import binascii
import re  # for single classes and literals: nothing in them can backtrack
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import numpy as np

from detector import decoders, jit

DEPTH: Final = 3
GROWTH: Final = 4  # decoded bytes at most, in all, for each byte of the data
_LEAST_BUDGET: Final = 4096
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_SPACES: Final = (b"\n", b" ", b"\t")  # the nearest first: each bounds the search for the next
_SPACE: Final = re.compile(rb"[\n \t]")
_FEED, _PERCENT_SIGN = 0x0A, 0x25
_FIRST: Final = np.zeros(1, np.int64)
_PERCENT: Final = re.compile(rb"%[0-9A-Fa-f]{2}")


class Decoded(msgspec.Struct, frozen=True):
    """data[start:end] of what was looked at is `data` in an encoding."""

    start: int
    end: int
    encoding: str
    data: bytes


class _Part(msgspec.Struct, frozen=True):
    """Some decoded text and its segments: rows (place in it, start and end in the origin, 1 if a plain copy)."""

    encoding: str
    data: bytes
    segments: Any


class Layer:
    """What one step of decoding gave: `data`, texts joined by newlines, and the way back."""

    def __init__(self, parts: list[_Part]) -> None:
        self.data = b"\n".join(part.data for part in parts)
        self._starts: list[int] = []
        self._encodings = [part.encoding for part in parts]
        shifted = []
        at = 0
        for part in parts:
            self._starts.append(at)
            part.segments[:, 0] += at
            shifted.append(part.segments)
            at += len(part.data) + 1
        self._segments = shifted[0] if len(shifted) == 1 else np.concatenate(shifted)
        self._places = np.ascontiguousarray(self._segments[:, 0])

    def encoding(self, at: int) -> str:
        """The encoding of the text that holds this place."""
        return self._encodings[bisect_right(self._starts, at) - 1]

    def origin(self, start: int, end: int) -> tuple[int, int] | None:
        """Where the text in data[start:end] comes from; None if it reaches over the end of one decoded text.

        A run of base64 or hex comes as a whole, of an escape the whole sequence.
        """
        if bisect_right(self._starts, start) != bisect_right(self._starts, end - 1):
            return None
        first, last = np.searchsorted(self._places, (start, end - 1), side="right") - 1
        place, begin, _, plain = self._segments[first].tolist()
        if plain:
            begin += start - place
        place, low, stop, plain = self._segments[last].tolist()
        if plain:
            stop = min(stop, low + end - place)
        return begin, stop

    def decoded(self) -> Iterator[Decoded]:
        """The texts one by one."""
        stops = [start - 1 for start in self._starts[1:]] + [len(self.data)]
        for start, stop, encoding in zip(self._starts, stops, self._encodings, strict=True):
            span = self.origin(start, stop)
            if span is not None:
                yield Decoded(*span, encoding, self.data[start:stop])


class View:
    """Decoded text at some depth: its `data`, where it stands in the first data, and by which encodings."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.data = layers[-1].data
        self._layers = layers

    def origin(self, start: int, end: int) -> tuple[tuple[int, int], tuple[str, ...]] | None:
        """The span in the first data and the encodings, outermost first; None if the text is not in one piece."""
        encodings: list[str] = []
        for layer in reversed(self._layers):
            encodings.append(layer.encoding(start))
            span = layer.origin(start, end)
            if span is None:
                return None
            start, end = span
        return (start, end), tuple(reversed(encodings))


def views(data: bytes) -> Iterator[View]:
    """All decoded text of `data`, nested up to `DEPTH`, of at most `GROWTH` times its size in all."""
    budget = max(GROWTH * len(data), _LEAST_BUDGET)
    layers: tuple[Layer, ...] = ()
    for _ in range(DEPTH):
        layer = decode_layer(data, budget)
        if layer is None:
            return
        layers = (*layers, layer)
        yield View(layers)
        budget -= len(layer.data)
        data = layer.data


def decoded(data: bytes, budget: int) -> list[Decoded]:
    """Regions of `data` that are an encoding of something else, decoded one step, of at most `budget` bytes."""
    layer = decode_layer(data, budget)
    return [] if layer is None else list(layer.decoded())


def decode_layer(data: bytes, budget: int) -> Layer | None:
    """One step of decoding of all of `data`; None if there is nothing to decode."""
    parts: list[_Part] = []
    for encoding in _ENCODINGS:
        for part in encoding(data):
            if len(part.data) >= budget:
                break
            budget -= len(part.data) + 1
            parts.append(part)
    return Layer(parts) if parts else None


def _whole(encoding: str, text: bytes, start: int, end: int) -> _Part:
    return _Part(encoding, text, np.array([[0, start, end, 0]], np.int32))


def _trim(text: bytes, before: int, after: int) -> bytes:
    """Without what is not printable in the first `before` and the last `after` bytes, and all beyond it."""
    printable = decoders.PRINTABLE
    start = max((at + 1 for at in range(before) if not printable[text[at]]), default=0)
    tail = len(text) - after
    return text[start : next((at for at in range(tail, len(text)) if not printable[text[at]]), len(text))]


def _base64(data: bytes) -> Iterator[_Part]:
    """Base64 of either alphabet, padded or not, at any alignment in a run of its characters."""
    for start, end, run, stop in decoders.base64_stretches(np.frombuffer(data, np.uint8)).tolist():
        # The groups around the printable ones may hold the text's first and last bytes.
        low = start - 4 if start - 4 >= run else start
        high = min(end + 4, stop)
        high -= (high - low) % 4 == 1
        digits = data[low:high].translate(_TO_STANDARD)
        text = binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
        text = _trim(text, 3 if low < start else 0, len(text) - (end - low) // 4 * 3)
        url = b"-" in data[start:end] or b"_" in data[start:end]
        padding = len(data[stop : stop + 2]) - len(data[stop : stop + 2].lstrip(b"="))
        yield _whole("base64url" if url else "base64", text, run, stop + padding)


def _hex(data: bytes) -> Iterator[_Part]:
    """Hex digits of printable text."""
    for start, end, run, stop in decoders.hex_stretches(np.frombuffer(data, np.uint8)).tolist():
        yield _whole("hex", bytes.fromhex(data[start:end].decode("ascii")), run, stop)


def _lines(data: bytes, trigger: bytes) -> Any:
    """The lines that hold the trigger."""
    view = np.frombuffer(data, np.uint8)
    feeds = np.flatnonzero(view == _FEED)
    lines = np.unique(np.searchsorted(feeds, np.flatnonzero(view == trigger[0])))
    starts = np.concatenate([_FIRST, feeds + 1])[lines]
    return np.column_stack([starts, np.append(feeds, len(data))[lines]])


def _words(data: bytes) -> Any:
    """The runs without white space that hold a percent-encoded byte."""
    if jit.AVAILABLE:
        view = np.frombuffer(data, np.uint8)
        marks = np.flatnonzero(view == _PERCENT_SIGN)
        out = np.empty((marks.size, 2), np.int64)
        return out[: decoders.words(view, marks, out)]
    spans = []
    high = 0
    for match in _PERCENT.finditer(data):
        at = match.start()
        if at < high:
            continue
        low = high
        for space in _SPACES:
            low = max(low, data.rfind(space, low, at) + 1)
        after = _SPACE.search(data, at)
        high = len(data) if after is None else after.start()
        spans.append((low, high))
    return np.array(spans, np.int64).reshape(-1, 2)


def _rewritten(kind: int, encoding: str, data: bytes, rows: Any) -> Iterator[_Part]:
    """The spans (rows of start and end) decoded, as one part; those in which nothing was to decode are left out."""
    if not len(rows):
        return
    size = int((rows[:, 1] - rows[:, 0]).sum()) + len(rows)
    out = np.empty(size, np.uint8)
    segments = np.empty((size, 4), np.int32)  # what is decoded has two bytes or more; unused, it is no memory
    written, count = decoders.rewrite(kind, np.frombuffer(data, np.uint8), rows, out, segments)
    if written:
        yield _Part(encoding, out[: written - 1].tobytes(), segments[:count].copy())


def _escaped(data: bytes) -> Iterator[_Part]:
    """JSON and shell escapes, of whole lines."""
    if b"\\" in data:
        yield from _rewritten(decoders.ESCAPED, "escaped", data, _lines(data, b"\\"))


def _percent(data: bytes) -> Iterator[_Part]:
    """Percent-encoding, of whole words."""
    if b"%" in data:
        yield from _rewritten(decoders.PERCENT, "percent", data, _words(data))


def _ansi(data: bytes) -> Iterator[_Part]:
    """Control sequences (colours) taken out, of whole lines."""
    if b"\x1b" in data:
        yield from _rewritten(decoders.ANSI, "ansi", data, _lines(data, b"\x1b"))


_ENCODINGS: Final[tuple[Callable[[bytes], Iterator[_Part]], ...]] = (_base64, _hex, _escaped, _percent, _ansi)
