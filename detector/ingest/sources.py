"""One input that can be read from any place, or from its beginning: a file, an archive, a pipe that was kept."""

import codecs
import os
import re  # over paths of bounded length only
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from detector.adapters.ci_names import task_named
from detector.ingest.archives import (
    MemberTimes,
    bounded,
    inflated,
    not_unpacked,
    packing,
    unpacked,
    unsupported,
)
from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.format_names import DOCUMENT, EVENT_SOURCES, JSON_LINES, OTLP_PROTO, SYSLOG_COUNTED, TEXT
from detector.ingest.frames import Frames, framed, frames_of
from detector.ingest.job_logs import stream_of_member
from detector.ingest.members import Bytes, Member, archive_kind
from detector.ingest.remote import RemoteFile, is_url, remote_bytes
from detector.ingest.sniff import HEAD, looks_binary, sniff
from detector.ingest.spool import Spool
from detector.records.blocks import BLOCK
from detector.records.byte_order_marks import chunks_without_marks, without_marks
from detector.records.dead_letters import BINARY, EMPTY, UNREADABLE, UNSUPPORTED_ARCHIVE, bad
from detector.records.pod_names import pod_task
from detector.records.timestamps import leading_stamp
from detector.terminal.output import path_bytes, printable, shown
from detector.values.errors import BadRecordError

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_ASCII_SHARE: Final = 16
_MOSTLY: Final = 0.9  # of the characters of text in UTF-16 without a mark
_LEAST_HEAD: Final = 16  # bytes that tell it
_TAIL: Final = 512  # bytes at the end, which tell an archive that was put behind a text
_LEAST_FRAMED: Final = 1024 * 1024  # bytes of a compressed file whose parts are looked for
_LINE: Final = 64  # bytes that tell whether a line begins with a time
# Kubernetes: /var/log/pods/<namespace>_<pod>_<uid>/<container>/<n>.log; Docker: .../containers/<id>/<id>-json.log
_POD = re.compile(r"/pods/([^/_]+)_([^/_]+)_([0-9a-f-]{32,36})/[^/]+/[^/]+$")
_CONTAINER = re.compile(r"/containers/([0-9a-f]{64})/[^/]+$")
_LOG: Final = ".log"  # as in `github-job-71.log`, `github-job-71.log.gz`
_MAX_PATH: Final = 4096
_REPLACED: Final = "another file took its place while it was read: read the folder again, the older files too"
_SHORTER: Final = "it became shorter while it was read: read it again, and what was cut off, if that was kept"
_BINARY_END: Final = (
    "its end does not look like text: was an archive appended to it? Its bytes were scanned as they stand"
)
MEASURED: Final = frozenset(
    {OTLP_PROTO, SYSLOG_COUNTED}
)  # formats in which records have their lengths before them


class Place(msgspec.Struct, frozen=True):
    """Where a process can open a source again: from byte `start` of the file at an absolute `path` or URL.

    A path is as `shown` writes it. `size` and `modified` (ns) are those of the file: another file took its place if it
    has others.
    """

    path: str
    start: int
    size: int
    modified: int


class Doubt(msgspec.Struct, frozen=True):
    """What of a source is not understood, as in a `BadRecordError`."""

    reason: str
    detail: str
    field: str | None = None

    @classmethod
    def of(cls, error: BadRecordError) -> Self:
        """What an error says."""
        return cls(error.reason, error.detail, error.field)

    @property
    def error(self) -> BadRecordError:
        """The error."""
        return BadRecordError(self.reason, self.detail, self.field)


