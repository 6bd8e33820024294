"""Sources that cross to another process or stay in a file: what reads them is made again there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, Self, overload

import msgspec
import zstandard

from detector.ingest.frames import framed
from detector.ingest.members import unique_names
from detector.ingest.remote import is_url
from detector.ingest.sources import Source, StoredSource, bytes_at
from detector.records.dead_letters import UNREADABLE, bad

_NO_PLACE: Final = "it cannot be opened again: read it where it was found"
_BLOCK: Final = 256  # sources that are packed together
_UNPACKED: Final = 16  # blocks
_LEVEL: Final = 3  # of Zstandard
_sources: Final = msgspec.json.Decoder(list[StoredSource])


def stored(source: Source) -> StoredSource:
    """What is stored of a source. The name of a member may not be Unicode, and is no longer needed."""
    member = None if source.member is None else msgspec.structs.replace(source.member, name="")
    return StoredSource(**(_fields(source) | {"member": member}))


def opened(source: StoredSource) -> Source:
    """The source. Its bytes are read at its place; without one every read fails as that of a file that is gone."""
    raw = _refuse if source.place is None else bytes_at(source.place)
    return Source(raw=raw if source.frames is None else framed(raw, source.frames), **_fields(source))


class Packed(msgspec.Struct, frozen=True):
    """Many sources in little memory, for another process too."""

    count: int
    blocks: list[bytes]


class Sources(Sequence[Source]):
    """Many sources. Those of files by URL are packed until they are asked for; the others are kept as they are.

    They are best asked for in their order.
    """

    def __init__(
        self,
        some: Iterable[Source] = (),
        *,
        held: Packed | None = None,
        kept: Mapping[int, Source] | None = None,
        names_of: Callable[[Sequence[str]], list[str]] | None = None,
    ) -> None:
        """Takes `some`, or those that are `held`. Of these only the `kept` ones are not opened again.

        `names_of` gives other names, when a source is asked for.
        """
        self._packed = [] if held is None else held.blocks[:-1]
        self._last = [] if held is None else _unpacked(held.blocks[-1])  # not packed yet
        self._kept = dict(kept or {})
        self._names_of = names_of
        self._block = lru_cache(_UNPACKED)(self._opened)
        self._latest = ""
        self.ascending = True
        """Whether each that was taken stands behind the one before it, by their names."""

        for source in some:
            self.append(source)

    def packed(self) -> Packed:
        """All of them, for another process."""
        return Packed(len(self), [*self._packed, _pack(self._last)])

    def append(self, source: Source) -> None:
        """Takes one more."""
        self.ascending = self.ascending and (not len(self) or source.name > self._latest)
        self._latest = source.name
        if source.place is None or not is_url(source.place.path):
            self._kept[len(self)] = source
        self._last.append(stored(source))
        if len(self._last) == _BLOCK:
            self._packed.append(_pack(self._last))
            self._last = []
        else:
            self._block.cache_clear()  # of the last, which has grown

    def named(self, names_of: Callable[[Sequence[str]], list[str]]) -> Self:
        """The same under other names."""
        return type(self)(held=self.packed(), kept=self._kept, names_of=names_of)

    def __iter__(self) -> Iterator[Source]:
        for number in range(len(self._packed) + bool(self._last)):
            yield from self._block(number)

    def __len__(self) -> int:
        return len(self._packed) * _BLOCK + len(self._last)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        number, place = divmod(index % len(self), _BLOCK)
        return self._block(number)[place]

    def _opened(self, number: int) -> list[Source]:
        some = _unpacked(self._packed[number]) if number < len(self._packed) else self._last
        first = number * _BLOCK
        found = [self._kept.get(first + place) or opened(one) for place, one in enumerate(some)]
        if self._names_of is None:
            return found
        names = self._names_of([one.name for one in found])
        return [msgspec.structs.replace(one, name=name) for one, name in zip(found, names, strict=True)]


def in_order(sources: Sources) -> Sources:
    """The sources in the order of their names, each file by URL once.

    Of several with one name, all but one get numbers. Files come before members, and keep their names: a file may
    have the name that a member has.
    """
    if sources.ascending:
        return sources
    named = [(source.member is not None, source.name) for source in sources]
    order = sorted(range(len(named)), key=named.__getitem__)
    twice = {
        other
        for one, other in pairwise(order)
        if named[one] == named[other] and _is_same(sources[one], sources[other])
    }
    order = [index for index in order if index not in twice]
    names = unique_names([named[index][1] for index in order])
    found = Sources()
    for place in sorted(range(len(order)), key=names.__getitem__):
        found.append(msgspec.structs.replace(sources[order[place]], name=names[place]))
    return found


def _is_same(one: Source, other: Source) -> bool:
    return one.place is not None and one.place == other.place and is_url(one.place.path)


def _pack(some: Sequence[StoredSource]) -> bytes:
    packed = zstandard.ZstdCompressor(_LEVEL).compress(msgspec.json.encode(some))
    return bytes(
        memoryview(packed)
    )  # a copy: the compressor's own has the room of what could not be compressed


def _unpacked(block: bytes) -> list[StoredSource]:
    return _sources.decode(zstandard.ZstdDecompressor().decompress(block))


def _fields(source: StoredSource) -> dict[str, Any]:
    return {name: getattr(source, name) for name in StoredSource.__struct_fields__}


def _refuse(start: int, end: int) -> Iterator[bytes]:
    del start, end
    raise bad(UNREADABLE, detail=_NO_PLACE)
    yield b""  # so that it fails where others do, when it is read
