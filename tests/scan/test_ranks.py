"""Places of values among others are those that numpy finds, in whatever order the values come."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.scan import ranks

NUMBERS = st.lists(st.integers(0, 99), max_size=60)
NEARLY_IN_ORDER = st.tuples(NUMBERS.map(sorted), NUMBERS.map(sorted), NUMBERS).map(
    lambda parts: [value for part in parts for value in part]
)


@given(NUMBERS.map(sorted), NEARLY_IN_ORDER)
def test_ranks_are_those_of_a_search_for_each(ordered: list[int], values: list[int]) -> None:
    some, others = np.array(ordered, np.int64), np.array(values, np.int64)
    assert ranks.ranks(some, others).tolist() == some.searchsorted(others).tolist()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), NEARLY_IN_ORDER, st.randoms())
def test_origins_are_those_of_each_values_segment(
    sizes: list[int], values: list[int], rng: random.Random
) -> None:
    starts = np.cumsum([0, *sizes[:-1]])
    zero, step, least = (np.array([rng.randint(0, 50) for _ in sizes]) for _ in range(3))
    expected = []
    for value in values:
        segment = max(number for number, start in enumerate(starts) if start <= value)
        expected.append(max((zero[segment] + step[segment] * value) // 3, least[segment]))
    assert ranks.origins(starts, zero, step, least, np.array(values, np.int64)).tolist() == expected
