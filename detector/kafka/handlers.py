"""What a stage asks of the code it runs: plain values in, plain values out, nothing of Kafka's clients.

The runner calls a handler for one partition at a time in order (assigned, then process, tick and committed, then
revoked) and for different partitions side by side. It may call `revoked` and `assigned` again at any time: whatever
was processed since the last `committed` did not happen, and the same records come again.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec


class Partition(msgspec.Struct, frozen=True, order=True):
    """A topic and the number of one of its partitions."""

    topic: str
    number: int


class Output(msgspec.Struct, frozen=True, gc=False):
    """A record to write, in the transaction of the records it came from.

    Without a `partition` the key decides as in every Kafka client (murmur2); without a key too, any will do.
    A `partition` beyond those of the topic counts on from its first. `timestamp_ms` is milliseconds since the epoch, None
    the time of writing. `origin` is the offset of the record that it came from, for who is told that it is too large.
    `fact` says in a typed form what `value` encodes, so that observers of the commit need not decode it.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int | None = None
    partition: int | None = None
    origin: int | None = None
    fact: Any = None


RefusalReason = Literal["output-too-large", "record-failed", "record-unreadable"]


class Refusal(msgspec.Struct, frozen=True):
    """Something that cannot be processed or written, now or later.

    `output-too-large`: `output` is larger than `limit` bytes, by our setting or by the topic's.
    `record-failed`: `process` raised `error` for this one `record`, twice, while its neighbours went through.
    `record-unreadable`: what stands at `offset` cannot be decoded by the client.
    """

    reason: RefusalReason
    offset: int | None = None
    record: Any = None
    output: Output | None = None
    limit: int = 0
    error: str = ""


class Handler(Protocol):
    """The work of a stage. Records are aiokafka's ConsumerRecord."""

    async def assigned(self, partition: Partition) -> None:
        """The partition is ours, and nobody else's transactions are open: load its state as committed."""

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        """What these records give: outputs and changelog. At least one record, in the order of offsets."""

    async def tick(self, partition: Partition, now: int) -> list[Output]:
        """What is due at `now` (ns, wall clock), called about once a second between polls."""

    async def committed(self, partition: Partition, offset: int | None) -> None:
        """What `process` and `tick` gave last is visible to others; records before `offset` are done."""

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """What to write instead: a dead letter, or nothing."""

    async def revoked(self, partition: Partition) -> None:
        """Forget all about the partition: it moved, or its last transaction did not happen."""

    def note(self, partition: Partition) -> str:
        """What is to stand beside the offset in the next transaction, for whoever takes the partition; brief."""


class StatelessHandler:
    """A handler that keeps nothing: only `process` is left to write."""

    async def assigned(self, partition: Partition) -> None:
        """Nothing to load."""

    async def tick(self, partition: Partition, now: int) -> list[Output]:  # noqa: ARG002 - the protocol's signature
        """Nothing is ever due."""
        return []

    async def committed(self, partition: Partition, offset: int | None) -> None:
        """Nothing to keep."""

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:  # noqa: ARG002 - as above
        """Let it go: the runner reports it."""
        return []

    async def revoked(self, partition: Partition) -> None:
        """Nothing to forget."""

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - as above
        """Nothing to tell."""
        return ""
