"""Columns hold what aiokafka's own records do, byte by byte, and hostile bytes end in an error.

`tests/kafka/test_column_consumer.py` has the same on a broker.
"""

import contextlib
import gc
import struct
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import encode_varint
from hypothesis import given
from hypothesis import strategies as st

from detector.kafka import raw_batches
from detector.kafka.columns_check import Written, batch, columns_work, fields, sealed
from detector.kafka.decompression import TooMuchError
from detector.records.record_columns import RecordColumns

LIMIT = 1 << 20
HEADER = 61
COUNT = 57
APPEND_TIME, CONTROL = 0x08, 0x20
COMMIT: list[Written] = [(b"\0\0\0\1", b"\0\0\0\0\0\0", [])]
ABORT: list[Written] = [(b"\0\0\0\0", b"\0\0\0\0\0\0", [])]

some_bytes = st.one_of(st.none(), st.binary(max_size=9), st.integers(60, 300).map(bytes))
a_record = st.tuples(some_bytes, some_bytes, st.lists(st.tuples(st.text(max_size=3), some_bytes), max_size=2))
a_batch = st.tuples(
    st.lists(a_record, min_size=1, max_size=6),
    st.integers(0, 4),  # codec
    st.sampled_from([-1, 7, 8]),  # producer
    st.sampled_from([0, APPEND_TIME]),
)


def read(
    data: bytes,
    aborted: Sequence[tuple[int, int]] = (),
    offset: int = 0,
    most: int = 1000,
    limit: int = LIMIT,
) -> list[list[tuple[Any, ...]]]:
    """The polls, until the end or the first error."""
    columns, _ = raw_batches.both_ways(data, aborted, offset, most, limit)
    return [[fields(each) for each in poll] for poll in columns]


def until_an_error(reader: Any) -> list[tuple[Any, ...]]:
    """The records of a reader of records."""
    found: list[tuple[Any, ...]] = []
    with contextlib.suppress(CorruptRecordException, UnicodeDecodeError):
        found += map(fields, reader)
    return found


def framed(records: bytes, count: int) -> bytes:
    """A batch of these bytes, which say that they are so many records."""
    made = bytearray(batch(0, [(None, b"", [])])[:HEADER] + records)
    struct.pack_into(">i", made, 8, len(made) - 12)
    struct.pack_into(">i", made, COUNT, count)
    return sealed(made)


def varints(*numbers: int) -> bytes:
    made = bytearray()
    for number in numbers:
        encode_varint(number, made.append)
    return bytes(made)


def test_this_aiokafka_gives_columns() -> None:
    assert columns_work()


@given(st.lists(a_batch, min_size=1, max_size=4), st.data())
def test_the_same_records_come_out(batches: list[Any], data: st.DataObject) -> None:
    raw, base = b"", 3
    for records, codec, producer, attributes in batches:
        raw += batch(base, records, codec=codec, producer=producer, attributes=attributes)
        base += len(records) + data.draw(st.integers(0, 2))
        if producer >= 0 and data.draw(st.booleans()):
            raw += batch(
                base, data.draw(st.sampled_from([COMMIT, ABORT])), producer=producer, attributes=CONTROL
            )
            base += 1
    aborted = data.draw(st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, base)), max_size=2))
    offset, most = data.draw(st.integers(0, base)), data.draw(st.integers(1, 9))
    columns, records = raw_batches.both_ways(raw, aborted, offset, most, LIMIT)
    polls = list(columns)
    assert [fields(each) for poll in polls for each in poll] == [fields(each) for each in records]
    assert all(len(poll) == most for poll in polls[:-1])
    assert columns.next_fetch_offset == records.next_fetch_offset


