"""Files by URL become sources: somebody looks at their first bytes, at many at once, here or on another machine."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import msgspec

from detector.ingest.classify import RecordClassifier
from detector.ingest.remote import RemoteFile, remote_file
from detector.ingest.sources import Asked, StoredSource, from_url
from detector.ingest.stored_sources import stored
from detector.ingest.units import units
from detector.values.errors import InputError

AT_ONCE: Final = 16  # files whose first bytes one process asks for
TOGETHER: Final = 128  # files that are sent together, and that one process looks at sooner than several

T = TypeVar("T")
R = TypeVar("R")


class NamedFile(msgspec.Struct, frozen=True):
    """A file to look at. `file` is None where nobody asked the store about it, and it may be a folder.

    `carries_events` is what a person said of it.
    """

    url: str
    carries_events: bool | None
    file: RemoteFile | None = None


class Looked(msgspec.Struct, frozen=True):
    """What is known of a file: the source. Of a folder and of a file that cannot be read there is none.

    `refused` says why something that a person named is not read at all.
    """

    source: StoredSource | None
    folder: bool = False
    refused: str | None = None


class Looking(msgspec.Struct, frozen=True):
    """What all files are looked at with: the format that a person named, and the bytes of a unit; None cuts nothing."""

    format_name: str | None = None
    unit: int | None = None


Look = Callable[[Looking, RecordClassifier, Iterator[NamedFile]], Iterator[tuple[NamedFile, Looked]]]
"""Looks at files, in their order, and takes no more of them than it is at work with."""


def look_here(
    looking: Looking, classifier: RecordClassifier, files: Iterable[NamedFile]
) -> Iterator[tuple[NamedFile, Looked]]:
    """Looks at files in this process. Each takes a while to come, so some are asked for at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from _in_order(pool, partial(_look, looking, classifier), files)


def look_at_some(looking: Looking, classifier: RecordClassifier, files: Sequence[NamedFile]) -> list[Looked]:
    """The same, as what crosses to another process and back."""
    return [looked for _, looked in look_here(looking, classifier, files)]


def _look(looking: Looking, classifier: RecordClassifier, named: NamedFile) -> Looked:
    try:
        file = named.file or remote_file(named.url)
    except InputError as error:
        return Looked(None, refused=str(error))
    if file is None:
        return Looked(None, folder=True)
    try:
        source = from_url(file, Asked(looking.format_name, classifier, named.carries_events))
    except OSError:
        return Looked(None)
    if looking.unit is not None and source.archive is None:
        cuts = tuple(unit.start for unit in units([source], looking.unit) if unit.start)
        source = msgspec.structs.replace(source, cuts=cuts)
    return Looked(stored(source))


def _in_order(pool: ThreadPoolExecutor, do: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """What is done with each item. A few are done ahead, so there may be a million."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(do, item)))
        if len(waiting) > TOGETHER:
            first, future = waiting.popleft()
            yield first, future.result()
    for item, future in waiting:
        yield item, future.result()
