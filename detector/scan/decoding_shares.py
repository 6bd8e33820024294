"""How much decoding a stream of log records may ask for, and in which forms.

A line of a hundred bytes may unpack to sixty thousand, and a hundred thousand such lines are an attack: who writes
them costs a reader six hundred times what others do. So in each window of positions a stream may decode to so many
bytes beyond what text asks for (`shares.MUCH`). Lines that are cut short count several times. The lines behind the
record that asks for one more have a `shares.NARROW` share until the window ends, and what they ask for beyond it is
reported as not examined. Who goes on with lines that are cut short has them decode to `MOST_NARROW` bytes more. Then
nothing of the stream is decoded that may grow, and each line that asks for it is reported; what is encoded without
being packed is decoded as before.

Some forms are rare: ordinary text hardly has any (`decoder.Decoder.rare`). A stream with `MOST_IN_VAIN` bytes in such a
form, in which no secret was seen, is not examined for that form behind the record with one more, until the window ends.
Each line that may hold it is reported.

What is examined of a stream depends on its own records and their positions, not on how they are cut into batches or on
what others print.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from detector.scan.decode import DecodedPiece
from detector.scan.finding_shares import WINDOW, Key, Record, Texts, key_of, texts_of
from detector.scan.shares import Limits

MOST_DECODED: Final = 16 << 20
MOST_NARROW: Final = 1 << 20
MOST_IN_VAIN: Final = 256 << 10
_MUCH: Final = -1  # in place of the number of a form
_NEVER: Final = 1 << 62  # behind all places
_WINDOWS: Final = 2  # of which something is kept: text that waited for later records comes late
_KEPT: Final = 1 << 14  # streams: beyond, a share starts again for those that asked for much first


class _Asked(msgspec.Struct):
    """What a stream asked for in a window, and the places in the batch behind which it may ask for less.

    `much` are bytes beyond much. `rare` has the bytes in rare forms, by their numbers, `gave` those in which
    something was seen, `barred` those that it is no longer examined for, and from where on.
    """

    much: int = 0
    narrow: int = _NEVER
    shut: int = _NEVER
    rare: dict[int, int] = {}
    gave: set[int] = set()
    barred: dict[int, int] = {}

    def begin(self) -> None:
        """A new batch comes: what was narrowed is from its start on."""
        self.narrow = 0 if self.narrow < _NEVER else _NEVER
        self.shut = 0 if self.shut < _NEVER else _NEVER
        self.barred = dict.fromkeys(self.barred, 0)


class DecodingShares:
    """The shares of the streams of one input, whose records come in the order of their positions.

    `begin` a batch, then look at it as often as need be: the first look is charged. A stream may decode to `most` bytes
    beyond much; then lines that are cut short may decode to `most_narrow`. It may have `most_in_vain` in a rare form.
    """

    def __init__(
        self,
        most: int = MOST_DECODED,
        window: int = WINDOW,
        *,
        most_narrow: int = MOST_NARROW,
        most_in_vain: int = MOST_IN_VAIN,
    ) -> None:
        self._most = most, most_narrow
        self._most_in_vain = most_in_vain
        self._window = window
        self._asked: dict[Key, _Asked] = {}
        self._done = 0  # up to where the batch was charged
        # Those that may ask for less since the last charge, and from where on.
        self._fresh: dict[Key, int] = {}
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
            for asked in self._asked.values():
                asked.begin()

    def end(self) -> None:
        """The batch was looked at: further looks cost its streams nothing."""
        self._charged = True

    def limits(self, texts: Callable[[], Sequence[Texts]]) -> Limits:
        """What streams of the texts may no longer ask for."""
        less = {key: asked for key, asked in self._asked.items() if asked.narrow < _NEVER or asked.barred}
        if not less:
            return Limits()
        narrow, barred = list[Any](), dict[int, list[Any]]()
        for part, rows, key in texts_of(texts(), less, self._window):
            asked, starts = less[key], part.starts[rows]
            spans = np.column_stack([starts, part.ends[rows], starts >= asked.shut])
            narrow.append(spans[starts >= asked.narrow])
            for form, place in asked.barred.items():
                barred.setdefault(form, []).append(spans[starts >= place, :2])
        found = {form: _ordered(spans) for form, spans in barred.items()}
        rows = _ordered(narrow)
        return Limits(rows if len(rows) else None, {form: rows for form, rows in found.items() if len(rows)})

    def charge(  # noqa: PLR0913, PLR0917 - what was asked for, and of whom
        self,
        piece: DecodedPiece,
        gave: Sequence[tuple[int, int]],
        end: int,
        texts: Callable[[], Sequence[Texts]],
        locate: Callable[[int], Record],
        searched: Callable[[Record], bool] | None = None,
    ) -> bool:
        """Charges the streams with what lines before `end` asked for. Whether one may ask for less now.

        Then the text is looked at again, and charged behind the record with which that changed. `gave` are the places
        of what was seen in rare forms, and the numbers of these. Records that were not `searched` for all that counts
        in their stream are not charged for rare forms.
        """
        if self._charged:
            return False
        again = None if end > self._done else self._fresh
        self._done, self._fresh = max(end, self._done), {}
        if not gave and not piece.counts:
            return False
        first_given = self._first_given(gave, locate)
        much, rare = piece.much, piece.rare
        whole = again is None and searched is None and not first_given and not len(much)
        if whole and (not len(rare) or self._fits(rare, texts())):
            return False
        rows = np.concatenate([np.insert(much, 1, _MUCH, axis=1), rare])
        for start, form, size in rows[rows[:, 0].argsort(kind="stable")].tolist():
            record = locate(start)
            key = key_of(record, self._window)
            if key in self._fresh or (again is not None and start < again.get(key, _NEVER)):
                continue
            if form != _MUCH and searched is not None and not searched(record):
                continue
            asked = self._asked.setdefault(key, _Asked())
            given = form in asked.gave or first_given.get((key, form), _NEVER) < record.end
            if not given and self._asks_for_more(asked, form, size, record.end):
                self._fresh[key] = record.end
        for (key, form), place in first_given.items():
            if place < self._fresh.get(key, _NEVER):
                self._asked.setdefault(key, _Asked()).gave.add(form)
        return bool(self._fresh)

    def _fits(self, rare: Any, texts: Sequence[Texts]) -> bool:
        """Charges all at once what lines had in rare forms, if no stream has too much by that.

        It does so only where all texts of a part are of one stream: to ask for each record costs more than its line.
        """
        rows = rare[rare[:, 0].argsort(kind="stable")]
        sums: Counter[tuple[Key, int]] = Counter()
        done = 0
        for part in texts:
            if part.alike is None or not len(part.starts):
                return False
            low, high = rows[:, 0].searchsorted((part.starts[0], part.ends[-1] + 1)).tolist()
            starts, forms, sizes = rows[low:high].T
            lines = part.starts.searchsorted(starts, "right") - 1
            for line, form, size in zip(lines.tolist(), forms.tolist(), sizes.tolist(), strict=True):
                sums[(int(part.at[line]) // self._window, *part.alike), form] += size
            done += high - low
        if done < len(rows):
            return False
        for (key, form), size in sums.items():
            asked = self._asked.get(key, _Asked())
            if form not in asked.gave and asked.rare.get(form, 0) + size > self._most_in_vain:
                return False
        for (key, form), size in sums.items():
            asked = self._asked.setdefault(key, _Asked())
            asked.rare[form] = asked.rare.get(form, 0) + size
        return True

    def _first_given(
        self, gave: Iterable[tuple[int, int]], locate: Callable[[int], Record]
    ) -> dict[tuple[Key, int], int]:
        """The first place at which something was seen, by stream and form."""
        found: dict[tuple[Key, int], int] = {}
        for place, form in gave:
            name = key_of(locate(place), self._window), form
            found[name] = min(place, found.get(name, _NEVER))
        return found

    def _asks_for_more(self, asked: _Asked, form: int, size: int, end: int) -> bool:
        """Charges a stream for one record, which ends there. Whether that was more than it may ask for."""
        if form != _MUCH:
            asked.rare[form] = asked.rare.get(form, 0) + size
            if asked.rare[form] <= self._most_in_vain or form in asked.barred:
                return False
            asked.barred[form] = end
            return True
        if asked.shut < _NEVER:
            return False
        asked.much += size
        if asked.much <= self._most[asked.narrow < _NEVER]:
            return False
        asked.much = 0
        if asked.narrow < _NEVER:
            asked.shut = end
        else:
            asked.narrow = end
        return True


def _ordered(spans: Sequence[Any]) -> Any:
    """Rows of several parts in the order of their starts."""
    rows = np.concatenate(spans) if spans else np.empty((0, 3), np.int64)
    return rows[rows[:, 0].argsort()]


class BatchStreams:
    """Implements `detector.scan.sightings.Streams` for the texts of one batch. `searched` is as for `charge`."""

    def __init__(
        self,
        shares: DecodingShares,
        texts: Callable[[], Sequence[Texts]],
        locate: Callable[[int], Record],
        searched: Callable[[Record], bool] | None = None,
    ) -> None:
        self._shares = shares
        self._texts = texts
        self._locate = locate
        self._searched = searched

    def limits(self) -> Limits:
        """As `DecodingShares`."""
        return self._shares.limits(self._texts)

    def charge(self, piece: DecodedPiece, gave: Sequence[tuple[int, int]], end: int) -> bool:
        """As `DecodingShares`."""
        return self._shares.charge(piece, gave, end, self._texts, self._locate, self._searched)
