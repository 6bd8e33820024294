"""How the work on one partition is done, without a broker: outputs that no broker takes, and how far it was read."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.kafka.backlogs import Backlogs
from detector.kafka.batches import Limits
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.handlers import Output, Partition, Refusal, StatelessHandler
from detector.kafka.partition_work import PartitionContext, PartitionWork, _Reached
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


# How long a fetch takes, when within that the broker looks at its end, how many records are appended before and after
# that, and how many of those that were fetched are polled by the next tick.
fetches = st.tuples(
    st.integers(1, 5), st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.integers(0, 8)
)


@given(st.lists(fetches, max_size=40), st.data())
def test_all_that_was_there_when_it_was_caught_up_has_been_polled(
    some: list[tuple[int, int, int, int, int]], data: st.DataObject
) -> None:
    reached, now, end, position = _Reached(), 1, 0, 0
    appended: list[int] = []  # when each record was
    for seconds, looked, before, after, polled in some:
        at = now + min(looked, seconds)
        appended += [data.draw(st.integers(now, at)) for _ in range(before)]
        end = len(appended)
        appended += [at + 1] * after  # too late for this answer
        now += seconds
        position = min(position + polled, end)
        if data.draw(st.booleans()):  # not every answer is seen: a tick comes once a second
            reached.look(position, end, now)
        assert (
            sum(each <= reached.caught_up for each in sorted(appended)) <= position or not reached.caught_up
        )
        now += 1


def test_it_is_caught_up_again_and_again_though_records_come_all_the_time() -> None:
    reached = _Reached()
    for second in range(1, 100):
        reached.look(position=10 * second, end=10 * second + 10, answered=second)
        assert second < 4 or reached.caught_up >= second - 3


def test_it_is_not_caught_up_while_a_record_is_not_polled() -> None:
    reached = _Reached()
    for second in range(1, 100):
        reached.look(position=5, end=6, answered=second)
    assert reached.caught_up == 0
