"""Columns hold what aiokafka's own records do, byte by byte, and hostile bytes end in an error.

`tests/kafka/test_column_consumer.py` has the same on a broker.
"""

import contextlib
import gc
import gzip
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
from tests.kafka import batch_reference
from tests.kafka.batch_mutations import old_sealed

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
    with contextlib.suppress(CorruptRecordException):
        found += map(fields, reader)
    return found


def framed(records: bytes, count: int) -> bytes:
    """A batch of these bytes, which say that they are so many records."""
    made = bytearray(batch(0, [(None, b"", [])])[:HEADER] + records)
    struct.pack_into(">i", made, 8, len(made) - 12)
    struct.pack_into(">i", made, COUNT, count)
    return sealed(made)


def with_offsets(offsets: Sequence[int], last: int, behind: bytes = b"") -> bytes:
    """A batch of records with these offsets, which says that another is its last."""
    records = [varints(*each) for each in ((0, 0, offset, -1, -1, 0) for offset in offsets)]
    made = bytearray(framed(b"".join(varints(len(each)) + each for each in records) + behind, len(offsets)))
    struct.pack_into(">i", made, 23, last)
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
    raw, base, first = b"", 3, 0
    for records, codec, producer, attributes in batches:
        raw += batch(base, records, codec=codec, producer=producer, attributes=attributes)
        last = base + len(records) - 1
        first = first or last
        base = last + data.draw(st.integers(1, 3))
        if producer >= 0 and data.draw(st.booleans()):
            raw += batch(
                base, data.draw(st.sampled_from([COMMIT, ABORT])), producer=producer, attributes=CONTROL
            )
            base += 1
    aborted = data.draw(st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, base)), max_size=2))
    offset, most = data.draw(st.integers(0, first)), data.draw(st.integers(1, 9))
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
    columns, _ = raw_batches.both_ways(sealed(made), (), 0, 1, LIMIT)
    found = until_an_error(each for (each,) in columns)
    assert found == batch_reference.read(sealed(made), (), 0).records


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


@given(st.sets(st.integers(0, 9), min_size=1), st.integers(0, 30))
def test_offsets_may_have_gaps(offsets: set[int], position: int) -> None:
    """Compaction leaves them."""
    raw = with_offsets(sorted(offsets), last=30)
    columns, one_by_one = raw_batches.both_ways(raw, (), position, 3, LIMIT)
    assert [each.offset for poll in columns for each in poll] == [each.offset for each in one_by_one]
    assert columns.next_fetch_offset == one_by_one.next_fetch_offset


@pytest.mark.parametrize("most", [1, 9])
@pytest.mark.parametrize(
    ("offsets", "right"),
    [
        ([0, 0, 1], [0]),  # brokers take this from any producer: consumers would leave out the second record
        ([0, 2, 1], [0]),
        ([0, -5, 2], [0]),
        ([0, 1, 1 << 30], [0, 1]),  # and this: whoever commits what is behind it loses all between
        ([0, 1, 3], [0, 1]),
        ([1, 2, 2], []),  # three do not fit into two
    ],
)
def test_a_record_that_is_not_where_its_batch_has_room_is_an_error(
    offsets: list[int], right: list[int], most: int
) -> None:
    raw = with_offsets(offsets, last=2)
    columns, _ = raw_batches.both_ways(raw, (), 0, most, LIMIT)
    found: list[int] = []
    with contextlib.suppress(CorruptRecordException):
        for poll in columns:
            found += [each.offset for each in poll]
    assert found == right
    with pytest.raises(
        CorruptRecordException
    ):  # what is still to be read is in the batch: nobody skips the next one
        read(raw, offset=columns.next_fetch_offset)
    assert columns.next_fetch_offset <= 2


@pytest.mark.parametrize("most", [1, 9])
def test_bytes_behind_the_last_record_make_it_wrong(most: int) -> None:
    """Not what comes after it: whoever skips what is wrong would skip a record of the next batch."""
    columns, _ = raw_batches.both_ways(with_offsets([0, 1], last=1, behind=b"\0"), (), 0, most, LIMIT)
    with contextlib.suppress(CorruptRecordException):
        assert [each.offset for poll in columns for each in poll] == [0]
    assert columns.next_fetch_offset == 1


@pytest.mark.parametrize(
    ("field", "form", "value"),
    [
        (0, ">q", -1),
        (0, ">q", (1 << 63) - 1),  # no offset fits behind it
        (23, ">i", -1),
        (57, ">i", -1),
        (8, ">i", 48),
        (8, ">i", -1),
        (8, ">i", -(1 << 31)),
        (16, ">b", 3),
        (16, ">b", -1),
    ],
)
def test_a_header_that_no_broker_writes_is_an_error(field: int, form: str, value: int) -> None:
    """Also where the batch is read by itself, as one of a transaction is."""
    for producer in (-1, 7):
        made = bytearray(batch(0, [(None, b"a", [])], producer=producer))
        struct.pack_into(form, made, field, value)
        with pytest.raises(CorruptRecordException):
            read(sealed(made) + batch(1, [(None, b"b", [])] * 9), [(8, 0)])


