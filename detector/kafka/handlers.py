"""What a stage asks of the code that it runs: plain values in, plain values out, no client of Kafka.

For one partition the stage calls the handler in order: assigned, then process, tick and committed, then revoked. For
different partitions it calls it side by side. It may call `revoked` and `assigned` again at any time. Then everything
since the last `committed` did not happen, and the same records come again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, TypeAlias, final

import msgspec

from detector.core import CoreError
from detector.records.record_columns import RecordColumns
from detector.values.errors import StopError


class Partition(msgspec.Struct, frozen=True, order=True):
    """A topic and the number of one of its partitions."""

    topic: str
    number: int


@final
class Output(msgspec.Struct, frozen=True, gc=False):
    """A record to write, in the transaction of the records it came from.

    - Without a `partition` the key decides, as in every Kafka client (murmur2). Without a key any partition will do. A
      `partition` beyond those of the topic counts on from its first.
    - `timestamp_ms` is milliseconds since the epoch, None the time of writing.
    - `origin` is the offset of the record that it came from: the dead letter names it if the output is too large.
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


@final
class PassedOn(msgspec.Struct, frozen=True, gc=False):
    """Records to write together, in their order, to the partition of the number that they came from."""

    topic: str
    records: RecordColumns
    fact: None = None

    def __len__(self) -> int:
        return len(self.records)

    def outputs(self) -> Iterator[Output]:
        """Each by itself."""
        number = self.records.partition
        for each in self.records:
            yield Output(self.topic, each.key, each.value, each.headers, each.timestamp, number, each.offset)


ToWrite: TypeAlias = Output | PassedOn


def singly(outputs: Iterable[ToWrite]) -> Iterator[Output]:
    """Each output by itself."""
    for each in outputs:
        if isinstance(each, PassedOn):
            yield from each.outputs()
        else:
            yield each


RefusalReason = Literal["output-too-large", "record-failed", "record-unreadable"]


class Refusal(msgspec.Struct, frozen=True):
    """Something that can never be processed or written.

    - `output-too-large`: `output` is larger than `limit` bytes, which is our setting or the topic's.
    - `record-failed`: `process` raised `error` twice for this one `record`. Its neighbours can be processed.
    - `record-unreadable`: the client cannot decode the record at `offset`.
    """

    reason: RefusalReason
    offset: int | None = None
    record: Any = None
    output: Output | None = None
    limit: int = 0
    error: str = ""

    def misfit(self) -> StopError:
        """The error of a topic that takes less than it should. No record is to blame."""
        topic = "" if self.output is None else self.output.topic
        return StopError(
            f"a record of ours for {topic} is larger than the {self.limit} bytes that it accepts: "
            "is the topic's max.message.bytes below kafka.record_bytes?"
        )


class TrialError(Exception):
    """`process` would not come to its end for these records. `why` is for a person, and quotes no record."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def named(error: Exception) -> str:
    """What may be told of an error of `process`: its text may quote records."""
    if isinstance(error, CoreError):
        return str(error)  # a place in its source
    return error.why if isinstance(error, TrialError) else type(error).__name__


class Handler(Protocol):
    """The work of a stage. Records are aiokafka's ConsumerRecord, or `RecordColumns` where the stage asks for them."""

    async def assigned(self, partition: Partition) -> None:
        """The partition is ours, and no other transaction of it is open. Load its committed state."""

    async def process(self, partition: Partition, records: Sequence[Any]) -> Sequence[ToWrite]:
        """The outputs of these records, changelog included. There is at least one record, and they are in order."""

    async def tick(self, partition: Partition, now: int, *, caught_up: int = 0) -> Sequence[ToWrite]:
        """The outputs that are due at `now` (ns, wall clock). Called about once a second between polls.

        All records that the partition had at `caught_up` (ns, wall clock) were polled, those that an open transaction
        hid then too; 0 if that is true of no time since it was assigned.
        """

    async def committed(self, partition: Partition, offset: int | None) -> None:
        """The last outputs are visible to others now, and the records before `offset` are done."""

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """What to write instead: a dead letter, or nothing."""

    async def revoked(self, partition: Partition) -> None:
        """Forget the partition: it moved, or its last transaction failed."""

    def note(self, partition: Partition) -> str:
        """A brief note beside the offset in the next transaction, for the next holder of the partition."""


class StatelessHandler:
    """A handler without state: only `process` is left to write."""

    async def assigned(self, partition: Partition) -> None:
        """Nothing to load."""

    async def tick(self, partition: Partition, now: int, *, caught_up: int = 0) -> list[Output]:  # noqa: ARG002 - the protocol's signature
        """Nothing is due."""
        return []

    async def committed(self, partition: Partition, offset: int | None) -> None:
        """Nothing to keep."""

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:  # noqa: ARG002 - as above
        """Nothing instead: the stage reports it."""
        return []

    async def revoked(self, partition: Partition) -> None:
        """Nothing to forget."""

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - as above
        """No note."""
        return ""
