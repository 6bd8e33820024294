"""Where hits are: a few are looked up singly, many together, and both say the same; of very many, blocks of lines."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.patterns import prefilter
from detector.patterns.database_cache import DatabaseCache
from detector.patterns.prefilter import _BITS, Expression, Place, Prefilter, _many_places, _places, around
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


PREFILTER = Prefilter(
    [Expression(regex) for regex in (b"a", b"aa$", b"^b", b"b[ab]b", b"c")], DatabaseCache()
)


@given(
    lines=st.lists(st.text("abc.", max_size=9) | st.text("ab.", min_size=30, max_size=60), max_size=8),
    begin=st.integers(0, 7),
)
def test_where_hits_are_very_many_no_line_with_one_is_left_out(lines: list[str], begin: int) -> None:
    text = "\n".join(lines).encode()
    start = len("\n".join([*lines[:begin], ""]))
    assert PREFILTER._every is not None
    hits = PREFILTER._every.hits(text, start, len(text)) or [] if start < len(text) else []
    with pytest.MonkeyPatch.context() as patch:
        sizes = {"LONG_LINE": 32, "WINDOW": 16, "MAX_MATCH": 3, "_BLOCK": 12, "_LEAST_BLOCK": 4}
        for name, size in {**sizes, "_FEW": 1, "_SOME": 1, "_VERY_DENSE": 1 << 20}.items():
            patch.setattr(prefilter, name, size)
        found = PREFILTER.scan(text, start, len(text))
    assert found.keys() >= {hit >> _BITS for hit in hits}  # an end of a part looks like one of a line
    for hit in hits:
        at = start + (hit & prefilter._OFFSET)
        assert any(low <= at <= high for low, high, _ in found[hit >> _BITS])
    ends = {at for at in range(len(text) + 1) if text[at : at + 1] in {b"\n", b""}}
    for low, high, part in (place for places in found.values() for place in places):
        assert part or ((low == 0 or low - 1 in ends) and high in ends)


def test_of_very_many_hits_only_a_few_are_told_one_by_one() -> None:
    """One place for each block of lines, not one for each line."""
    text = b"a\n" * (1 << 15)
    places = PREFILTER.scan(text, 0, len(text))[0]
    assert [place[0] for place in places] == list(range(0, len(text), prefilter._BLOCK))


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
