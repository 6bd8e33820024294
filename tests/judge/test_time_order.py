"""The order of items by time, small and large, against a plain sorted list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge import time_order as timeorder
from detector.judge.time_order import TimeOrder

KEYS = st.tuples(st.integers(0, 12), st.sampled_from("abc"))


@pytest.fixture(params=[3, 1000], ids=["sorted list", "plain list"], autouse=True)
def _limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeorder, "_FEW", request.param)


class Opaque:
    """A payload that refuses to be compared."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __lt__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment] # nothing may look at it


def filled(keys: list[tuple[int, str]]) -> TimeOrder:
    order = TimeOrder(2)
    for key in keys:
        order.put((*key, Opaque()))
    return order


@given(st.lists(KEYS, max_size=30), st.lists(KEYS, max_size=10))
def test_put_and_take(keys: list[tuple[int, str]], gone: list[tuple[int, str]]) -> None:
    order = filled(keys)
    left = set(keys)
    for key in gone:
        taken = order.take(key)
        assert (taken is not None) == (key in left)
        left.discard(key)
    assert [item[:2] for item in order] == sorted(left)
    assert len(order) == len(left)
    assert [order.find(key) is not None for key in gone] == [key in left for key in gone]


def test_a_second_item_with_the_same_key_is_refused() -> None:
    order = TimeOrder(2)
    assert order.put((1, "a", "first"))
    assert order.put((0, "a", "earlier"))
    assert not order.put((1, "a", "second"))
    assert not order.put((0, "a", "second"))
    assert [item[2] for item in order] == ["earlier", "first"]


@given(st.lists(KEYS, max_size=30), st.integers(-1, 13), st.integers(-1, 13))
def test_between_before_and_after(keys: list[tuple[int, str]], low: int, high: int) -> None:
    order = filled(keys)
    ordered = sorted(set(keys))
    assert [item[:2] for item in order.between(low, high)] == [
        key for key in ordered if low <= key[0] <= high
    ]
    last, first = order.at_most(high), order.after(low)
    assert (last and last[:2]) == max((key for key in ordered if key[0] <= high), default=None)
    assert (first and first[:2]) == min((key for key in ordered if key[0] > low), default=None)
    if ordered:
        assert order.first[:2] == ordered[0]
        assert order.last[:2] == ordered[-1]


@given(st.lists(KEYS, max_size=30), st.integers(-1, 13))
def test_what_was_cut_off_can_be_put_back(keys: list[tuple[int, str]], before: int) -> None:
    order = filled(keys)
    cut = order.cut(before)
    assert [item[:2] for item in cut] == sorted(key for key in set(keys) if key[0] < before)
    for item in cut:
        assert order.put(item)
    assert [item[:2] for item in order] == sorted(set(keys))