def test_a_batch_before_what_was_asked_for_moves_nothing_back() -> None:
    early, asked = batch(0, [(None, b"a", [])] * 2), batch(2, [(None, b"b", [])] * 3)
    columns, _ = raw_batches.both_ways(early + asked + early, (), 3, 9, LIMIT)
    assert [each.offset for poll in columns for each in poll] == [3, 4]
    assert columns.next_fetch_offset == 5
    with pytest.raises(CorruptRecordException):  # or the same would be fetched for ever
        read(early, offset=3)


@pytest.mark.parametrize("attributes", [CONTROL, CONTROL | 0x10])
def test_a_marker_that_compaction_has_taken_ends_nothing(attributes: int) -> None:
    """The cleaner leaves an empty batch as long as its producer may come back."""
    empty = bytearray(framed(b"", 0))
    struct.pack_into(">h", empty, 21, attributes)
    struct.pack_into(">q", empty, 43, 7)
    behind = batch(1, [(None, b"aborted", [])], producer=7) + batch(2, ABORT, producer=7, attributes=CONTROL)
    behind += batch(3, [(None, b"right", [])], producer=7)
    assert [each[3] for poll in read(sealed(empty) + behind, [(7, 0)]) for each in poll] == [b"right"]


def test_a_marker_of_a_later_version_ends_a_transaction() -> None:
    """As for Kafka's own client: those of the same producer behind it are not left out."""
    marker: list[Written] = [(b"\0\1\0\0", b"\0\0\0\0\0\0", [])]
    raw = batch(0, [(None, b"aborted", [])], producer=7) + batch(1, marker, producer=7, attributes=CONTROL)
    raw += batch(2, [(None, b"right", [])], producer=7)
    assert [each[3] for poll in read(raw, [(7, 0)]) for each in poll] == [b"right"]


def test_an_error_behind_what_was_aborted_is_where_it_is() -> None:
    """Else what was aborted would be skipped record by record, each with a dead letter."""
    raw = batch(0, [(None, b"aborted", [])] * 3, producer=7) + batch(3, [(None, b"a", [])])[:-1] + b"b"
    columns, _ = raw_batches.both_ways(raw, [(7, 0)], 0, 9, LIMIT)
    assert list(columns) == []
    assert columns.next_fetch_offset == 3


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
    with pytest.raises(CorruptRecordException):
        read(raw, most=1 << 30)


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
    columns, _ = raw_batches.both_ways(b"".join(batches), (), 0, most, LIMIT)
    found: list[Any] = []
    with contextlib.suppress(CorruptRecordException):
        for poll in columns:
            found += map(fields, poll)
    reference = batch_reference.read(b"".join(batches), (), 0)
    assert found == reference.records
    assert columns.next_fetch_offset == reference.position


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


@pytest.mark.parametrize(("magic", "codec"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3)])
@pytest.mark.parametrize("offset", [0, 6, 7, 8])
def test_batches_of_the_old_formats_are_read_as_aiokafka_does(magic: int, codec: int, offset: int) -> None:
    raw = old(magic, codec, [b"one", None, b"", b"four"])
    offset *= codec > 0  # a broker begins with what was asked for
    for most in (1, 3, 9):
        columns, one_by_one = raw_batches.both_ways(raw, (), offset, most, LIMIT)
        polls = list(columns)
        assert all(isinstance(poll, RecordColumns) and len(poll) <= most for poll in polls)
        assert [fields(each) for poll in polls for each in poll] == [fields(each) for each in one_by_one]
        assert columns.next_fetch_offset == one_by_one.next_fetch_offset


def test_batches_of_both_formats_are_read() -> None:
    """aiokafka takes the format of the first for that of all."""
    raw = old(0, 0, [b"a"]) + old(1, 1, [b"b"], base=6) + batch(7, [(None, b"c", [])])
    assert [each[:4] for poll in read(raw) for each in poll] == [
        (5, -1, b"key", b"a"),
        (6, 1000, b"key", b"b"),
        (7, 1000, None, b"c"),
    ]


@pytest.mark.parametrize("length", [-12, -100, 0, 13, 1 << 20])
def test_lengths_of_old_messages_end_in_an_error(length: int) -> None:
    """aiokafka goes round in circles, or reads what is not there."""
    inner = bytearray(old(1, 0, [b"value"]))
    struct.pack_into(">i", inner, 8, length)
    made = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1000)
    made.append(0, 5, None, gzip.compress(bytes(inner)))
    outer = bytearray(made.build())
    outer[17] = 1
    with pytest.raises(CorruptRecordException):
        read(old_sealed(outer))


def old(magic: int, codec: int, values: Sequence[bytes | None], base: int = 5) -> bytes:
    """Messages of one of the old formats, compressed together or one by one."""
    if not codec and len(values) > 1:
        return b"".join(old(magic, 0, [each], base + at) for at, each in enumerate(values))
    made = LegacyRecordBatchBuilder(magic=magic, compression_type=codec, batch_size=1000)
    for at, value in enumerate(values):
        made.append(at if magic else base + at, 1000 + at, b"key", value)
    raw = bytearray(made.build())
    struct.pack_into(">q", raw, 0, base + len(values) - 1)
    return bytes(raw)


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
