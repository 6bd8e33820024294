"""Text that log lines carry encoded: found, decoded, and led back to where it stands.

    data ── layer ──▶ decoded texts, an empty line between them ── layer ──▶ … at most `DEPTH` deep

A layer holds what one step of decoding gives for a text, so that it is scanned in one more pass. The encodings are in
`decoders.py`.

Each line of the data has its own share of decoding (`shares.py`). What counts is what a little text may make much of:
what is inflated, and what is decoded from decoded text. The first step of all other decoders is linear in the line. A
line that asks for more than its share is cut short, and `limited` says so; all others are decoded whole.

Memory is bounded as well. Data is decoded in pieces of `PIECE` bytes, cut between lines. If its lines inflate to more
than some megabytes, they come in several layers of one depth, each decoded to the end before the next.
"""

from collections.abc import Iterator
from functools import cache, cached_property
from itertools import accumulate
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from detector.records.blocks import safe_cut
from detector.scan import triggers
from detector.scan.binary_payloads import AT_ONCE
from detector.scan.decoder import BETWEEN, Decoder, GrowingDecoder, LinearDecoder, Part
from detector.scan.decoders import BUNDLED, CHANGED, DECODERS, Decoders
from detector.scan.ranks import THIRDS, columns, origins, ranks
from detector.scan.shares import SECOND_LOOK, LimitedText, Limits, Share, Spending

DEPTH: Final = 4
PIECE: Final = 1 << 20  # bytes that are decoded together, about
_LEAST_CHANGED: Final = (
    16 << 10
)  # bytes of XORed text in a layer of its own: to search another costs a little, too


class Decoded(msgspec.Struct, frozen=True):
    """data[start:end] of what was looked at is `data` in an encoding."""

    start: int
    end: int
    encodings: tuple[str, ...]
    data: bytes


class _Back(msgspec.Struct, frozen=True):
    """The parts of a layer together: their names and segments, the places of texts and their names' numbers.

    Of each segment `places` has the place, `from_` the start in the origin. Each byte comes from (`zero` + `step` · its
    place) thirds of a byte there.
    """

    names: list[tuple[str, ...]]
    segments: Any
    places: Any
    from_: Any
    zero: Any
    step: Any
    starts: Any
    kinds: Any


