"""Rows by their place come back in their order, wherever they wait, and few blocks have the rows of many units."""

from collections import defaultdict

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from detector.replay.row_spool import RowSpool, rows_of

ROWS = st.binary(max_size=40).map(lambda row: row.replace(b"\n", b""))
PLACES = st.integers(0, 3)


def packed(rows: list[bytes]) -> bytes:
    return zstandard.ZstdCompressor().compress(b"".join(row + b"\n" for row in rows))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), PLACES, st.lists(ROWS, min_size=1, max_size=1)),
            st.tuples(st.just("append"), PLACES, st.lists(ROWS, min_size=1)),
            st.tuples(st.just("flush"), PLACES, st.just([])),
        )
    ),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_rows_come_back_in_their_order(
    steps: list[tuple[str, int, list[bytes]]], in_memory: int, packed_in_memory: int
) -> None:
    spool = RowSpool(in_memory, packed_in_memory)
    put, appended = defaultdict[int, list[bytes]](list), defaultdict[int, list[bytes]](list)
    for number, (step, place, rows) in enumerate(steps):
        ours = [b"%s %d %d" % (row, number, at) for at, row in enumerate(rows)]
        if step == "put":
            spool.put(place, ours[0])
            put[place] += ours
        elif step == "append":
            spool.append(place, packed(ours))
            appended[place] += ours
        else:
            spool.flush()
    for place in range(4):
        found = list(spool.rows(place))
        assert [row for row in found if row in set(put[place])] == put[place]
        assert [row for row in found if row in set(appended[place])] == appended[place]
        assert len(found) == len(put[place]) + len(appended[place])
        spool.flush()
        assert list(rows_of(spool.packed(spool.blocks(place)))) == found


def test_what_many_units_have_for_a_place_is_in_few_blocks() -> None:
    spool = RowSpool(packed_in_memory=100_000)
    for unit in range(2000):
        for place in range(2):
            spool.append(place, packed([b"unit %d" % unit]))
    spool.flush()
    assert len(spool.blocks(0)) < 5
    assert list(rows_of(spool.packed(spool.blocks(0)))) == [b"unit %d" % unit for unit in range(2000)]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: data[:6] + b"??" + data[8:], lambda _: b"no"]
)
def test_damaged_rows_are_an_error(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(ValueError, match=r"damaged|cut off"):
        list(rows_of([damage(packed([b"one", b"two"]))]))
