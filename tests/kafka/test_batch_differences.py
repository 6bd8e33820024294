"""Our reader of record batches gives what a plain one gives, whatever the bytes; aiokafka's differs in known ways only.

`python -m tests.kafka.batch_differences 40000 1` is a longer run.
"""

import re
from pathlib import Path

import pytest

from tests.kafka.batch_differences import KINDS, compared, unnamed

FETCHES, SEEDS = 1000, (1, 2, 3)
PAGE = Path(__file__).parents[2] / "docs" / "record-batches.md"


@pytest.mark.parametrize("seed", SEEDS)
def test_ours_gives_what_the_plain_reader_gives(seed: int) -> None:
    ours, theirs, wrong = compared(FETCHES, seed)
    assert ours == []
    assert unnamed(theirs) == []
    assert {each.name for each in theirs} > {"offset of a record", "no marker", "both formats", "order"}
    assert len(wrong) > len(KINDS) / 2  # so many are met in each run


def test_the_page_names_each_kind() -> None:
    cells = re.findall(r"^\| ([^|]+?) \|.*\|$", PAGE.read_text(), re.MULTILINE)
    named = {name for cell in cells for name in cell.split(", ")} - {"kind", "---"}
    assert named == {*KINDS}
