"""Where hits are: a few are looked up one by one, many together, and both say the same."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.patterns import prefilter
from detector.patterns.prefilter import _BITS, Place, _many_places, _places, around
from detector.scan.pattern_matcher import merged_regions

TEXTS = st.lists(st.sampled_from([b"a", b"\n", b"aaaa", b"a" * 20, b"a" * 70]), max_size=30).map(b"".join)


@given(text=TEXTS, draw=st.data())
def test_many_hits_are_where_each_is(text: bytes, draw: st.DataObject) -> None:
    """Lines and cells are made so short that all kinds of them stand together."""
    base = draw.draw(st.integers(0, len(text)))
    at = st.tuples(st.integers(0, 2), st.integers(0, len(text) - base))
    hits = sorted(draw.draw(st.lists(at, min_size=1, max_size=20)))
    expected: dict[int, list[Place]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefilter, "LONG_LINE", 64)
        patch.setattr(prefilter, "CELL", 16)
        for expression, offset in hits:
            places, place = expected.setdefault(expression, []), around(text, base + offset)
            if place not in places:
                places.append(place)
        told = [expression << _BITS | offset for expression, offset in hits]
        many = _many_places(text, base, len(text), told[::-1])
        assert {number: list(map(tuple, rows.tolist())) for number, rows in many.items()} == expected
        few = _places(text, base, told)
    for expression, places in few.items():
        assert set(places) <= set(expected[expression])


REGIONS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda one: (one[0], sum(one))), min_size=1
)


@given(st.lists(REGIONS, min_size=1, max_size=4))
def test_many_regions_are_merged_as_a_few_are(found: list[list[tuple[int, int]]]) -> None:
    few = merged_regions(found)
    many = merged_regions([np.array(each) for each in found])
    assert few.tolist() == many.tolist()
    assert all(before[1] < after[0] for before, after in itertools.pairwise(few.tolist()))
    everything = {at for each in found for start, end in each for at in range(start, end)}
    assert everything == {at for start, end in few.tolist() for at in range(start, end)}
