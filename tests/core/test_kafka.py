"""What the core makes of Kafka's record batches; tests/kafka compares what comes of it with aiokafka's own reader."""

import struct

import numpy as np
import pytest
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from detector import core
from detector.kafka.columns_check import batch, sealed
from detector.records.record_fields import HEADER_COUNT, HEADERS, KEY, KEY_SIZE, VALUE, VALUE_SIZE, WIDTH

PARTS = st.none() | st.binary(max_size=200)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
RECORDS = st.lists(
    st.tuples(PARTS, PARTS, st.lists(st.tuples(NAMES, PARTS), max_size=3)), min_size=1, max_size=6
)
HUGE = (1 << 63) - 1


def rows(*some: dict[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    made = np.zeros((len(some), WIDTH), np.int64)
    for row, fields in zip(made, some, strict=True):
        for number, value in fields.items():
            row[number] = value
    return made


@given(st.binary(max_size=300), st.integers(0, 2000), st.integers(0, 40))
def test_the_checksum_is_that_of_aiokafka(text: bytes, repeated: int, begin: int) -> None:
    data = bytes(begin) + text + text[:7] * repeated
    assert core.crc32c(data, begin) == calc_crc32c(data[begin:])


def test_a_checksum_that_is_published() -> None:
    assert core.crc32c(b"123456789") == 0xE3069283


@given(RECORDS, st.integers(0, 2000))
def test_records_that_are_read_and_written_are_the_same(
    records: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]], most: int
) -> None:
    data = batch(7, records)
    end, count, first, behind = core.batches_together(data, 0, False, 100, len(data))
    assert (end, count, first, behind) == (len(data), len(records), 7, 7 + len(records))
    walk = core.RecordWalk.together(data, 0, end)
    found, position = walk.read(100, 0)
    assert (walk.done, walk.wrong, position) == (True, False, behind)
    columns = np.frombuffer(found, np.int64).reshape(-1, WIDTH)
    for row, (key, value, headers) in zip(columns.tolist(), records, strict=True):
        assert (data[row[KEY] :][: row[KEY_SIZE]] if row[KEY_SIZE] >= 0 else None) == key
        assert (data[row[VALUE] :][: row[VALUE_SIZE]] if row[VALUE_SIZE] >= 0 else None) == value
        assert core.headers_at(data, row[HEADERS], row[HEADER_COUNT]) == tuple(headers)
    (alone,) = core.written_records(data, columns, 1 << 20)
    assert alone == (len(records), data[61:])
    parts = core.written_records(data, columns, most)
    assert sum(size for size, _ in parts) == len(records)
    assert all(size == 1 or len(text) <= most for size, text in parts)


@given(st.data())
def test_whatever_a_batch_says_nothing_beyond_it_is_read(data: st.DataObject) -> None:
    made = bytearray(batch(0, data.draw(RECORDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        made[data.draw(st.integers(12, len(made) - 1))] = data.draw(st.integers(0, 255))
    text = sealed(made)
    end, count, *_ = core.batches_together(text, 0, True, 100, 1 << 20)
    walk = core.RecordWalk.together(text, 0, end)
    found, _ = walk.read(100, 0)
    columns = np.frombuffer(found, np.int64).reshape(-1, WIDTH)
    assert len(columns) <= max(count, 0)
    for place in (KEY, VALUE):
        assert (columns[:, place] + columns[:, place + 1].clip(0) <= len(text)).all()


def test_a_header_whose_name_is_no_text_ends_the_walk_unless_it_is_left_out() -> None:
    made = bytearray(
        batch(0, [(None, b"first", []), (None, b"second", [("name", b"x")]), (None, b"third", [])])
    )
    text = sealed(made.replace(b"name", b"na\xffe"))
    walk = core.RecordWalk.together(text, 0, len(text))
    found, position = walk.read(10, 0)
    assert (len(found) // 64, walk.wrong, position) == (1, True, 1)
    behind = core.RecordWalk.together(text, 0, len(text))
    found, position = behind.read(10, 2)
    assert (len(found) // 64, behind.wrong, position) == (1, False, 3)


@pytest.mark.parametrize(
    "row", [{VALUE: 2, VALUE_SIZE: 2}, {VALUE: -1, VALUE_SIZE: 2}, {VALUE: HUGE, VALUE_SIZE: 2}], ids=str
)
def test_a_row_that_leads_out_of_the_data_is_refused(row: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="out of the data"):
        core.value_lines(b"abc", rows(row), 0)
    with pytest.raises(ValueError, match="out of the data"):
        core.written_records(b"abc", rows(row), 100)
    with pytest.raises(ValueError, match="another width"):
        core.value_lines(b"abc", np.zeros(7, np.int64), 0)
    with pytest.raises(ValueError, match="out of the data"):
        core.headers_at(struct.pack("b", 8), 0, 1)


def test_a_mistake_of_the_core_names_its_place_and_quotes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(core.CoreError, match=r"^the core failed at src/kafka/columns\.rs:\d+$"):
        core.value_lines(b"secret", rows({VALUE_SIZE: HUGE}, {VALUE_SIZE: HUGE}), 0)
    assert capfd.readouterr() == ("", "")
