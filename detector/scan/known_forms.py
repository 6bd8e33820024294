"""Finds registered secrets in another form: what people do to get past a mask.

| form | name in a finding | what tells it |
| --- | --- | --- |
| `rev` | `reversed` | the secret's own check and digest |
| rot13 | `rot13` | the same |
| case | `upper-case`, `lower-case`, `swapped-case` | the same; of a secret in both cases its `folded` digest |
| the last or first character dropped | `without-last`, `without-first` | the same, with each character in its place |

So nothing else has to be registered for most of them, also not for credentials that were registered before. Of those
that are registered by `sha256` and length alone the first two forms and swapped case are hashed. The text has to stand
between two boundaries and to change between digits and letters as tokens do (`form_kernel.candidates`), and has 16 to
1,024 bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from detector.scan import form_kernel as kernel
from detector.scan.character_tables import ROT, SWAP
from detector.scan.form_kernel import NO_FIRST, NO_LAST, REVERSED, ROT13, SWAPPED
from detector.values.events import Identifier
from detector.values.registrable import LONGEST_FORM, SHORTEST_FORM, may_fold

UPPER, LOWER = "upper-case", "lower-case"
_NAMES: Final = {
    REVERSED: "reversed",
    ROT13: "rot13",
    SWAPPED: "swapped-case",
    NO_LAST: "without-last",
    NO_FIRST: "without-first",
}
_ROWS: Final = 1 << 12  # what is tried together
_SEEN: Final = 1 << 10  # texts that are remembered, so that each is hashed once


class Disguise(NamedTuple):
    """A registered secret in data[start:end] in another form: its `value`, or what is shown of it, and the form.

    `owners` are by what it is registered, one under each key, if `value` is not the secret itself.
    """

    start: int
    end: int
    value: bytes
    form: str
    owners: tuple[Identifier, ...] = ()


class Tables(Protocol):
    """The tables of registered lengths and checks."""

    @property
    def lengths(self) -> Any:
        """Ascending."""

    @property
    def mixed(self) -> bool:
        """Whether all secrets are mixed."""

    @property
    def powers(self) -> Any:
        """Of B, from 0 on, up to the greatest length at least."""

    @property
    def sieve(self) -> Any:
        """As `kernels.fill` fills it."""

    @property
    def slots(self) -> Any:
        """As `kernels.put` fills it."""


class Folded(Protocol):
    """The digests of secrets without their case, under one key, and the digests of those whose they are."""

    def like(self, texts: Any, spans: Any) -> Sequence[int]:
        """The numbers of those spans of `texts` that may be such secrets."""

    def get(self, text: bytes) -> bytes | None:
        """The digest of the secret whose text without case this is."""


class Search(NamedTuple):
    """What is looked for under one key.

    `terms` are M·(b + 1) for each byte, `registered` says whether a secret is. `folded` has their owners' digests, of
    which `owner` makes identifiers, and `folded_lengths` their lengths.
    """

    terms: Any
    tables: Sequence[Tables]
    registered: Callable[[bytes], bool]
    folded: Folded
    owner: Callable[[bytes, int], Identifier]
    folded_lengths: Any


class PlainSearch(NamedTuple):
    """What is registered by `sha256` and length alone: the lengths, and which texts of one length are registered.

    `like` takes the texts on end and their length, and gives the numbers of those that may be.
    """

    lengths: Any
    like: Callable[[Any, int], Sequence[int]]
    registered: Callable[[bytes], bool]


def undone(form: int, text: bytes, missing: int = 0) -> bytes:
    """What a text says that is in one of the forms of `form_kernel`."""
    if form == REVERSED:
        return text[::-1]
    if form == ROT13:
        return text.translate(ROT.tobytes())
    if form == SWAPPED:
        return text.swapcase()
    return text + bytes([missing]) if form == NO_LAST else bytes([missing]) + text


class Lengths(NamedTuple):
    """The lengths of texts to try: all, whether each is one, and by key and table what a text of each may be."""

    all: Any
    wanted: Any
    kinds: list[list[Any]]


def lengths_of(searches: Sequence[Search], plain: PlainSearch) -> Lengths:
    """The lengths of all that is looked for."""
    kinds: list[list[Any]] = []
    every = np.zeros(LONGEST_FORM + 1, np.uint8)
    for search in searches:
        of_search = []
        for tables in search.tables:
            possible = (tables.lengths >= SHORTEST_FORM) & (tables.lengths <= LONGEST_FORM)
            lengths = tables.lengths[possible]
            of_table = np.zeros(LONGEST_FORM + 1, np.uint8)
            of_table[lengths] |= kernel.FULL_MIXED if tables.mixed else kernel.FULL
            of_table[lengths - 1] |= kernel.SHORT_MIXED if tables.mixed else kernel.SHORT
            of_search.append(of_table)
            every |= of_table
        folded = np.zeros(LONGEST_FORM + 1, np.uint8)
        folded[search.folded_lengths] = kernel.FOLDED
        of_search.append(folded)
        every |= folded
        kinds.append(of_search)
    every[plain.lengths] |= kernel.FULL
    return Lengths(np.flatnonzero(every), every > 0, kinds)


def disguises(
    data: bytes,
    runs: Any,
    lengths: Lengths,
    searches: Sequence[Search],
    plain: PlainSearch,
) -> Iterator[Disguise]:
    """The registered secrets that stand in `data` in another form, in one of its `runs` (`unbroken_kernel.runs_of`)."""
    view = np.frombuffer(data, np.uint8)
    rows = np.empty((max(_ROWS, 128 * lengths.all.size), 2), np.int64)
    at = np.zeros(2, np.int64)
    while at[0] < len(runs):
        count = kernel.candidates(view, runs, at, lengths.all, lengths.wanted, rows)
        if count < 0:
            rows = np.empty((2 * rows.shape[0], 2), np.int64)
            continue
        if not count:
            continue
        folded: dict[tuple[int, int], Disguise] = {}
        for search, of_search in zip(searches, lengths.kinds, strict=True):
            for tables, of_table in zip(search.tables, of_search, strict=False):
                yield from _checked(data, view, rows[:count], of_table, search, tables)
            if search.folded_lengths.size:
                _add_folded(folded, data, view, rows[:count], of_search[-1], search)
        yield from folded.values()
        if plain.lengths.size:
            yield from _hashed(data, view, rows[:count], plain)


_UNDOING: Final[dict[int, Callable[[Any], Any]]] = {
    REVERSED: lambda texts: texts[:, ::-1],
    ROT13: lambda texts: ROT[texts],
    SWAPPED: lambda texts: SWAP[texts],
}


def _hashed(data: bytes, view: Any, rows: Any, plain: PlainSearch) -> Iterator[Disguise]:
    sizes = rows[:, 1] - rows[:, 0]
    for length in plain.lengths.tolist():
        starts = rows[sizes == length, 0]
        if not starts.size:
            continue
        texts = view[starts[:, None] + np.arange(length)]
        for form, undo in _UNDOING.items():
            for number in plain.like(undo(texts).ravel(), length):
                start = int(starts[number])
                text = data[start : start + length]
                value = undone(form, text)
                if value != text and plain.registered(value):
                    yield Disguise(
                        start, start + length, value, _case(text) if form == SWAPPED else _NAMES[form]
                    )


def _checked(  # noqa: PLR0913, PLR0917 - a text in two forms, what to try of it, and with what
    data: bytes, view: Any, rows: Any, kinds: Any, search: Search, tables: Tables
) -> Iterator[Disguise]:
    out = np.empty((1024, 3), np.int64)
    first = 0
    while first < len(rows):
        count, first = kernel.matching(
            view, rows, first, kinds, search.terms, tables.powers, tables.sieve, tables.slots, out
        )
        for number, form, missing in out[:count].tolist():
            start, end = rows[number].tolist()
            text = data[start:end]
            value = undone(form, text, missing)
            if value == text or (form == SWAPPED and not may_fold(text)) or not search.registered(value):
                continue
            start, end = _with_missing(data, start, end, form, missing)
            yield Disguise(start, end, value, _case(text) if form == SWAPPED else _NAMES[form])


def _with_missing(data: bytes, start: int, end: int, form: int, missing: int) -> tuple[int, int]:
    """The text with the missing character too, where a blank sets that apart."""
    if form == NO_FIRST and data[max(start - 2, 0) : start] == bytes([missing, 0x20]):
        return start - 2, end
    if form == NO_LAST and data[end : end + 2] == bytes([0x20, missing]):
        return start, end + 2
    return start, end


def _add_folded(  # noqa: PLR0913, PLR0917 - a text in two forms, what to try of it, with what, and where to
    found_so_far: dict[tuple[int, int], Disguise],
    data: bytes,
    view: Any,
    rows: Any,
    kinds: Any,
    search: Search,
) -> None:
    """Adds what is registered under one key, to the same text under others."""
    chosen, alike = np.empty((2, len(rows)), np.int64)
    spans, seen = np.empty((len(rows), 2), np.int64), np.empty(_SEEN, np.int64)
    lower = np.empty(int((rows[:, 1] - rows[:, 0]).sum()), np.uint8)
    count, texts = kernel.foldable(view, rows, kinds, seen, chosen, alike, spans, lower)
    if not count:
        return
    found = search.folded.like(lower, spans[:texts])
    for number in np.flatnonzero(np.isin(alike[:count], found)).tolist() if found else ():
        start, end = rows[chosen[number]].tolist()
        text = data[start:end]
        owner = search.folded.get(text.lower())
        if owner is not None:
            before = found_so_far.get((start, end))
            owners = (*(() if before is None else before.owners), search.owner(owner, len(text)))
            found_so_far[start, end] = Disguise(start, end, text, _case(text), owners)


def _case(text: bytes) -> str:
    return UPPER if text.isupper() else LOWER if text.islower() else _NAMES[SWAPPED]
