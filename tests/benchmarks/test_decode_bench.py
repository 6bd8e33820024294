"""The decoding benchmark's input is what it is called: nothing else, the same each time, decoding or not."""

import pytest

from benchmarks.decode_bench import KINDS, made
from detector.scan.decode import Decoding

SIZE = 20_000
# What looks like an encoding and says nothing, and what is none.
SILENT = {"NULs", "one letter", "hex of bytes", "&&&", "H4sI, and nothing in it"}
# Ordinary text, in which words of four letters may stand together as groups do.
CLOSED_UP = {"text", "JSON records"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "bomb" not in kind])
def test_each_kind_is_the_same_each_time_and_says_text_unless_it_is_made_to_say_nothing(kind: str) -> None:
    parts = made(kind, SIZE)

    assert parts == made(kind, SIZE)
    assert SIZE <= sum(map(len, parts)) < 20 * SIZE
    said = b"".join(view.data for part in parts for view in Decoding(part))
    if kind not in CLOSED_UP:
        assert bool(said) != (kind in SILENT or "of bytes" in kind)
