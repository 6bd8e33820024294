"""Sources as they cross to another process or stay in a file: all but what reads them, which is made anew."""

from collections.abc import Iterator
from typing import Any

import msgspec

from detector.ingest.members import Member
from detector.ingest.sources import Place, Source, bytes_at
from detector.records.dead_letters import UNREADABLE, bad
from detector.values.errors import BadRecordError

_NO_PLACE = "it cannot be opened again: read it where it was found"


class Doubt(msgspec.Struct, frozen=True):
    """What of a source is not understood; see `Source.doubt`."""

    reason: str
    detail: str
    field: str | None = None


class StoredSource(msgspec.Struct, frozen=True):
    """The fields of a `Source`."""

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

    @classmethod
    def of(cls, source: Source) -> "StoredSource":
        """What is stored of a source."""
        fields = _fields(source)
        del fields["raw"]
        if source.member is not None:  # its name may be no Unicode, and is not needed any more
            fields["member"] = msgspec.structs.replace(source.member, name="")
        if source.doubt is not None:
            fields["doubt"] = Doubt(source.doubt.reason, source.doubt.detail, source.doubt.field)
        return cls(**fields)

    def opened(self) -> Source:
        """The source. Its bytes are read at its place; without one every read fails as that of a file that is gone."""
        fields = _fields(self)
        if self.doubt is not None:
            fields["doubt"] = BadRecordError(self.doubt.reason, self.doubt.detail, self.doubt.field)
        return Source(raw=_refuse if self.place is None else bytes_at(self.place), **fields)


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _refuse(start: int, end: int) -> Iterator[bytes]:
    del start, end
    raise bad(UNREADABLE, detail=_NO_PLACE)
    yield b""  # so that it fails where others do, when it is read
