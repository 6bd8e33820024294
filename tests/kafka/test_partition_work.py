"""What the work on one partition does with outputs that are too large for any broker; without a broker."""

from collections.abc import Sequence
from typing import Any

import pytest

from detector.kafka.backlogs import Backlogs
from detector.kafka.batches import Limits
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.handlers import Output, Partition, Refusal, StatelessHandler
from detector.kafka.partition_work import PartitionContext, PartitionWork
from detector.kafka.stage_facts import RefusalHandled
from detector.kafka.transactions import Transactions

LARGE, SMALL = Output("out", None, b"x" * 2000), Output("out", None, b"fits")
INSTEAD = Output("dead", None, b"told")


class Giving(StatelessHandler):
    """Gives those for whatever is refused."""

    def __init__(self, *instead: Output) -> None:
        self.instead = list(instead)

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        raise NotImplementedError

    async def refused(self, _partition: Partition, _refusal: Refusal) -> list[Output]:
        return self.instead


@pytest.mark.parametrize(
    ("instead", "written", "lost"),
    [
        ([INSTEAD], [INSTEAD], False),
        ([INSTEAD, LARGE], [INSTEAD], True),
        ([LARGE], [], True),
        ([], [], True),  # nobody will hear of it
    ],
)
async def test_what_is_not_told_anywhere_is_lost(
    instead: list[Output], written: list[Output], *, lost: bool
) -> None:
    told: list[Any] = []
    settings, limits, offsets = StageSettings("g"), Limits(1000, 1000), GroupOffsets(1)
    around = PartitionContext(
        settings,
        Giving(*instead),
        None,
        limits,
        told.append,
        offsets,
        Transactions(ConnectionSettings(""), settings, "g-1", limits, offsets, told.append, Backlogs()),
        Backlogs(),
    )
    work = PartitionWork(around, Partition("in", 0))
    assert await work._fit([SMALL, LARGE, SMALL]) == [SMALL, *written, SMALL]
    (fact,) = told
    assert isinstance(fact, RefusalHandled)
    assert (fact.refusal.output, fact.lost) == (LARGE, lost)