class StoredSource(msgspec.Struct, frozen=True):
    """One input, as it crosses to another process or stays in a file: how it is named to a person, and its format.

    `size` is that of the file, compressed or not; `whole` says that it can only be read from its beginning.
    `encoding` is that of its text, if that is not UTF-8.
    `task_id` is the task or container that its path names: a pod's, or a job's by the name of its log. `stream` is the
    step of a job that its name tells.
    `doubt` says what of it is not understood: a binary file, an archive that is not unpacked, nothing at all.
    `carries_events` is what a person said of it, None if nobody did.
    `modified` is the modification time of the file (ns), None of a pipe.
    Of an archive whose members can be read, `archive` is the kind. Of a member, `member` says where it stands, `path`
    is the name of its archive, and `most` the bytes that it may unpack to.
    `frames` are the parts of a compressed file that is read from any place; its `size` is what it unpacks to, and
    `packing` is None.
    `cuts` are the places between which it is cut into units, if that was done where its first bytes were looked at.
    `place` is None where no other process can open it: of a pipe, and of a member of an archive that was unpacked.
    """

    name: str
    format: str
    size: int
    packing: str | None = None
    encoding: str | None = None
    task_id: str | None = None
    doubt: Doubt | None = None
    carries_events: bool | None = None
    modified: int | None = None
    stream: str | None = None
    archive: str | None = None
    member: Member | None = None
    path: str | None = None
    most: int | None = None
    place: Place | None = None
    frames: Frames | None = None
    cuts: tuple[int, ...] | None = None

    @property
    def whole(self) -> bool:
        """Whether it can be read only from the beginning."""
        inflates = self.member is not None and self.member.deflated
        return inflates or self.packing is not None or self.encoding is not None


class Source(StoredSource, frozen=True, kw_only=True):
    """One input that can be read: `raw` gives its bytes from one place to another, unpacked if it has `frames`."""

    raw: Bytes

    def chunks(
        self, start: int = 0, end: int | None = None, times: MemberTimes | None = None
    ) -> Iterator[bytes]:
        """The bytes as UTF-8 (or as they are), decompressed, from one place in the file to another.

        The times of an archive's members are noted in `times`.

        Raises:
            BadRecordError: it cannot be read (any longer), after all that could be read was given.
        """
        chunks = self.content(start, end, times)
        if self.encoding is not None:
            chunks = _transcoded(chunks, self.encoding)
        return chunks if self.format in MEASURED else chunks_without_marks(chunks)

    def content(
        self, start: int = 0, end: int | None = None, times: MemberTimes | None = None
    ) -> Iterator[bytes]:
        """The same, but in the encoding that it has."""
        chunks = _inflated(self.raw(start, self.size if end is None else end), self.member)
        if self.packing is not None:
            chunks = unpacked(chunks, self.packing, times)
        return chunks if self.most is None else bounded(chunks, self.most)


def _inflated(chunks: Iterator[bytes], member: Member | None) -> Iterator[bytes]:
    return inflated(chunks, member.size, member.crc) if member is not None and member.deflated else chunks


def _transcoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Text in another encoding as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _encoding(head: bytes) -> str | None:
    """The encoding of a file that begins so, if it is UTF-16 or UTF-32: a log in them has many ASCII characters.

    Without a byte order mark nearly all characters have to be ASCII: the zeros stand at every other place.
    """
    if head.startswith(_UTF32):
        return "utf-32"
    if head.startswith(_UTF16):
        return "utf-16" if head.count(b"\0") * _ASCII_SHARE >= len(head) else None
    odd, even = head[1::2].count(b"\0"), head[::2].count(b"\0")
    least, most = len(head) * _MOSTLY // 2, len(head) * (1 - _MOSTLY) // 2
    if len(head) < _LEAST_HEAD or not (odd or even):
        return None
    if odd > least and even <= most:
        return "utf-16-le"
    return "utf-16-be" if even > least and odd <= most else None


class Asked(msgspec.Struct, frozen=True):
    """What a person said of an input's format and of what it carries, and what is recognised in it."""

    format_name: str | None = None
    classifier: RecordClassifier = BUNDLED
    carries_events: bool | None = None


