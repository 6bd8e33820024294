"""Records that are passed on make the batches that they would make one by one."""

from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.kafka.batches import Limits, batches_of
from detector.kafka.handlers import Output, PassedOn, ToWrite, singly
from detector.records.made_columns import columns_of
from tests.fake_records import FakeRecord, records

BATCH = 2000


def builder() -> BatchBuilder:
    return BatchBuilder(BATCH, 0, is_transactional=True)


def written(outputs: list[ToWrite], limit: int = BATCH) -> list[Any]:
    made = batches_of(outputs, {"out": 3}, Limits(limit, 10 * BATCH), builder)
    found = []
    for (topic, number), batches in made.items():
        for batch in batches:
            reader = MemoryRecords(bytes(batch._build()))
            found += [
                (topic, number, each.timestamp, each.key, each.value, each.headers)
                for each in reader.next_batch()
            ]
    return found


TEXTS = st.none() | st.binary(max_size=3) | st.just(b"v" * 900) | st.just(b"w" * 3000)
HEADERS = st.lists(st.tuples(st.text(max_size=2), TEXTS), max_size=2)


@given(
    some=st.lists(st.builds(FakeRecord, value=TEXTS, key=TEXTS, headers=HEADERS), min_size=1, max_size=9),
    limit=st.sampled_from([1, 1500, BATCH]),
)
@settings(max_examples=60, deadline=None)
def test_records_passed_on_are_written_as_each_by_itself(some: list[FakeRecord], limit: int) -> None:
    passed = PassedOn("out", columns_of("logs", 7, some))
    assert len(passed) == len(some)
    last = Output("out", None, b"last", timestamp_ms=1, partition=1)
    assert written([passed, last], limit) == written([*singly([passed]), last], limit)
    assert {number for _, number, *_ in written([passed])} == {7 % 3}


@pytest.mark.parametrize(
    "large", [{"value": b"v" * 999}, {"key": b"k" * 999}, {"headers": [("h", b"h" * 999)]}]
)
def test_one_record_that_is_too_large_is_told_among_those_passed_on(large: dict[str, Any]) -> None:
    limits = Limits(500, 1000)
    fine = records([b"v" * 700, None, b"v" * 700])
    assert not limits.too_large(PassedOn("out", columns_of("logs", 0, fine)))
    assert not limits.too_large(PassedOn("out", columns_of("logs", 0, [])))
    passed = PassedOn("out", columns_of("logs", 0, [*fine, FakeRecord(**{"value": b"", **large})]))
    assert limits.too_large(passed)
    assert [limits.too_large(each) for each in passed.outputs()] == [False, False, False, True]
