"""Brings lines of one stream that go on in each other together, where streams are mixed or records come singly.

- A key is held back from its `-----BEGIN` to its `-----END`. Then its lines follow each other, without lines of other
  streams between them.
- Base64 and hex that are wrapped over many lines are scanned at once, each line where it stands. When the last line has
  come, all of them are scanned a second time, together.

Bytes, lines and streams that are held are bounded, and so is how many records they wait for. If nearly all that a task
prints is digits, only a share of it is scanned a second time. One task takes nothing from another: each has a share of
its own, and where too many streams are held, one of the task that holds most is given up. Whoever passes records on is
told of the lines that a bound kept from being scanned together.
"""

import re  # over one line, anchored on both sides
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from detector.ingest.formats.flat_records import stream_key
from detector.ingest.line_continuation import DIGITS, HASHES, LEAST
from detector.ingest.line_continuation import MOST as MOST_DIGITS
from detector.ingest.lone_lines import LineBlock, LoneLine, LoneLines, Stream
from detector.records.timestamps import Ints

Item = TypeVar("Item")

LONGEST: Final = 16 << 10  # bytes of what is printed over many lines
MOST: Final = 1024  # lines of it
STREAMS: Final = 256  # streams that are held at one time
PATIENCE: Final = 1024  # records after the first line, then the rest is waited for no longer
SHARE: Final = 8  # one of so many records may be collected of each task
BURST: Final = 2048  # lines of a task that are collected before the share counts
TASKS: Final = 1024  # tasks whose share is known; of another it is whole
_STEP: Final = 64  # records between two looks for what has waited too long
_OVERLAP: Final = LONGEST // 4  # of the pieces of a longer text
# What base64 of gzip, of zlib and of base64 of gzip begins with. Of its second half nothing can be read.
COMPRESSED: Final = re.compile(rb"(?:\A|[^A-Za-z0-9+/_-])(?:H4sI|SDRzS|eJ[wyz]|e[AFN][A-Za-z0-9+/_-])")
_KEY_LINE: Final = re.compile(rb"(?:[A-Za-z0-9+/]{24,}={0,2}|[A-Za-z0-9+/]{2,}={1,2})\r?")
_BEGIN, _END = b"-----BEGIN ", b"-----END "
_NUMBERS, _HEX = b"0123456789", b"0123456789abcdefABCDEF"


def goes_on(text: bytes) -> bool:
    """Whether a line ends like wrapped base64 or hex that is not at its end. A hash does not, nor does a path."""
    body = text[-MOST_DIGITS - 2 :].removesuffix(b"\r")
    digits = body[len(body.rstrip(DIGITS)) :]
    if not LEAST <= len(digits) <= MOST_DIGITS:
        return False
    last = digits.rpartition(b"-")[2]
    if last and not last.translate(None, _HEX) and (len(last) in HASHES or last is digits):
        return len(last) not in HASHES
    return digits.lower() != digits != digits.upper() and digits.translate(None, _NUMBERS) != digits


def of_key(text: bytes) -> bool:
    """Whether a line from `-----BEGIN` on shows a part of a key. The first alone does not."""
    if _BEGIN in text:
        return not text.rstrip().endswith(b"-----")
    return goes_on(text) or _KEY_LINE.fullmatch(text) is not None


def _key_of(stream: Hashable) -> int:
    return stream_key(*stream) if isinstance(stream, tuple) else 0


def _task_of(stream: Hashable) -> Hashable:
    return stream[0] if isinstance(stream, tuple) else stream


