"""Reads the messages that Kafka wrote before 0.11 (magic 0 and 1), as columns.

A message is its offset, length, checksum, format, attributes, time (magic 1), key and value
(https://kafka.apache.org/documentation/#messageset). Messages that are compressed together are the value of another.
aiokafka's reader believes their lengths: one that is negative keeps it busy for ever, others have it read what is
beyond the end.
"""

import struct
import zlib
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from detector.kafka import decompression
from detector.records.record_fields import Columns

MAGIC: Final = 16  # where a batch of any format says which
SMALLEST: Final = 26  # bytes of a message
_OVERHEAD: Final = 12  # bytes before what its length counts
_HEADS: Final = (struct.Struct(">qiIbb"), struct.Struct(">qiIbbq"))
_SIZE: Final = struct.Struct(">i")
_CHECKED: Final = 16  # the checksum is of all from there on
_CODECS: Final = ("", "gzip_decode", "snappy_decode", "lz4_decode")
_LARGEST: Final = (1 << 63) - 1  # an offset that no other fits behind
_CODEC, _APPEND_TIME = 0x07, 0x08


class _Message(NamedTuple):
    """Where it stands; the sizes are -1 where there is no key or value."""

    offset: int
    end: int
    crc: int
    attributes: int
    time: int
    key: int
    key_size: int
    value: int
    value_size: int

    def row(self, offset: int, time: int) -> list[int]:
        """As `record_fields` has it."""
        behind = self.value + max(self.value_size, 0)
        return [offset, time, self.key, self.key_size, self.value, self.value_size, behind, 0]


def _wrong() -> CorruptRecordException:
    return CorruptRecordException("a message of an old format is wrong")


def _message(data: bytes, at: int, magic: int) -> _Message:
    """The message at `at`.

    Raises:
        CorruptRecordException: it has another format, or is not all there.
    """
    head = _HEADS[magic]
    if len(data) - at < head.size:
        raise _wrong()
    offset, length, crc, found, attributes, *times = head.unpack_from(data, at)
    end, place = at + _OVERHEAD + length, at + head.size
    if found != magic or not place <= end <= len(data):
        raise _wrong()
    places: list[int] = []
    for _ in range(2):
        if end - place < _SIZE.size:
            raise _wrong()
        (size,) = _SIZE.unpack_from(data, place)
        place += _SIZE.size
        if not -1 <= size <= end - place:
            raise _wrong()
        places += [place, size]
        place += max(size, 0)
    if place != end or not 0 <= offset < _LARGEST:
        raise _wrong()
    return _Message(offset, end, crc, attributes, *(times or [-1]), *places)


class OldBatch:
    """A message, or those that it holds: `data`, of at least SMALLEST bytes.

    Raises:
        CorruptRecordException: the message is wrong.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._magic = data[MAGIC]
        self._outer = _message(data, 0, self._magic)
        self.last_offset = self._outer.offset

    def validate_crc(self) -> bool:
        """Whether the message is as it was written."""
        return zlib.crc32(self._data[_CHECKED:]) == self._outer.crc

    def records(self, limit: int) -> tuple[bytes, Columns]:
        """The records, in bytes that were decompressed to at most `limit`.

        Raises:
            CorruptRecordException: they are wrong, or their offsets are.
            UnsupportedCodecError: Kafka knows no such codec.
            Exception: whatever a decompressor raises.
        """
        outer = self._outer
        code = outer.attributes & _CODEC
        if not code:
            return self._data, np.array([outer.row(outer.offset, outer.time)], np.int64)
        if code >= len(_CODECS) - (not self._magic):  # nothing reads LZ4 as the oldest format has it
            raise UnsupportedCodecError(f"messages of format {self._magic} know no codec {code}")
        if outer.value_size < 0:
            raise _wrong()
        data = decompression.DECODERS[_CODECS[code]](self._data[outer.value :], limit)
        return data, np.array(self._inner(data), np.int64)

    def _inner(self, data: bytes) -> list[Any]:
        """The rows of the messages that were compressed; from magic 1 on their offsets may count from the first."""
        found, at, before = [], 0, -1
        while at < len(data):
            found.append(_message(data, at, self._magic))
            at = found[-1].end
        if not found or any(each.attributes & _CODEC for each in found):
            raise _wrong()
        outer, rows = self._outer, []
        moves = max(outer.offset - found[-1].offset, 0) if self._magic else 0
        for each in found:
            if not before < each.offset + moves <= outer.offset:
                raise _wrong()
            before = each.offset + moves
            rows.append(each.row(before, outer.time if outer.attributes & _APPEND_TIME else each.time))
        return rows
