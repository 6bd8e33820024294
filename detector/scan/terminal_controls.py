"""What a terminal does not show: characters that backspaces strike out, titles and the targets of links."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import numpy as np

from detector.scan.decoder import BETWEEN, LinearDecoder, Part
from detector.values import forms

_BELL: Final = 0x07
_ESCAPE: Final = 0x1B
_FEED: Final = 0x0A
_LONGEST: Final = 4096  # bytes of a title or target
_STRINGS: Final = list(b"]P_^X")  # behind an escape: what goes on to a bell, or an escape and a backslash


class _TakenOut(LinearDecoder):
    """Bytes left out of the lines that hold them. Lines below each other are one text."""

    group = forms.ESCAPES
    names: ClassVar[tuple[tuple[str, ...], ...]]

    @abstractmethod
    def gone(self, view: Any, places: Any, feeds: Any) -> tuple[Any, Any]:
        """The starts and ends of what is left out, given the places of the triggers and of the line feeds."""

    def decode(self, data: bytes, places: Any) -> Iterator[Part]:
        """Writes the lines anew."""
        view = np.frombuffer(data, np.uint8)
        feeds = np.flatnonzero(view == _FEED)
        low, high = self.gone(view, places, feeds)
        if not len(low):
            return
        first, last = feeds.searchsorted(low), feeds.searchsorted(high)
        edges = np.concatenate([[0], feeds + 1, [len(view)]])
        kept = _covered(edges[first], edges[last + 1], len(view)) & ~_covered(low, high, len(view))
        origin = np.flatnonzero(kept)
        if not len(origin):
            return
        apart = np.concatenate([[True], np.diff(edges.searchsorted(origin, "right")) > 1])
        to = np.arange(len(origin)) + len(BETWEEN) * (np.cumsum(apart) - 1)
        out = np.full(int(to[-1]) + 1, _FEED, np.uint8)
        out[to] = view[origin]
        (begin,) = np.nonzero(apart | np.concatenate([[True], np.diff(origin) > 1]))
        ends = origin[np.append(begin[1:], len(origin)) - 1] + 1
        segments = np.column_stack([to[begin], origin[begin], ends, np.ones(len(begin), np.int64)])
        starts = to[apart]
        yield Part(
            self.names, out.tobytes(), segments.astype(np.int32), starts, np.zeros(len(starts), np.int64)
        )


def _covered(starts: Any, ends: Any, size: int) -> Any:
    """Which bytes some spans cover."""
    edges = np.bincount(starts, minlength=size + 1) - np.bincount(ends, minlength=size + 1)
    return np.cumsum(edges[:-1]) > 0


class Overstrike(_TakenOut):
    """Characters in front of backspaces, as many as there are of these: bold and underlined text of `man`, typing errors."""

    names = (("overstrike",),)
    trigger = (b"\b",)
    examples = (
        (b"".join(b"%c\b%c" % (byte, byte) for byte in b"tok_Zb81+kQ/x"), b"tok_Zb81+kQ/x"),
        (b"tok_Zbb\b81abc\b\b\b+kQ/x", b"tok_Zb81+kQ/x"),
        (b"_\bt_\bo_\bk__\b_Z\na line\ntok_x\b \bZb81", b"tok_Zb81"),
    )
    near_misses = (rb"a\b is a backspace", b"a\x0cb")

    def gone(self, view: Any, places: Any, feeds: Any) -> tuple[Any, Any]:  # noqa: ARG002 - as declared above
        """From each row of backspaces as far back as it has characters, but not into the line above."""
        (begin,) = np.nonzero(np.concatenate([[True], np.diff(places) > 1]))
        starts, ends = places[begin], places[np.append(begin[1:], len(places)) - 1] + 1
        lines = np.append(0, feeds + 1)[feeds.searchsorted(starts)]
        return np.maximum(lines, 2 * starts - ends), ends


class ControlStrings(_TakenOut):
    """Titles, targets of links and the like (ECMA-48, section 5.6) within a line."""

    names = (("ansi",),)
    trigger = (b"\x1b",)
    bound = _LONGEST
    examples = (
        (b"tok_\x1b]0;a title\x07Zb81", b"tok_Zb81"),
        (b"key=\x1b]8;;https://acme.test/\x1b\\tok_Z\x1b]8;;\x1b\\b81", b"key=tok_Zb81"),
    )
    near_misses = (b"\x1b]0;never ended", b"\x1b]0;a title\nin two lines\x07")

    def gone(self, view: Any, places: Any, feeds: Any) -> tuple[Any, Any]:
        """From each beginning to the next end, if no line ends between."""
        inner = places[places + 1 < len(view)]
        starts = inner[np.isin(view[inner + 1], _STRINGS)]
        if not len(starts):
            return starts, starts
        ends = np.sort(
            np.concatenate([np.flatnonzero(view == _BELL) + 1, inner[view[inner + 1] == ord("\\")] + 2])
        )
        after = ends.searchsorted(starts, "right")
        starts, after = starts[after < len(ends)], after[after < len(ends)]
        stops = ends[after]
        whole = (stops - starts <= _LONGEST) & (feeds.searchsorted(starts) == feeds.searchsorted(stops - 1))
        return starts[whole], stops[whole]