class _OpenStream(Generic[Item]):
    """The lines that are held of one stream."""

    def __init__(self) -> None:
        self.lines: list[tuple[Item, int, int]] = []  # each with its size and position
        self.size = 0
        self.key: list[int] = []  # the positions of those that may be of a key
        self.begin = b""  # the text of the first line
        self.cut = False  # it is compressed, and its start was given up
        self.number: int | None = None  # of the stream, once it was asked for (`stream_key`)

    def add(self, item: Item, size: int, at: int) -> None:
        self.lines.append((item, size, at))
        self.size += size + 1

    @property
    def places(self) -> list[int]:
        return [at for _, _, at in self.lines]

    @property
    def items(self) -> list[Item]:
        return [item for item, _, _ in self.lines]

    @property
    def first(self) -> int:
        return self.lines[0][2]

    @property
    def full(self) -> bool:
        return self.size > LONGEST or len(self.lines) >= MOST

    def rest(self, at: int) -> "_OpenStream[Item]":
        """The last lines: text across the cut is whole in one of both pieces."""
        rest: _OpenStream[Item] = _OpenStream()
        first, size = len(self.lines), 0
        while first > 1 and at - self.lines[first - 1][2] < PATIENCE // 2:
            size += self.lines[first - 1][1] + 1
            if size > _OVERLAP:
                break
            first -= 1
        for line in self.lines[first:]:
            rest.add(*line)
        return rest


class _OpenStreams(dict[Hashable, _OpenStream[Item]]):
    """The streams that are held. They come and go with `open` and `close`, which count those of each task."""

    def __init__(self) -> None:
        super().__init__()
        self._of_task: dict[Hashable, int] = {}

    def open(self, stream: Hashable, held: _OpenStream[Item]) -> None:
        """Holds one that was not held."""
        self[stream] = held
        task = _task_of(stream)
        self._of_task[task] = self._of_task.get(task, 0) + 1

    def close(self, stream: Hashable) -> _OpenStream[Item] | None:
        """Holds it no longer, if it did."""
        held = self.pop(stream, None)
        if held is not None:
            task = _task_of(stream)
            left = self._of_task.pop(task) - 1
            if left:
                self._of_task[task] = left
        return held

    @property
    def crowding(self) -> Hashable:
        """The first of the streams that are held by the task that holds most of them."""
        most = max(self._of_task.values())
        return next(stream for stream in self if self._of_task[_task_of(stream)] == most)


class _Numbers(dict[int | None, Hashable]):
    """The numbers of streams that are held (`stream_key`). Where streams share one, it stays."""

    def __init__(self, streams: _OpenStreams[Item]) -> None:
        super().__init__()
        self._shared: set[int | None] = set()
        for stream, held in streams.items():
            self.note(held.number, stream, held=True)

    def note(self, number: int | None, stream: Hashable, *, held: bool) -> None:
        """Whether the stream of this number is held now."""
        if self.get(number, stream) != stream:
            self._shared.add(number)
        elif held:
            self[number] = stream
        elif number not in self._shared:
            self.pop(number, None)


