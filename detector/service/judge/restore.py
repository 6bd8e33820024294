"""Restores the store of a partition: brings whatever is on the disk to the end of its changelog."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from detector.kafka.changelog import Changelog, ChangelogSpan
from detector.service.judge.bulk_load import BulkLoad
from detector.service.judge.local_stores import OLDEST
from detector.service.judge.store import Position, Store
from detector.service.judge.store_memory import StoreMemory
from detector.values.errors import CurfewdError, RetryError
from detector.values.shortage import shortage, stop_if_lacking
from detector.values.stored_format import STORED_FORMAT, check_format

_IN_USE: Final = ("IO error: While lock file", "IO error: lock hold by current process")  # RocksDB's words
REMOVE: Final = "remove that folder: its state is read again from the state topic"


class Restoring(msgspec.Struct, frozen=True):
    """A partition's state is being restored: so many more `changes` of the changelog were read."""

    partition: int
    changes: int


class Restored(msgspec.Struct, frozen=True):
    """How a partition's state was restored: `changes` is how many records of the changelog were read.

    `reason` says why the store was built from scratch; None if it only caught up.
    """

    partition: int
    changes: int
    seconds: float
    reason: str | None = None


async def restore(  # noqa: PLR0913 - what a store is restored from and with, each by its name
    path: Path,
    partition: int,
    changelog: Changelog,
    now: int,
    observe: Callable[[Restoring], None] = lambda _: None,
    *,
    memory: StoreMemory | None = None,
) -> tuple[Store, Restored]:
    """Opens the store at `path` and brings it to the end of its changelog. A store that cannot be used is replaced.

    `observe` is told how it goes on. The store shares `memory`.

    Raises:
        RetryError, StopError: the disk or the changelog cannot be read or written, a later version wrote them, or
            memory, open files or room on the disk is lacking.
    """
    began = time.monotonic()
    span = await changelog.span(partition)
    store, reason = _open(path, span, now, memory)
    position = None if store is None else store.position()
    if store is None or position is None:
        Store.destroy(path)
        store, start = _fresh(path, memory), span.first
    else:
        start = position.offset
    count = 0
    try:
        async with BulkLoad(store, path) as loading:
            if start < span.end:
                async for changes in changelog.read(partition, start):
                    await loading.add(changes)
                    count += len(changes)
                    observe(Restoring(partition, len(changes)))
                await loading.finish()
        check_format(store.format(), f"partition {partition} of the state topic")
        store.restored(Position(span.end, now, span.topic_id))
    except BaseException as error:  # even if cancelled: a store that stays open cannot be opened again
        store.close()
        if isinstance(error, CurfewdError) or not isinstance(error, Exception):
            raise
        stop_if_lacking(error)
        Store.destroy(path)  # what is damaged is damaged the next time too
        raise RetryError(f"the store cannot be restored: {type(error).__name__}") from error
    return store, Restored(partition, count, time.monotonic() - began, reason)


def _open(
    path: Path, span: ChangelogSpan, now: int, memory: StoreMemory | None
) -> tuple[Store | None, str | None]:
    """The store on the disk, or None and the reason why it cannot be used.

    Raises:
        RetryError: another process has it open. To remove it would break both.
        StopError: a later version wrote it, or something is lacking to open it.
    """
    if not path.exists():
        return None, "none there"
    try:
        store = Store(path, memory)
    except Exception as error:  # RocksDB's errors have no class; the changelog has it all
        if str(error).startswith(_IN_USE):
            raise RetryError(f"another process has the store {path} open") from error
        stop_if_lacking(error)
        return None, f"unreadable: {type(error).__name__}"
    try:
        position = store.position()
    except Exception as error:  # noqa: BLE001 - as above
        store.close()
        stop_if_lacking(error)
        return None, f"unreadable: {type(error).__name__}"
    reason = None
    if position is not None and position.format > STORED_FORMAT:
        store.close()
        check_format(str(position.format).encode(), f"the store {path}", REMOVE)
    if position is None:
        reason = "never complete"
    elif position.topic_id not in {"", span.topic_id} or not span.first <= position.offset <= span.end:
        reason = "not of this changelog"
    elif now - position.saved > OLDEST:
        reason = "too old"
    if reason is not None:
        store.close()
        return None, reason
    return store, None


def _fresh(path: Path, memory: StoreMemory | None) -> Store:
    try:
        return Store(path, memory)
    except Exception as error:
        raise shortage(error) or RetryError(f"the store cannot be created: {type(error).__name__}") from error
