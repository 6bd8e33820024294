"""The members of ZIP and tar archives: where each stands, how it is packed, and what of an archive cannot be read.

Nothing is extracted: a member is a range of the archive's bytes, and its name only names it. So absolute names, `..`
and names that stand twice do no harm. What a member's data says is not looked at here.
"""

import calendar
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from detector.records import magic_numbers as magic
from detector.records.dead_letters import (
    CORRUPT_ARCHIVE,
    TOO_LARGE,
    TRUNCATED_ARCHIVE,
    UNSUPPORTED_ARCHIVE,
    bad,
)
from detector.terminal.output import shown
from detector.values.errors import BadRecordError
from detector.values.times import HOUR, SECOND

ZIP: Final = "zip"
TAR: Final = "tar"
MOST_MEMBERS: Final = 100_000
MOST_AT_ONCE: Final = (
    32 * 1024 * 1024
)  # bytes of a list of members, or of one name: each member takes about 100

Bytes = Callable[[int, int], Iterator[bytes]]

_LOCAL: Final = struct.Struct(
    "<4s22xHH"
)  # of a local header: its signature, the lengths of the name and of the rest
_END: Final = struct.Struct("<20xH")  # of the end record: the length of the comment behind it
_LONGEST_END: Final = _END.size + (1 << 16)  # the same with its comment
_LONGEST_LINK: Final = 4096  # bytes of what a link leads to (PATH_MAX): what is longer is none
_DESCRIPTOR: Final = 24  # bytes that may stand behind the data of a member
_NOTHING: Final = 2  # bytes to which nothing is deflated
_ENCRYPTED: Final = 0x1
_DEFLATE: Final = 8
_AS_IT_STANDS: Final = (0, 12, 93)  # stored; bzip2 and Zstandard have first bytes of their own
_METHODS: Final = {1: "shrinking", 6: "imploding", 9: "Deflate64", 14: "LZMA", 95: "xz", 98: "PPMd"}
_UNIX_TIME: Final = 0x5455  # extra fields: PKWARE's APPNOTE and Info-ZIP's extrafld.txt
_NTFS_TIME: Final = 0x000A
_NTFS_EPOCH: Final = 11_644_473_600  # seconds from 1601 to 1970
_DOS_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # what tools write that state no time
_ZONES: Final = 12 * HOUR + 2 * SECOND  # a time of DOS has no zone, and two seconds of precision
_BLOCK: Final = 512  # of a tar
_REST: Final = "(rest)"


class Member(msgspec.Struct, frozen=True):
    """One member with data.

    `start` and `stored` say where these bytes stand in the archive; `name` is as `shown` writes it. With `deflated`
    they are packed, and become `size` bytes with the checksum `crc`. `modified` is the time (ns) that the archive
    states for it, None for none. In truth it may be later by `slack` (ns). `is_rest` says that it is no member, but
    bytes that the archive does not name: no event is read in them.
    """

    name: str
    start: int
    stored: int
    size: int
    deflated: bool = False
    crc: int = 0
    modified: int | None = None
    slack: int = 0
    is_rest: bool = False


class Listing(msgspec.Struct):
    """What is in an archive. `problems` are of the member that they name, or of the archive as a whole.

    `passed_over` counts links and devices, which have no data.
    """

    members: list[Member] = []
    problems: list[tuple[str | None, BadRecordError]] = []
    passed_over: int = 0

    def problem(self, name: str | None, reason: str, detail: str) -> None:
        """Notes what cannot be read."""
        self.problems.append((name, bad(reason, detail=detail)))


def archive_kind(head: bytes) -> str | None:
    """The kind of archive that begins so, if it is one whose members are read."""
    if head.startswith((magic.ZIP, magic.EMPTY_ZIP)):
        return ZIP
    return TAR if head.startswith(magic.TAR, magic.TAR_AT) else None


def list_members(raw: Bytes, size: int, kind: str) -> Listing:
    """The members of an archive of `size` bytes.

    Raises:
        BadRecordError: none of it can be read as an archive of its kind.
    """
    return _list_zip(raw, size) if kind == ZIP else _list_tar(raw, size)


class _TooMuchError(Exception):
    """More is asked for at once than any honest archive needs."""


class _RangeFile(io.RawIOBase):
    """The bytes of an archive as a file, for the readers of the standard library."""

    def __init__(self, raw: Bytes, size: int) -> None:
        super().__init__()
        self._raw, self._size, self._at = raw, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > MOST_AT_ONCE:
            raise _TooMuchError
        data = b"".join(self._raw(self._at, self._at + wanted)) if wanted else b""
        self._at += len(data)
        return data