class StreamReassembler(Generic[Item]):
    """Takes records in their order, each with its stream. `at` is their position: a line or an offset.

    `unfinished` gets the positions of lines that a bound kept from being scanned together.
    """

    def __init__(self, unfinished: set[int] | None = None) -> None:
        self._unfinished = unfinished
        self._keys: _OpenStreams[Item] = _OpenStreams()
        self._lines: _OpenStreams[Item] = _OpenStreams()
        self._lone: LoneLines[Item] = LoneLines()
        self._groups: list[list[Item]] = []
        self._passed = 0  # records
        self._credits: OrderedDict[Hashable, tuple[int, int]] = (
            OrderedDict()
        )  # by task, in records: what was left when so many had passed
        self._due = 0  # the first position at which anything may have waited too long

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._keys or self._lines or self._lone)

    @property
    def holding(self) -> bool:
        """Whether the end of a key is waited for."""
        return bool(self._keys)

    @property
    def held(self) -> set[int]:
        """The positions of the lines of keys whose end is waited for."""
        return {at for held in self._keys.values() for at in held.key}

    @property
    def first(self) -> int | None:
        """The position of the first record that is held."""
        firsts = [one.first for held in (self._keys, self._lines) for one in held.values()]
        lone = self._lone.first
        return min(firsts if lone is None else [*firsts, lone], default=None)

    def take(self, stream: Hashable, text: bytes, item: Item, at: int) -> list[Item]:
        """The records to scan now, one after another: this one unless it is held, with those that were held for it."""
        given = self.late(at)
        held = self._keys.get(stream)
        begun = text.rfind(_BEGIN)
        if held is None and (begun < 0 or text.find(_END, begun) >= 0):
            self._passed += 1
            self.collect(stream, text, item, at)
            return [*given, item]
        self._close(stream)
        if held is None:
            held = self._opened(at)
            self._keys.open(stream, held)
        held.add(item, len(text), at)
        if of_key(text):
            held.key.append(at)
        if text.rfind(_END) > begun:
            self._keys.close(stream)
            return [*given, *held.items]
        if held.full:
            return [*given, *self._given_up(stream)]
        return [*given, *(self._given_up(self._keys.crowding) if len(self._keys) > STREAMS else ())]

    def _given_up(self, stream: Hashable) -> list[Item]:
        """The lines of a key whose end is waited for no longer."""
        held = self._keys.close(stream)
        if held is None:
            return []
        self._note(held.key)
        return held.items

    def _note(self, places: Iterable[int]) -> None:
        if self._unfinished is not None:
            self._unfinished.update(places)

    def collect(self, stream: Hashable, text: bytes, item: Item, at: int) -> None:
        """Collects a record that is scanned where it stands, if its text goes on or is gone on with."""
        if self._lone:
            self._wake(_key_of(stream), stream, at)
        self._collect(stream, text, item, at, goes=goes_on(text))

    def _collect(  # noqa: PLR0913 - as above, and what is known already
        self, stream: Hashable, text: bytes, item: Item, at: int, key: int | None = None, *, goes: bool
    ) -> None:
        """The same; `key` is the number of its stream, if known already, and `goes` says whether its text goes on."""
        held = self._lines.get(stream)
        if held is None and not goes:
            return
        if not self._may_collect(stream):
            self._note((at,) if held is None else (*held.places, at))
            self._close(stream)
            return
        if held is None:
            held = self._opened(at)
            held.number, held.begin = key, text
            self._lines.open(stream, held)
            if len(self._lines) > STREAMS:
                self._close(self._lines.crowding)
        held.add(item, len(text), at)
        if not goes:
            self._close(stream)
        elif held.full:
            self._part(stream, at)

    def watch(  # noqa: PLR0913 - a block of records, each part by its name
        self,
        marked: Sequence[int],
        places: Sequence[int],
        stream: Callable[[int], Stream],
        text: Callable[[int], bytes],
        item: Callable[[int, Stream, bytes], Item],
        *,
        only: Stream | None = None,
        keys: Ints | None = None,
    ) -> None:
        """Collects records that are scanned where they stand, at `places`.

        All are of the stream `only` if that is given. Only the records whose number is `marked` may go on. `stream`
        and `text` give those of a record by its number; `item` makes the record of number, stream and text. Of
        records with other `keys` than a held line's and a marked one's nothing is asked (`stream_key`).
        """
        self._passed += len(places)
        if only is not None and len(marked) * SHARE > self._credit(only):
            self._note(places[number] for number in marked)
            self._note(self._lines[only].places if only in self._lines else ())
            self._close(only)
            return
        if keys is None:
            for one in self._lone.drained():
                self._take_lone(one, places[0])
            touched: Iterable[tuple[int, int | None]] = (
                (number, None) for number in self._reached(marked, len(places))
            )
        else:
            touched = self._touched(marked, LineBlock(places, stream, text, item, keys))
        wanted, numbers = frozenset(marked), _Numbers(self._lines)
        for number, key in touched:
            at, may_go_on = places[number], number in wanted
            if key is not None and not (
                may_go_on or key in numbers or self._lone.waits(key, at - PATIENCE + _STEP)
            ):
                continue
            own = stream(number)
            if key is not None:
                self._wake(key, own, at)
            if own not in self._lines and not may_go_on:
                continue
            self.late(at)
            if own not in self._lines and self._credit(own) < SHARE:
                self._note((at,))
                continue
            line = text(number)
            self._collect(own, line, item(number, own, line), at, key, goes=may_go_on and goes_on(line))
            if key is not None:
                numbers.note(key, own, held=own in self._lines)

    def _wake(self, key: int, stream: Hashable, at: int) -> None:
        """Collects the lone line of a stream, of which another line has come."""
        found = self._lone.take(key, stream)
        if found is not None:
            self._take_lone(found, at)

    def _take_lone(self, line: LoneLine[Item], at: int) -> None:
        if at - line.place < PATIENCE - _STEP:
            self._collect(line.stream, line.text, line.item, line.place, line.key, goes=goes_on(line.text))

    def _reached(self, marked: Sequence[int], count: int) -> Iterator[int]:
        """The marked ones of so many records, and while a line is held all the others."""
        number = 0
        for mark in (*marked, count):
            while self._lines and number < mark:
                yield number
                number += 1
            if mark < count:
                yield mark
                number = mark + 1

    def _touched(self, marked: Sequence[int], block: LineBlock[Item]) -> Sequence[tuple[int, int]]:
        """The records of a block that may go on in others or be what others go on in, and some others of their streams.

        Each with the number of its stream.
        """
        self._lone.forget(block.places[0] - PATIENCE + _STEP)
        if not marked and not self._lines and not self._lone:
            return ()
        for own, held in self._lines.items():
            if held.number is None:
                held.number = _key_of(own)
        numbers = {held.number or 0 for held in self._lines.values()}
        return self._lone.sort(block, marked, numbers, PATIENCE - _STEP)

    def late(self, at: int) -> list[Item]:
        """Gives up what has waited too long; returns the held records of it."""
        given: list[Item] = []
        if at < self._due or not self:
            return given
        self._lone.forget(at - PATIENCE + _STEP)
        for stream in [each for each, held in self._keys.items() if at - held.first >= PATIENCE - _STEP]:
            given += self._given_up(stream)
        for stream in [each for each, held in self._lines.items() if at - held.first >= PATIENCE - _STEP]:
            self._part(stream, at)
        first = self.first
        self._due = max(at + _STEP, PATIENCE - _STEP + (at if first is None else first))
        return given

    def groups(self) -> list[list[Item]]:
        """The groups of records to scan a second time, each together, since the last call."""
        done, self._groups = self._groups, []
        return done

    def end(self) -> list[Item]:
        """Gives up everything that waits; returns the held records."""
        given = [item for stream in list(self._keys) for item in self._given_up(stream)]
        self._lone.drained()
        self._close_all()
        return given

    def _credit(self, stream: Hashable) -> int:
        """How much of its task's share is left."""
        left, then = self._credits.get(_task_of(stream), (BURST * SHARE, self._passed))
        return min(left + self._passed - then, BURST * SHARE)

    def _may_collect(self, stream: Hashable) -> bool:
        """Whether one more record may be collected, which then counts."""
        left = self._credit(stream)
        if left < SHARE:
            return False
        task = _task_of(stream)
        self._credits[task] = left - SHARE, self._passed
        self._credits.move_to_end(task)
        if len(self._credits) > TASKS:
            self._credits.popitem(last=False)
        return True

    def _opened(self, at: int) -> _OpenStream[Item]:
        """A stream whose first line stands at `at`."""
        if not self:
            self._due = at + PATIENCE - _STEP
        return _OpenStream()

    def _part(self, stream: Hashable, at: int) -> None:
        """Makes a group of the lines so far; the last of them are kept for the next."""
        held = self._lines[stream]
        rest = held.rest(at)
        rest.number = held.number
        rest.cut = held.cut or COMPRESSED.search(held.begin) is not None
        self._close(stream)
        if rest.lines:
            self._lines.open(stream, rest)

    def _close(self, stream: Hashable) -> None:
        """Makes a group of the lines; one line alone needs no second scan."""
        held = self._lines.close(stream)
        if held is not None and held.cut:
            self._note(held.places)
        if held is not None and len(held.lines) > 1:
            self._groups.append(held.items)

    def _close_all(self) -> None:
        for stream in list(self._lines):
            self._close(stream)
