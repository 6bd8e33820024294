"""Sources that cross to another process or stay in a file: what reads them is made anew there."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from detector.ingest.frames import framed
from detector.ingest.sources import Source, StoredSource, bytes_at
from detector.records.dead_letters import UNREADABLE, bad

_NO_PLACE: Final = "it cannot be opened again: read it where it was found"


def stored(source: Source) -> StoredSource:
    """What is stored of a source. The name of a member may be no Unicode, and is not needed any more."""
    member = None if source.member is None else msgspec.structs.replace(source.member, name="")
    return StoredSource(**(_fields(source) | {"member": member}))


def opened(source: StoredSource) -> Source:
    """The source. Its bytes are read at its place; without one every read fails as that of a file that is gone."""
    raw = _refuse if source.place is None else bytes_at(source.place)
    return Source(raw=raw if source.frames is None else framed(raw, source.frames), **_fields(source))


def _fields(source: StoredSource) -> dict[str, Any]:
    return {name: getattr(source, name) for name in StoredSource.__struct_fields__}


def _refuse(start: int, end: int) -> Iterator[bytes]:
    del start, end
    raise bad(UNREADABLE, detail=_NO_PLACE)
    yield b""  # so that it fails where others do, when it is read