def from_file(path: str | Path, asked: Asked) -> Source:
    """A regular file.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb", buffering=0) as file:
        info = os.fstat(file.fileno())

    def read(start: int, end: int) -> Iterator[bytes]:
        return _file_bytes(path, start, end, info.st_size, lambda found: os.path.samestat(found, info))

    source = _looked_at(shown(path), info.st_size, read, _of_log(asked, shown(path)))
    source = _in_frames(source, near=True)
    where = shown(Path(path).absolute())
    place = Place(where, 0, info.st_size, info.st_mtime_ns)
    return msgspec.structs.replace(source, task_id=_task_of(where), modified=info.st_mtime_ns, place=place)


def from_url(file: RemoteFile, asked: Asked) -> Source:
    """A file of another machine.

    Raises:
        OSError: it cannot be read.
    """
    name = printable(file.url)
    place = Place(file.url, 0, file.size, file.modified)
    source = _looked_at(name, file.size, bytes_at(place), _of_log(asked, name))
    source = _in_frames(source, near=False)
    modified = file.modified or None
    return msgspec.structs.replace(source, task_id=_task_of(file.url), modified=modified, place=place)


def _in_frames(source: Source, *, near: bool) -> Source:
    """The source, to be read from any place if it is large and compressed in parts."""
    if source.packing is None or source.size < _LEAST_FRAMED or source.archive or source.encoding:
        return source
    frames = frames_of(source.raw, source.size, source.packing, near=near)
    if frames is None:
        return source
    raw = framed(source.raw, frames)
    return msgspec.structs.replace(source, packing=None, size=frames.size, raw=raw, frames=frames)


def bytes_at(place: Place) -> Bytes:
    """What reads a source at its place, in this process or another.

    What it gives raises `BadRecordError` where another file took the place, or it cannot be read.
    """
    if is_url(place.path):
        file = RemoteFile(place.path, place.size, place.modified)
        return lambda start, end: remote_bytes(file, place.start + start, place.start + end)
    path = os.fsdecode(path_bytes(place.path))

    def is_same(found: os.stat_result) -> bool:
        return (found.st_size, found.st_mtime_ns) == (place.size, place.modified)

    return lambda start, end: _file_bytes(path, place.start + start, place.start + end, place.size, is_same)


def _file_bytes(
    path: str | Path, start: int, end: int, size: int, is_same: Callable[[os.stat_result], bool]
) -> Iterator[bytes]:
    """The bytes of a file that had this size.

    Raises:
        BadRecordError: another file took its place, or it became shorter, or it cannot be read.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            if not is_same(os.fstat(file.fileno())):
                raise bad(UNREADABLE, detail=_REPLACED)
            file.seek(start)
            while start < end and (data := file.read(min(BLOCK, end - start))):
                start += len(data)
                yield data
    except OSError:
        raise bad(UNREADABLE) from None
    if start < min(end, size):
        raise bad(UNREADABLE, detail=_SHORTER)


def from_member(  # noqa: PLR0913, PLR0917 - a member, and what its archive says
    archive: Source, raw: Bytes, member: Member, name: str, most: int, asked: Asked
) -> Source:
    """A member of an archive whose bytes `raw` gives; `most` is as `Source` has it.

    Raises:
        OSError: the archive can no longer be read.
    """

    def read(start: int, end: int) -> Iterator[bytes]:
        return raw(member.start + start, member.start + min(end, member.stored))

    if member.is_rest:
        asked = msgspec.structs.replace(asked, carries_events=False)
    source = _looked_at(name, member.stored, read, _of_log(asked, member.name), member)
    stream = stream_of_member(member.name) if source.format == TEXT else None
    if stream is not None and leading_stamp(without_marks(_head(source.content(), _LINE)[0])) is None:
        stream = None
    return msgspec.structs.replace(
        source,
        task_id=_task_of(f"/{member.name}") or archive.task_id,
        stream=stream,
        modified=archive.modified,
        path=archive.path or archive.name,
        most=most,
        place=_place_within(archive, raw, member),
    )


def _place_within(archive: Source, raw: Bytes, member: Member) -> Place | None:
    """Where a member stands, if its archive is read as it stands."""
    if archive.place is None or raw is not archive.raw:
        return None
    return msgspec.structs.replace(archive.place, start=archive.place.start + member.start)


