"""Compressed input as a stream: gzip and Zstandard, told by their first bytes, and members of ZIP; never held whole.

Damage costs as little as it can: a wrong checksum costs nothing, and other damage the rest of its member (or frame).
What stands before it, and the members behind it, are read. Where something is lost, a newline takes its place, so that
two halves of lines do not become one.
"""

import zlib
from collections.abc import Generator, Iterable, Iterator
from typing import Final

import msgspec
import zstandard

from detector.records import magic_numbers as magic
from detector.records.blocks import BLOCK
from detector.records.dead_letters import CORRUPT_ARCHIVE, TOO_LARGE, TRUNCATED_ARCHIVE, bad
from detector.values.times import SECOND

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
_GZIP_WINDOW: Final = 31  # zlib's way to say: gzip, window of 32 KiB
_STEP: Final = 4096  # bytes in which the place of damage is looked for
_MOST_DAMAGE: Final = 1000  # places; what stands behind so many is left
_TRAILERS: Final = ("data check", "length check")  # zlib's words for a wrong checksum or size: all was read
_LOST: Final = b"\n"
_BOMB: Final = "it unpacks to far more than any log does: its beginning was read; unpack it, and read it"

_SKIPPED_MAGIC: Final = b"\x2a\x4d\x18"  # behind a byte from 0x50 to 0x5f
_GZIP_TIME: Final = slice(4, 8)  # where a member states its time (RFC 1952, MTIME)
_ZSTD_WINDOW: Final = 1 << 27  # what `zstd -d` takes without being told to; a larger one is refused
_ZSTD_BLOCK: Final = 1 << 17  # no block is larger, compressed or not
_RLE, _RESERVED = 1, 3  # types of blocks
_LEAST_WINDOW: Final = 10  # as a power of two

# What is no text, and is not unpacked: its first bytes, and what it is.
_UNSUPPORTED: Final = (
    (magic.XZ, "xz"),
    (magic.SEVEN_ZIP, "7-Zip"),
    (magic.LZ4, "LZ4"),
    (magic.COMPRESS, "compress"),
    (magic.SNAPPY, "snappy"),
    (magic.RAR, "RAR"),
)


def packing(head: bytes) -> str | None:
    """How a file that begins with `head` is compressed, if it is."""
    if head.startswith(magic.GZIP[:2]):
        return GZIP
    return ZSTD if head.startswith(magic.ZSTD) or _is_skipped(head) else None


def unsupported(head: bytes) -> str | None:
    """The kind of archive that a file begins with, if it is one that is not unpacked."""
    if head.startswith(magic.BZIP2) and head.startswith(magic.BZIP2_BLOCK, len(magic.BZIP2) + 1):
        return "bzip2"
    return next((name for magic, name in _UNSUPPORTED if head.startswith(magic)), None)


def not_unpacked(kind: str) -> str:
    """What to tell of an archive of such a kind."""
    return f"a {kind} archive is not unpacked: unpack it, and read the files in it; its bytes were scanned as text"


class MemberTimes:
    """The modification times that the members of an archive state, as far as it has been read.

    Only gzip states one: in seconds, 0 for none.
    """

    def __init__(self) -> None:
        self._latest = 0
        self._unstated = False
        self._head = b""

    def begin(self) -> None:
        """A member begins."""
        self._head = b""

    def take(self, data: bytes) -> None:
        """The next bytes of the member, of which the first are looked at."""
        missing = _GZIP_TIME.stop - len(self._head)
        if missing <= 0:
            return
        self._head += data[:missing]
        if len(data) >= missing:
            seconds = int.from_bytes(self._head[_GZIP_TIME], "little")
            self._latest = max(self._latest, seconds)
            self._unstated = self._unstated or not seconds

    @property
    def latest(self) -> int | None:
        """The latest of them in ns, None if there is none or a member states none."""
        return None if self._unstated or not self._latest else self._latest * SECOND


def unpacked(chunks: Iterable[bytes], packing: str, times: MemberTimes | None = None) -> Iterator[bytes]:
    """The decompressed bytes in chunks of at most 256 KiB, of all members or frames one after another.

    The time of each member is noted in `times` before its bytes are given.

    Raises:
        BadRecordError: the data ends in the middle or is damaged, after all that could be read was given.
    """
    times = times or MemberTimes()
    for data in _gunzip(chunks, times) if packing == GZIP else _unzstd(chunks):
        yield from _even(data)


