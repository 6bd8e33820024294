"""A second reader of record batches, as plain as can be: what `raw_batches` must answer to any bytes at all.

It follows https://kafka.apache.org/documentation/#messageformat, refuses what no broker writes, and names it.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import codec as codecs
from aiokafka.record.util import calc_crc32c

from detector.kafka import decompression

HEADER: Final = 61
LOG_OVERHEAD: Final = 12
LIMIT: Final = 1 << 20
_LARGEST: Final = (1 << 63) - 1
_DECODERS: Final = {1: "gzip_decode", 2: "snappy_decode", 3: "lz4_decode", 4: "zstd_decode"}
_ENCODERS: Final = {
    1: codecs.gzip_encode,
    2: codecs.snappy_encode,
    3: codecs.lz4_encode,
    4: codecs.zstd_encode,
}
_THEIRS: Final = {1: codecs.gzip_decode, 2: codecs.snappy_decode, 3: codecs.lz4_decode, 4: codecs.zstd_decode}
_FORMAT: Final = struct.Struct(">qiibIhiqqqhii")
Headers = tuple[tuple[bytes, bytes | None], ...]
Record = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]


class FlawError(Exception):
    """What is wrong with a batch, by its name in docs/record-batches.md."""


class Answer(NamedTuple):
    """The records of a fetch, where the next one begins, what was wrong, and what is right but unusual."""

    records: list[Record]
    position: int
    flaw: str
    oddities: set[str]


def plain(codec: int, data: bytes) -> bytes:
    """What was compressed."""
    if not codec:
        return data
    if codec not in _DECODERS:
        raise FlawError("codec")
    try:
        return decompression.DECODERS[_DECODERS[codec]](data, LIMIT)
    except Exception as error:  # whatever a decompressor raises
        raise FlawError("compressed") from error


def alike(codec: int, data: bytes) -> bool:
    """Whether aiokafka's own decompressor makes the same of it."""
    try:
        return not codec or bytes(_THEIRS[codec](data)) == plain(codec, data)
    except Exception:  # noqa: BLE001 - whatever a decompressor raises
        return False


