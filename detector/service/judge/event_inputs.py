"""Which inputs there are that carry events: the judge stage asks the brokers for them again and again.

The scan stage reports each partition that it reads. Only the brokers know of those that nobody has read yet.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from detector.configuration.kafka_settings import KafkaSettings
from detector.judge.watermark import IDLE, Inputs, source_name
from detector.kafka.connection import ConnectionSettings
from detector.kafka.topics import TopicAdmin
from detector.values.errors import RetryError, StopError
from detector.values.times import SECOND

EVERY_SECONDS: Final = 5.0  # the watermark is as much behind the clock


class EventInputs:
    """`listed` is what the brokers said last, None before they did.

    `kept` gives the topics that are known from before, `id_of` masks the name of a topic.
    """

    def __init__(
        self,
        live: KafkaSettings,
        kept: Callable[[], Iterable[str]],
        id_of: Callable[[str], str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.listed: Inputs | None = None
        self._live = live
        self._kept = kept
        self._id_of = id_of
        self._clock = clock
        self._seen: set[str] = set()
        self._why = "they have not answered yet"

    @property
    def problem(self) -> str | None:
        """Why the watermark stands whatever is reported."""
        if self.listed is not None and self._clock() - self.listed.at <= IDLE + round(EVERY_SECONDS * SECOND):
            return None
        return f"the brokers do not list the inputs, and the watermark waits for that: {self._why}"

    def unlisted(self, topics: Mapping[str, int]) -> set[str]:
        """The inputs that are known to have been there, and are not among these topics."""
        known = {*self._seen, *(topic for topic in self._kept() if self._live.carries_events(topic))}
        return known - topics.keys()

    def take(self, topics: Mapping[str, int], asked: int) -> None:
        """Takes the number of partitions of each topic, as of some time after it was asked for (ns)."""
        inputs = {topic: count for topic, count in topics.items() if self._live.carries_events(topic)}
        names = frozenset(
            source_name(self._id_of(topic), number)
            for topic, count in inputs.items()
            for number in range(count)
        )
        if self.listed is not None and names == self.listed.names:
            names = self.listed.names
        self._seen |= inputs.keys()
        self.listed = Inputs(asked, names)

    async def run(self, connection: ConnectionSettings) -> None:
        """Asks until it is cancelled. What the brokers refuse is asked again too: `problem` tells."""
        while True:
            try:
                async with TopicAdmin(connection, "the inputs cannot be listed") as admin:
                    while True:
                        asked = self._clock()
                        topics = await admin.partitions()
                        await self._check(admin, topics)
                        self.take(topics, asked)
                        await asyncio.sleep(EVERY_SECONDS)
            except (RetryError, StopError) as error:
                self._why = str(error)
                await asyncio.sleep(EVERY_SECONDS)

    async def _check(self, admin: TopicAdmin, topics: Mapping[str, int]) -> None:
        """Raises unless an input that is not listed is gone. One that the user may not describe is not listed either.

        Raises:
            RetryError: the broker does not know all topics now, as one that has just started.
            StopError: the user may not describe an input.
        """
        unlisted = self.unlisted(topics)
        if self._live.topics.work.name not in topics or (unlisted and await admin.existing(unlisted)):
            raise RetryError("a broker does not know of all topics now")
