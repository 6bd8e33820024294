from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.records.blocks import LONG_LINE, Block, blocks, safe_cut
from detector.records.dead_letters import TRUNCATED_ARCHIVE, bad
from detector.values.errors import BadRecordError


def chunked(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        for size in sizes:
            if at < len(data):
                yield data[at : at + size]
            at += size


@given(st.lists(st.binary(max_size=12), max_size=30), st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_blocks_are_whole_lines_and_nothing_is_lost(lines: list[bytes], sizes: list[int]) -> None:
    data = b"\n".join(lines)
    found = list(blocks(chunked(data, sizes)))
    assert b"".join(block.data for block in found) == data
    assert all(block.data.endswith(b"\n") for block in found[:-1])
    assert all(block.part == 0 for block in found)


_parts = st.sampled_from(
    [b"text\n" * 700, b"QUJD" * 19 + b"\n", b"a=\n" * 9, b"-----BEGIN KEY-----\n", b"-----END KEY-----\n", b"\n" * 5]
)  # fmt: skip


@given(
    st.lists(st.tuples(_parts, st.integers(1, 300)), min_size=1, max_size=12),
    st.lists(st.integers(8_000, 60_000), min_size=1, max_size=4),
)
def test_where_large_chunks_are_cut_all_that_is_held_tells(
    parts: list[tuple[bytes, int]], sizes: list[int]
) -> None:
    data = b"".join(part * (times if len(part) < 100 else 1 + times % 9) for part, times in parts)
    expected, held = [], b""
    for chunk in chunked(data, sizes):
        held += chunk
        end = held.rfind(b"\n") + 1
        cut = safe_cut(held, end) or (end if len(held) > 32 * 1024 else 0)
        if cut:
            expected.append(held[:cut])
            held = held[cut:]
    assert [block.data for block in blocks(chunked(data, sizes))] == [*expected, *([held] if held else [])]


def test_a_key_block_is_never_cut() -> None:
    key = b"-----BEGIN EC PRIVATE KEY-----\n" + b"MHcCAQEEIExample\n" * 30 + b"-----END EC PRIVATE KEY-----\n"
    data = b"a line before\n" * 40 + key + b"a line after\n" * 40
    for size in range(100, 900, 37):
        found = [block.data for block in blocks(chunked(data, [size]))]
        assert b"".join(found) == data
        assert sum(key in block for block in found) == 1


def test_a_begin_that_never_ends_holds_up_nothing() -> None:
    data = b"-----BEGIN NOTHING-----\n" + b"a line\n" * 20_000
    sizes = [len(block.data) for block in blocks(chunked(data, [4096]))]
    assert sum(sizes) == len(data)
    assert max(sizes) < 64 * 1024


def test_a_cut_goes_back_to_the_line_where_the_open_block_begins() -> None:
    data = b"one\nx -----BEGIN KEY-----\nabc\n"
    assert safe_cut(data, len(data)) == 4
    closed = data + b"-----END KEY-----\n"
    assert safe_cut(closed, len(closed)) == len(closed)


@pytest.mark.parametrize(
    ("before", "kept"),
    [(b"", b""), (b"words before\n", b""), (b"two\nab\n", b""), (b"\n", b""), (b"a line\n", b"x\r\n")],
)
def test_lines_of_one_character_stay_together(before: bytes, kept: bytes) -> None:
    data = before + kept + b"t\no\nk\n" * 20
    assert safe_cut(data, len(data)) == len(before)
    far = data + b"e\n" * 10_000
    assert safe_cut(far, len(far)) == len(far)


def pieces_of(data: bytes, size: int) -> list[Block]:
    return list(blocks(chunked(data, [size])))


def test_a_line_too_long_to_hold_comes_in_overlapping_pieces() -> None:
    words = b" ".join(b"word-%07d" % number for number in range(400_000))
    data = b"before\n" + words + b"\nafter\n"
    found = pieces_of(data, 256 * 1024)
    long = [block for block in found if block.part]
    assert [block.part for block in long] == list(range(1, len(long) + 1))
    assert [block.last for block in long] == [False] * (len(long) - 1) + [True]
    assert max(len(block.data) for block in long) <= LONG_LINE
    assert b"".join(block.data[len(block.data) - block.fresh :] for block in long) == words + b"\n"
    seen = {word for block in long for word in block.data.split()}
    assert seen == set(words.split())  # no word is cut, at either end of a piece
    assert [block.data for block in found if not block.part] == [b"before\n", b"after\n"]


def test_a_long_line_without_a_newline_at_the_end_ends_with_the_stream() -> None:
    found = pieces_of(b"x" * (3 * LONG_LINE), 256 * 1024)
    assert sum(block.fresh for block in found) == 3 * LONG_LINE
    assert found[-1].last


def test_what_came_before_an_error_is_given_before_the_error() -> None:
    def broken() -> Iterator[bytes]:
        yield b"one\ntw"
        raise bad(TRUNCATED_ARCHIVE)

    found = blocks(broken())
    assert [next(found).data, next(found).data] == [b"one\n", b"tw"]
    with pytest.raises(BadRecordError):
        next(found)
