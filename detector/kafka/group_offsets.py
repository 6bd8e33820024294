"""Commits offsets without a transaction, as the member of the group that holds the partitions.

A poll without outputs needs no transaction: its offset is all there is to commit, and the group's coordinator refuses
it from whoever is no member of the current generation. The offsets of several partitions share a request.

aiokafka's own `commit` takes the member and generation of the moment. After a lost session it would commit as nobody,
which the coordinator lets pass while the group is empty. Here both are those of the assignment.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.structs import OffsetAndMetadata

from detector.kafka.clients import reaction
from detector.kafka.error_codes import asks_for
from detector.kafka.group_requests import OffsetFetch, errors_of
from detector.kafka.membership import Membership, Offsets
from detector.values.errors import CurfewdError, FencedError, RetryError

PAUSE_SECONDS: Final = 0.1
SOON_SECONDS: Final = 0.02  # a transaction takes some milliseconds


class _Waiting(NamedTuple):
    """An offset to commit, by whom, and who waits for it."""

    membership: Membership
    offset: OffsetAndMetadata
    done: "asyncio.Future[None]"


class GroupOffsets:
    """The offsets of a stage's group. `joined` tells it of each assignment, and of the consumer that has it.

    A commit without an answer may still be done later. So it ends the membership: the group is joined again, and in
    the new generation the coordinator refuses it. `membership` is None until then, `assigned` is that of the last
    assignment.
    """

    def __init__(self, seconds: float) -> None:
        self.membership: Membership | None = None
        self.assigned: Membership | None = None
        self._seconds = seconds
        self._consumer: Any = None
        self._waiting: dict[TopicPartition, _Waiting] = {}
        self._committing: asyncio.Task[None] | None = None

    def joined(self, consumer: Any) -> bool:
        """The group has assigned partitions. Returns whether those that were ours before stayed ours since."""
        before, self._consumer = self.assigned, consumer
        self.assigned = self.membership = Membership.of(consumer)
        return self.assigned.follows(before)

    async def commit(self, membership: Membership, source: TopicPartition, offset: int, note: str) -> None:
        """Commits the offset of the next record to read, with `note` beside it.

        The records were polled as `membership`.

        Raises:
            FencedError: we are no member of this generation.
            RetryError: the coordinator did not answer in time.
            StopError: Kafka refuses us.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting[source] = _Waiting(membership, OffsetAndMetadata(offset, note), done)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        await done

    async def _commit_all(self) -> None:
        """Commits what waits, and what has come to wait meanwhile."""
        while self._waiting:
            taken, self._waiting = self._waiting, {}
            for membership in {each.membership for each in taken.values()}:
                await self._commit_as(
                    membership, {at: each for at, each in taken.items() if each.membership == membership}
                )

    async def _commit_as(self, membership: Membership, taken: Mapping[TopicPartition, _Waiting]) -> None:
        offsets = {source: each.offset for source, each in taken.items() if not each.done.done()}
        failure: CurfewdError | None = None
        try:
            await self._commit(membership, offsets)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            failure = reaction(error, "commit of offsets")
        for each in taken.values():
            if not each.done.done():
                if failure is None:
                    each.done.set_result(None)
                else:
                    each.done.set_exception(failure)

    async def _commit(self, membership: Membership, offsets: Offsets) -> None:
        if membership != self.membership:
            raise FencedError("commit of offsets: the group has been joined again")
        try:
            async with asyncio.timeout(self._seconds):
                while not await self._done(membership, offsets):  # noqa: ASYNC110 - it tells nobody that it can
                    await asyncio.sleep(PAUSE_SECONDS)
        except (TimeoutError, kafka.RequestTimedOutError, kafka.KafkaConnectionError) as error:
            if self.membership == membership:
                self.membership = None
                self._consumer._coordinator.request_rejoin()  # noqa: SLF001 - there is no other way to ask for it
            raise RetryError("commit of offsets: no answer") from error

    async def stable(self, source: TopicPartition) -> int | None:
        """The committed offset of a partition, once no transaction that commits it is open; None if there is none.

        Raises:
            Exception: Kafka's own error, if the coordinator does not tell.
        """
        group = self._consumer._coordinator.group_id  # noqa: SLF001 - aiokafka says it nowhere else
        while (answer := await self._answer(OffsetFetch(group, source))) is None:  # noqa: ASYNC110 - as below
            await asyncio.sleep(SOON_SECONDS)
        ((_, ((_, offset, *_),), _),) = answer.topics
        return None if offset < 0 else int(offset)

    async def _done(self, membership: Membership, offsets: Offsets) -> bool:
        """Asks the coordinator once to commit; False if it has to be asked again."""
        topics = defaultdict(list)
        for source, each in offsets.items():
            topics[source.topic].append((source.partition, each.offset, each.metadata))
        group, member, generation = membership
        keep = OffsetCommitRequest.DEFAULT_RETENTION_TIME
        answer = await self._answer(
            OffsetCommitRequest(group, generation, member, keep, list(topics.items()))
        )
        return answer is not None

    async def _answer(self, request: Any) -> Any:
        """The coordinator's answer; None if it has not done what it was asked for, and may do it if asked again."""
        coordinator = self._consumer._coordinator  # noqa: SLF001 - it knows where the coordinator is
        try:
            await coordinator.ensure_coordinator_known()
            answer = await coordinator._send_req(request)  # noqa: SLF001 - as above
            for error in errors_of(answer):
                raise error
        except kafka.NotCoordinatorForGroupError:
            coordinator.coordinator_dead()
            return None
        except kafka.KafkaError as error:
            if (
                asks_for(error) == "again"
            ):  # the coordinator has said, or nobody could ask it: nothing is committed
                return None
            raise
        return answer
