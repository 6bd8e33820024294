"""Loads a changelog into a store: in sorted files while there is much of it, what is left in batches."""

import asyncio
import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final, Self

from detector.kafka.changelog import Changes, pairs_in
from detector.records.record_columns import RecordColumns
from detector.service.judge.sst_file import write_sst
from detector.service.judge.store import Store

_FILE_BYTES: Final = 16 << 20  # of records; a thread takes some more than twice as much
_FILES: Final = 16  # RocksDB delays writes from 20 on that were not merged yet
_GATHERED: Final = 48  # are merged at once: each time, all that is there already is written again
_GATHERED_MOST: Final = 64
_PAUSE_SECONDS: Final = 0.05
_NAME: Final = "restored-"


class BulkLoad:
    """Gives changes to a store in their order. `finish` it; leave its context before the store is closed.

    While a thread makes a file, the next changes are read.
    """

    def __init__(self, store: Store, folder: Path, file_bytes: int = _FILE_BYTES) -> None:
        self._store = store
        self._folder = folder
        self._file_bytes = file_bytes
        self._pending: list[RecordColumns] = []
        self._size = 0
        self._loading: asyncio.Future[None] | None = None
        self._gathers = False

    async def __aenter__(self) -> Self:
        for left in self._folder.glob(f"{_NAME}*"):  # RocksDB keeps what a process that was killed has left
            left.unlink()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._loading is not None:
            await asyncio.wait([self._loading])
            self._loading.exception()  # whatever it was, there is an earlier one

    async def add(self, changes: Changes) -> None:
        """Takes changes."""
        if not isinstance(changes, RecordColumns):
            await self.finish()
            self._store.write(changes)
            return
        self._pending.append(changes)
        first, last = changes.span()
        self._size += last - first
        if self._size < self._file_bytes:
            return
        await self._loaded()
        await self._merged(_GATHERED_MOST)
        if not self._gathers:
            self._store.gather(_GATHERED)
            self._gathers = True
        self._loading = asyncio.get_running_loop().run_in_executor(_threads(), self._load, self._taken())

    async def finish(self) -> None:
        """The store has all changes that were added."""
        await self._loaded()
        if self._gathers:
            self._store.gather()
            self._gathers = False
            await self._merged(_FILES)
        self._write(self._taken())

    async def _merged(self, files: int) -> None:
        """Until RocksDB has no more than so many files to merge."""
        while self._store.is_behind(files):  # noqa: ASYNC110 - RocksDB tells nobody when it is through
            await asyncio.sleep(_PAUSE_SECONDS)

    def _taken(self) -> list[RecordColumns]:
        polls, self._pending, self._size = self._pending, [], 0
        return polls

    def _write(self, polls: Sequence[RecordColumns]) -> None:
        """Without a file."""
        for poll in polls:
            self._store.write(pairs_in(poll))

    async def _loaded(self) -> None:
        loading, self._loading = self._loading, None
        if loading is None:
            return
        try:
            await asyncio.shield(loading)
        except asyncio.CancelledError:
            self._loading = loading
            raise

    def _load(self, polls: Sequence[RecordColumns]) -> None:
        file = self._folder / f"{_NAME}{uuid.uuid4().hex}"
        try:
            with file.open("wb") as opened:
                write_sst(opened, polls)
            self._store.ingest(file)
        except Exception:  # noqa: BLE001 - RocksDB's errors have no class; a later one may know no such files
            self._write(polls)
        finally:
            file.unlink(missing_ok=True)


@cache
def _threads() -> ThreadPoolExecutor:
    """One thread a core, for all partitions: a file takes several times its size while it is made."""
    return ThreadPoolExecutor(os.cpu_count(), "restore")
