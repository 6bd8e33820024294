"""Archives for tests, made by the standard library and, where it makes no such thing, by hand."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping

import zstandard

from detector.values.times import SECOND, parse_rfc3339

MODIFIED = parse_rfc3339("2026-05-02T00:00:00Z")
"""The time (ns) of every member."""

_DATE = (2026, 5, 2, 0, 0, 0)


def zipped(
    files: Mapping[str, bytes] | Iterable[tuple[str, bytes]],
    method: int = zipfile.ZIP_DEFLATED,
    *,
    exact: bool = True,
) -> bytes:
    """A ZIP; with `exact` each member states its time with a zone, as Info-ZIP writes it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = method
            if exact:
                info.extra = struct.pack("<HHBi", 0x5455, 5, 1, MODIFIED // SECOND)
            archive.writestr(info, data)
    return made.getvalue()


def streamed(name: str, data: bytes) -> bytes:
    """A ZIP written to a pipe: the sizes stand behind the data, in a descriptor."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    made = Pipe()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return made.getvalue()


def tarred(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> bytes:
    """A tar."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), MODIFIED // SECOND
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


def gzipped(data: bytes) -> bytes:
    """The same bytes each time."""
    return gzip.compress(data, mtime=0)


def zstd(data: bytes) -> bytes:
    """One frame."""
    return zstandard.ZstdCompressor().compress(data)


def bgzip(text: bytes, block: int) -> bytes:
    """As htslib's bgzip writes it: blocks with their length, of so many bytes of text each, and an empty one last."""
    return b"".join(_bgzip_block(text[at : at + block]) for at in (*range(0, len(text), block), len(text)))


def _bgzip_block(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(text) + packer.flush()
    head = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff\x06\x00BC\x02\x00" + struct.pack("<H", len(data) + 25)
    return head + data + struct.pack("<II", zlib.crc32(text), len(text))