class _Damage(msgspec.Struct):
    """How often something was damaged."""

    places: int = 0

    def add(self) -> None:
        self.places += 1
        if self.places > _MOST_DAMAGE:
            raise bad(CORRUPT_ARCHIVE)


def _gunzip(chunks: Iterable[bytes], times: MemberTimes) -> Iterator[bytes]:
    damage, lost, ended = _Damage(), False, True
    member = zlib.decompressobj(_GZIP_WINDOW)
    held = b""  # in which the next member may begin
    for chunk in chunks:
        rest, held = held + chunk, b""
        while rest:
            if ended:
                begin = rest.find(magic.GZIP) if lost else len(rest) - len(rest.lstrip(b"\0"))  # or padding
                if begin < 0 or begin == len(rest):
                    held = rest[1 - len(magic.GZIP) :] if lost else b""
                    break
                rest, member, ended = rest[begin:], zlib.decompressobj(_GZIP_WINDOW), False
                times.begin()
            times.take(rest)
            before = member.copy()
            try:
                data = member.decompress(rest, BLOCK)
                more = _drained(member) if len(data) == BLOCK and not member.unconsumed_tail else b""
            except zlib.error:
                damage.add()
                rest, complete = yield from _salvaged(before, rest)
                if not (complete or lost):
                    yield _LOST
                lost = ended = True
                continue
            if data:
                lost = False
                yield data
                yield more
            ended = member.eof
            rest = member.unused_data if ended else member.unconsumed_tail
    if damage.places:
        raise bad(CORRUPT_ARCHIVE)
    if not ended:
        raise bad(TRUNCATED_ARCHIVE)


def inflated(chunks: Iterable[bytes], size: int, checksum: int) -> Iterator[bytes]:
    """What a deflated member of a ZIP unpacks to, in chunks of at most 256 KiB; `size` and `checksum` as stated for it.

    Raises:
        BadRecordError: it is damaged, or not what is stated, after all that could be read was given. No more than
            `size` bytes are.
    """
    member = zlib.decompressobj(-zlib.MAX_WBITS)
    made = check = 0
    for chunk in chunks:
        rest = chunk
        while rest and not member.eof:
            before = member.copy()
            try:
                data = member.decompress(rest, BLOCK)
                more = _drained(member) if len(data) == BLOCK and not member.unconsumed_tail else b""
            except zlib.error:
                for data in _salvaged(before, rest):
                    yield from _even(data[: max(0, size - made)])
                    made += len(data)
                raise bad(CORRUPT_ARCHIVE) from None
            rest = member.unconsumed_tail
            for piece in (data, more):
                fits = piece[: max(0, size - made)]
                made += len(piece)
                check = zlib.crc32(fits, check)
                if fits:
                    yield from _even(fits)
            if made > size:
                raise bad(CORRUPT_ARCHIVE)
    if not member.eof:
        raise bad(TRUNCATED_ARCHIVE)
    if made != size or check != checksum:
        raise bad(CORRUPT_ARCHIVE)


