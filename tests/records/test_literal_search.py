"""Literals are found in one pass as `in` finds them."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from detector.records.literal_search import LiteralSearch

LITERALS = (b'"_p":"P', b" stdout P", b"\xff\x00\n", b".*", b"partial_")
OCCURRING = LiteralSearch(LITERALS)
PARTS = st.sampled_from((
    *LITERALS, *(literal[:-1] for literal in LITERALS), *(literal.upper() for literal in LITERALS), b"\n",
))  # fmt: skip


@given(st.lists(st.binary(max_size=12) | PARTS, max_size=6))
def test_a_literal_is_found_where_it_stands_and_nothing_else(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert OCCURRING.any_in(data) == any(literal in data for literal in LITERALS)


def test_several_threads_look_at_once() -> None:
    data = b"x" * (1 << 20)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(OCCURRING.any_in, [data, data + LITERALS[0]] * 20))
    assert found == [False, True] * 20