def _unreadable(error: Exception) -> BadRecordError:
    """Why the list of members cannot be read.

    Raises:
        MemoryError: it may be as it should.
    """
    if isinstance(error, MemoryError):
        raise error
    if isinstance(error, BadRecordError):
        return error
    if isinstance(error, _TooMuchError):
        return bad(
            TOO_LARGE, detail="its list of members is too large: unpack it; its bytes were scanned as text"
        )
    return bad(
        CORRUPT_ARCHIVE,
        detail="its list of members is damaged or missing, so that no member was read: fetch it again, or unpack "
        "what can be unpacked; its bytes were scanned as text",
    )


def _list_zip(raw: Bytes, size: int) -> Listing:
    try:
        with zipfile.ZipFile(_RangeFile(raw, size)) as archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            behind = archive.start_dir
    except Exception as error:  # noqa: BLE001 - a reader of the standard library on hostile bytes
        raise _unreadable(error) from None
    found = Listing()
    if len(entries) > MOST_MEMBERS:
        _too_many(found)
    end = 0
    unlisted = False
    for place, entry in enumerate(entries[:MOST_MEMBERS]):
        following = entries[place + 1].header_offset if place + 1 < len(entries) else behind
        unlisted = unlisted or entry.header_offset > end + _DESCRIPTOR
        end = _take_entry(raw, entry, following, found)
    if unlisted or (len(entries) <= MOST_MEMBERS and behind > end + _DESCRIPTOR):
        found.problem(
            None,
            CORRUPT_ARCHIVE,
            "there are bytes between its members that its list does not name: they were not read",
        )
    _take_behind_zip(raw, size, found)
    return found


def _take_behind_zip(raw: Bytes, size: int, found: Listing) -> None:
    """The comment of a ZIP, and what was put behind its end: scanned as text, as the standard library passes over it.

    The end record is looked for as `zipfile` does, so that both mean the same one.
    """
    tail = b"".join(raw(max(0, size - _LONGEST_END), size))
    at = len(tail) - _END.size
    if not tail.startswith(magic.EMPTY_ZIP, max(0, at)) or not tail.endswith(b"\0\0"):
        at = tail.rfind(magic.EMPTY_ZIP)
    if at < 0 or at + _END.size >= len(tail):
        return
    comment: int
    (comment,) = _END.unpack_from(tail, at)
    behind = len(tail) - at - _END.size
    if comment != behind and not found.problems:
        found.problem(None, CORRUPT_ARCHIVE, "there is more data after its end: it was scanned as text")
    found.members.append(Member(_REST, size - behind, behind, behind, is_rest=True))


def _take_entry(raw: Bytes, entry: zipfile.ZipInfo, following: int, found: Listing) -> int:
    """Takes one entry of the list; where its data ends. `following` is where the next thing in the file begins."""
    filename = shown(entry.filename)
    begin = entry.header_offset  # before the file, if the archive's list is damaged
    header = b"".join(raw(begin, begin + _LOCAL.size)) if begin >= 0 else b""
    if len(header) < _LOCAL.size or not header.startswith(magic.ZIP):
        found.problem(filename, CORRUPT_ARCHIVE, "it is not where the archive says: it was not read")
        return following
    name: int
    extra: int
    _, name, extra = _LOCAL.unpack(header)
    start = begin + _LOCAL.size + name + extra
    end = start + entry.compress_size
    if end > following:
        found.problem(
            filename, CORRUPT_ARCHIVE, "its bytes overlap those of another member: it was not unpacked"
        )
        return following
    holds = entry.file_size or entry.compress_size > _NOTHING
    if filename.endswith("/") and not holds:  # `is_dir` fails where the name is empty
        return end
    if stat.S_ISLNK(entry.external_attr >> 16) and max(entry.file_size, entry.compress_size) <= _LONGEST_LINK:
        found.passed_over += 1
    elif entry.flag_bits & _ENCRYPTED:
        found.problem(
            filename,
            UNSUPPORTED_ARCHIVE,
            "it is encrypted: decrypt it, and read what is in it; it was not read",
        )
    elif entry.compress_type != _DEFLATE and entry.compress_type not in _AS_IT_STANDS:
        method = _METHODS.get(entry.compress_type, f"method {entry.compress_type}")
        found.problem(
            filename,
            UNSUPPORTED_ARCHIVE,
            f"it is compressed by {method}, which is not unpacked: unpack it, and read it; it was not read",
        )
    else:
        modified, slack = _zip_time(entry)
        found.members.append(
            Member(
                filename,
                start,
                entry.compress_size,
                entry.file_size,
                entry.compress_type == _DEFLATE,
                entry.CRC,
                modified,
                slack,
            )
        )
    return end


