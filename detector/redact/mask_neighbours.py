"""What of a text with masks in it is looked at once more, and where it is looked at: around the masks.

The text was scanned before the masks were put into it. What it shows now and did not show then begins or ends at a mask, or
has one in what its pattern looks at around it: in the same lines, or over as many bytes as a match may have.
"""

from collections.abc import Sequence
from typing import Final

from detector.patterns.regexes import MAX_MATCH
from detector.scan.mask_spans import MaskSpan
from detector.scan.pattern_matcher import REACH

NEAR: Final = MAX_MATCH + REACH  # bytes on either side of a mask, and then to the end of the line
_LINE: Final = 64 << 10  # a longer line is cut, beyond anything that is decoded in one piece


def beside(text: bytes, veils: Sequence[MaskSpan], near: int = NEAR) -> bytes:
    """The lines around the masks in `text`, which `excerpts.veiled` made with these veils; all of it if that is most."""
    spans: list[list[int]] = []
    grown = 0
    for veil in veils:
        start = veil.start + grown
        grown += len(veil.text.encode()) - (veil.end - veil.start)
        if spans and start <= spans[-1][1]:
            if veil.end + grown + near > spans[-1][1]:
                spans[-1][1] = _end(text, veil.end + grown + near)
            continue
        low = _start(text, start - near)
        high = _end(text, veil.end + grown + near)
        if spans and low <= spans[-1][1]:
            spans[-1][1] = high
        else:
            spans.append([low, high])
    if 2 * sum(high - low for low, high in spans) > len(text):
        return text
    return b"\n".join(text[low:high] for low, high in spans)


def _start(text: bytes, at: int) -> int:
    """The start of the line that holds a place, or a place far before it."""
    least = max(at - _LINE, 0)
    return text.rfind(b"\n", least, max(at, 0)) + 1 or least


def _end(text: bytes, at: int) -> int:
    """The end of the line that holds a place, or a place far behind it."""
    end = text.find(b"\n", at, at + _LINE)
    return min(at + _LINE, len(text)) if end < 0 else end
