"""The checksum of Kafka's record batches and RocksDB's blocks, CRC-32C, three times as fast as aiokafka's.

Eight bytes at a time are looked up in tables. Of a long text that is done in four parts side by side, because each
look-up waits for the one before it in its part. The checksums are of polynomials, so that of a text is made of those
of its parts.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detector.jit import bare

_POLYNOMIAL: Final = 0x82F63B78  # Castagnoli's, the lowest power first
_EIGHT: Final = 8
_PARTS: Final = 4
_LONG: Final = 2048  # bytes from which parts are faster
_ALL: Final = 0xFFFFFFFF
_X0, _X8 = 1 << 31, 1 << 23  # the powers of x


def _tables() -> npt.NDArray[np.uint32]:
    """By byte: what it adds to a checksum behind which k more bytes come, at 256 k."""
    table = list(range(256))
    for _ in range(_EIGHT):
        table = [(each >> 1) ^ (_POLYNOMIAL if each & 1 else 0) for each in table]
    tables = [table]
    for _ in range(_EIGHT - 1):
        tables.append([(each >> 8) ^ table[each & 255] for each in tables[-1]])
    made = np.array(tables, np.uint32).ravel()
    made.flags.writeable = False
    return made


TABLES: Final = _tables()


@bare
def _word(data: Any, at: Any) -> Any:
    """Eight bytes as a number. Compilers make one load of it."""
    word = np.uint64(0)
    for number in range(_EIGHT):
        word |= np.uint64(data[at + np.uint64(number)]) << np.uint64(_EIGHT * number)
    return word


@bare
def _after(word: Any, tables: Any) -> Any:
    """The checksum after eight bytes, which it was added to."""
    byte = np.uint64(255)
    return (
        tables[np.uint64(1792) + (word & byte)]
        ^ tables[np.uint64(1536) + ((word >> np.uint64(8)) & byte)]
        ^ tables[np.uint64(1280) + ((word >> np.uint64(16)) & byte)]
        ^ tables[np.uint64(1024) + ((word >> np.uint64(24)) & byte)]
        ^ tables[np.uint64(768) + ((word >> np.uint64(32)) & byte)]
        ^ tables[np.uint64(512) + ((word >> np.uint64(40)) & byte)]
        ^ tables[np.uint64(256) + ((word >> np.uint64(48)) & byte)]
        ^ tables[word >> np.uint64(56)]
    )


@bare
def _product(one: Any, other: Any) -> Any:
    """The product of two polynomials, less multiples of Castagnoli's."""
    made = np.uint32(0)
    for number in range(32):
        if one & (np.uint32(_X0) >> np.uint32(number)):
            made ^= other
        odd = other & np.uint32(1)
        other >>= np.uint32(1)
        if odd:
            other ^= np.uint32(_POLYNOMIAL)
    return made


@bare
def _power(count: int) -> Any:
    """The power 8 `count` of x: the factor of a checksum behind which so many bytes come."""
    made, square = np.uint32(_X0), np.uint32(_X8)
    while count:
        if count & 1:
            made = _product(square, made)
        square = _product(square, square)
        count >>= 1
    return made


@bare
def _end(data: Any, at: int, made: Any, tables: Any) -> Any:
    """The checksum, `made` being that of all before `at`."""
    for place in range(at, data.size):
        made = (made >> np.uint32(8)) ^ tables[(made ^ np.uint32(data[place])) & np.uint32(255)]
    return made ^ np.uint32(_ALL)


@bare
def crc32c(data: Any, begin: int, tables: Any) -> Any:
    """The checksum of `data` from `begin` on."""
    size = data.size - begin
    made, at = np.uint32(_ALL), np.uint64(begin)
    if size < _LONG:
        for _ in range(size // _EIGHT):
            made = _after(_word(data, at) ^ np.uint64(made), tables)
            at += np.uint64(_EIGHT)
        return _end(data, begin + size // _EIGHT * _EIGHT, made, tables)
    part = size // (_PARTS * _EIGHT) * _EIGHT
    first, second, third, fourth = made, np.uint32(0), np.uint32(0), np.uint32(0)
    by = np.uint64(part)
    for _ in range(part // _EIGHT):
        first = _after(_word(data, at) ^ np.uint64(first), tables)
        second = _after(_word(data, at + by) ^ np.uint64(second), tables)
        third = _after(_word(data, at + by + by) ^ np.uint64(third), tables)
        fourth = _after(_word(data, at + by + by + by) ^ np.uint64(fourth), tables)
        at += np.uint64(_EIGHT)
    factor = _power(part)
    made = _product(first, factor) ^ second
    made = _product(made, factor) ^ third
    made = _product(made, factor) ^ fourth
    return _end(data, begin + _PARTS * part, made, tables)
