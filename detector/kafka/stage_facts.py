"""What a stage tells about itself: facts, for metrics, logs and tests to make of them what they like."""

from collections.abc import Callable
from typing import Literal

import msgspec

from detector.kafka.handlers import Partition, Refusal

StepName = Literal["begun", "written", "offsets", "committed"]
DropReason = Literal["moved", "fenced", "failed", "stopped"]


class StepDone(msgspec.Struct, frozen=True):
    """A transaction of the partition came this far; told before anything else is done."""

    partition: Partition
    step: StepName


class Committed(msgspec.Struct, frozen=True):
    """A transaction is through: `records` read up to `offset`, `outputs` written, in `seconds` from its begin."""

    partition: Partition
    records: int
    outputs: int
    offset: int | None
    seconds: float


class Taken(msgspec.Struct, frozen=True):
    """The partition is ours, fenced and restored, and is read from `offset`."""

    partition: Partition
    offset: int
    seconds: float


class Dropped(msgspec.Struct, frozen=True):
    """Work on the partition ended: `moved`, `fenced`, `failed` (and tried again) or `stopped`. `detail` for a person."""

    partition: Partition
    reason: DropReason
    detail: str = ""


class Refused(msgspec.Struct, frozen=True):
    """The handler was asked for something else to write; `lost` when it had nothing, or even that was too large."""

    partition: Partition
    refusal: Refusal
    lost: bool = False


class Rebalanced(msgspec.Struct, frozen=True):
    """The group shared its partitions out anew; work stood still for `seconds`."""

    kept: tuple[Partition, ...]
    gained: tuple[Partition, ...]
    lost: tuple[Partition, ...]
    seconds: float


class Unreachable(msgspec.Struct, frozen=True):
    """The stage could not connect at its start, and tries again; `detail` for a person."""

    detail: str


Fact = StepDone | Committed | Taken | Dropped | Refused | Rebalanced | Unreachable
Observer = Callable[[Fact], None]


def nobody(_fact: Fact) -> None:
    """Tells nobody."""
