"""The facts that a stage reports, for metrics, logs and tests."""

from collections.abc import Callable
from typing import Literal

import msgspec

from detector.kafka.handlers import Partition, Refusal

StepName = Literal["begun", "written", "offsets", "committed"]
StopReason = Literal["moved", "fenced", "failed", "stopped"]


class TransactionStep(msgspec.Struct, frozen=True):
    """A transaction of the partition has just come this far."""

    partition: Partition
    step: StepName


class TransactionCommitted(msgspec.Struct, frozen=True):
    """`records` were read up to `offset` and `outputs` written, in `seconds` from the poll.

    Without outputs there was no transaction, and no `TransactionStep`.
    """

    partition: Partition
    records: int
    outputs: int
    offset: int | None
    seconds: float


class PartitionStarted(msgspec.Struct, frozen=True):
    """The partition is ours, its last holder is fenced and its state restored. Reading starts at `offset`."""

    partition: Partition
    offset: int
    seconds: float


class PartitionStopped(msgspec.Struct, frozen=True):
    """Work on the partition ended. If it `failed` or was `fenced`, it starts again. `detail` is for a person."""

    partition: Partition
    reason: StopReason
    detail: str = ""


class RefusalHandled(msgspec.Struct, frozen=True):
    """The handler was asked what to write instead. It is `lost` if there was nothing, or that was too large too."""

    partition: Partition
    refusal: Refusal
    lost: bool = False


class Rebalanced(msgspec.Struct, frozen=True):
    """The group assigned its partitions again. Work paused for `seconds`."""

    kept: tuple[Partition, ...]
    gained: tuple[Partition, ...]
    lost: tuple[Partition, ...]
    seconds: float


class BrokersUnreachable(msgspec.Struct, frozen=True):
    """The stage could not connect and tries again. `detail` is for a person."""

    detail: str


class ColumnsUnavailable(msgspec.Struct, frozen=True):
    """The stage reads record by record, because this `version` of aiokafka is not one that gives columns."""

    version: str


Fact = (
    TransactionStep
    | TransactionCommitted
    | PartitionStarted
    | PartitionStopped
    | RefusalHandled
    | Rebalanced
    | BrokersUnreachable
    | ColumnsUnavailable
)
Observer = Callable[[Fact], None]


def ignore(_fact: Fact) -> None:
    """Does nothing."""
