"""Measures a handler: what went through it, how long it took, what it wrote. Told once the transaction is committed."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from detector.kafka.handlers import Handler, Output, Partition, Refusal

StageName = Literal["scan", "lookback", "judge"]


class HandlerThroughput(msgspec.Struct, frozen=True):
    """What one committed transaction did. `seconds` is the handler's part; `newest_ms` is the latest of Kafka's timestamps."""

    partition: Partition
    records: int
    size: int
    newest_ms: int | None
    outputs: tuple[Output, ...]
    seconds: float


def size_of(records: Sequence[Any]) -> int:
    """The bytes of the records' values."""
    try:
        return sum(map(len, [record.value for record in records]))
    except TypeError:  # a tombstone among them
        return sum(len(record.value or b"") for record in records)


class _Pending:
    def __init__(self) -> None:
        self.records = 0
        self.size = 0
        self.newest: int | None = None
        self.outputs: list[Output] = []
        self.seconds = 0.0
        self.facts: list[Any] = []

    def read(self, records: Sequence[Any]) -> None:
        self.records += len(records)
        self.size += sum(len(record.value) for record in records if record.value is not None)
        self.newest = max(record.timestamp for record in records)


class Measured:
    """A handler around another one: the same, and `observe` is told of each transaction that went through.

    Facts that the inner handler tells of a partition through `tell` wait for the commit too: what happened in a
    transaction that did not, did not happen.
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

    def tell(self, fact: Any) -> None:
        """A fact of the inner handler about its `partition`."""
        self._of(fact.partition).facts.append(fact)

    async def assigned(self, partition: Partition) -> None:
        """Starts anew."""
        self._pending.pop(partition, None)
        await self._inner.assigned(partition)

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        """As the inner one does."""
        pending = self._of(partition)
        pending.read(records)
        began = self._clock()
        outputs = await self._inner.process(partition, records)
        pending.seconds += self._clock() - began
        pending.outputs += outputs
        return outputs

    async def tick(self, partition: Partition, now: int) -> list[Output]:
        """As the inner one does."""
        outputs = await self._inner.tick(partition, now)
        self._of(partition).outputs += outputs
        return outputs

    async def committed(self, partition: Partition, offset: int | None) -> None:
        """Tells what there is to tell."""
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
        """As the inner one does; what was refused will not be written."""
        pending = self._of(partition)
        if refusal.output is not None:
            pending.outputs = [each for each in pending.outputs if each is not refusal.output]
        outputs = await self._inner.refused(partition, refusal)
        pending.outputs += outputs
        return outputs

    async def revoked(self, partition: Partition) -> None:
        """Forgets what did not happen."""
        self._pending.pop(partition, None)
        await self._inner.revoked(partition)

    def note(self, partition: Partition) -> str:
        """As the inner one does."""
        return self._inner.note(partition)

    def _of(self, partition: Partition) -> _Pending:
        return self._pending.setdefault(partition, _Pending())