def bounded(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The chunks up to `most` bytes.

    Raises:
        BadRecordError: there is more.
    """
    for chunk in chunks:
        if len(chunk) > most:
            yield chunk[:most]
            raise bad(TOO_LARGE, detail=_BOMB)
        most -= len(chunk)
        yield chunk


def _drained(member: "zlib._Decompress") -> bytes:
    """What zlib still holds after all input was taken, when the limit on one call's output was reached."""
    return member.decompress(b"") if not member.eof else b""


def _salvaged(member: "zlib._Decompress", rest: bytes) -> Generator[bytes, None, tuple[bytes, bool]]:
    """What `rest` holds before its damage; returns what stands behind that, and whether nothing was lost.

    `member` is as it was before `rest` came.
    """
    start = 0
    while True:
        before = member.copy()
        try:
            yield member.decompress(rest[start : start + _STEP])
        except zlib.error:
            break
        start += _STEP
    for at in range(start, len(rest)):
        try:
            yield before.decompress(rest[at : at + 1])
        except zlib.error as error:
            return rest[at + 1 :], any(word in str(error) for word in _TRAILERS)
    return b"", False


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Frame by frame and block by block: zstandard itself gives nothing of what it read before an error."""
    reader, damage = _ByteReader(chunks), _Damage()
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    while head := reader.take(len(magic.ZSTD)):
        if _is_skipped(head):
            reader.skip(int.from_bytes(reader.whole(4), "little"))
        elif head == magic.ZSTD:
            yield from _frame(reader, decoder, damage)
        elif len(head) < len(magic.ZSTD) and magic.ZSTD.startswith(head):
            raise bad(TRUNCATED_ARCHIVE)
        else:
            damage.add()
            yield _LOST
            reader.find(head, magic.ZSTD)
    if damage.places:
        raise bad(CORRUPT_ARCHIVE)


def _is_skipped(head: bytes) -> bool:
    return head[1:4] == _SKIPPED_MAGIC and head[0] >> 4 == 5  # noqa: PLR2004 - 0x50 to 0x5f


def _frame(reader: "_ByteReader", decoder: zstandard.ZstdDecompressor, damage: _Damage) -> Iterator[bytes]:
    """One frame, behind its magic number."""
    frame = decoder.decompressobj()
    header, said, summed = _header(reader)
    # The header is refused if its window is too large, or it needs a dictionary.
    size, readable = 0, _decompressed(frame, header) is not None
    for block in _blocks(reader):
        data = _decompressed(frame, block) if readable and block else None
        readable = data is not None
        if data is not None:
            size += len(data)
            yield data
        elif not block:
            reader.find(b"", magic.ZSTD)
            summed = False
    checksum = reader.whole(4) if summed else b""
    if not readable:
        damage.add()
        yield _LOST
    elif (checksum and _decompressed(frame, checksum) is None) or said not in (None, size):
        damage.add()


def _decompressed(frame: "zstandard.ZstdDecompressionObj", data: bytes) -> bytes | None:
    try:
        return frame.decompress(data)
    except zstandard.ZstdError:
        return None


def _blocks(reader: "_ByteReader") -> Iterator[bytes]:
    """The blocks of a frame up to the last, with their heads; and last an empty one where no block can be."""
    last = False
    while not last:
        head = reader.whole(3)
        number = int.from_bytes(head, "little")
        last, kind, length = bool(number & 1), number >> 1 & 3, number >> 3
        if kind == _RESERVED or length > _ZSTD_BLOCK:
            yield b""
            return
        yield head + reader.whole(1 if kind == _RLE else length)


def _header(reader: "_ByteReader") -> tuple[bytes, int | None, bool]:
    """A frame's header without its size, the size that it states, and whether the frame ends with a checksum.

    zstandard gives nothing of the last block where the size is wrong.
    """
    (descriptor,) = reader.whole(1)
    single, summed = bool(descriptor & 0x20), bool(descriptor & 0x04)
    window = b"" if single else reader.whole(1)
    dictionary = reader.whole((0, 1, 2, 4)[descriptor & 3])
    width = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    said = int.from_bytes(reader.whole(width), "little") + (256 if width == 2 else 0) if width else None  # noqa: PLR2004 - two bytes begin at 256
    if single:
        power = max(_LEAST_WINDOW, ((said or 1) - 1).bit_length())
        window = bytes([min(power - _LEAST_WINDOW, 31) << 3])
    return magic.ZSTD + bytes([descriptor & 0x0F]) + window + dictionary, said, summed


class _ByteReader:
    """Takes as many bytes from a stream as are asked for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._data = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next bytes; fewer only at the end."""
        while len(self._data) - self._at < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._data, self._at = self._data[self._at :] + chunk, 0
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def whole(self, size: int) -> bytes:
        """The next bytes, all of them.

        Raises:
            BadRecordError: the stream ends before.
        """
        found = self.take(size)
        if len(found) < size:
            raise bad(TRUNCATED_ARCHIVE)
        return found

    def skip(self, size: int) -> None:
        """Passes over bytes.

        Raises:
            BadRecordError: the stream ends before.
        """
        while size:
            size -= len(self.whole(min(size, BLOCK)))

    def find(self, taken: bytes, wanted: bytes) -> None:
        """Passes over everything before `wanted`; `taken` was taken last, and is looked at again."""
        seen = taken
        while True:
            at = seen.find(wanted)
            if at >= 0:
                self._data, self._at = seen[at:] + self._data[self._at :], 0
                return
            more = self.take(BLOCK)
            if not more:
                return
            seen = seen[1 - len(wanted) :] + more


def _even(data: bytes) -> Iterator[bytes]:
    """Pieces that are not too large."""
    for start in range(0, len(data), BLOCK):
        yield data[start : start + BLOCK]
