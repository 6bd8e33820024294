"""Snapshots of the registry in the folder of state: a start maps the last one, and reads the rest of the topic."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.kafka.topic_follower import TopicSpans
from detector.registry.registered import KeptTopic, RegisteredCredentials
from detector.registry.snapshot import Origin, SnapshotError, Writing, keys_id, opened
from detector.values.times import SECOND

FILE: Final = "registry.snapshot"


class RegistrySnapshots:
    """Resumes from the snapshot in `folder`, and writes another every so often (`every`, ns), if `writes`.

    `positions` tells how far the topic has been read. Without a deployment key nothing is resumed or written: then a
    key for ids stands in the topic, and a file must not have it.
    """

    def __init__(  # noqa: PLR0913 - what it is of, where, when and for whom
        self,
        folder: Path,
        registered: RegisteredCredentials,
        log: Any,
        *,
        every: int,
        writes: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = folder / FILE
        self._registered = registered
        self._log = log
        self._every = every
        self._writes = writes
        self._clock = clock
        self._keys = keys_id(registered.finders.keys)
        self._origin: Origin | None = None
        self._saved: Mapping[int, int] = {}

    async def resume(self, topic: TopicSpans) -> Mapping[int, int]:
        """Knows what the snapshot has; the offsets before which that is all. None if it cannot be used."""
        if not topic.id:
            self._log.warning("no snapshots of the registry: the brokers do not report the ids of topics")
        if not (self._keys and topic.id and self._every):
            return {}
        self._origin = Origin(topic.name, topic.id, self._keys)
        began = time.monotonic()
        try:
            image, header = await asyncio.to_thread(
                opened, self._path, self._origin, self._clock(), topic.spans
            )
        except SnapshotError as error:
            self._log.info("the registry is read from its beginning, not from a snapshot", why=str(error))
            return {}
        await self._registered.resume(image)
        self._registered.topics |= msgspec.json.decode(header.topics, type=dict[str, KeptTopic])
        self._saved = header.offsets
        self._log.info(
            "registry resumed from its snapshot",
            credentials=len(self._registered.registry),
            seconds=round(time.monotonic() - began, 3),
            age_seconds=(self._clock() - header.saved) // SECOND,
        )
        return header.offsets

    async def run(self, positions: Callable[[], Mapping[int, int]]) -> None:
        """Writes a snapshot now and then until it is cancelled. All is known that was registered before the start."""
        while True:
            await self.save(positions())
            await asyncio.sleep((self._every or SECOND) / SECOND)

    async def save(self, offsets: Mapping[int, int]) -> None:
        """Writes a snapshot that has all before these offsets, unless the last one has no less."""
        origin = self._origin
        if origin is None or not self._writes or offsets == self._saved:
            return
        began = time.monotonic()
        try:
            size, still = await self._write(origin, offsets)
        except BlockingIOError:
            self._log.info("another process writes a snapshot of the registry")
        except OSError as error:
            self._log.warning("no snapshot of the registry could be written", why=error.strerror)
        else:
            self._saved = dict(offsets)
            self._log.info(
                "snapshot of the registry written",
                bytes=size,
                seconds=round(time.monotonic() - began, 3),
                still_seconds=round(still, 3),
            )

    async def _write(self, origin: Origin, offsets: Mapping[int, int]) -> tuple[int, float]:
        """The size of the snapshot, and for how many seconds the registry stood still.

        Raises:
            OSError: the disk cannot take it.
        """
        writing = await asyncio.to_thread(Writing, self._path)
        try:
            async with self._registered.standing_still() as registry:
                began = time.monotonic()
                image, topics = registry.image(), msgspec.json.encode(self._registered.topics)
                await asyncio.to_thread(writing.write, image)
                still = time.monotonic() - began
            now = self._clock()
            size = await asyncio.to_thread(writing.finish, origin, image, offsets, now, topics)
        finally:
            await asyncio.to_thread(writing.close)
        return size, still
