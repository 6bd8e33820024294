"""A record of very many short lines that each decode to much is cut short, and says so; no other record is."""

import base64
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest

from detector.scan.finding_shares import Texts
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.redactor import UNEXAMINED, Redactor
from detector.scan.scanner import Match
from detector.scan.shares import Share
from detector.scan.sightings import KNOWN_CREDENTIAL
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey, Secret, sha256_hex

SHARE: Final = Share(16 << 10, 8, 64 << 10)
SECRET: Final = "Tq7-xW2_pL9vRk4.sD8hBn3~cY6mJf1z"  # no pattern knows it
BOMB: Final = base64.b64encode(zlib.compress(b"A" * 16_000))  # within the share of a line
HIDDEN: Final = base64.b64encode(zlib.compress(b"A" * 16_000 + SECRET.encode()))
KNOWN: Final = KnownIndex([Identifier("sha256", sha256_hex(Secret(SECRET.encode())), length=len(SECRET))])
KEY: Final = DeploymentKey.of(bytes(range(32)))


class Counting:
    """A scanner that finds nothing, and counts what it is given."""

    def __init__(self) -> None:
        self.seen = 0

    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        del generic
        self.seen += len(data)
        return []


def batch(records: Sequence[bytes]) -> Batch:
    ends = np.cumsum([len(text) + 1 for text in records]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])

    def locate(place: int) -> RecordAt:
        index = int(ends.searchsorted(place))
        return RecordAt(int(starts[index]), int(ends[index]), str(index), offset=index)

    def texts() -> list[Texts]:
        return [Texts(starts, ends, range(len(records)), lambda _: (None, None), (None, None), len(records))]

    return Batch("logs", b"\n".join(records), locate, texts)


def looked(records: Sequence[bytes]) -> tuple[set[int | None], set[int | None], int]:
    """The records with leaks, those that were cut short, and how many bytes were searched."""
    scanner, part = Counting(), batch(records)
    finder = LeakFinder(scanner, KNOWN, [KEY], share=SHARE)
    scanner.seen = 0
    look = finder.look(part)
    assert all(text.alone for text in look.limited)  # so the look-back examines it with its higher ceiling
    return (
        {leak.offset for leak in look.leaks},
        {part.locate(text.start).offset for text in look.limited},
        scanner.seen,
    )


def test_a_record_whose_lines_decode_to_too_much_together_is_cut_short() -> None:
    record = b"\n".join([BOMB] * 3_000)
    leaks, limited, seen = looked([record])
    assert (leaks, limited) == (set(), {0})
    assert seen < 3_000 * 16_000 / 8


def test_registered_credentials_are_found_in_it_in_clear_and_in_what_asks_for_little() -> None:
    for text in (SECRET.encode(), base64.b64encode(SECRET.encode())):
        leaks, limited, _ = looked([b"\n".join([*[BOMB] * 500, text])])
        assert (leaks, limited) == ({0}, {0})


def test_records_of_one_line_lose_nothing_however_many_they_are() -> None:
    leaks, limited, _ = looked([*[BOMB] * 500, HIDDEN])
    assert (leaks, limited) == ({500}, set())


@pytest.mark.parametrize("before", [0, 1, 30])
@pytest.mark.parametrize("lines", [20, 40, 200])
def test_what_stands_beside_a_record_changes_nothing(before: int, lines: int) -> None:
    """What is examined of it ends at the same line, wherever the text is cut into pieces."""
    for hidden in (0, lines // 8, lines // 4, lines - 1):
        record = b"\n".join([*[BOMB] * hidden, HIDDEN, *[BOMB] * (lines - hidden - 1)])
        leaks, limited, _ = looked([record])
        more = looked([*[b"x" * 500] * before, record, *[BOMB] * before, HIDDEN])
        assert more[0] == {before for _ in leaks} | {2 * before + 1}
        assert more[1] == {before for _ in limited}


def test_no_text_of_an_event_takes_from_another_and_one_that_is_cut_short_is_masked_whole() -> None:
    small, large = b"\n".join([BOMB] * 5), b"\n".join([BOMB] * 500)
    found = Redactor(Counting(), KNOWN, share=SHARE).mask_spans_of([small, large, HIDDEN])
    assert sorted(found) == [1, 2]
    assert [(one.start, one.end, one.rule) for one in found[1]] == [(0, len(large), UNEXAMINED)]
    assert [one.rule for one in found[2]] == [KNOWN_CREDENTIAL]
