"""The first bytes of compressed data and of archives, each once: files, records and streams are told by them."""

from typing import Final

GZIP: Final = b"\x1f\x8b\x08"  # with the only method there is
ZSTD: Final = b"\x28\xb5\x2f\xfd"
LZ4: Final = b"\x04\x22\x4d\x18"
XZ: Final = b"\xfd7zXZ\x00"
SNAPPY: Final = b"\xff\x06\x00\x00sNaPpY"  # in frames
XERIAL: Final = b"\x82SNAPPY\x00"  # in the frames of Java's snappy streams
BZIP2: Final = b"BZh"  # then a digit, and what its first block begins with
BZIP2_BLOCK: Final = b"1AY&SY"
BZIP2_END: Final = b"\x17rE8P\x90"  # where there is no block
COMPRESS: Final = b"\x1f\x9d"
ZIP: Final = b"PK\x03\x04"
EMPTY_ZIP: Final = b"PK\x05\x06"
SEVEN_ZIP: Final = b"7z\xbc\xaf\x27\x1c"
RAR: Final = b"Rar!\x1a\x07"
TAR: Final = b"ustar"
TAR_AT: Final = 257  # where it stands
