"""How much decoding a line of text may ask for, and what is said of a line that asks for more.

A line's share depends on the line alone. So no line takes anything from another, and the same line is cut short
whatever stands beside it.
"""

from typing import Final

import msgspec

DECODING: Final = "decoding"


class LimitedText(msgspec.Struct, frozen=True):
    """The lines in data[start:end] were not examined whole. `reason` is `DECODING`: they decode to too much."""

    start: int
    end: int
    reason: str
