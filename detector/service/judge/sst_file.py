"""Writes records of the changelog as a sorted file that RocksDB takes in whole (an SST file, "ingested").

RocksDB's binding for Python takes entries one by one, with the interpreter's lock. These files are made without it.
The format is `BlockBasedTable`, version 6, as RocksDB's own `SstFileWriter` makes it: data blocks, an index of them,
properties, where these are, and a footer (https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format).
"""

import io
import secrets
import struct
from collections.abc import Iterable, Sequence
from typing import IO, Final

import cramjam
import numpy as np

from detector.core import crc32c
from detector.judge.stage import META
from detector.records.record_columns import RecordColumns
from detector.records.record_fields import HEADERS
from detector.records.record_fields import KEY as RECORD_KEY
from detector.scan.pages import zeros
from detector.service.judge import sst_kernel as kernel
from detector.service.judge.store import AGGREGATE, KIND_PLACE, TIME_BYTES, TIMER

_BLOCK_BYTES: Final = 16 << 10
_PIECE_BYTES: Final = 1 << 20  # so many bytes of blocks are in memory, or a little more
_PLAIN: Final = b"\x00"
_SNAPPY: Final = b"\x01"
_CRC32C: Final = b"\x01"
_PUT: Final = (1).to_bytes(8, "little")
_DELETED: Final = bytes(8)
_FORMAT: Final = 6
_EXTENDED: Final = bytes.fromhex("3e007a00")  # of the footers from this format on
_MAGIC: Final = 0x88E2_41B7_85F4_CFF7
_FOOTER: Final = struct.Struct("<c4sIII24xIQ")
_NUMBER: Final = struct.Struct("<I")
_MOST: Final = 0xFFFF_FFFF  # that it takes
_SESSION_BYTES: Final = 10


def write_sst(file: IO[bytes], polls: Sequence[RecordColumns]) -> None:
    """Writes the records that have a key, and the timers in them."""
    data, rows = _joined(polls)
    order = kernel.in_order(data, rows)
    room = kernel.room_of(rows, _BLOCK_BYTES)
    into = np.empty(_PIECE_BYTES + room, np.uint8)
    made = np.empty((len(into) // _BLOCK_BYTES + 1, kernel.BLOCK_WIDTH), np.int64)
    restarts = np.empty(_BLOCK_BYTES, np.int64)
    blocks = _Blocks(file)
    index = []
    totals = np.zeros(kernel.BLOCK_WIDTH, np.int64)
    done = 0
    while done < len(order):
        count, done = kernel.blocks(data, rows, order, done, _BLOCK_BYTES, room, into, made, restarts)
        begin = 0
        for end, last in made[:count, : kernel.ENTRIES].tolist():
            handle = blocks.write(bytes(cramjam.snappy.compress_raw(into[begin:end].data)), _SNAPPY)
            index.append((_internal_key(data, rows[last]), handle))
            begin = end
        totals += made[:count].sum(axis=0)
    properties = {
        b"rocksdb.comparator": b"leveldb.BytewiseComparator",
        # A store remembers these three, and refuses another file of this name.
        b"rocksdb.creating.db.identity": b"curfewd",
        b"rocksdb.creating.session.identity": secrets.token_hex(_SESSION_BYTES).upper().encode(),
        b"rocksdb.data.size": _varint(blocks.size),
        b"rocksdb.deleted.keys": _varint(int(totals[kernel.DELETIONS])),
        b"rocksdb.external_sst_file.global_seqno": bytes(8),
        b"rocksdb.external_sst_file.version": _NUMBER.pack(2),
        b"rocksdb.num.data.blocks": _varint(len(index)),
        b"rocksdb.num.entries": _varint(int(totals[kernel.ENTRIES])),
        b"rocksdb.original.file.number": _varint(1),
        b"rocksdb.raw.key.size": _varint(int(rows[:, kernel.KEY_SIZE].sum()) + len(_PUT) * len(rows)),
        b"rocksdb.raw.value.size": _varint(int(rows[:, kernel.VALUE_SIZE].clip(0).sum())),
    }
    indexed = blocks.write(_block(index))
    described = blocks.write(_block(properties.items()))
    blocks.end(_block([(b"rocksdb.index", indexed), (b"rocksdb.properties", described)]))


def compile_sst() -> None:
    """Compiles what writes such a file."""
    row = np.array([[0, 0, 0, 1, 1, 0, 1, 0]], np.int64)
    write_sst(io.BytesIO(), [RecordColumns("", 0, b"k", row)])


def _joined(polls: Sequence[RecordColumns]) -> tuple[kernel.Bytes, kernel.Rows]:
    """The bytes of all records and of the timers in them, and a row for each."""
    spans = [poll.span() for poll in polls]
    end = sum(last - first for first, last in spans)
    data = zeros(end + (TIME_BYTES + KIND_PLACE) * sum(map(len, polls)), np.uint8)
    parts, at = [], 0
    for poll, (first, last) in zip(polls, spans, strict=True):
        rows = poll.columns[:, RECORD_KEY:HEADERS].copy()
        rows[:, [kernel.KEY, kernel.VALUE]] += at - first
        parts.append(rows)
        data[at : at + last - first] = np.frombuffer(poll.data, np.uint8)[first:last]
        at += last - first
    rows = np.concatenate(parts)
    into = np.empty((2 * len(rows), kernel.WIDTH), np.int64)
    letters = (AGGREGATE[0], META[0], TIMER[0])
    count = kernel.with_timers(data, end, rows, *letters, KIND_PLACE, TIME_BYTES, into)
    return data, into[:count]


def _internal_key(data: kernel.Bytes, row: kernel.Rows) -> bytes:
    key, key_size, _, value_size = row.tolist()
    return data[key : key + key_size].tobytes() + (_DELETED if value_size < 0 else _PUT)


class _Blocks:
    """Blocks, one behind the other, each with its checksum. `size` is that of all so far.

    A checksum is that of the block in this file and place: a block of another file does not agree with it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._context = 1 + secrets.randbelow(_MOST)
        self.size = 0

    def write(self, body: bytes, compression: bytes = _PLAIN) -> bytes:
        """Writes a block; its handle says where it is."""
        block = body + compression
        self._file.write(block + _NUMBER.pack(self._checksum(block)))
        handle = _varint(self.size) + _varint(len(body))
        self.size += len(block) + _NUMBER.size
        return handle

    def end(self, body: bytes) -> None:
        """Writes the last block, which says where others are, and the footer."""
        self.write(body)
        parts = (self._context, len(body), _FORMAT, _MAGIC)
        checksum = self._checksum(_FOOTER.pack(_CRC32C, _EXTENDED, 0, *parts))
        self._file.write(_FOOTER.pack(_CRC32C, _EXTENDED, checksum, *parts))

    def _checksum(self, data: bytes) -> int:
        """Of what is written next."""
        checksum = crc32c(data)
        rotated = (checksum >> 15 | checksum << 17) + 0xA282_EAD8 & _MOST  # RocksDB's mask
        place = (self.size & _MOST) + (self.size >> 32) & _MOST
        return rotated + (self._context ^ place) & _MOST


def _block(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Entries, each written whole."""
    made, places = bytearray(), []
    for key, value in entries:
        places.append(len(made))
        made += _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value
    return bytes(made) + b"".join(map(_NUMBER.pack, (*places, len(places))))


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - a byte has seven bits of it
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
