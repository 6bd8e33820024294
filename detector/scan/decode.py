"""Text that log lines carry encoded: found, decoded, and led back to where it stands.

    data ── layer ──▶ decoded text, joined by newlines ── layer ──▶ … at most `DEPTH` deep

A layer holds everything that one step of decoding gives of a batch, so that it is scanned in one more pass. What
is decoded in all is bounded. Each encoding is one function: give it to `_ENCODINGS`.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import msgspec
import numpy as np

from detector.records.blocks import BLOCK
from detector.scan import binary_payloads as blobs
from detector.scan import escapes, runs, strides, triggers

DEPTH: Final = 3
SPACED: Final = "spaced"  # single characters with a blank or a new line between each two
GROWTH: Final = 4  # decoded bytes at most, in all, for each byte of the data
LEAST_BUDGET: Final = GROWTH * BLOCK  # how much of a line is read does not depend on what it is read with
_ONE: Final = np.zeros(1, np.int64)


class Decoded(msgspec.Struct, frozen=True):
    """data[start:end] of what was looked at is `data` in an encoding."""

    start: int
    end: int
    encodings: tuple[str, ...]
    data: bytes


class _Part(msgspec.Struct, frozen=True):
    """Texts of one kind of encoding, a newline between each two, and their segments in order.

    A segment is a row (place in `data`, start and end in the origin, step). Of each of its bytes the next comes from
    `step` bytes further on: 1 for a plain copy. Where a byte comes from all of the -`step` bytes it is negative, where the
    segment comes as a whole 0. `starts` are the places of the texts; of each, `kinds` tells which of `names` it is.
    """

    names: tuple[tuple[str, ...], ...]
    data: bytes
    segments: Any
    starts: Any = _ONE
    kinds: Any = _ONE


class _Back(msgspec.Struct, frozen=True):
    """The parts of a layer together: their names, segments and the places of these, the places of texts and their names' numbers."""

    names: list[tuple[str, ...]]
    segments: Any
    places: Any
    starts: Any
    kinds: Any


class Layer:
    """What one step of decoding gave: `data`, texts joined by newlines, and the way back."""

    def __init__(self, parts: list[_Part]) -> None:
        self.data = b"\n".join(part.data for part in parts)
        self._ends = list(accumulate(len(part.data) + 1 for part in parts))
        self._parts = [
            msgspec.structs.replace(part, data=b"") for part in parts
        ]  # they are in `data` once more

    @cached_property
    def _back(self) -> _Back:
        """The way back: made where something was found, which is in few layers."""
        names: list[tuple[str, ...]] = []
        starts, kinds = [], []
        for at, part in zip((0, *self._ends), self._parts, strict=False):
            part.segments[:, 0] += at
            starts.append(part.starts + at)
            kinds.append(part.kinds + len(names))
            names += part.names
        segments = np.concatenate([part.segments for part in self._parts])
        places = np.ascontiguousarray(segments[:, 0])
        return _Back(names, segments, places, np.concatenate(starts), np.concatenate(kinds))

    def encodings(self, at: int) -> tuple[str, ...]:
        """The encodings of the text that holds this place, outermost first."""
        back = self._back
        return back.names[int(back.kinds[back.starts.searchsorted(at, "right") - 1])]

    def origin(self, start: int, end: int) -> tuple[int, int] | None:
        """Where the text in data[start:end] comes from; None if it reaches over the end of one decoded text.

        A run of base64 or hex comes as a whole, of an escape the whole sequence.
        """
        back = self._back
        one, other = back.starts.searchsorted((start, end - 1), "right")
        if one != other:
            return None
        first, last = back.places.searchsorted((start, end - 1), "right") - 1
        place, begin, _, step = back.segments[first].tolist()
        begin += abs(step) * (start - place)
        place, low, stop, step = back.segments[last].tolist()
        if step:
            stop = min(stop, low + abs(step) * (end - 1 - place) + max(1, -step))
        return begin, stop

    def decoded(self) -> Iterator[Decoded]:
        """The texts one by one."""
        starts = self._back.starts.tolist()
        for start, after in zip(starts, [*starts[1:], len(self.data) + 1], strict=True):
            span = self.origin(start, after - 1)
            if span is not None:
                yield Decoded(*span, self.encodings(start), self.data[start : after - 1])


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
    """All decoded text of `data`, nested up to `DEPTH`, of at most `GROWTH` times its size in all, or that of a block."""
    budget = max(GROWTH * len(data), LEAST_BUDGET)
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

    def left() -> int:
        return max(0, budget - sum(len(part.data) + 1 for part in parts))

    for kind, places in triggers.found(data).items():
        parts += _ENCODINGS[kind](data, places, left())
    return Layer(parts) if parts else None


