"""Lines that were decoded as one text, looked at one by one as well: they may stand below each other by chance."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from detector.scan.decoder import BETWEEN, Part

LINES_APART: Final = "lines-apart"
"""Among the encodings of text that is looked at without a line that it seems to go on in; never shown."""
_SEVERAL: Final = 2  # lines
_FEW: Final = 3
_WIDTH: Final = 76  # of the lines of `base64`
_FEED: Final = 2  # bytes between two of them
_NEAR: Final = 8  # lines on this side of one that is left out: a secret over more is seldom there


def with_lines_apart(part: Part) -> Iterator[Part]:
    """A part, and what `_lines_apart` gives of it."""
    yield part
    apart = _lines_apart(part)
    if apart is not None:
        yield apart


def _lines_apart(part: Part) -> Part | None:
    """The texts of a part that go on over several lines, without a line that only seems to go on; None if none does.

    Lines may stand below each other by chance. So each is a text by itself, and where there are more than two, so are
    the last ones without the last, and the first ones without the first. Within many lines as `base64` writes them
    nothing begins or ends.
    """
    firsts = part.segments[:, 0].searchsorted(part.starts)
    after = np.append(firsts[1:], len(part.segments))
    (several,) = np.nonzero(after - firsts > 1)
    if not several.size:
        return None
    ends = np.append(part.segments[1:, 0], len(part.data) + len(BETWEEN))
    ends[after - 1] -= len(BETWEEN)
    rows: list[int] = []
    begins: list[int] = []
    kinds: list[int] = []
    for text in several.tolist():
        for some in _apart(part.segments, int(firsts[text]), int(after[text])):
            begins.append(len(rows))
            rows += some
            kinds.append(int(part.kinds[text]))
    segments = part.segments[rows]
    sizes = ends[rows] - segments[:, 0]
    gaps = np.zeros(len(rows), np.int64)
    gaps[begins[1:]] = len(BETWEEN)
    places = np.cumsum(sizes + gaps) - sizes
    within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    out = np.full(int(places[-1] + sizes[-1]), BETWEEN[0], np.uint8)
    taken = np.repeat(segments[:, 0], sizes) + within
    out[np.repeat(places, sizes) + within] = np.frombuffer(part.data, np.uint8)[taken]
    segments[:, 0] = places
    names = tuple((*each, LINES_APART) for each in part.names)
    digits = None if part.digits is None else part.digits[rows]
    return Part(names, out.tobytes(), segments, places[begins], np.array(kinds, np.int64), digits)


def _apart(segments: Any, first: int, after: int) -> list[range]:
    """The rows of a text, from `first` to `after`, that are looked at without the others."""
    count = after - first
    alone = [range(row, row + 1) for row in range(first, after)]
    if count <= _SEVERAL:
        return alone
    ends = [range(max(first, after - 1 - _NEAR), after - 1), range(first + 1, min(first + 1 + _NEAR, after))]
    lines = segments[first:after]
    wrapped = ((lines[:-1, 2] - lines[:-1, 1] == _WIDTH) & (lines[1:, 1] - lines[:-1, 2] <= _FEED)).all()
    return [*(alone[:1] + alone[-1:] if wrapped and count > _FEW else alone), *ends]
