"""Keeps stores of partitions that other members hold: when one of those is gone, only the rest is to be read.

1. A store is opened, or begun, and brought to the end of the changelog as any other (`restore`), one at a time.
2. From then on it takes what is committed, about once a second, with the offset of what comes next.
3. When the partition becomes ours, or somebody else's to copy, the store is closed and stays on the disk.

A store that fails is started again. Nothing here is written to Kafka, so whatever happens to a copy, no output depends
on it: whoever takes over restores the store as it would any other.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from detector.kafka.changelog import (
    Change,
    ChangelogTail,
    Changes,
    FollowedChangelog,
    OffsetsGoneError,
    TailState,
    pairs_in,
)
from detector.kafka.clients import stray_cancellations_are_errors
from detector.kafka.handlers import Partition
from detector.service.judge.local_stores import OLDEST, LocalStores
from detector.service.judge.restore import Restored, restore
from detector.service.judge.store import TIMERS, Position, Store, time_of
from detector.values.errors import CurfewdError, RetryError
from detector.values.times import HOUR, MINUTE

ROUND_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 10.0  # after a failure
_POSITION_EVERY: Final = MINUTE  # of a store to which nothing comes: how old it is must be known
_REMOVE_EVERY: Final = HOUR


class StandbyRestored(msgspec.Struct, frozen=True):
    """A standby copy came to the end of its changelog for the first time."""

    restored: Restored


class StandbyFailed(msgspec.Struct, frozen=True):
    """A copy cannot be kept now. It is tried again. `partition` is None if it is all of them."""

    partition: int | None
    why: str


class _Copy:
    """An open store. `failed` ends the work on it."""

    def __init__(self, store: Store, position: Position) -> None:
        self.store = store
        self.position = position
        self.written = position
        self.lag: int | None = None
        self._looked = 0  # no timer that is over is earlier than this
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def usable(self) -> bool:
        """Whether nothing has failed."""
        return not self.failed.done() or self.failed.cancelled() or self.failed.exception() is None

    def take(self, changes: Changes, offset: int) -> None:
        """Writes changes, and that it goes on at `offset`."""
        if not self.failed.done():
            self.position = msgspec.structs.replace(self.position, offset=offset)
            self._write(pairs_in(changes))

    def see(self, state: TailState) -> None:
        """Notes how far it is. When it was at the end, no tombstone had been dropped that it has not read."""
        self.lag = max(state.end - state.offset, 0)
        if self.failed.done():
            return
        if state.seen - self.position.saved > OLDEST and self.lag:
            self.fail(RetryError("it is too far behind"))
        elif self.lag == 0:
            self.position = msgspec.structs.replace(self.position, offset=state.offset, saved=state.seen)
            if state.seen - self.written.saved >= _POSITION_EVERY:
                self._write([])

    def drop_timers(self) -> None:
        """Deletes timers that no longer belong to an aggregate. They are not in the changelog, so nobody else does."""
        if self.failed.done():
            return
        try:
            until = self.store.watermark() or 0
            timers = self.store.due(self._looked, until, TIMERS)
            kept = [self.store.is_timer(*timer) for timer in timers]
            if not all(kept):
                self.store.write(
                    [(key, None) for (key, _), keep in zip(timers, kept, strict=True) if not keep]
                )
        except Exception as error:  # noqa: BLE001 - RocksDB's errors have no class
            self.fail(error)
            return
        next_time = until if len(timers) < TIMERS else time_of(timers[-1][0])
        self._looked = next(
            (time_of(key) for (key, _), keep in zip(timers, kept, strict=True) if keep), next_time
        )

    def _write(self, changes: Iterable[Change]) -> None:
        try:
            self.store.write(changes, self.position)
        except Exception as error:  # noqa: BLE001 - RocksDB's errors have no class
            self.fail(error)
        else:
            self.written = self.position

    def fail(self, error: Exception) -> None:
        """It cannot be used."""
        if not self.failed.done():
            self.failed.set_exception(error)


class StandbyStores:
    """Standby copies of partitions of `topic`, in `stores`; see `detector.kafka.standbys.Standbys`.

    `clock` gives ns. `observe` gets each `StandbyRestored` and `StandbyFailed`.
    """

    def __init__(
        self,
        topic: str,
        stores: LocalStores,
        changelog: FollowedChangelog,
        clock: Callable[[], int],
        observe: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._topic = topic
        self._stores = stores
        self._changelog = changelog
        self._clock = clock
        self._observe = observe
        self._found = False
        self._removed = clock()
        self._turn = asyncio.Lock()
        self._keeping: dict[Partition, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._tailing: asyncio.Task[None] | None = None
        self._copies: dict[Partition, _Copy] = {}

    async def open(self) -> None:
        """See `Standbys`."""
        if not self._found:
            self._found = True
            await self._stores.find(self._topic, self._clock())

    def offsets(self) -> Mapping[Partition, int]:
        """See `Standbys`."""
        return self._stores.offsets | {each: copy.position.offset for each, copy in self._copies.items()}

    @property
    def held(self) -> int:
        """How many copies are kept or made."""
        return len(self._keeping)

    def lags(self) -> Mapping[Partition, int]:
        """See `Standbys`."""
        return {partition: copy.lag for partition, copy in self._copies.items() if copy.lag is not None}

    def follow(self, partitions: AbstractSet[Partition]) -> None:
        """See `Standbys`."""
        for partition in self._keeping.keys() - partitions:
            self._end(self._keeping.pop(partition))
        for partition in sorted(partitions - self._keeping.keys()):
            self._keeping[partition] = asyncio.create_task(self._keep(partition))
        if partitions and self._tailing is None:
            self._tailing = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """See `Standbys`."""
        self.follow(frozenset())
        if self._tailing is not None:
            self._end(self._tailing)
            self._tailing = None
        if self._ending:
            await asyncio.wait(self._ending)

    def _end(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _keep(self, partition: Partition) -> None:
        """Keeps a copy until it is cancelled."""
        while True:
            try:
                with stray_cancellations_are_errors("a standby copy"):
                    async with self._stores.lock(partition):
                        await self._copy(partition)
            except Exception as error:  # noqa: BLE001 - whatever it is, the copy is made again
                why = str(error) if isinstance(error, CurfewdError) else type(error).__name__
                self._observe(StandbyFailed(partition.number, why))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _copy(self, partition: Partition) -> None:
        store, position = await self._restored(partition)
        copy = self._copies[partition] = _Copy(store, position)
        try:
            await copy.failed
        finally:
            del self._copies[partition]
            if store.close() and copy.usable:
                self._stores.note(partition, copy.written)
            else:
                self._stores.destroy(partition)

    async def _restored(self, partition: Partition) -> tuple[Store, Position]:
        """The store at the end of its changelog. Partitions of our own go first."""
        async with self._turn:
            while self._stores.restoring:  # noqa: ASYNC110 - it is no hurry
                await asyncio.sleep(ROUND_SECONDS)
            path = self._stores.path(partition)
            store, restored = await restore(
                path, partition.number, self._changelog, self._clock(), memory=self._stores.memory
            )
        try:
            position = store.position()
        except BaseException:
            store.close()
            self._stores.destroy(partition)
            raise
        assert position is not None  # noqa: S101 - `restore` has written it
        self._observe(StandbyRestored(restored))
        return store, position

    async def _follow(self) -> None:
        """Lets all copies follow until it is cancelled."""
        tail = self._changelog.tail()
        try:
            while True:
                try:
                    with stray_cancellations_are_errors("following the state topic"):
                        await self._round(tail)
                except OffsetsGoneError as error:
                    for number in error.partitions:
                        copy = self._copies.get(Partition(self._topic, number))
                        if copy is not None:
                            copy.fail(error)
                    await tail.close()
                except Exception as error:  # noqa: BLE001 - it is tried again
                    why = str(error) if isinstance(error, CurfewdError) else type(error).__name__
                    self._observe(StandbyFailed(None, why))
                    await tail.close()
                    await asyncio.sleep(PAUSE_SECONDS)
                await asyncio.sleep(ROUND_SECONDS)
        finally:
            await tail.close()

    async def _round(self, tail: ChangelogTail) -> None:
        """Takes what there is by now."""
        while copies := dict(self._copies):
            polled = await tail.poll(
                {partition.number: copy.position.offset for partition, copy in copies.items()}
            )
            for number, (changes, offset) in polled.items():
                partition = Partition(self._topic, number)
                copy = copies[partition]
                if self._copies.get(partition) is copy:
                    copy.take(changes, offset)
            if not polled:
                break
            await asyncio.sleep(0)
        for number, state in (await tail.states()).items():
            known = self._copies.get(Partition(self._topic, number))
            if known is not None:
                known.see(state)
                known.drop_timers()
                await asyncio.sleep(0)
        now = self._clock()
        if now - self._removed >= _REMOVE_EVERY:
            self._removed = now
            await self._stores.remove_old(now)