def _base64(data: bytes, rows: Any, budget: int) -> Iterator[_Part]:
    """Base64 of either alphabet, padded or not, at any alignment in a run of its characters, wrapped or not."""
    view = np.frombuffer(data, np.uint8)
    done = np.zeros(len(data), np.uint8)
    out = np.empty(min(budget, 3 * len(data) + 4), np.uint8)
    segments = np.empty((len(rows) + len(data) // 8 + 1, 4), np.int32)  # what is not used is no memory
    starts, kinds = np.empty((2, len(rows)), np.int64)
    size, count, texts = runs.unbase64(view, rows, done, out, segments, starts, kinds)
    if size:
        data = out[: size - 1].tobytes()
        yield _Part(
            (("base64",), ("base64url",)), data, segments[:count].copy(), starts[:texts], kinds[:texts]
        )


def _hex(data: bytes, rows: Any, budget: int) -> Iterator[_Part]:
    """Hex digits of printable text."""
    out = np.empty(min(budget, len(data) + 1), np.uint8)
    segments = np.empty((len(rows), 4), np.int32)
    size, count = runs.unhex(np.frombuffer(data, np.uint8), rows, out, segments)
    if size:
        yield _of_texts("hex", out[: size - 1].tobytes(), segments[:count])


def _of_texts(encoding: str, data: bytes, segments: Any, *outer: str) -> _Part:
    """A part whose segments are a text each."""
    starts = segments[:, 0].astype(np.int64)
    return _Part(((*outer, encoding),), data, segments, starts, np.zeros(len(starts), np.int64))


def _rewritten(kind: int, encoding: str, data: bytes, rows: Any, budget: int) -> Iterator[_Part]:
    """The spans (rows of start and end) decoded, as one part; those in which nothing was to decode are left out."""
    size = min(budget, int((rows[:, 1] - rows[:, 0]).sum()) + len(rows))
    out = np.empty(size, np.uint8)
    segments = np.empty((size, 4), np.int32)  # what is decoded has two bytes or more; unused, it is no memory
    written, count = escapes.rewrite(kind, np.frombuffer(data, np.uint8), rows, out, segments)
    if written:
        yield _Part(((encoding,),), out[: written - 1].tobytes(), segments[:count].copy())


def _lines(data: bytes, places: Any) -> Any:
    """The lines that hold the places."""
    out = np.empty((places.size, 2), np.int64)
    return out[: escapes.lines(np.frombuffer(data, np.uint8), places, out)]


def _escaped(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
    """JSON and shell escapes, of whole lines."""
    yield from _rewritten(escapes.ESCAPED, "escaped", data, _lines(data, places), budget)


def _percent(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
    """Percent-encoding, of whole words."""
    out = np.empty((places.size, 2), np.int64)
    rows = out[: escapes.words(np.frombuffer(data, np.uint8), places, out)]
    yield from _rewritten(escapes.PERCENT, "percent", data, rows, budget)


def _ansi(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
    """Control sequences (colours) taken out, of whole lines."""
    yield from _rewritten(escapes.ANSI, "ansi", data, _lines(data, places), budget)


def _entities(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
    yield from _rewritten(escapes.ENTITIES, "html", data, _lines(data, places), budget)


def _quoted(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
    """Quoted-printable, of whole lines and those that soft line breaks tie to them."""
    out = np.empty((places.size, 2), np.int64)
    rows = out[: escapes.soft_lines(np.frombuffer(data, np.uint8), places, out)]
    yield from _rewritten(escapes.QUOTED, "quoted-printable", data, rows, budget)


def _packed(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
    texts, rows = blobs.packed(data, places, budget)
    if texts:
        starts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])
        spans = np.array(rows, np.int64)
        segments = np.column_stack([starts, spans[:, :2], np.zeros(len(rows), np.int64)]).astype(np.int32)
        yield _Part(
            (("base64", "gzip"), ("base64", "zlib")), b"\n".join(texts), segments, starts, spans[:, 2]
        )


def _wide(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
    out, texts = blobs.wide(data, places, budget)
    if len(texts):
        rows = np.column_stack([texts[:, 0], texts[:, 2:], np.zeros(len(texts), np.int64)]).astype(np.int32)
        yield _of_texts("utf-16", out[: texts[-1, 1]].tobytes(), rows, "base64")


def _apart(step: int) -> Callable[[bytes, Any, int], Iterator[_Part]]:
    """Characters with something between each two."""

    def parts(data: bytes, places: Any, budget: int) -> Iterator[_Part]:
        view = np.frombuffer(data, np.uint8)
        for parter, encoding, least in _PARTERS:
            chosen = places[view[places] == parter]
            out = np.empty(min(budget, len(data)), np.uint8)
            segments = np.empty((chosen.size, 4), np.int32)
            size, count = strides.closed_up(view, chosen, step, least, out, segments)
            if size:
                yield _of_texts(encoding, out[: size - 1].tobytes(), segments[:count])
                budget -= size

    return parts


_PARTERS: Final = ((0, "utf-16", 6), (0x20, SPACED, 12), (0x0A, SPACED, 12), (0x0D, SPACED, 12))
_ENCODINGS: Final[dict[int, Callable[[bytes, Any, int], Iterator[_Part]]]] = {
    triggers.BASE64_TEXT: _base64,
    triggers.HEX_TEXT: _hex,
    triggers.ESCAPED: _escaped,
    triggers.PERCENT: _percent,
    triggers.ANSI: _ansi,
    triggers.ENTITY: _entities,
    triggers.QUOTED: _quoted,
    triggers.APART: _apart(2),
    triggers.LINES: _apart(3),
    triggers.PACKED: _packed,
    triggers.WIDE: _wide,
}
