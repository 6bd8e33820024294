"""The members of archives as sources of their own: `run.zip!build/3_Test.txt`.

An archive that stands as it is, in a file or in another archive, is read in place. What is compressed (`.tar.gz`, or an
archive inside one) is unpacked to temporary space first, encrypted, because its members are read in any order and in
several processes. An archive may hold archives, and no further ones in those.

What an archive may unpack to is bounded by its size, as deflated data is by its own: so no archive, and none in it,
costs more than one of that size can.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from detector.ingest.archives import bounded
from detector.ingest.declarations import MEMBER_MARK
from detector.ingest.format_names import TEXT
from detector.ingest.members import MOST_MEMBERS, Bytes, Listing, Member, list_members, unique_names
from detector.ingest.sources import Asked, Doubt, Source, from_member
from detector.ingest.spool import Spool
from detector.records.dead_letters import EMPTY, TOO_LARGE, UNREADABLE, UNSUPPORTED_ARCHIVE, DeadLetter, bad
from detector.values.errors import BadRecordError

RATIO: Final = 1100
"""How many times its size an archive may unpack to: deflated data becomes 1,032 times as large at most."""

LEAST: Final = 1024 * 1024  # bytes that any member may unpack to
DEEPEST: Final = 2  # archives in each other
_MOST_SPOOLED: Final = (
    64 * 1024 * 1024 * 1024
)  # bytes of temporary space, and of what is free no more than half
_LONGEST_NAME: Final = 1024
_TOO_DEEP: Final = bad(
    UNSUPPORTED_ARCHIVE,
    detail="archives nested three deep are not unpacked: unpack this one; its bytes were scanned as text",
)

AskedOf = Callable[[str], Asked | None]
"""What is asked of a member, by its name in the outermost archive; None if it is not to be read."""


class _Opening(msgspec.Struct, frozen=True):
    """What an archive is opened with. `allowance` are the bytes that it may unpack to, `depth` counts from 1.

    `prefix` stands before the names of its members, and `names` takes them.
    """

    asked_of: AskedOf
    names: list[str]
    allowance: int
    prefix: str = ""
    depth: int = 1

    def below(self, prefix: str, allowance: int) -> "_Opening":
        """The same for an archive in it."""
        return _Opening(self.asked_of, self.names, allowance, prefix, self.depth + 1)


class ArchiveSources:
    """Takes archives, and gives the sources in them. `letters` is what cannot be read of them.

    `passed_over` has a sentence for each archive with links or devices. `names` are those of all members of the
    archives.
    """

    def __init__(self, letters: list[DeadLetter]) -> None:
        self.letters = letters
        self.passed_over: list[str] = []
        self._left: int | None = None  # bytes of temporary space
        self._members = 0

    def sources(self, archive: Source, asked_of: AskedOf) -> tuple[list[Source], list[str]]:
        """The sources in an archive that was named or found, and the names of all its members.

        Where none of it can be read as an archive, it is one source of text.

        Raises:
            OSError: it cannot be read.
        """
        self._members = 0
        names: list[str] = []
        opening = _Opening(asked_of, names, RATIO * archive.size + LEAST)
        return list(self._opened(archive, opening)), names

    def _opened(self, archive: Source, opening: _Opening) -> Iterator[Source]:
        try:
            raw, size = self._bytes(archive, opening.allowance)
            listing = list_members(raw, size, str(archive.archive))
        except BadRecordError as error:
            yield _as_text(archive, error)
            return
        self._tell(archive, listing)
        names = unique_names([_short(member.name) for member in listing.members])
        for member, name in zip(self._within(archive, listing), names, strict=False):
            inside = f"{opening.prefix}{name}"
            opening.names.append(inside)
            # Of what an archive may unpack to, each member has the share of its bytes.
            most = LEAST + opening.allowance * member.stored // max(1, size)
            asked = opening.asked_of(inside)
            source = from_member(
                archive, raw, member, f"{archive.name}{MEMBER_MARK}{name}", most, asked or Asked()
            )
            if source.archive is not None and opening.depth < DEEPEST:
                yield from self._opened(source, opening.below(f"{inside}{MEMBER_MARK}", most))
            elif asked is not None:
                yield source if source.archive is None else _as_text(source, _TOO_DEEP)

    def _tell(self, archive: Source, listing: Listing) -> None:
        """Tells what of an archive cannot be read, and what was skipped."""
        for name, problem in listing.problems:
            where = archive.name if name is None else f"{archive.name}{MEMBER_MARK}{_short(name)}"
            self.letters.append(DeadLetter.of(problem, where))
        count = listing.passed_over
        if count:
            were = "link or device was" if count == 1 else "links or devices were"
            self.passed_over.append(f"{archive.name}: {count:,} {were} skipped")
        if not (listing.members or listing.problems):
            self.letters.append(DeadLetter.of(bad(EMPTY), archive.name))

    def _within(self, archive: Source, listing: Listing) -> Iterator[Member]:
        """The members, as long as there are not too many in all."""
        for member in listing.members:
            self._members += 1
            if self._members > MOST_MEMBERS:
                if self._members == MOST_MEMBERS + 1:
                    detail = f"there are more than {MOST_MEMBERS:,} members in all: only that many were read; unpack it"
                    self.letters.append(DeadLetter.of(bad(TOO_LARGE, detail=detail), archive.name))
                return
            yield member

    def _bytes(self, archive: Source, allowance: int) -> tuple[Bytes, int]:
        """The bytes of an archive, to be read from any place.

        Raises:
            BadRecordError: it is too large to be unpacked.
        """
        if not archive.whole:
            return archive.raw, archive.size
        spool = Spool()
        room = self._room()
        try:
            spool.take(self._noted(archive, bounded(archive.content(), min(allowance, room))))
        except OSError:
            raise bad(
                TOO_LARGE,
                detail="there is no temporary space to unpack it to: unpack it, or set TMPDIR to a larger disk; its bytes "
                "were scanned as text",
            ) from None
        self._left = room - spool.size
        return spool.read, spool.size

    def _room(self) -> int:
        if self._left is None:
            disk = os.statvfs(tempfile.gettempdir())
            self._left = min(_MOST_SPOOLED, disk.f_bavail * disk.f_frsize // 2)
        return self._left

    def _noted(self, archive: Source, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks up to where they are damaged, which is told; what is too much is no archive.

        Raises:
            BadRecordError: it is too much.
        """
        try:
            yield from chunks
        except BadRecordError as error:
            if error.reason in {TOO_LARGE, UNREADABLE}:
                raise
            self.letters.append(DeadLetter.of(error, archive.name))


def _as_text(archive: Source, why: BadRecordError) -> Source:
    """An archive whose members are not read: its bytes are scanned as they stand."""
    return msgspec.structs.replace(archive, format=TEXT, archive=None, doubt=Doubt.of(why))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
