"""Measures a handler: what it processed, how long that took, and what it wrote. Reported once that is committed."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from detector.kafka.handlers import Handler, Output, Partition, Refusal, ToWrite
from detector.records.record_columns import newest_of, size_of

StageName = Literal["scan", "lookback", "judge", "revoke", "receive"]


class HandlerThroughput(msgspec.Struct, frozen=True):
    """What one committed transaction did. `seconds` is the handler's part, `newest_ms` the latest Kafka timestamp."""

    partition: Partition
    records: int
    size: int
    newest_ms: int | None
    outputs: tuple[ToWrite, ...]
    seconds: float


class _Pending:
    def __init__(self) -> None:
        self.records = 0
        self.size = 0
        self.newest: int | None = None
        self.outputs: list[ToWrite] = []
        self.seconds = 0.0
        self.facts: list[Any] = []

    def read(self, records: Sequence[Any]) -> None:
        self.records += len(records)
        self.size += size_of(records)
        self.newest = newest_of(records)


class MeasuredHandler:
    """A handler around another one. `observe` gets a `HandlerThroughput` for each committed transaction.

    The inner handler reports its facts through `report`. They wait for the commit too: a transaction that failed did
    not happen.
    """

    def __init__(
        self,
        inner: Handler,
        observe: Callable[[Any], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._inner = inner
        self._observe = observe
        self._clock = clock
        self._pending: dict[Partition, _Pending] = {}

    def report(self, fact: Any) -> None:
        """Takes a fact of the inner handler about its `partition`."""
        self._of(fact.partition).facts.append(fact)

    async def assigned(self, partition: Partition) -> None:
        """Starts with nothing pending."""
        self._pending.pop(partition, None)
        await self._inner.assigned(partition)

    async def process(self, partition: Partition, records: Sequence[Any]) -> Sequence[ToWrite]:
        """See `Handler`."""
        pending = self._of(partition)
        pending.read(records)
        began = self._clock()
        outputs = await self._inner.process(partition, records)
        pending.seconds += self._clock() - began
        pending.outputs += outputs
        return outputs

    async def tick(self, partition: Partition, now: int, *, caught_up: int = 0) -> Sequence[ToWrite]:
        """See `Handler`."""
        outputs = await self._inner.tick(partition, now, caught_up=caught_up)
        self._of(partition).outputs += outputs
        return outputs

    async def committed(self, partition: Partition, offset: int | None) -> None:
        """Reports the facts of the transaction."""
        pending = self._pending.pop(partition, None) or _Pending()
        await self._inner.committed(partition, offset)
        for fact in pending.facts:
            self._observe(fact)
        self._observe(
            HandlerThroughput(
                partition,
                pending.records,
                pending.size,
                pending.newest,
                tuple(pending.outputs),
                pending.seconds,
            )
        )

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """See `Handler`. The refused output will not be written."""
        pending = self._of(partition)
        if refusal.output is not None:
            pending.outputs = [each for each in pending.outputs if each is not refusal.output]
        outputs = await self._inner.refused(partition, refusal)
        pending.outputs += outputs
        return outputs

    async def revoked(self, partition: Partition) -> None:
        """Drops the facts of what was not committed."""
        self._pending.pop(partition, None)
        await self._inner.revoked(partition)

    def note(self, partition: Partition) -> str:
        """See `Handler`."""
        return self._inner.note(partition)

    def _of(self, partition: Partition) -> _Pending:
        return self._pending.setdefault(partition, _Pending())