class Layer:
    """What one step of decoding gave: `data`, texts with an empty line between them, and the way back.

    `linear` is how many bytes of it, at its start, come from linear decoders.
    """

    def __init__(self, parts: list[Part], linear: int) -> None:
        self.linear = linear
        self.data = BETWEEN.join(part.data for part in parts)
        self._ends = list(accumulate(len(part.data) + len(BETWEEN) for part in parts))
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
        segments = np.concatenate([part.segments for part in self._parts], dtype=np.int32)
        places, from_, zero, step = columns(segments)
        end = 0
        for part in self._parts:
            begin, end = end, end + len(part.segments)
            if part.digits is not None:
                zero[begin:end], step[begin:end] = part.digits.T
                zero[begin:end] -= step[begin:end] * places[begin:end]
        return _Back(
            names, segments, places, from_, zero, step, np.concatenate(starts), np.concatenate(kinds)
        )

    @property
    def segments(self) -> Any:
        """All segments, as of a `Part`, in order."""
        return self._back.segments

    @property
    def changed(self) -> bool:
        """Whether all of its texts were changed, so that only what is unmistakable can be believed."""
        return all(_changed(names) for part in self._parts for names in part.names)

    def origins(self, places: Any) -> Any:
        """Where the bytes at some places come from: of base64 and hex, each from its own digits."""
        back = self._back
        return origins(back.places, back.zero, back.step, back.from_, places)

    @cached_property
    def continued(self) -> Any:
        """The places where text goes on that stands apart in the origin, mostly on several lines; in order."""
        back = self._back
        apart = 1 + np.flatnonzero(back.from_[1:] != back.segments[:-1, 2])
        places = back.places[apart]
        return places[np.frombuffer(self.data, np.uint8)[places - 1] != ord("\n")]

    def images(self, places: Any) -> Any:
        """Where in `data` begins what comes from some places of the origin (in order), or from behind them.

        Texts that come from one run of digits say all of it: each has the places of its own digits, and its edges once.
        """
        back = self._back
        first, after = back.places, np.append(back.places[1:], len(self.data))
        starts, ends = back.from_, np.maximum(back.segments[:, 2], np.append(back.from_[1:], 0))
        ends = np.where(back.step == 0, starts, ends)
        own = np.clip((back.zero + back.step * first) // THIRDS + 1, starts, ends)
        stops = after - np.where(np.isin(after, back.starts), len(BETWEEN), 0)
        own_ends = np.clip((back.zero + back.step * (stops - 1)) // THIRDS + 1, own, ends)
        before, low, high, behind = (ranks(places, each) for each in (starts, own, own_ends, ends))
        counts = high - low
        numbers = np.repeat(np.arange(len(first)), counts)
        nth = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
        images = -((back.zero[numbers] - THIRDS * places[low[numbers] + nth]) // back.step[numbers])
        edges = first[before < low], after[high < behind]
        return np.concatenate([images, *edges])

    @property
    def names(self) -> list[tuple[str, ...]]:
        """The encodings of its texts, outermost first."""
        return self._back.names

    def spans(self, starts: Any, ends: Any) -> tuple[Any, Any, Any, Any]:
        """Where each text in data[start:end] comes from: starts, ends, the numbers of its names, whether in one text.

        A run of base64 or hex comes as a whole, of an escape the whole sequence.
        """
        back = self._back
        last = ends - 1
        texts = back.starts.searchsorted(starts, "right")
        inside = texts == back.starts.searchsorted(last, "right")
        place, begins, _, step = back.segments[back.places.searchsorted(starts, "right") - 1].T
        begins = begins + np.abs(step) * (starts - place)
        place, low, stops, step = back.segments[back.places.searchsorted(last, "right") - 1].T
        reached = low + np.abs(step) * (last - place) + np.maximum(1, -step)
        stops = np.where(step == 0, stops, np.minimum(stops, reached))
        return begins, stops, back.kinds[texts - 1], inside

    def decoded(self) -> Iterator[Decoded]:
        """The texts one by one."""
        starts = self._back.starts
        ends = np.append(starts[1:] - len(BETWEEN), len(self.data))
        rows = zip(
            starts.tolist(), ends.tolist(), *(each.tolist() for each in self.spans(starts, ends)), strict=True
        )
        for start, end, begin, stop, kind, inside in rows:
            if inside:
                yield Decoded(begin, stop, self.names[kind], self.data[start:end])


class Origins(NamedTuple):
    """Where some texts of decoded text stand in the first data: `starts`, `ends`, and where the texts themselves begin.

    Of each, `encodings` has the number of its `names`, outermost first. `whole` says whether it is in one piece.
    """

    starts: Any
    ends: Any
    begins: Any
    encodings: Any
    names: list[tuple[str, ...]]
    whole: Any


class DecodedText:
    """Decoded text at some depth: its `data`, where that stands in the first data, and in which encodings.

    `changed` is as a `Layer` has it.
    """

    def __init__(self, layers: tuple[Layer, ...], base: int = 0) -> None:
        self.data = layers[-1].data
        self.changed = layers[-1].changed
        self.layers = layers
        self._base = base

    def origins(self, starts: Any, ends: Any) -> Origins:
        """Where the texts in data[start:end] come from."""
        begins, whole = starts, np.ones(len(starts), np.bool_)
        names: list[tuple[str, ...]] = [()]
        encodings = np.zeros(len(starts), np.int64)
        for layer in reversed(self.layers):
            begins = layer.origins(begins)
            starts, ends, kinds, inside = layer.spans(starts, ends)
            whole &= inside
            pairs, encodings = np.unique(kinds * len(names) + encodings, return_inverse=True)
            names = [(*layer.names[pair // len(names)], *names[pair % len(names)]) for pair in pairs.tolist()]
        base = self._base
        return Origins(starts + base, ends + base, begins + base, encodings, names, whole)


class DecodedPiece:
    """All decoded text of whole lines of a text, data[start:end], nested up to `DEPTH`.

    Iterate over `texts` once: then `limited`, `much` and `rare` are complete. These two are as `Spending` has them.
    """

    def __init__(self, data: bytes, start: int, end: int, share: Share, limits: Limits | None = None) -> None:
        self._data = data if end - start == len(data) else data[start:end]
        self.start, self.end = start, end
        self._decoding = _PieceDecoding(self._data, share, None if limits is None else limits.behind(start))

    def texts(self) -> Iterator[DecodedText]:
        """Each text that something decodes to."""
        for layers in self._decoding.layers_of(self._data, ()):
            yield DecodedText(layers, self.start)

    @property
    def limited(self) -> list[LimitedText]:
        """What was not examined whole."""
        return self._decoding.limited(self.start)

    @property
    def asked(self) -> int:
        """How many bytes its lines have decoded to so far."""
        return self._decoding.asked

    @property
    def counts(self) -> bool:
        """Whether there may be anything in `much` or `rare`."""
        return self._decoding.counts

    @property
    def spent(self) -> Any:
        """Rows (start, bytes) of the lines that asked for anything."""
        return self._decoding.spent() + np.array([self.start, 0])

    @property
    def much(self) -> Any:
        """Rows (start, bytes) of the lines that asked for much, and by how much."""
        return self._decoding.much() + np.array([self.start, 0])

    @property
    def rare(self) -> Any:
        """Rows (start, form, bytes) of the lines that had text in rare forms."""
        return self._decoding.rare() + np.array([self.start, 0, 0])


class Decoding:
    """All decoded text of `data`: iterate over it once, then `limited` is complete."""

    def __init__(self, data: bytes, share: Share = SECOND_LOOK) -> None:
        self._data = data
        self._share = share
        self.limited: list[LimitedText] = []

    def __iter__(self) -> Iterator[DecodedText]:
        for start, end in pieces(self._data):
            piece = DecodedPiece(self._data, start, end, self._share)
            yield from piece.texts()
            self.limited += piece.limited


def pieces(
    data: bytes, start: int = 0, size: int | None = None, most: int = PIECE
) -> Iterator[tuple[int, int]]:
    """Whole lines of data[start:size] of about `most` bytes, cut where nothing over several lines stands open."""
    size = len(data) if size is None else size
    while size - start > most:
        line = data.rfind(b"\n", start, start + most) + 1 or data.find(b"\n", start + most, size) + 1 or size
        cut = safe_cut(data, line) if line < size else size
        end = cut if cut > start else line
        yield start, end
        start = end
    if start < size or not size:
        yield start, size


class _PieceDecoding:
    """The decoding of one piece, and what its lines ask for."""

    def __init__(self, data: bytes, share: Share, limits: Limits | None = None) -> None:
        self._spending = Spending(data, share, limits)
        self._uncounted: list[tuple[Layer, ...]] = []  # these are less than any line's share, together
        self._uncounted_size = 0
        self._widened: Layer | None = None

    def limited(self, base: int) -> list[LimitedText]:
        """What was not examined whole, of a text in which this piece begins at `base`."""
        self._spending.over()
        return self._spending.limited(base)

    @property
    def asked(self) -> int:
        """How many bytes all lines have decoded to so far."""
        return self._spending.total

    @property
    def counts(self) -> bool:
        """Whether any line asked for much, perhaps, or had text in rare forms."""
        return self._spending.counts

    def spent(self) -> Any:
        """What the lines asked for."""
        return self._spending.spent()

    def much(self) -> Any:
        """Which lines asked for much."""
        return self._spending.much()

    def rare(self) -> Any:
        """Which lines had text in rare forms."""
        return self._spending.rare()

    def room(self, above: tuple[Layer, ...] = ()) -> "_Room":
        """What the lines may still ask for, for decoders of the data under some layers."""
        return _Room(self, self._spending, above)

    def layers_of(self, data: bytes, above: tuple[Layer, ...]) -> Iterator[tuple[Layer, ...]]:
        """Each layer of data and, right behind it, those of what it says, with all layers above it."""
        for layer in _layers(data, self.room(above)):
            layers = (*above, layer)
            yield layers
            if len(layers) < DEPTH:
                yield from self.layers_of(self._within_shares(layers), layers)

    def _within_shares(self, layers: tuple[Layer, ...]) -> bytes:
        """What the last layer says, without the lines that have spent more than their share.

        An empty line stands behind the last text too, so that a text alone says what it says among others.
        """
        layer = layers[-1]
        if len(layers) > 1 and layer.linear:
            self._uncounted.append(layers)
            self._uncounted_size += layer.linear
            if self._spending.asked or self._uncounted_size > self._spending.share.least:
                self.count()
        over = self._spending.over()
        if over is None:
            return layer.data + BETWEEN
        starts = _starts(layers)
        gone = over[self.lines(starts, layers)]
        if not gone.any():
            return layer.data + BETWEEN
        if gone.all():
            return BETWEEN
        sizes = np.diff(starts, prepend=0, append=len(layer.data))
        dropped = np.repeat(np.insert(gone, 0, False), sizes)  # before the first segment a newline may stand
        return np.where(dropped, np.uint8(ord("\n")), np.frombuffer(layer.data, np.uint8)).tobytes() + BETWEEN

    def count(self) -> None:
        """Charges the lines with what was decoded linearly from decoded text and not counted yet."""
        uncounted, self._uncounted, self._uncounted_size = self._uncounted, [], 0
        for layers in uncounted:
            if layers[0] is not self._widened:
                self._widened = layers[0]
                whole = layers[0].segments[layers[0].segments[:, 3] == 0]
                self._spending.widen(whole[:, 1], whole[:, 2])
            layer = layers[-1]
            starts = _starts(layers)
            starts = starts[: starts.searchsorted(layer.linear)]
            lines = self.lines(starts, layers)
            self._spending.spend(lines, np.diff(starts, append=layer.linear))

    def lines(self, places: Any, layers: tuple[Layer, ...]) -> Any:
        """The lines that places of the last of the layers come from."""
        for layer in reversed(layers):
            places = layer.origins(places)
        return self._spending.lines(places)


class _Room:
    """Implements `detector.scan.decoder.Room` for the data under some layers."""

    def __init__(self, decoding: _PieceDecoding, spending: Spending, above: tuple[Layer, ...]) -> None:
        self._decoding = decoding
        self._spending = spending
        self._above = above

    @property
    def forms(self) -> frozenset[str]:
        """The groups of forms that are decoded."""
        return self._spending.share.forms

    def lines(self, places: Any) -> Any:
        """The lines that the places come from."""
        self._decoding.count()
        return self._decoding.lines(places, self._above)

    def widen(self, starts: Any, ends: Any) -> None:
        """Only the data itself has lines with shares."""
        if not self._above:
            self._spending.widen(starts, ends)

    def left(self, line: int) -> int:
        """As `Spending`."""
        return self._spending.left(line)

    def spend(self, lines: Any, sizes: Any) -> None:
        """As `Spending`."""
        self._spending.spend(lines, sizes)

    def spend_one(self, line: int, size: int) -> None:
        """As `Spending`."""
        self._spending.spend_one(line, size)

    def cut_short(self, lines: Any, *, for_others: bool = False) -> None:
        """As `Spending`."""
        self._spending.cut_short(lines, for_others=for_others)

    def open(self, lines: Any) -> Any:
        """As `Spending`."""
        return self._spending.open(lines)

    def examined(self, form: int, places: Any) -> Any:
        """Those of the places of a rare form whose streams are still examined for it.

        Lines with others are cut short.
        """
        if not self._spending.may_be_barred(form):
            return places
        return places[self._spending.examined(form, self.lines(places if places.ndim == 1 else places[:, 0]))]

    @property
    def counts_rare(self) -> bool:
        """As `Spending`, but not in decoded text: some of it depends on the lines beside, as words put together do."""
        return self._spending.counts_rare and not self._above

    def had(self, form: int, starts: Any, sizes: Any) -> None:
        """What begins at `starts` decoded to so many bytes in a rare form."""
        self._spending.had(form, self.lines(starts), sizes)


def _starts(layers: tuple[Layer, ...]) -> Any:
    """The places in the last layer, in order, from each of which to the next all comes from one line."""
    continued = np.empty(0, np.int64)
    for layer in layers[:-1]:
        inner = layer.images(continued) if continued.size else continued
        continued = np.sort(np.concatenate([layer.continued, inner]), kind="stable")
    starts = layers[-1].segments[:, 0].astype(np.int64)
    if not continued.size:
        return starts
    return np.sort(np.concatenate([starts, layers[-1].images(continued)]), kind="stable")


@cache
def compile_decoders() -> None:
    """Runs each decoder once, so that the first text of its kind waits for no compiler.

    A command for one text need not.
    """
    for _ in Decoding(b"\n\n".join(encoded for decoder in BUNDLED for encoded, _ in decoder.examples)):
        pass


def decoded(data: bytes, share: Share = SECOND_LOOK) -> list[Decoded]:
    """Regions of `data` that are an encoding of something else, decoded one step."""
    room = _PieceDecoding(data, share).room()
    return [one for layer in _layers(data, room) for one in layer.decoded()]


def _layers(data: bytes, room: _Room) -> Iterator[Layer]:
    """One step of decoding of all of `data`: one layer, or several if much of it is inflated.

    Much text that was XORed comes in a layer of its own: little has to be searched for in it.
    """
    parts: list[Part] = []
    growing: list[tuple[GrowingDecoder, Any]] = []
    for decoder, begun in _begun(data, DECODERS.of(room.forms)):
        places = _examined(decoder, begun, room)
        if isinstance(decoder, LinearDecoder):
            for part in decoder.decode(data, places) if len(places) else ():
                _count(decoder, part, room)
                parts.append(part)
        elif isinstance(decoder, GrowingDecoder) and len(places):
            growing.append((decoder, places))
    linear = size = sum(len(part.data) + len(BETWEEN) for part in parts)
    changed: list[Part] = []
    for decoder, places in growing:
        for part in decoder.decode(data, places, room):
            _count(decoder, part, room)
            if _is_changed(decoder):
                changed.append(part)
                continue
            parts.append(part)
            size += len(part.data) + len(BETWEEN)
            if size - linear >= AT_ONCE:
                yield Layer(parts, linear)
                parts, linear, size = [], 0, 0
    yield from _last_layers(parts, linear, changed)


def _last_layers(parts: list[Part], linear: int, changed: list[Part]) -> Iterator[Layer]:
    """What is left of a step, and behind it what was `changed`, if that is much."""
    if sum(len(part.data) for part in changed) < _LEAST_CHANGED:
        parts, changed = parts + changed, []
    if parts:
        yield Layer(parts, linear)
    if changed:
        yield Layer(changed, 0)


def _changed(names: tuple[str, ...]) -> bool:
    return names[-1] in CHANGED


def _is_changed(decoder: Decoder) -> bool:
    return all(map(_changed, decoder.names))


def _examined(decoder: Decoder, places: Any, room: _Room) -> Any:
    """The places without those in lines whose streams are no longer examined for this form."""
    return places if decoder.rare_form is None else room.examined(decoder.rare_form, places)


def _count(decoder: Decoder, part: Part, room: _Room) -> None:
    """Counts a part in a rare form."""
    if decoder.rare_form is not None and room.counts_rare:
        sizes = part.rare
        if sizes is None:
            sizes = np.diff(part.segments[:, 0], append=len(part.data) + len(BETWEEN))
        room.had(decoder.rare_form, part.segments[:, 1], sizes)


def _begun(data: bytes, decoders: Decoders) -> Iterator[tuple[Decoder, Any]]:
    """The decoders for which something may begin in `data`, and where."""
    if decoders.compiled:
        for kind, places in triggers.found(data).items():
            if kind in decoders.compiled:
                yield decoders.compiled[kind], places
    for decoder, literals in decoders.by_literal:
        places = triggers.places_of(data, literals)
        if places.size:
            yield decoder, places