class Bytes:
    """Numbers and texts one after another."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def number(self) -> int:
        """A number of variable length."""
        found = shift = 0
        while True:
            if self.at >= len(self.data):
                raise FlawError("beyond the end")
            if shift > 63:
                raise FlawError("number")
            byte = self.data[self.at]
            self.at += 1
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                found &= (1 << 64) - 1
                return (found >> 1) ^ -(found & 1)

    def sized(self) -> bytes | None:
        """A text behind its size, None if that is negative."""
        size = self.number()
        if size < 0:
            return None
        if size > len(self.data) - self.at:
            raise FlawError("beyond the end")
        self.at += size
        return self.data[self.at - size : self.at]


class _Header(NamedTuple):
    base: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    more: int
    first_time: int
    latest_time: int
    producer: int
    epoch: int
    sequence: int
    records: int

    @property
    def last(self) -> int:
        return self.base + self.more

    def time(self, delta: int) -> int:
        """The time of a record; it goes round as 64 bits do."""
        if self.attributes & 8:
            return self.latest_time
        return ((self.first_time + delta + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


class _Pass:
    """One reading of a fetch."""

    def __init__(self, data: bytes, aborted: Sequence[tuple[int, int]], offset: int) -> None:
        self.data = data
        self.at = 0
        self.behind = 0
        self.records: list[Record] = []
        self.oddities: set[str] = set()
        self.formats: set[int] = set()
        self.position = offset
        self.aborted = sorted(aborted, key=lambda each: each[1])
        self.aborting: set[int] = set()

    def read(self) -> None:
        begin, some = self.position, False
        while len(self.data) - self.at >= LOG_OVERHEAD:
            _, length = struct.unpack_from(">qi", self.data, self.at)
            end = self.at + LOG_OVERHEAD + length
            if end > len(self.data):
                break
            if length < 14:
                raise FlawError("length")
            self._batch(self.data[self.at : end])
            self.at, some = end, True
        if some and self.position == begin:
            raise FlawError("nothing new")

    def _batch(self, raw: bytes) -> None:
        magic = raw[16]
        self.formats.add(magic)
        if len(self.formats) > 1:
            self.oddities.add("both formats")
        if magic > 2:
            raise FlawError("format")
        if magic == 2:
            self._new(raw)
        else:
            self._old(raw)

    def _new(self, raw: bytes) -> None:
        if len(raw) < HEADER:
            raise FlawError("length")
        header = _Header(*_FORMAT.unpack_from(raw))
        if calc_crc32c(raw[21:]) != header.crc:
            raise FlawError("checksum")
        if header.base < 0 or header.more < 0 or header.last >= _LARGEST:
            raise FlawError("offsets of a batch")
        self._in_order(header.base, header.last)
        while self.aborted and self.aborted[0][1] <= header.base:
            self.aborting.add(self.aborted.pop(0)[0])
        if header.attributes & 0x20:
            if self._ends_in_abort(raw, header):
                self.aborting.discard(header.producer)
        elif not (header.attributes & 0x10 and header.producer in self.aborting):
            self._records(raw, header)
        self.position = max(self.position, header.last + 1)

    def _plain(self, codec: int, data: bytes) -> bytes:
        made = plain(codec, data)
        if not alike(codec, data):
            self.oddities.add("stream")
        return made

    def _in_order(self, base: int, last: int) -> None:
        if base < self.behind or last < self.position:
            self.oddities.add("order")
        self.behind = last + 1

    def _ends_in_abort(self, raw: bytes, header: _Header) -> bool:
        count = header.records
        data = self._plain(header.attributes & 7, raw[HEADER:])
        if not count and not data:
            self.oddities.add("no marker")
            return False
        if count <= 0:
            raise FlawError("marker")
        try:
            (_, _, key, _, headers), _ = _record(data, 0)
        except FlawError as error:
            raise FlawError("marker") from error
        if key is None or len(key) < 4:
            raise FlawError("marker")
        version, end = struct.unpack_from(">hh", key)
        if version or header.attributes & 7 or headers:
            self.oddities.add("other marker")
        return bool(end == 0)

    def _records(self, raw: bytes, header: _Header) -> None:
        data, at, count = self._plain(header.attributes & 7, raw[HEADER:]), 0, header.records
        before = header.base - 1
        if count < 0 or (not count and data):
            raise FlawError("count")
        for number in range(count):
            (delta, offset, key, value, headers), at = _record(data, at)
            offset += header.base
            if not before < offset <= header.last - (count - 1 - number):
                raise FlawError("offset of a record")
            if number == count - 1 and at != len(data):
                raise FlawError("left over")
            before = offset
            self._deliver(offset, header.time(delta), key, value, headers)

    def _deliver(
        self, offset: int, time: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        try:
            texts = tuple((name.decode(), text) for name, text in headers)
        except UnicodeDecodeError as error:
            self.oddities.add("name of a header")
            if offset >= self.position:
                raise FlawError("name of a header") from error
            return
        if offset < self.position:
            return
        self.records.append((offset, time, key, value, texts))
        self.position = offset + 1

    def _old(self, raw: bytes) -> None:
        """A message of one of the formats before, or several that are compressed together."""
        offset, attributes, time, key, value = _message(raw)
        self._in_order(offset, offset)
        if zlib.crc32(raw[16:]) != struct.unpack_from(">I", raw, 12)[0]:
            raise FlawError("checksum")
        if not 0 <= offset < _LARGEST:
            raise FlawError("offsets of a batch")
        if not attributes & 7:
            self._deliver(offset, time, key, value, ())
            return
        if attributes & 7 > 3 or (raw[16] == 0 and attributes & 7 == 3):
            raise FlawError("codec")
        if value is None:
            raise FlawError("old message")
        found = list(_inner(self._plain(attributes & 7, value), raw[16]))
        if not found or any(each[1] & 7 for each in found):
            raise FlawError("old message")
        moves = max(offset - found[-1][0], 0) if raw[16] else 0
        offsets = [each[0] + moves for each in found]
        if sorted(set(offsets)) != offsets or offsets[0] < 0 or offsets[-1] > offset:
            raise FlawError("offset of a record")
        for one, (_, _, its_time, its_key, its_value) in zip(offsets, found, strict=True):
            self._deliver(one, time if attributes & 8 else its_time, its_key, its_value, ())
        self.position = max(self.position, offset + 1)


def _record(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
    record = Bytes(data, at)
    length = record.number()
    begin = record.at
    _attributes, time, offset = record.number(), record.number(), record.number()
    key, value, count = record.sized(), record.sized(), record.number()
    if count < 0:
        raise FlawError("headers")
    headers = []
    for _ in range(count):
        name = record.sized()
        if name is None:
            raise FlawError("headers")
        headers.append((name, record.sized()))
    if record.at - begin != length:
        raise FlawError("length of a record")
    return (time, offset, key, value, tuple(headers)), record.at


def _inner(data: bytes, magic: int) -> Iterator[tuple[int, int, int, bytes | None, bytes | None]]:
    """The messages that were compressed together."""
    at = 0
    while at < len(data):
        if len(data) - at < LOG_OVERHEAD:
            raise FlawError("old message")
        (length,) = struct.unpack_from(">i", data, at + 8)
        if not 14 <= length <= len(data) - at - LOG_OVERHEAD or data[at + 16] != magic:
            raise FlawError("old message")
        yield _message(data[at : at + LOG_OVERHEAD + length])
        at += LOG_OVERHEAD + length


def _message(raw: bytes) -> tuple[int, int, int, bytes | None, bytes | None]:
    """Offset, attributes, time, key and value."""
    offset, _, _, magic, attributes = struct.unpack_from(">qiIbb", raw)
    time, at, texts = -1, 18, []
    if magic:
        if len(raw) < 34:
            raise FlawError("length")
        (time,) = struct.unpack_from(">q", raw, 18)
        at = 26
    for _ in range(2):
        if len(raw) - at < 4:
            raise FlawError("old message")
        (size,) = struct.unpack_from(">i", raw, at)
        at += 4
        if size < -1 or size > len(raw) - at:
            raise FlawError("old message")
        texts.append(None if size < 0 else raw[at : at + size])
        at += max(size, 0)
    if at != len(raw):
        raise FlawError("old message")
    return offset, attributes, time, texts[0], texts[1]


def read(data: bytes, aborted: Sequence[tuple[int, int]], offset: int) -> Answer:
    """What is in a fetch from an offset on, until its end or the first flaw."""
    reading = _Pass(data, aborted, offset)
    flaw = ""
    try:
        reading.read()
    except FlawError as error:
        flaw = str(error)
    return Answer(reading.records, reading.position, flaw, reading.oddities)