def _too_many(found: Listing) -> None:
    found.problem(
        None,
        TOO_LARGE,
        f"it has more than {MOST_MEMBERS:,} members: only that many were read; unpack it, and read the folder",
    )


def _zip_time(entry: zipfile.ZipInfo) -> tuple[int | None, int]:
    """The modification time (ns) of a member, and by how much it may be later."""
    exact = _extra_time(entry.extra)
    if exact is not None:
        return exact, 0
    try:
        seconds = calendar.timegm((*entry.date_time, 0, 0, 0))
    except (ValueError, OverflowError):
        return None, 0
    return (None, 0) if entry.date_time == _DOS_EPOCH else (seconds * SECOND, _ZONES)


def _extra_time(extra: bytes) -> int | None:
    """The time with a zone that an extra field states."""
    at = 0
    while at + 4 <= len(extra):
        tag, size = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + size]
        if tag == _UNIX_TIME and len(field) >= 5 and field[0] & 1:  # noqa: PLR2004 - the flags, and a time
            seconds: int = struct.unpack_from("<i", field, 1)[0]
            return seconds * SECOND if seconds > 0 else None
        if tag == _NTFS_TIME and len(field) >= 16 and field[4:8] == b"\1\0\x18\0":  # noqa: PLR2004 - so far the first time
            (ticks,) = struct.unpack_from("<Q", field, 8)
            time = ticks * 100 - _NTFS_EPOCH * SECOND
            return time if time > 0 else None
        at += 4 + size
    return None


def _list_tar(raw: Bytes, size: int) -> Listing:
    found = Listing()
    file = _RangeFile(raw, size)
    end = 0
    try:
        archive = tarfile.TarFile(fileobj=file, errors="surrogateescape")
    except Exception as error:  # noqa: BLE001 - as above
        raise _unreadable(error) from None
    number = 0
    while True:
        try:
            entry = archive.next()
        except Exception as error:  # noqa: BLE001 - as above
            problem = _unreadable(error)
            if "unexpected end" in str(error):
                found.problem(
                    None, TRUNCATED_ARCHIVE, "it ends in the middle of a member; what is there was read"
                )
            else:
                found.problem(
                    None,
                    problem.reason,
                    "the header of a member cannot be read; what follows it was scanned as text",
                )
            break
        if entry is None:
            break
        archive.members = []  # type: ignore[attr-defined]  # it keeps all of them, and typeshed has no name for it
        number += 1
        if number > MOST_MEMBERS:
            _too_many(found)
            break
        end = archive.offset
        _take_tar_entry(entry, size, found)
    _take_rest(raw, min(end, size), size, found)
    return found


def _take_tar_entry(entry: tarfile.TarInfo, size: int, found: Listing) -> None:
    if entry.isdir():
        return
    name = shown(entry.name)
    if entry.issparse():
        found.problem(
            name,
            UNSUPPORTED_ARCHIVE,
            "it is stored with holes, which is not unpacked: unpack it, and read it",
        )
    elif entry.type in tarfile.SUPPORTED_TYPES and not entry.isreg():
        found.passed_over += 1
    else:  # a type that nobody knows is a file (POSIX, pax: typeflag)
        there = max(0, min(entry.size, size - entry.offset_data))
        if there < entry.size:
            found.problem(
                name, TRUNCATED_ARCHIVE, "the archive ends in the middle of it; what is there was read"
            )
        modified = int(entry.mtime * SECOND) if 0 < entry.mtime < 1 << 33 else None
        found.members.append(Member(name, entry.offset_data, there, there, modified=modified))


def _take_rest(raw: Bytes, end: int, size: int, found: Listing) -> None:
    """What stands behind the last member: zeros, or else something that is scanned as it stands."""
    at = end
    for chunk in raw(end, size):
        blank = len(chunk) - len(chunk.lstrip(b"\0"))
        at += blank
        if blank < len(chunk):
            break
    if at >= size:
        return
    at -= at % _BLOCK
    if not found.problems:
        found.problem(
            None,
            CORRUPT_ARCHIVE,
            "there is more data after its end, or after a damaged header: it was scanned as text",
        )
    found.members.append(Member(_REST, at, size - at, size - at, is_rest=True))


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, each but the first of several equal ones with its number: `a.log`, `a.log#2`."""
    taken, counts, unique = set(names), dict[str, int](), []
    for name in names:
        number = counts[name] = counts.get(name, 0) + 1
        given = name
        while number > 1 and (given := f"{name}#{number}") in taken:
            number += 1
        counts[name] = number
        taken.add(given)
        unique.append(given)
    return unique
