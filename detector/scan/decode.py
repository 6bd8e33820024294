"""Text that log lines carry encoded: found, decoded, and led back to where it stands.

    data ── layer ──▶ decoded text, joined by newlines ── layer ──▶ … at most `DEPTH` deep

A layer holds everything that one step of decoding gives for a text, so that it is scanned in one more pass. How much is
decoded in all is bounded. The encodings are in `decoders.py`.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import msgspec
import numpy as np

from detector.records.blocks import BLOCK
from detector.scan import triggers
from detector.scan.decoder import Part
from detector.scan.decoders import DECODERS

DEPTH: Final = 3
GROWTH: Final = 4  # decoded bytes at most, in all, for each byte of the data
LEAST_BUDGET: Final = GROWTH * BLOCK  # how much of a line is read does not depend on what it is read with


class Decoded(msgspec.Struct, frozen=True):
    """data[start:end] of what was looked at is `data` in an encoding."""

    start: int
    end: int
    encodings: tuple[str, ...]
    data: bytes


class _Back(msgspec.Struct, frozen=True):
    """The parts of a layer together: their names, segments and the places of these, the places of texts and their names' numbers."""

    names: list[tuple[str, ...]]
    segments: Any
    places: Any
    starts: Any
    kinds: Any


class Layer:
    """What one step of decoding gave: `data`, texts joined by newlines, and the way back."""

    def __init__(self, parts: list[Part]) -> None:
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


class DecodedText:
    """Decoded text at some depth: its `data`, where that stands in the first data, and in which encodings."""

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


def decoded_texts(data: bytes) -> Iterator[DecodedText]:
    """All decoded text of `data`, nested up to `DEPTH`, of at most `GROWTH` times its size in all, or that of a block."""
    budget = max(GROWTH * len(data), LEAST_BUDGET)
    layers: tuple[Layer, ...] = ()
    for _ in range(DEPTH):
        layer = decode_layer(data, budget)
        if layer is None:
            return
        layers = (*layers, layer)
        yield DecodedText(layers)
        budget -= len(layer.data)
        data = layer.data


def decoded(data: bytes, budget: int) -> list[Decoded]:
    """Regions of `data` that are an encoding of something else, decoded one step, of at most `budget` bytes."""
    layer = decode_layer(data, budget)
    return [] if layer is None else list(layer.decoded())


def decode_layer(data: bytes, budget: int) -> Layer | None:
    """One step of decoding of all of `data`; None if there is nothing to decode."""
    parts: list[Part] = []

    def left() -> int:
        return max(0, budget - sum(len(part.data) + 1 for part in parts))

    for kind, places in triggers.found(data).items():
        parts += DECODERS.compiled[kind].decode(data, places, left())
    for decoder, literals in DECODERS.by_literal:
        places = triggers.places_of(data, literals)
        if places.size:
            parts += decoder.decode(data, places, left())
    return Layer(parts) if parts else None