def from_pipe(name: str, fd: int, asked: Asked) -> Source:
    """Standard input, a pipe, or a file whose size is not known, as those of /proc: it is kept encrypted.

    A file with a size is read where it stands.

    Raises:
        OSError: it cannot be read or kept.
    """
    info = os.fstat(fd)
    regular = stat.S_ISREG(info.st_mode)
    if regular and info.st_size:
        kept, base = os.dup(fd), os.lseek(fd, 0, os.SEEK_CUR)
        source = _looked_at(name, max(0, info.st_size - base), _reader_of(kept, base), asked)
    else:
        spool = Spool()
        spool.fill(fd)
        source = _looked_at(name, spool.size, spool.read, asked)
    return msgspec.structs.replace(source, modified=info.st_mtime_ns) if regular else source


def _reader_of(fd: int, base: int) -> Bytes:
    def read(start: int, end: int) -> Iterator[bytes]:
        try:
            while start < end and (data := os.pread(fd, min(BLOCK, end - start), base + start)):
                start += len(data)
                yield data
        except OSError:
            raise bad(UNREADABLE) from None

    return read


def _looked_at(name: str, size: int, raw: Bytes, asked: Asked, member: Member | None = None) -> Source:
    """The source with its format told from its first bytes.

    Raises:
        OSError: it cannot be read.
    """
    head, complete = _head(_inflated(raw(0, size), member))
    pack = packing(head)
    bare = Source(name, TEXT, size, pack, member=member, raw=raw)
    if pack is not None:
        head, complete = _head(bare.content())
    kind = archive_kind(head)
    if kind is not None:
        return msgspec.structs.replace(bare, archive=kind, carries_events=asked.carries_events)
    encoding = _encoding(head)
    text = without_marks(head if encoding is None else b"".join(_transcoded((head,), encoding)))
    found = sniff(text, complete=complete, classifier=asked.classifier)
    if asked.format_name in EVENT_SOURCES:
        found = DOCUMENT if found == DOCUMENT else JSON_LINES
    elif asked.format_name is not None:
        found = asked.format_name
    elif asked.carries_events and found == TEXT:
        found = JSON_LINES
    doubt = _doubt(head, pack, found, encoding)
    if doubt is None and encoding is None and found not in MEASURED and (complete or not bare.whole):
        tail = head[-_TAIL:] if complete else _head(raw(max(0, size - _TAIL), size))[0]
        doubt = bad(BINARY, detail=_BINARY_END) if looks_binary(tail) else None
    return msgspec.structs.replace(
        bare,
        format=found,
        encoding=encoding,
        doubt=None if doubt is None else Doubt.of(doubt),
        carries_events=asked.carries_events,
    )


def _doubt(head: bytes, pack: str | None, found: str, encoding: str | None) -> BadRecordError | None:
    """What of a source that begins so is not understood."""
    inner = packing(head) if pack is not None else None
    kind = unsupported(head) if inner is None else f"{inner} in {pack}"
    if kind is not None:
        return bad(UNSUPPORTED_ARCHIVE, detail=not_unpacked(kind))
    if not head:
        return bad(EMPTY)
    return bad(BINARY) if found == TEXT and encoding is None and looks_binary(head) else None


def _head(chunks: Iterable[bytes], most: int = HEAD) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > most:
                return b"".join(parts)[:most], False
    except BadRecordError as error:
        if error.reason == UNREADABLE:
            raise OSError(0, "cannot be read") from None
    return b"".join(parts), True


def _of_log(asked: Asked, name: str) -> Asked:
    """What was said of a file; nothing in a job's log is an event, unless a person says so.

    A job may print nothing but records that look like events: its log must not be believed for that.
    """
    name = name.rpartition("/")[2]
    is_log = _LOG in name and len(name) <= _MAX_PATH and task_named(name.split(".", 1)[0]) is not None
    return (
        msgspec.structs.replace(asked, carries_events=False)
        if is_log and asked.carries_events is None
        else asked
    )


def _task_of(text: str) -> str | None:
    """The task that the path of a log names."""
    if len(text) > _MAX_PATH:
        return None
    pod = _POD.search(text)
    if pod is not None:
        return pod_task(pod[1], pod[2], pod[3])
    container = _CONTAINER.search(text)
    if container is not None:
        return container[1]
    return task_named(text.rpartition("/")[2].split(".", 1)[0])  # a job's log, as `github-job-71.log`
