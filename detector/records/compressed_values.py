"""Tells compressed data by its first bytes.

A record whose value is compressed is not unpacked: it has to be reported.
"""

import re  # on the first bytes
import zlib
from typing import Final

from detector.records import magic_numbers as magic

_COMPRESSED: Final = (
    magic.GZIP,
    magic.ZSTD,
    magic.LZ4,
    magic.XZ,
    magic.SNAPPY,
    magic.XERIAL,
    magic.ZIP,
    magic.SEVEN_ZIP,
)
_BZIP2: Final = re.compile(
    magic.BZIP2 + b"[1-9](?:" + re.escape(magic.BZIP2_BLOCK) + b"|" + re.escape(magic.BZIP2_END) + b")"
)
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
FIRST_BYTES: Final = frozenset(
    each[0] for each in (*_COMPRESSED, magic.BZIP2, *_ZLIB)
)  # `compressed` says no to others
_ENOUGH: Final = 4096  # bytes that tell whether it is


def compressed(value: bytes) -> bool:
    """Whether a text begins as compressed data does."""
    if value.startswith(_ZLIB):  # `x^2` does too
        try:
            inflater = zlib.decompressobj()
            inflater.decompress(value[:_ENOUGH], _ENOUGH)
            return inflater.eof or bool(inflater.unconsumed_tail) or len(value) > _ENOUGH
        except zlib.error:
            return False
    return value.startswith(_COMPRESSED) or _BZIP2.match(value) is not None
