"""How much decoding a stream of log records may ask for.

A line of a hundred bytes may unpack to sixty thousand, and a hundred thousand such lines are an attack: who writes them
costs a reader six hundred times what others do. So in each window of positions a stream may decode to so many bytes beyond
what text asks for (`shares.MUCH`). The lines behind the record that asks for one more have a `shares.NARROW` share until the
window ends, and what they ask for beyond it is reported as not examined. Who goes on with lines that are cut short has them
decode to `MOST_NARROW` bytes more. Then nothing of the stream is decoded that may grow, and each line that asks for it is
reported; what is encoded without being packed is decoded as before. What is examined of a stream depends on its own
records and their positions, not on how they are cut into batches or on what others print.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from detector.scan.finding_shares import WINDOW, Key, Record, Texts, key_of, texts_of

MOST_DECODED: Final = 16 << 20
MOST_NARROW: Final = 1 << 20
_NEVER: Final = 1 << 62  # behind all places
_WINDOWS: Final = 2  # of which something is kept: text that waited for later records comes late
_KEPT: Final = 1 << 14  # streams: beyond, a share begins anew for those that asked for much first


class DecodingShares:
    """The shares of the streams of one input, whose records come in the order of their positions.

    `begin` a batch, then look at it as often as need be: the first look is charged. A stream may decode to `most` bytes
    beyond much; then lines that are cut short may decode to `most_narrow`.
    """

    def __init__(
        self, most: int = MOST_DECODED, window: int = WINDOW, *, most_narrow: int = MOST_NARROW
    ) -> None:
        self._most = most, most_narrow
        self._window = window
        self._asked: dict[Key, int] = {}
        self._narrow: dict[Key, int] = {}  # and the place in the batch from which on
        self._shut: dict[Key, int] = {}  # the same
        self._done = 0  # up to where the batch was charged
        self._fresh: set[Key] = set()  # those that have a narrower share since the last charge
        self._charged = False

    def begin(self) -> None:
        """A new batch comes."""
        self._charged = False
        self._done = 0
        self._fresh.clear()
        if self._asked:
            oldest = max(window for window, *_ in self._asked) - _WINDOWS
            kept = [key for key in self._asked if key[0] > oldest][-_KEPT:]
            self._asked = {key: self._asked[key] for key in kept}
            self._narrow = {key: 0 for key in kept if key in self._narrow}
            self._shut = {key: 0 for key in kept if key in self._shut}

    def end(self) -> None:
        """The batch was looked at: further looks cost its streams nothing."""
        self._charged = True

    def narrow(self, texts: Callable[[], Sequence[Texts]]) -> Any:
        """Rows (start, end, shut) of the texts that have a narrow share, in order; None if there are none."""
        if not self._narrow:
            return None
        spans = []
        for part, rows, key in texts_of(texts(), self._narrow, self._window):
            behind = rows[part.starts[rows] >= self._narrow[key]]
            starts = part.starts[behind]
            shut = starts >= self._shut.get(key, _NEVER)
            spans.append(np.column_stack([starts, part.ends[behind], shut]))
        found = np.concatenate(spans) if spans else np.empty((0, 3), np.int64)
        if not found.size:
            return None
        return found[found[:, 0].argsort()]

    def charge(self, much: Any, end: int, locate: Callable[[int], Record]) -> bool:
        """Charges the streams of lines before `end` that asked for `much` (as of `Spending`). Whether one has a narrower share now.

        Then the text is looked at anew, and charged behind the line with which the share of its stream became narrower.
        """
        if self._charged:
            return False
        again = None if end > self._done else self._fresh
        self._done, self._fresh = max(end, self._done), set()
        for start, size in much.tolist():
            record = locate(start)
            key = key_of(record, self._window)
            if key in self._fresh or key in self._shut:
                continue
            if again is not None and (key not in again or start < self._narrow[key]):
                continue
            asked = self._asked[key] = self._asked.get(key, 0) + size
            if asked > self._most[key in self._narrow]:
                self._asked[key] = 0
                (self._shut if key in self._narrow else self._narrow)[key] = record.end
                self._fresh.add(key)
        return bool(self._fresh)


class BatchStreams:
    """Implements `detector.scan.sightings.Streams` for the texts of one batch."""

    def __init__(
        self,
        shares: DecodingShares,
        texts: Callable[[], Sequence[Texts]],
        locate: Callable[[int], Record],
    ) -> None:
        self._shares = shares
        self._texts = texts
        self._locate = locate

    def narrow(self) -> Any:
        """As `DecodingShares`."""
        return self._shares.narrow(self._texts)

    def charge(self, much: Any, end: int) -> bool:
        """As `DecodingShares`."""
        return self._shares.charge(much, end, self._locate)
