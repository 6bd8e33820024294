"""From resources to globs: a segment becomes a `*` where several tasks show that it varies.

A segment varies if there are K tasks of which each used a value there that none of the others used. Runs that each
write into a folder of their own show it; tasks that all read the same three files do not, and one task that reads a
thousand files does not either. What such tasks share (`latest`) changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from detector.suggest.resource_paths import CUT, ResourcePath, Segment, Segments, Wild, alike, rounded
from detector.suggest.task_sample import TaskSample
from detector.suggest.use_table import ActionUses, Rows, divide, join
from detector.values.globs import compile_glob

MANY: Final = "\ue000\ue001"
"""Stands for any text in what is known of many resources: only a `*` matches it."""
MayVary = Callable[[Segments, int], bool]
"""(segments before, number of all segments) -> whether the next one may become a `*`."""


class Basis(Enum):
    """What a suggested resource rests on.

    It is one `EXACT` resource, several `TASKS` show that it varies, or there were so many values that only their
    `NUMBER` was kept.
    """

    EXACT = "exact"
    TASKS = "tasks"
    NUMBER = "number"


class Pattern(msgspec.Struct):
    """A suggested resource: what it covers, how often it was used and by which tasks.

    `texts` are the resources that it was made from. Where only a part of many is known, the rest is `MANY`.
    """

    path: ResourcePath
    basis: Basis
    uses: int
    tasks: TaskSample
    texts: tuple[str, ...]

    @property
    def glob(self) -> str:
        """Its glob."""
        return self.path.glob()


def patterns_of(uses: ActionUses, may_vary: MayVary, tasks: int) -> list[Pattern]:
    """The fewest patterns that cover all resources of an action. `tasks` is K, at least 2."""
    found = [
        pattern
        for shape, rows in uses.settled()
        for pattern in _generalised(shape, list(rows.items()), may_vary, tasks)
    ]
    return needed(found)


class _Part(NamedTuple):
    """Rows that are alike in the segments `before`.

    `texts` has what each was made from, by the segments of the rest.
    """

    before: Segments
    rows: Rows
    basis: Basis
    texts: dict[Segments, list[str]]


def _generalised(shape: str, rows: Rows, may_vary: MayVary, tasks: int) -> Iterator[Pattern]:
    if not rows:
        return
    width = len(rows[0][0])
    stack = [_Part((), rows, Basis.EXACT, {segments: [_text(shape, segments)] for segments, _ in rows})]
    while stack:
        part = stack.pop()
        before, depth = part.before, len(part.before)
        if depth == width:
            row = part.rows[0][1]
            yield Pattern(ResourcePath(shape, before), part.basis, row.uses, row.tasks, tuple(part.texts[()]))
            continue
        divided = divide(part.rows, depth)
        wild = next((value for value in divided if isinstance(value, Wild)), None)
        if wild is not None:
            cut = shape.endswith(CUT) and depth == width - 1
            stack.append(_as_one(part, wild if cut else rounded(wild), Basis.NUMBER))
        elif len(divided) > 1 and may_vary(before, width) and varies(_samples(divided), tasks):
            stack.append(_as_one(part, rounded(alike(divided)), Basis.TASKS))
        else:
            stack += [
                _Part(
                    (*before, value),
                    some,
                    part.basis,
                    {segments[depth + 1 :]: part.texts[segments[depth:]] for segments, _ in some},
                )
                for value, some in divided.items()
            ]


def _as_one(part: _Part, value: Wild, basis: Basis) -> _Part:
    """All rows of a part with one value as their next segment. What is the same then becomes one row."""
    depth = len(part.before) + 1
    texts: dict[Segments, list[str]] = {}
    for segments, _ in part.rows:
        texts.setdefault(segments[depth:], []).extend(part.texts[segments[depth - 1 :]])
    shown = Basis.NUMBER if part.basis is Basis.NUMBER else basis
    return _Part((*part.before, value), join(part.rows, depth), shown, texts)


def _samples(divided: Mapping[Segment, Rows]) -> dict[str, TaskSample]:
    samples = {}
    for value, rows in divided.items():
        sample = rows[0][1].tasks
        if len(rows) > 1:
            sample = TaskSample()
            for _, row in rows:
                sample.merge(row.tasks)
        samples[str(value)] = sample
    return samples


def varies(samples: Mapping[str, TaskSample], tasks: int) -> bool:
    """Whether that many tasks each used a value that none of the others used, by the tasks of each value.

    Values of few tasks are tried first. That may miss some that vary, and never finds one that does not.
    """
    chosen: list[tuple[TaskSample, int]] = []
    for _, sample in sorted(samples.items(), key=lambda item: (len(item[1]), item[0])):
        if any(sample.may_have(task) for _, task in chosen):
            continue
        own = (
            number for number in sorted(sample.numbers) if not any(one.may_have(number) for one, _ in chosen)
        )
        task = next(own, None)
        if task is not None:
            chosen.append((sample, task))
            if len(chosen) >= tasks:
                return True
    return False


def needed(patterns: list[Pattern]) -> list[Pattern]:
    """The patterns without those whose resources others cover, in the order of their globs."""
    by_glob: dict[str, Pattern] = {}
    for pattern in patterns:
        glob = pattern.glob
        if glob in by_glob:  # `a*b` and `a?b` are both `a?b`
            _add(by_glob[glob], pattern)
        else:
            by_glob[glob] = pattern
    covering = _Covering(glob for glob in by_glob if not _literal(glob))
    for glob, pattern in sorted(by_glob.items(), key=lambda item: (not _literal(item[0]), _freedom(item[0]))):
        if all(covering.other(text, glob) is not None for text in pattern.texts):
            covering.drop(glob)
            del by_glob[glob]
            _add(by_glob[str(covering.other(pattern.texts[0], glob))], pattern)
    return [by_glob[glob] for glob in sorted(by_glob)]


def _text(shape: str, segments: Segments) -> str:
    return MANY.join(ResourcePath(shape, segments).pieces())


def _add(to: Pattern, dropped: Pattern) -> None:
    tasks = TaskSample()
    tasks.merge(to.tasks)
    tasks.merge(dropped.tasks)
    to.tasks = tasks
    to.uses += dropped.uses
    to.texts += dropped.texts


def _literal(glob: str) -> bool:
    return "*" not in glob and "?" not in glob


def _freedom(glob: str) -> tuple[int, int, str]:
    """How much a glob leaves open: the one that leaves the most is dropped last."""
    return glob.count("*"), glob.count("?") - len(glob), glob


class _Covering:
    """Globs by the text that they begin with: only those that a resource begins with are tried."""

    def __init__(self, globs: Iterable[str]) -> None:
        self._by_head: dict[str, dict[str, Callable[[str], bool]]] = {}
        for glob in globs:
            self._by_head.setdefault(_head(glob), {})[glob] = compile_glob(glob)
        self._sizes = sorted({len(head) for head in self._by_head})

    def drop(self, glob: str) -> None:
        """A glob that is no longer used."""
        self._by_head.get(_head(glob), {}).pop(glob, None)

    def other(self, text: str, but: str) -> str | None:
        """A glob other than `but` that covers a resource, None if there is none."""
        for size in self._sizes:
            if size > len(text):
                return None
            for glob, matches in self._by_head.get(text[:size], {}).items():
                if glob != but and matches(text):
                    return glob
        return None


def _head(glob: str) -> str:
    return min(glob.split("*", 1)[0], glob.split("?", 1)[0], key=len)