@given(st.lists(a_record, min_size=1, max_size=4), st.data())
def test_where_a_byte_is_wrong_the_records_before_it_come_out(
    records: list[Any], data: st.DataObject
) -> None:
    made = bytearray(batch(0, records))
    made[data.draw(st.integers(HEADER, len(made) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptRecordException):
        read(bytes(made))  # the checksum tells
    columns, one_by_one = raw_batches.both_ways(sealed(made), (), 0, 1, LIMIT)
    assert until_an_error(each for (each,) in columns) == until_an_error(one_by_one)


@given(st.integers(0, 9000), st.integers(0, 7))
def test_a_large_batch_with_a_wrong_bit_is_an_error(place: int, bit: int) -> None:
    made = bytearray(batch(0, [(None, bytes(range(256)) * 40, [])]))
    assert len(read(bytes(made))) == 1
    made[-1 - place] ^= 1 << bit
    with pytest.raises(CorruptRecordException):
        read(bytes(made))


@given(st.binary(max_size=60), st.integers(-2, 5))
def test_whatever_the_bytes_are_it_ends(records: bytes, count: int) -> None:
    with contextlib.suppress(CorruptRecordException):
        assert sum(map(len, read(framed(records, count)))) <= max(count, 0)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(0, 40))
def test_offsets_may_have_gaps_and_may_not_grow(offsets: list[int], position: int) -> None:
    """Compaction leaves gaps; where an offset is not above the last, aiokafka leaves out the record."""
    records = b"".join(varints(6, 0, 0, offset, -1, -1, 0) for offset in offsets)
    raw = bytearray(framed(records, len(offsets)))
    struct.pack_into(">i", raw, 23, 30)  # the last offset, of a record that is gone
    columns, one_by_one = raw_batches.both_ways(sealed(raw), (), position, 3, LIMIT)
    assert [each.offset for poll in columns for each in poll] == [each.offset for each in one_by_one]
    assert columns.next_fetch_offset == one_by_one.next_fetch_offset


@pytest.mark.parametrize(
    "records",
    [
        b"",
        varints(100, 0, 0, 0, -1, -1, 0),  # its length is beyond the end
        varints(6, 0, 0, 0, 1 << 40, -1, 0),
        varints(6, 0, 0, 0, -1, (1 << 62), 0),
        varints(6, 0, 0, 0, -1, -1, -1),  # headers, of which there are -1
        varints(6, 0, 0, 0, -1, -1, 1 << 40),
        varints(8, 0, 0, 0, -1, -1, 1, -1, -1),  # the name of a header is null
        varints(8, 0, 0, 0, -1, -1, 1, 1 << 40, -1),
        varints(9, 0, 0, 0, -1, -1, 1, 1) + b"\xff" + varints(-1),  # the name is no text
        b"\xff" * 11,
        varints(6, 0, 0, 0, -1, -1) + b"\x80",  # a number that does not end
    ],
)
def test_what_is_no_record_is_an_error(records: bytes) -> None:
    with pytest.raises(CorruptRecordException):
        read(framed(records, 1))


def test_a_count_that_only_claims_to_be_large_is_not_believed_into_memory() -> None:
    raw = framed(varints(6, 0, 0, 0, -1, -1, 0), (1 << 31) - 1)
    columns, _ = raw_batches.both_ways(raw, (), 0, 1 << 30, LIMIT)
    assert [len(poll) for poll in columns] == [1]


def test_a_batch_shorter_than_its_header_is_an_error() -> None:
    raw = bytearray(framed(b"", 0)[:40])
    struct.pack_into(">i", raw, 8, len(raw) - 12)
    with pytest.raises(CorruptRecordException, match="shorter than its header"):
        read(bytes(raw))


def test_the_records_before_a_wrong_batch_are_read() -> None:
    good, bad = batch(0, [(None, b"a", []), (None, b"b", [])]), bytearray(batch(2, [(None, b"c", [])]))
    bad[-2] ^= 1
    columns, _ = raw_batches.both_ways(good + bytes(bad), (), 0, 10, LIMIT)
    assert [each.value for each in next(columns)] == [b"a", b"b"]
    assert list(columns) == []  # whoever reads on fetches again
    assert columns.next_fetch_offset == 2
    with pytest.raises(CorruptRecordException):
        read(bytes(bad), offset=2)


@given(st.data(), st.integers(0, 11), st.integers(1, 30))
def test_the_records_before_a_wrong_record_of_many_batches_are_read(
    data: st.DataObject, wrong: int, most: int
) -> None:
    """Its checksum is right. The wrong batch has two records, of which the second is none."""
    batches = [batch(2 * number, [(None, b"%d" % number, [])] * 2) for number in range(12)]
    made = bytearray(batches[wrong])
    made[-data.draw(st.integers(1, 8))] ^= 0x55
    batches[wrong] = sealed(made)
    columns, one_by_one = raw_batches.both_ways(b"".join(batches), (), 0, most, LIMIT)
    found: list[Any] = []
    with contextlib.suppress(CorruptRecordException, UnicodeDecodeError):
        for poll in columns:
            found += map(fields, poll)
    assert found == until_an_error(one_by_one)
    assert columns.next_fetch_offset == one_by_one.next_fetch_offset


def test_an_incomplete_batch_at_the_end_is_left_for_the_next_fetch() -> None:
    whole = [batch(number, [(None, b"%d" % number, [])]) for number in range(3)]
    for cut in range(1, len(whole[2])):
        assert [len(poll) for poll in read(whole[0] + whole[1] + whole[2][:-cut])] == [2]


def test_a_batch_is_decompressed_within_the_limit() -> None:
    raw = batch(0, [(None, bytes(LIMIT), [])], codec=4)
    with pytest.raises(TooMuchError):
        read(raw, limit=LIMIT)
    assert len(read(raw, limit=LIMIT + 99)) == 1


def test_a_poll_of_many_bytes_gets_no_further_batch() -> None:
    half: list[Written] = [(None, bytes(LIMIT // 2), [])]
    raw = b"".join(batch(base, half, codec=4) for base in range(5))
    assert [len(poll) for poll in read(raw)] == [2, 2, 1]


def test_a_codec_that_nobody_knows() -> None:
    with pytest.raises(UnsupportedCodecError):
        read(batch(0, [(None, b"", [])], attributes=5))


@pytest.mark.parametrize(("marker", "values"), [(COMMIT, [b"theirs", b"other"]), (ABORT, [b"other"])])
def test_an_aborted_transaction_is_left_out(marker: list[Any], values: list[bytes]) -> None:
    raw = (
        batch(0, [(None, b"theirs", [])], producer=7)
        + batch(1, marker, producer=7, attributes=CONTROL)
        + batch(2, [(None, b"other", [])], producer=7)
    )
    aborted = [(7, 0)] if marker is ABORT else []
    assert [each[3] for poll in read(raw, aborted) for each in poll] == values


def test_batches_of_the_old_format_give_records() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1000)
    builder.append(0, 5, b"key", b"old")
    old, new = bytes(builder.build()), batch(1, [(None, b"new", [])])
    assert [[each[:4] for each in poll] for poll in read(old + new)] == [
        [(0, 5, b"key", b"old"), (1, 1000, None, b"new")]
    ]


def test_a_slice_is_made_of_the_same_records() -> None:
    columns, _ = raw_batches.both_ways(batch(0, [(None, b"%d" % n, []) for n in range(9)]), (), 2, 9, LIMIT)
    (poll,) = columns
    assert isinstance(poll, RecordColumns)
    assert [each.value for each in poll[1:6:2]] == [b"3", b"5", b"7"]
    assert (poll[-1].offset, poll[1:][0].offset, len(poll)) == (8, 3, 7)
    with pytest.raises(IndexError):
        poll[7]


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
def test_what_was_fetched_is_freed_once_it_is_read(most: int) -> None:
    data = batch(0, [(b"k", b"v", [])] * 2) + batch(2, [(b"k", b"v", [])] * 2, codec=3)
    columns, _ = raw_batches.both_ways(data, (), 0, most, LIMIT)
    freed = weakref.ref(columns)
    gc.disable()
    try:
        assert sum(map(len, columns)) == 4
        del columns
        assert freed() is None
    finally:
        gc.enable()
