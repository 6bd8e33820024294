"""Follows the registry topic: every instance of the scan stage knows every credential.

Every partition is read from its start, without a group, as committed; `caught_up` once the ends are reached that stood
there at the start. What is found missing later (a use or leak that overtook its credential's record) waits at its names
in the judge stage, so being behind costs a detour and no mistake.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from detector.judge.routing import Registry, decode
from detector.kafka.clients import KafkaSettings, reaction, stop_consumer, strays_are_errors
from detector.service.scan.finders import Finders
from detector.values.errors import RetryError, StopError
from detector.values.events import CredentialIssued, Identifier

_POLL: Final = 5000  # records taken at once
_POLL_MS: Final = 500
_PAUSE_SECONDS: Final = 1.0
_GONE: Final = 1000  # removals after which, if they are a quarter of all, the index is built anew

_KEY: Final = msgspec.json.Decoder(tuple[str, str, str, str])


class RegistryFeed:
    """What is registered, in `registry` by name and in `finders` by fingerprint.

    `problem` is what keeps it from reading, None while it does; `observe` is told of each. Partitions added to the topic
    are found within `discovery_seconds`.
    """

    def __init__(
        self,
        topic: str,
        finders: Finders,
        clients: KafkaSettings,
        observe: Callable[[str], None] = lambda _: None,
        discovery_seconds: float = 30.0,
    ) -> None:
        self.registry = Registry()
        self.caught_up = asyncio.Event()
        self.problem: str | None = None
        self.unreadable = 0
        self._topic = topic
        self._finders = finders
        self._clients = clients
        self._observe = observe
        self._discovery_seconds = discovery_seconds
        self._positions: dict[int, int] = {}
        self._ends: dict[int, int] | None = None
        self._gone = 0
        self._changing = asyncio.Lock()
        self._asking: Any = None
        self._connected = asyncio.Event()
        self._polled = asyncio.Event()

    async def run(self) -> None:
        """Follows until cancelled; trouble with the broker is waited out.

        Raises:
            StopError: Kafka does not let us read the topic.
        """
        while True:
            try:
                with strays_are_errors("reading the registry"):
                    await self._follow()
            except Exception as error:
                told = reaction(error, "reading the registry")
                if isinstance(told, StopError):
                    raise told from error
                self.problem = str(told)
                self._observe(self.problem)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def up_to_date(self) -> None:
        """Waits until all is read that has been written by now, whoever wrote it.

        What others have not committed counts too: what was committed after it can be read only when that is settled.

        Raises:
            RetryError: the brokers do not tell now.
        """
        await self._connected.wait()
        sources = [TopicPartition(self._topic, number) for number in self._positions]
        try:
            ends = await self._asking.end_offsets(sources)
        except Exception as error:
            raise reaction(error, "asking for the registry's end") from error
        while any(self._positions[source.partition] < end for source, end in ends.items()):
            self._polled.clear()
            await self._polled.wait()

    async def register(self, issues: Sequence[CredentialIssued]) -> None:
        """Makes issues known at once, which the topic will tell of too."""
        async with self._changing:
            await self._add(issues)

    async def apply(self, records: Iterable[Any]) -> None:
        """Takes in records of the topic, in the order of each partition."""
        async with self._changing:
            issues: list[CredentialIssued] = []
            for record in records:
                try:
                    kind, credential_id, source, event_id = _KEY.decode(record.key or b"")
                    payload = None if record.value is None else decode(record.value)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    self.unreadable += 1
                    continue
                if kind != "cred":
                    continue
                if isinstance(payload, CredentialIssued):
                    issues.append(payload)
                elif payload is None:
                    await self._add(issues)
                    issues = []
                    self.registry.remove(credential_id, source, event_id)
                    self._gone += 1
            await self._add(issues)
            if self._gone > max(_GONE, len(self.registry) // 4):
                self._gone = 0
                identifiers = [each for issue in self.registry.issues() for each in issue.identifiers]
                await asyncio.to_thread(self._finders.renew, identifiers)

    async def _add(self, issues: Sequence[CredentialIssued]) -> None:
        registry = self.registry
        fresh: dict[Identifier, None] = {}
        for issue in issues:
            fresh.update((each, None) for each in issue.identifiers if not registry.claimed(each))
        if fresh:
            await asyncio.to_thread(self._finders.known.add, tuple(fresh))
        for issue in issues:  # last: what is in here, `known` has
            registry.add(issue)

    async def _follow(self) -> None:
        connection: dict[str, Any] = {
            "bootstrap_servers": self._clients.bootstrap,
            "client_id": self._clients.client_id,
            "request_timeout_ms": int(self._clients.request_seconds * 1000),
            **self._clients.security,
        }
        consumer = AIOKafkaConsumer(
            **connection,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        admin = AIOKafkaAdminClient(**connection)
        asking = AIOKafkaConsumer(**connection, enable_auto_commit=False)
        try:
            await admin.start()
            await consumer.start()
            await asking.start()
            while True:
                await self._assign(consumer, admin)
                end = time.monotonic() + self._discovery_seconds
                while time.monotonic() < end:
                    await self._poll(consumer)
                    self._asking = asking
                    self._connected.set()
                    self._polled.set()
        finally:
            self._connected.clear()
            await asking.stop()
            await stop_consumer(consumer)
            await admin.close()

    async def _assign(self, consumer: Any, admin: Any) -> None:
        """Takes all partitions there are by now, each from where it was read to."""
        # The consumer itself learns of a topic's partitions only once it is subscribed.
        (told,) = await admin.describe_topics([self._topic])
        numbers = {each["partition"] for each in told["partitions"]}
        if told["error_code"] or not numbers:
            raise RetryError(f"there is no topic {self._topic} yet")
        if {each.partition for each in consumer.assignment()} == numbers:
            return
        sources = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        consumer.assign(sources)
        first = await consumer.beginning_offsets(sources)
        for source in sources:
            consumer.seek(source, max(self._positions.get(source.partition, 0), first[source]))
        if self._ends is None:
            self._ends = {
                source.partition: end for source, end in (await consumer.end_offsets(sources)).items()
            }
        self.problem = None

    async def _poll(self, consumer: Any) -> None:
        got = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_POLL)
        await self.apply(record for records in got.values() for record in records)
        for source in consumer.assignment():
            self._positions[source.partition] = await consumer.position(source)
        if not self.caught_up.is_set() and self._ends is not None:
            reached = (self._positions.get(number, 0) >= end for number, end in self._ends.items())
            if all(reached):
                self.caught_up.set()
