"""Rows of bytes by where they belong: in memory while they are few, else on disk, compressed and encrypted."""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import zstandard

from detector.ingest.spool import Spool

Block: TypeAlias = tuple[int, int]  # where some rows of one place stand in the spool

_IN_MEMORY: Final = 32 * 1024 * 1024  # bytes of rows
_PACKED_IN_MEMORY: Final = 16 * 1024 * 1024  # bytes: what many units have for one place is written together
_PIECE: Final = 1024 * 1024  # bytes that are unpacked at once
_LEVEL: Final = 1  # of Zstandard: what is written is read once


class RowSpool:
    """Takes rows, each with its place, and gives those of a place, in forked processes too."""

    def __init__(self, in_memory: int = _IN_MEMORY, packed_in_memory: int = _PACKED_IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._packed_in_memory = packed_in_memory
        self._held: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._room = in_memory
        self._packed: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._packed_room = packed_in_memory
        self._spool: Spool | None = None
        self._blocks: defaultdict[int, array[int]] = defaultdict(partial(array, "q"))

    def put(self, place: int, row: bytes) -> None:
        """Takes a row, which has no newline in it.

        Raises:
            OSError: the disk is full.
        """
        held = self._held[place]
        held += row
        held += b"\n"
        self._room -= len(row) + 1
        if self._room < 0:
            self._pack()

    def flush(self) -> None:
        """Writes all rows, for other processes to read.

        Raises:
            OSError: the disk is full.
        """
        self._pack()
        self._write()

    def append(self, place: int, block: bytes) -> None:
        """Takes rows that are packed.

        Raises:
            OSError: the disk is full.
        """
        self._packed[place] += block
        self._packed_room -= len(block)
        if self._packed_room < 0:
            self._write()

    def _pack(self) -> None:
        for place, block in packed_rows(self._held):
            self.append(place, block)
        self._held.clear()
        self._room = self._in_memory

    def _write(self) -> None:
        for place, packed in self._packed.items():
            if self._spool is None:
                self._spool = Spool()
            self._blocks[place].extend(self._spool.append(packed))
        self._packed.clear()
        self._packed_room = self._packed_in_memory

    def blocks(self, place: int) -> list[Block]:
        """Where the rows of a place stand that were written."""
        bounds = iter(self._blocks.get(place, ()))
        return list(zip(bounds, bounds, strict=True))

    def packed(self, blocks: Sequence[Block]) -> list[bytes]:
        """The rows there, as `rows_of` reads them.

        Raises:
            ValueError: they are no longer there.
        """
        return [self._read(*block) for block in blocks]

    def _read(self, start: int, end: int) -> bytes:
        data = b"" if self._spool is None else b"".join(self._spool.read(start, end))
        if len(data) != end - start:
            raise ValueError("rows are cut off")
        return data

    def rows(self, place: int) -> Iterator[bytes]:
        """All rows of a place, in the order in which they came."""
        for block in self.blocks(place):
            yield from rows_of(self.packed([block]))
        yield from rows_of([bytes(self._packed.get(place, b""))])
        yield from bytes(self._held.get(place, b"")).split(b"\n")[:-1]


def packed_rows(rows: Mapping[int, bytearray]) -> Iterator[tuple[int, bytes]]:
    """Rows, each with a newline behind it, packed by their place."""
    compressor = zstandard.ZstdCompressor(_LEVEL)
    for place, some in rows.items():
        yield place, compressor.compress(some)


def rows_of(packed: Sequence[bytes]) -> Iterator[bytes]:
    """The rows that were packed.

    Raises:
        ValueError: they are damaged.
    """
    decompressor = zstandard.ZstdDecompressor()
    for block in packed:
        tail = b""
        try:
            with decompressor.stream_reader(block, read_across_frames=True) as reader:
                while piece := reader.read(_PIECE):
                    *rows, tail = (tail + piece).split(b"\n")
                    yield from rows
        except zstandard.ZstdError:
            raise ValueError("rows are damaged") from None
        if tail:
            raise ValueError("rows are cut off")
