"""Where a compressed file can be read from: Zstandard frames and the blocks of bgzip unpack by themselves.

A file with an index of them is read as if it stood there unpacked, from any place. Ordinary gzip, and Zstandard in one
frame, have no such places.

Of a file of this machine the frames are walked from head to head. Of one by URL that would ask for each: there the seek
table at the end of the file is believed. If it is wrong, a frame breaks off where it says, and a dead letter says that
the file is damaged.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from detector.ingest.archives import GZIP, unpacked
from detector.ingest.members import Bytes
from detector.records import magic_numbers as magic
from detector.records.dead_letters import CORRUPT_ARCHIVE, bad
from detector.values.errors import BadRecordError

LEAST: Final = 1024 * 1024  # bytes that a part unpacks to: an index of each block would be long
_MOST_WALKED: Final = 64 * 1024 * 1024  # bytes of a frame: whoever writes larger ones has written one
_BGZIP: Final = b"\x1f\x8b\x08\x04"
_BGZIP_EXTRA: Final = b"\x06\x00BC\x02\x00"
_BGZIP_HEAD: Final = 18
_SIZE: Final = 4
_SKIPPABLE: Final = range(0x184D2A50, 0x184D2A60)
_SEEK_TABLE: Final = 0x184D2A5E
_SEEKABLE: Final = 0x8F92EAB1
_FOOTER: Final = 9
_SUMMED: Final = 0x80  # of the table's descriptor: each entry has a checksum
_MOST_ENTRIES: Final = 1 << 24
_RLE, _RESERVED = 1, 3  # types of blocks


class Frames(msgspec.Struct, frozen=True):
    """The parts of a file: where each begins in it and in what it unpacks to, and last the end of both."""

    packing: str
    packed: tuple[int, ...]
    unpacked: tuple[int, ...]

    @property
    def size(self) -> int:
        """The bytes that it unpacks to."""
        return self.unpacked[-1]


def frames_of(raw: Bytes, size: int, packing: str, *, near: bool) -> Frames | None:
    """The parts of a file with so many bytes, None if it has not several. `near`: each byte of it is at hand."""
    try:
        if packing == GZIP:
            found = _bgzip(raw, size) if near else None
        else:
            found = _zstd(raw, size) if near else _table(raw, size)
    except (BadRecordError, ValueError):  # whoever reads the whole says where it is damaged
        return None
    if not found:
        return None
    starts = [(0, 0)]
    for place in found[:-1]:
        if place[1] - starts[-1][1] >= LEAST:
            starts.append(place)
    if len(starts) == 1:
        return None
    return Frames(packing, *zip(*starts, found[-1], strict=True))


def framed(raw: Bytes, frames: Frames) -> Bytes:
    """Reads what a file unpacks to, from one place to another.

    What it gives raises `BadRecordError` at the end if a part is damaged. A long blank line takes the place of what
    is lost.
    """

    def read(start: int, end: int) -> Iterator[bytes]:
        wrong: BadRecordError | None = None
        for index in range(max(0, bisect_right(frames.unpacked, start) - 1), len(frames.packed) - 1):
            if frames.unpacked[index] >= end:
                break
            try:
                yield from _part(raw, frames, index, start, end)
            except BadRecordError as error:
                wrong = error
        if wrong is not None:
            raise wrong

    return read


def _part(raw: Bytes, frames: Frames, index: int, start: int, end: int) -> Iterator[bytes]:
    """What one part has of the bytes from `start` to `end`."""
    at, behind = frames.unpacked[index : index + 2]
    wrong: BadRecordError | None = None
    try:
        for data in unpacked(raw(*frames.packed[index : index + 2]), frames.packing):
            # More than was said is read with the end of the part.
            high = len(data) if at + len(data) > behind else max(0, end - at)
            yield data[max(0, start - at) : high]
            at += len(data)
            if end <= at < behind:
                return
    except BadRecordError as error:
        wrong = error
    missing = min(end, behind) - max(at, start)
    if missing > 0:
        yield b" " * (missing - 1) + b"\n"
    if wrong is not None or at != behind:
        raise wrong or bad(CORRUPT_ARCHIVE)


Places = list[tuple[int, int]]  # the end of each frame, packed and unpacked


def _bgzip(raw: Bytes, size: int) -> Places:
    at, made, found = 0, 0, Places()
    head = _at(raw, 0, _BGZIP_HEAD)
    while at < size:
        if head[:4] != _BGZIP or head[4:8] != bytes(4) or head[10:16] != _BGZIP_EXTRA:
            return []
        at += int.from_bytes(head[16:], "little") + 1
        tail = _at(raw, at - _SIZE, min(_SIZE + _BGZIP_HEAD, size - at + _SIZE))
        made += int.from_bytes(tail[:_SIZE], "little")
        found.append((at, made))
        head = tail[_SIZE:]
    return found if at == size else []


def _zstd(raw: Bytes, size: int) -> Places:
    """Walks frames that state the size of their content."""
    at, made, found = 0, 0, Places()
    while at < size:
        head = _at(raw, at, min(18, size - at))
        number = int.from_bytes(head[:_SIZE], "little")
        if number in _SKIPPABLE:
            at += 2 * _SIZE + int.from_bytes(head[_SIZE : 2 * _SIZE], "little")
        elif head.startswith(magic.ZSTD):
            descriptor = head[_SIZE]
            single, width = bool(descriptor & 0x20), descriptor >> 6
            field = _SIZE + 1 + (not single) + (0, 1, 2, 4)[descriptor & 3]
            length = (int(single), 2, 4, 8)[width]
            if not length:
                return []
            made += int.from_bytes(head[field : field + length], "little") + (256 if width == 1 else 0)
            at = _behind_blocks(raw, at + field + length) + (_SIZE if descriptor & 0x04 else 0)
        else:
            return []
        found.append((at, made))
    return found if at == size else []


def _behind_blocks(raw: Bytes, start: int) -> int:
    at, last = start, False
    while not last:
        if at - start > _MOST_WALKED:
            raise ValueError("a large frame")
        number = int.from_bytes(_at(raw, at, 3), "little")
        last, kind, length = bool(number & 1), number >> 1 & 3, number >> 3
        if kind == _RESERVED:
            raise ValueError("no block")
        at += 3 + (1 if kind == _RLE else length)
    return at


def _table(raw: Bytes, size: int) -> Places:
    """The seek table at the end, if there is one (the seekable format of Zstandard)."""
    if size < _FOOTER:
        return []
    footer = _at(raw, size - _FOOTER, _FOOTER)
    count, descriptor = int.from_bytes(footer[:4], "little"), footer[4]
    entry = 3 * _SIZE if descriptor & _SUMMED else 2 * _SIZE
    length = 2 * _SIZE + count * entry + _FOOTER
    if int.from_bytes(footer[5:], "little") != _SEEKABLE or count > _MOST_ENTRIES or length > size:
        return []
    table = _at(raw, size - length, length)
    if int.from_bytes(table[:_SIZE], "little") != _SEEK_TABLE:
        return []
    at, made, found = 0, 0, Places()
    for place in range(2 * _SIZE, length - _FOOTER, entry):
        at += int.from_bytes(table[place : place + _SIZE], "little")
        made += int.from_bytes(table[place + _SIZE : place + 2 * _SIZE], "little")
        found.append((at, made))
    return [*found[:-1], (size, made)] if at == size - length else []


def _at(raw: Callable[[int, int], Iterator[bytes]], start: int, size: int) -> bytes:
    found = b"".join(raw(start, start + size))
    if len(found) != size:
        raise ValueError("it ends before")
    return found
