"""What a decoder is, and what it gives: decoded text, and for each byte of it where it comes from.

A decoder of one's own is a `SpanDecoder`: it says for the text behind a literal what that decodes to, and nothing else.
The bundled decoders are compiled and work on all places of a text at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Protocol

import msgspec
import numpy as np

ONE: Final = np.zeros(1, np.int64)
BETWEEN: Final = b"\n\n"
"""Stands between two texts: no line of one goes on in the next."""


class Part(msgspec.Struct, frozen=True):
    """Texts of one kind of encoding, `BETWEEN` between each two, and their segments in order.

    A segment is a row (place in `data`, start and end in the origin, step). Each of its bytes comes from `step` bytes
    after the one before it: 1 for a plain copy. If a byte comes from all of -`step` bytes, the step is negative. If the
    segment comes as a whole from its origin, the step is 0. `starts` are the places of the texts; `kinds` says of each
    which of `names` it has.

    `digits` says of segments that come as a whole where in the origin each of their bytes begins: a row (place of the
    first, step), in thirds of a byte, for each segment. None if that is as `segments` say.

    `rare` says of a rare form how many bytes of each segment ordinary text hardly has; None if that is all.
    """

    names: tuple[tuple[str, ...], ...]
    data: bytes
    segments: Any
    starts: Any = ONE
    kinds: Any = ONE
    digits: Any = None
    rare: Any = None


def part_of_texts(names: tuple[str, ...], data: bytes, segments: Any, digits: Any = None) -> Part:
    """A part in which each segment is one text."""
    starts = segments[:, 0].astype(np.int64)
    return Part((names,), data, segments, starts, np.zeros(len(starts), np.int64), digits)


class Room(Protocol):
    """What the lines that are decoded may still ask for, for a decoder of which a little text makes much."""

    def lines(self, places: Any) -> Any:
        """The numbers of the lines that the places of the decoder's data come from, at any depth."""

    def widen(self, starts: Any, ends: Any) -> None:
        """What stands in data[start:end] is one text, over several lines perhaps.

        Its first line has the share of all.
        """

    def left(self, line: int) -> int:
        """How many bytes a line may still decode to."""

    def spend(self, lines: Any, sizes: Any) -> None:
        """Some lines decoded to so many bytes."""

    def spend_one(self, line: int, size: int) -> None:
        """A line decoded to so many bytes."""

    def cut_short(self, lines: Any, *, for_others: bool = False) -> None:
        """A line, or some, decode to more than was left, or are cut short for what others asked for."""

    def open(self, lines: Any) -> Any:
        """By line, whether it may still decode to anything."""


class Decoder(ABC):
    """One encoding.

    - `names`: what a finding calls it, outermost first. A decoder that tells several encodings apart has several.
    - `group`: of `detector.values.forms`, for `[scan] forms`; None if it is never left out, as one of your own.
    - `trigger`: where it may begin. For a decoder of one's own these are literals, for a bundled one the number of its
      kind in `triggers`, which looks for all of them in one compiled pass.
    - `bound`: how many bytes from a trigger on are decoded at most; None if that is linear in the text anyway.
    - `rare`: whether ordinary text hardly has it. A stream that goes on having it, and shows nothing in it, is no
      longer examined for it (`decoding_shares`). Base64, hex, percent-encoding and escapes never are.
    - `examples`: (encoded text, what it says). `near_misses`: texts that look like it and are not. A test decodes both
      as the scan does.
    """

    names: ClassVar[tuple[tuple[str, ...], ...]]
    group: ClassVar[str | None] = None
    trigger: ClassVar[int | tuple[bytes, ...]]
    bound: ClassVar[int | None] = None
    rare: ClassVar[bool] = False
    examples: ClassVar[tuple[tuple[bytes, bytes], ...]]
    near_misses: ClassVar[tuple[bytes, ...]]

    @property
    def rare_form(self) -> int | None:
        """The number of its form, if that is rare. One of your own has none."""
        return self.trigger if self.rare and isinstance(self.trigger, int) else None


class LinearDecoder(Decoder):
    """A decoder that writes no more than a few bytes for each that it reads, whatever stands there."""

    @abstractmethod
    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Decodes what begins at the `places` (sorted)."""


class GrowingDecoder(Decoder):
    """A decoder that may write much for a little text. Each line has its share."""

    @abstractmethod
    def decode(self, data: bytes, places: Any, room: Room) -> Iterator[Part]:
        """Decodes what begins at the `places` (sorted), each line as far as there is room for it."""


class SpanDecoder(GrowingDecoder):
    """A decoder that decodes one text at a time, each beginning with its trigger."""

    bound: ClassVar[int] = 4096

    @abstractmethod
    def span(self, text: bytes) -> tuple[int, bytes] | None:
        """How many bytes of `text` are encoded and what they say; None if it is not this encoding after all.

        `text` begins with a trigger and has at most `bound` bytes.
        """

    def decode(self, data: bytes, places: Any, room: Room) -> Iterator[Part]:
        """Decodes the texts one by one. A trigger within a text that was decoded counts as part of it."""
        texts: list[bytes] = []
        rows: list[tuple[int, int, int, int]] = []
        size = done = 0
        for start, line in zip(places.tolist(), room.lines(places).tolist(), strict=True):
            found = self.span(data[start : start + self.bound]) if start >= done else None
            if found is None or not found[1]:
                continue
            length, text = found
            if len(text) + 1 > room.left(line):
                room.cut_short(line)
                continue
            room.spend_one(line, len(text) + 1)
            done = start + length
            rows.append((size, start, done, 0))
            texts.append(text)
            size += len(text) + len(BETWEEN)
        if texts:
            yield part_of_texts(self.names[0], BETWEEN.join(texts), np.array(rows, np.int32))
