"""Text that log lines carry encoded: found, decoded, and led back to where it stands.

    data ── layer ──▶ decoded text, joined by newlines ── layer ──▶ … at most `DEPTH` deep

A layer holds everything that one step of decoding gives of a batch, so that it is scanned in one more pass. What
is decoded in all is bounded. Each encoding is one function: give it to `_ENCODINGS`.
"""

import re  # for single classes and literals: nothing in them can backtrack
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np

from detector import blobs, decoders, escapes, jit, strides, triggers

DEPTH: Final = 3
SPACED: Final = "spaced"  # single characters with a blank or a new line between each two
GROWTH: Final = 4  # decoded bytes at most, in all, for each byte of the data
_LEAST_BUDGET: Final = 16 << 10
_BASE64_DIGITS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_LOOK_BACK: Final = 256  # bytes before the `=` at the end of a line
_LEAST_PADDED, _UNPADDED = 15, 3  # digits before one `=`; of the last four
_SOFT: Final = range(70, 77)  # bytes of a line that a soft break ends (RFC 2045: at most 76)
_SPACES: Final = (b"\n", b" ", b"\t")  # the nearest first: each bounds the search for the next
_SPACE: Final = re.compile(rb"[\n \t]")
_FEED, _PERCENT_SIGN = 0x0A, 0x25
_FEW_PLACES: Final = 256
_FIRST: Final = np.zeros(1, np.int64)
_PERCENT: Final = re.compile(rb"%[0-9A-Fa-f]{2}")


class Decoded(msgspec.Struct, frozen=True):
    """data[start:end] of what was looked at is `data` in an encoding."""

    start: int
    end: int
    encodings: tuple[str, ...]
    data: bytes


class _Part(msgspec.Struct, frozen=True):
    """Some decoded text and its segments: rows (place in it, start and end in the origin, step).

    Of each byte of a segment the next one comes from `step` bytes further on: 1 for a plain copy; 0: it comes as a whole.
    """

    encodings: tuple[str, ...]
    data: bytes
    segments: Any


class Layer:
    """What one step of decoding gave: `data`, texts joined by newlines, and the way back."""

    def __init__(self, parts: list[_Part]) -> None:
        self.data = b"\n".join(part.data for part in parts)
        self._starts: list[int] = []
        self._encodings = [part.encodings for part in parts]
        shifted = []
        at = 0
        for part in parts:
            self._starts.append(at)
            part.segments[:, 0] += at
            shifted.append(part.segments)
            at += len(part.data) + 1
        self._segments = shifted[0] if len(shifted) == 1 else np.concatenate(shifted)
        self._places = np.ascontiguousarray(self._segments[:, 0])

    def encodings(self, at: int) -> tuple[str, ...]:
        """The encodings of the text that holds this place, outermost first."""
        return self._encodings[bisect_right(self._starts, at) - 1]

    def origin(self, start: int, end: int) -> tuple[int, int] | None:
        """Where the text in data[start:end] comes from; None if it reaches over the end of one decoded text.

        A run of base64 or hex comes as a whole, of an escape the whole sequence.
        """
        if bisect_right(self._starts, start) != bisect_right(self._starts, end - 1):
            return None
        first, last = np.searchsorted(self._places, (start, end - 1), side="right") - 1
        place, begin, _, step = self._segments[first].tolist()
        begin += step * (start - place)
        place, low, stop, step = self._segments[last].tolist()
        if step:
            stop = min(stop, low + step * (end - 1 - place) + 1)
        return begin, stop

    def decoded(self) -> Iterator[Decoded]:
        """The texts one by one."""
        stops = [start - 1 for start in self._starts[1:]] + [len(self.data)]
        for start, stop, encodings in zip(self._starts, stops, self._encodings, strict=True):
            span = self.origin(start, stop)
            if span is not None:
                yield Decoded(*span, encodings, self.data[start:stop])


