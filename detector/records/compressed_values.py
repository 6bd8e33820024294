"""Tells compressed data by its first bytes. A record whose value is compressed is not unpacked: it has to be reported."""

import re  # on the first bytes
import zlib
from typing import Final

_COMPRESSED: Final = (
    b"\x1f\x8b\x08",  # gzip
    b"\x28\xb5\x2f\xfd",  # zstd
    b"\x04\x22\x4d\x18",  # lz4
    b"\xfd7zXZ\x00",
    b"\xff\x06\x00\x00sNaPpY",
    b"\x82SNAPPY\x00",
    b"PK\x03\x04",  # zip
    b"7z\xbc\xaf\x27\x1c",
)
_BZIP2: Final = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
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
