"""Records that are passed on make the batches that they would make one by one."""

from typing import Any

import pytest
from aiokafka import partitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.kafka.batches import Limits, batches_of
from detector.kafka.handlers import Output, PassedOn, ToWrite, singly
from detector.kafka.key_hash import LONGEST, murmur2, murmur2_of
from detector.kafka.written_batches import Compression
from detector.records.made_columns import columns_of
from tests.fake_records import FakeRecord, records

BATCH = 2000


def builder() -> BatchBuilder:
    return BatchBuilder(BATCH, 0, is_transactional=True)


def batches(
    outputs: list[ToWrite], limit: int = BATCH, compression: Compression = None
) -> dict[tuple[str, int], list[Any]]:
    return batches_of(outputs, {"out": 3}, Limits(limit, 10 * BATCH), builder, compression)


def read(batch: Any) -> Any:
    """As a consumer reads the batch."""
    reader = MemoryRecords(bytes(batch._build())).next_batch()
    assert reader.validate_crc()
    return reader


def written(outputs: list[ToWrite], limit: int = BATCH, compression: Compression = None) -> list[Any]:
    return [
        (topic, number, each.timestamp, each.key, each.value, each.headers)
        for (topic, number), made in batches(outputs, limit, compression).items()
        for batch in made
        for each in read(batch)
    ]


TEXTS = (
    st.none() | st.binary(max_size=3) | st.just(b"v" * 900) | st.just(b"w" * 3000) | st.just(bytes(20_000))
)
TIMES = st.integers(0, 1 << 42)
HEADERS = st.lists(st.tuples(st.text(max_size=2), TEXTS), max_size=2)


@given(st.binary(max_size=200))
def test_the_hash_of_a_key_is_that_of_kafkas_clients(key: bytes) -> None:
    assert murmur2(key) == partitioner.murmur2(key)


@given(st.lists(st.binary(max_size=LONGEST), max_size=70))
def test_the_hashes_of_many_keys_are_those_of_each(keys: list[bytes]) -> None:
    assert murmur2_of(keys) == [murmur2(key) for key in keys]


def test_many_outputs_go_where_each_by_itself_goes() -> None:
    outputs: list[ToWrite] = [
        Output("out", key, b"%d" % at, ((("h", b"1"),) if at % 3 else ()), timestamp_ms=at)
        for at, key in enumerate([b"k%d" % (number % 60) * (1 + 99 * (number % 2)) for number in range(200)])
    ]
    together = written(outputs)
    assert sorted(together) == sorted(one for output in outputs for one in written([output]))
    for number in range(3):  # in their order
        stamps = [stamp for _, place, stamp, *_ in together if place == number]
        assert stamps == sorted(stamps)


@given(
    some=st.lists(
        st.builds(FakeRecord, value=TEXTS, key=TEXTS, headers=HEADERS, timestamp=TIMES),
        min_size=1,
        max_size=9,
    ),
    limit=st.sampled_from([1, 1500, BATCH]),
    compression=st.sampled_from([None, "gzip", "snappy", "lz4", "zstd"]),
)
@settings(max_examples=60, deadline=None)
def test_records_passed_on_are_written_as_each_by_itself(
    some: list[FakeRecord], limit: int, compression: Compression
) -> None:
    passed = PassedOn("out", columns_of("logs", 7, some))
    assert len(passed) == len(some)
    last = Output("out", None, b"last", timestamp_ms=1, partition=1)
    assert written([passed, last], limit, compression) == written([*singly([passed]), last], limit)
    assert {number for _, number, *_ in written([passed])} == {7 % 3}


def test_a_batch_of_records_passed_on_is_the_one_that_aiokafka_makes() -> None:
    some = [
        FakeRecord(b"v" * 300, 7 + at, key=b"k", headers=[("h", None)], timestamp=10**12 - at)
        for at in range(3)
    ]
    passed = PassedOn("out", columns_of("logs", 1, some))
    (ours,), (theirs,) = *batches([passed]).values(), *batches([*singly([passed])]).values()
    for one in (ours, theirs):
        one._set_producer_state(5, 2, 17)
    assert ours.size() == theirs.size()
    assert bytes(ours._build()) == bytes(theirs._build())


@pytest.mark.parametrize("limit", [1, 700, 1500, BATCH])
def test_batches_of_records_passed_on_keep_the_limit(limit: int) -> None:
    some = [FakeRecord(b"v" * (at * 37 % 900), at, timestamp=at) for at in range(50)]
    ((_, made),) = batches([PassedOn("out", columns_of("logs", 1, some))], limit).items()
    assert sum(batch.record_count() for batch in made) == len(some)
    assert all(batch.record_count() == 1 or batch.size() <= limit for batch in made)
    assert all(batch.size() == len(batch._build()) for batch in made)
    if limit == BATCH:
        assert min(batch.record_count() for batch in made) > 1


@pytest.mark.parametrize("many", [2, 200])
def test_a_topic_that_takes_little_gets_single_records_in_the_end(many: int) -> None:
    limits = Limits(BATCH, 1000)
    outputs: list[ToWrite] = [Output("out", b"k", b"v" * 10, partition=0) for _ in range(many)]
    for _ in range(BATCH):
        (made,) = batches_of(outputs, {"out": 1}, limits, builder).values()
        [refused] = made[:1]
        if refused.record_count() == 1:
            break
        limits.refuse("out", refused.size(), refused.record_count())
    assert {batch.record_count() for batch in made} == {1}
    limits.refuse("out", refused.size(), 1)
    assert limits.some_too_large(outputs)


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
    assert limits.some_too_large([passed])
    assert limits.some_too_large([*passed.outputs()])
    assert not limits.some_too_large([*passed.outputs()][:3])
    limits.refuse("other", 300, 1)
    assert not limits.some_too_large([*passed.outputs()][:3])
    limits.refuse("out", 300, 1)
    assert limits.some_too_large([*passed.outputs()][:1])
