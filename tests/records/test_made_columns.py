"""Records that were changed go back among those that were not."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detector.records.made_columns import columns_of, dated, joined, together
from detector.records.record_columns import with_unknown_headers
from detector.records.record_fields import KEY, VALUE
from detector.values.stored_format import FORMAT_BYTES, FORMAT_HEADERS
from tests.fake_records import FakeRecord, records

TEXTS = st.none() | st.binary(max_size=3) | st.just(b"v" * 200)
HEADERS = st.lists(st.tuples(st.text(max_size=2), TEXTS), max_size=3)
KNOWN = [*FORMAT_HEADERS]
RECORDS = st.lists(st.builds(FakeRecord, value=TEXTS, key=TEXTS, headers=HEADERS), max_size=6)


def fields(some: Any) -> list[Any]:
    return [
        (each.offset, each.timestamp, each.key, each.value, tuple(map(tuple, each.headers))) for each in some
    ]


@given(some=RECORDS, chosen=st.sets(st.integers(0, 5)))
@settings(max_examples=60, deadline=None)
def test_records_taken_apart_and_put_together_are_the_same(some: list[FakeRecord], chosen: set[int]) -> None:
    for offset, each in enumerate(some):
        each.offset = offset
    made = columns_of("logs", 0, some)
    assert fields(made) == fields(some)
    left, right = ([each for each in some if (each.offset in chosen) == side] for side in (False, True))
    assert fields(together(columns_of("logs", 0, left), columns_of("logs", 0, right))) == fields(some)
    for place, name in ((KEY, "key"), (VALUE, "value")):
        texts = [getattr(each, name) or b"" for each in some]
        data, starts = joined(made, place)
        assert data == b"\n".join(texts)
        assert starts.tolist() == [sum(map(len, texts[:n])) + n for n in range(len(texts) + 1)]


def test_no_time_is_later_than_the_latest() -> None:
    some = records([b"a", b"b", b"c"])
    for each, time in zip(some, (-1, 5, 9), strict=True):
        each.timestamp = time
    made = columns_of("logs", 0, some)
    assert [each.timestamp for each in dated(made, 7)] == [7, 5, 7]
    assert [each.timestamp for each in made] == [-1, 5, 9]


@given(st.lists(st.sampled_from([[], [("a", b"b")], [("a", None)], KNOWN, KNOWN * 2, [*KNOWN, ("a", b"b")]])))
@settings(max_examples=60, deadline=None)
def test_one_header_that_is_known_is_passed_over(headers: list[list[tuple[str, bytes | None]]]) -> None:
    some = [FakeRecord(b"", headers=each) for each in headers]
    unknown = [number for number, each in enumerate(headers) if each not in ([], KNOWN)]
    assert with_unknown_headers(columns_of("logs", 0, some), FORMAT_BYTES) == unknown
