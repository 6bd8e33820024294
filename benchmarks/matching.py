"""What a scanner reported against what was planted: recall and false positives.

The rules lean towards the scanner, whoever it is: any hit on a line that shows a planted secret finds it,
whatever the hit calls it; a hit whose text is the planted one finds it wherever it says that stands. A hit
that does neither is a false positive; several on one line are one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec

from benchmarks.contexts import PLAIN
from benchmarks.corpus import REGISTERED, Truth

_LONG_ENOUGH: Final = 12  # characters by which a text is taken for the planted one


class Hit(msgspec.Struct, frozen=True):
    """One report of a scanner: `line` from 1, 0 where it names none; `secret` where it shows it."""

    file: str
    line: int
    end_line: int
    rule: str
    secret: str | None = None
    extra: int = 0  # further reports of the same that are counted but not placed


class Ratio(msgspec.Struct):
    """So many of so many."""

    found: int = 0
    planted: int = 0

    @property
    def share(self) -> float:
        """Between 0 and 1; 0 of 0 is 0."""
        return self.found / self.planted if self.planted else 0.0


class Score(msgspec.Struct):
    """Recall by group, and lines reported for nothing."""

    total: Ratio
    plain: Ratio
    encoded: Ratio
    registered: Ratio
    by_family: dict[str, Ratio]
    by_encoding: dict[str, Ratio]
    by_context: dict[str, Ratio]
    false_lines: int
    false_by_class: dict[str, int]
    false_by_rule: dict[str, int]
    missed: list[Truth] = []
    false_hits: list[Hit] = []


class _Planted:
    """The truth, looked up by line and by text."""

    def __init__(self, truth: list[Truth]) -> None:
        self.truth = truth
        self.lines: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.texts: dict[str, int] = {}
        self.heads: dict[str, list[int]] = defaultdict(list)
        for at, row in enumerate(truth):
            for line in range(row.line, row.end_line + 1):
                self.lines[row.file, line].add(at)
            for text in (row.secret, row.text):
                self.texts[text] = at
            if row.text.startswith("-----") and row.encoding in {PLAIN, "json-escaped"}:
                self.heads[row.text.split("\n", 1)[0]].append(at)

    def of(self, hit: Hit) -> set[int]:
        """Which planted secrets a hit finds."""
        found: set[int] = set()
        for line in range(hit.line, min(hit.end_line, hit.line + 200) + 1):
            found |= self.lines.get((hit.file, line), set())
        if hit.secret is not None and len(hit.secret) >= _LONG_ENOUGH:
            if hit.secret in self.texts:
                found.add(self.texts[hit.secret])
            if hit.extra:  # a report that is made once for all keys that begin with the same line
                found.update(self.heads.get(hit.secret, ()))
        return found


def score(truth: list[Truth], decoys: dict[tuple[str, int], str], hits: Iterable[Hit]) -> Score:
    """Recall and false positives of `hits`."""
    planted = _Planted(truth)
    found: set[int] = set()
    wrong: dict[tuple[str, int], Hit] = {}
    unplaced = 0
    for hit in hits:
        matched = planted.of(hit)
        found |= matched
        if not matched:
            wrong.setdefault((hit.file, hit.line), hit)
            unplaced += hit.extra
    made = Score(
        Ratio(), Ratio(), Ratio(), Ratio(), {}, {}, {},
        false_lines=len(wrong) + unplaced,
        false_by_class=dict(Counter(decoys.get(place, "ordinary text") for place in wrong).most_common()),
        false_by_rule=dict(Counter(hit.rule for hit in wrong.values()).most_common()),
        false_hits=list(wrong.values()),
    )  # fmt: skip
    for at, row in enumerate(truth):
        for ratio in _groups(made, row):
            ratio.planted += 1
            ratio.found += at in found
        if at not in found:
            made.missed.append(row)
    return made


def _groups(made: Score, row: Truth) -> list[Ratio]:
    if row.family == REGISTERED:
        return [made.registered, made.by_family.setdefault(REGISTERED, Ratio())]
    return [
        made.total,
        made.plain if row.encoding == PLAIN else made.encoded,
        made.by_family.setdefault(row.family, Ratio()),
        made.by_encoding.setdefault(row.encoding, Ratio()),
        made.by_context.setdefault(row.context, Ratio()),
    ]