class View:
    """Decoded text at some depth: its `data`, where it stands in the first data, and by which encodings."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.data = layers[-1].data
        self._layers = layers

    def origin(self, start: int, end: int) -> tuple[tuple[int, int], tuple[str, ...]] | None:
        """The span in the first data and the encodings, outermost first; None if the text is not in one piece."""
        encodings: list[str] = []
        for layer in reversed(self._layers):
            encodings += reversed(layer.encodings(start))
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
    for found in chain((encoding(data) for encoding in _ENCODINGS), _rare(data, budget)):
        for part in found:
            if len(part.data) >= budget:
                break
            budget -= len(part.data) + 1
            parts.append(part)
    return Layer(parts) if parts else None


def _whole(encodings: tuple[str, ...], text: bytes, start: int, end: int) -> _Part:
    return _Part(encodings, text, np.array([[0, start, end, 0]], np.int32))


def _trim(text: bytes, before: int, after: int) -> tuple[int, bytes]:
    """Without what is not printable in the first `before` and the last `after` bytes, and all beyond it.

    Also how many bytes are missing in front.
    """
    printable = decoders.PRINTABLE
    start = max((at + 1 for at in range(before) if not printable[text[at]]), default=0)
    tail = len(text) - after
    return start, text[
        start : next((at for at in range(tail, len(text)) if not printable[text[at]]), len(text))
    ]


def _base64(data: bytes) -> Iterator[_Part]:
    """Base64 of either alphabet, padded or not, at any alignment in a run of its characters, wrapped or not."""
    done: set[tuple[int, int]] = set()
    for start, end, run, stop in decoders.base64_stretches(np.frombuffer(data, np.uint8)).tolist():
        if (run, (start - run) % 4) in done:
            continue
        # The groups around the printable ones may hold the text's first and last bytes.
        low = start - 4 if start - 4 >= run else start
        url = "base64url" if b"-" in data[start:end] or b"_" in data[start:end] else "base64"
        pieces = blobs.pieces(data, run, stop) if end + 4 > stop else [(run, stop)]
        if len(pieces) == 1:
            pieces = [(low, min(end + 4, stop))]
        else:
            pieces[0] = (low, stop)
        text = blobs.joined(data, pieces)
        missing, text = _trim(text, 3 if low < start else 0, len(text) - (end - low) // 4 * 3)
        if len(pieces) == 1:
            yield _whole((url,), text, run, blobs.after_padding(data, stop))
            continue
        segments = [[0, run, stop, 0]]
        digits = stop - low
        for first, last in pieces[1:]:
            place = digits * 3 // 4 - missing
            if (digits + last - first) * 3 // 4 - missing > len(
                text
            ):  # not all of it is text: it is another's line
                text = text[: max(place, 0)]
                break
            segments.append([place, first, blobs.after_padding(data, last), 0])
            done.add((first, -digits % 4))
            digits += last - first
        yield _Part((url,), text, np.array(segments, np.int32))


def _hex(data: bytes) -> Iterator[_Part]:
    """Hex digits of printable text."""
    for start, end, run, stop in decoders.hex_stretches(np.frombuffer(data, np.uint8)).tolist():
        yield _whole(("hex",), bytes.fromhex(data[start:end].decode("ascii")), run, stop)


def _lines(data: bytes, places: Any) -> Any:
    """The lines that hold the places."""
    if len(places) <= _FEW_PLACES:  # to look for all line feeds costs as much as several hundred of these
        rows: list[tuple[int, int]] = []
        end = -1
        for place in map(int, places):
            if place > end:
                end = data.find(b"\n", place)
                end = len(data) if end < 0 else end
                rows.append((data.rfind(b"\n", 0, place) + 1, end))
        return np.array(rows, np.int64).reshape(-1, 2)
    feeds = np.flatnonzero(np.frombuffer(data, np.uint8) == _FEED)
    lines = np.unique(np.searchsorted(feeds, places))
    starts = np.concatenate([_FIRST, feeds + 1])[lines]
    return np.column_stack([starts, np.append(feeds, len(data))[lines]])


def _places(data: bytes, byte: bytes) -> Any:
    return np.flatnonzero(np.frombuffer(data, np.uint8) == byte[0])


def _words(data: bytes) -> Any:
    """The runs without white space that hold a percent-encoded byte."""
    if jit.AVAILABLE:
        view = np.frombuffer(data, np.uint8)
        marks = np.flatnonzero(view == _PERCENT_SIGN)
        out = np.empty((marks.size, 2), np.int64)
        return out[: escapes.words(view, marks, out)]
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
    written, count = escapes.rewrite(kind, np.frombuffer(data, np.uint8), rows, out, segments)
    if written:
        yield _Part((encoding,), out[: written - 1].tobytes(), segments[:count].copy())


def _escaped(data: bytes) -> Iterator[_Part]:
    """JSON and shell escapes, of whole lines."""
    if b"\\" in data:
        yield from _rewritten(escapes.ESCAPED, "escaped", data, _lines(data, _places(data, b"\\")))


def _percent(data: bytes) -> Iterator[_Part]:
    """Percent-encoding, of whole words."""
    if b"%" in data:
        yield from _rewritten(escapes.PERCENT, "percent", data, _words(data))


def _ansi(data: bytes) -> Iterator[_Part]:
    """Control sequences (colours) taken out, of whole lines."""
    if b"\x1b" in data:
        yield from _rewritten(escapes.ANSI, "ansi", data, _lines(data, _places(data, b"\x1b")))


def _quoted(data: bytes, places: Any) -> Iterator[_Part]:
    """Quoted-printable, of whole lines and those that soft line breaks tie to them."""
    breaking = [place for place in places.tolist() if not _padding(data, place)]
    if not breaking:
        return
    rows: list[tuple[int, int]] = []
    for start, stop in _lines(data, breaking).tolist():
        end = stop
        if rows and start < rows[-1][1]:
            continue
        while end < len(data) and (data[end - 1 : end] == b"=" or data[end - 2 : end] == b"=\r"):
            after = data.find(b"\n", end + 1)
            end = after if after >= 0 else len(data)
        rows.append((start, end))
    yield from _rewritten(escapes.QUOTED, "quoted-printable", data, np.array(rows, np.int64).reshape(-1, 2))


def _padding(data: bytes, place: int) -> bool:
    """Whether the `=` at the end of a line is that of base64: its lines are of any length, soft breaks stand at 76."""
    if data[place + 1 : place + 2] not in {b"\r", b"\n"}:
        return False
    before = data[max(0, place - _LOOK_BACK) : place]
    digits = len(before) - len(before.rstrip(_BASE64_DIGITS))
    line = len(before) - before.rfind(b"\n")
    soft = line in _SOFT and digits % 4 != _UNPADDED
    return before.endswith(b"=") or (digits >= _LEAST_PADDED and not soft)


def _apart(data: bytes, places: Any, step: int) -> Iterator[_Part]:
    """Characters with something between each two."""
    view = np.frombuffer(data, np.uint8)
    for parter, encoding, least in (
        (0, "utf-16", 6),
        (0x20, SPACED, 12),
        (0x0A, SPACED, 12),
        (0x0D, SPACED, 12),
    ):
        chosen = places[view[places] == parter]
        out = np.empty((chosen.size, 2), np.int64)
        for start, end in out[: strides.stretches(view, chosen, step, least, out)].tolist():
            yield _Part((encoding,), data[start:end:step], np.array([[0, start, end, step]], np.int32))


def _rare(data: bytes, budget: int) -> Iterator[Iterator[_Part]]:
    """What one pass tells the beginnings of."""
    for kind, places in triggers.places(data).items():
        if kind == triggers.ENTITY:
            yield _rewritten(escapes.ENTITIES, "html", data, _lines(data, places))
        elif kind == triggers.QUOTED:
            yield _quoted(data, places)
        elif kind == triggers.PACKED:
            blobs_found = blobs.packed(data, places.tolist(), budget)
            yield (_whole(("base64", name), text, start, end) for start, end, name, text in blobs_found)
        elif kind == triggers.WIDE:
            texts = blobs.wide(data, places.tolist())
            yield (_whole(("base64", "utf-16"), text, start, end) for start, end, text in texts)
        else:
            yield _apart(data, places, 3 if kind == triggers.LINES else 2)


_ENCODINGS: Final[tuple[Callable[[bytes], Iterator[_Part]], ...]] = (_base64, _hex, _escaped, _percent, _ansi)
