"""What was done: the uses of many credentials added up by action and resource, in bounded memory.

The order of the uses does not matter, nor how they were divided: whatever is kept is a function of the set. Where more
than `MOST_VALUES` different values stand at one place of a path, they are kept as one `Wild` segment.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from detector.suggest.resource_paths import ResourcePath, Segment, Segments, Wild, alike, path_of
from detector.suggest.task_sample import TaskSample
from detector.values.errors import UsageError

MOST_VALUES: Final = 256  # of one segment; a list of more is no policy that a person reads
MOST_ROWS: Final = 400_000  # of one table: a few hundred megabytes
_COMPACTED: Final = 4096  # rows of one action and shape after which values are first put together
_LONGEST_CACHED: Final = 512

_cached_path: Final = lru_cache(maxsize=65_536)(path_of)


class Action(NamedTuple):
    """An action of one provider; None if its uses name none. `provider` is one of `detector.suggest.providers`."""

    provider: str
    name: str | None


class Row:
    """How often something was done, and by which tasks."""

    __slots__ = ("tasks", "uses")

    def __init__(self) -> None:
        self.uses = 0
        self.tasks = TaskSample()

    def merge(self, other: "Row") -> None:
        """Adds another row."""
        self.uses += other.uses
        self.tasks.merge(other.tasks)


Rows: TypeAlias = list[tuple[Segments, Row]]


class ActionUses:
    """The uses of one action. `bare` are those that name no resource, None if there are none."""

    __slots__ = ("_compact_at", "_most", "bare", "shapes")

    def __init__(self, most: int) -> None:
        self.bare: Row | None = None
        self.shapes: dict[str, dict[Segments, Row]] = {}
        self._most = most
        self._compact_at: dict[str, int] = {}

    def row(self, resource: str | None) -> tuple[Row, int]:
        """The row of a resource, and by how much the number of rows changed."""
        if resource is None:
            if self.bare is None:
                self.bare = Row()
            return self.bare, 0
        path = _cached_path(resource) if len(resource) <= _LONGEST_CACHED else path_of(resource)
        rows = self.shapes.setdefault(path.shape, {})
        row = rows.get(path.segments)
        if row is not None:
            return row, 0
        grown = 1
        if len(rows) >= self._compact_at.get(path.shape, _COMPACTED):
            before = len(rows)
            rows = self.shapes[path.shape] = put_together(rows, self._most)
            self._compact_at[path.shape] = max(_COMPACTED, 2 * len(rows))
            grown += len(rows) - before
            known = rows.get(path.segments)
            if known is not None:
                return known, grown - 1
        row = rows[path.segments] = Row()
        return row, grown

    def settled(self) -> Iterator[tuple[str, dict[Segments, Row]]]:
        """The rows of each shape, with what is too many put together."""
        for shape, rows in sorted(self.shapes.items()):
            yield shape, put_together(rows, self._most)


class UseTable:
    """Uses by action and resource. `what` names the table in an error."""

    def __init__(self, most_values: int = MOST_VALUES, most_rows: int = MOST_ROWS) -> None:
        self.actions: dict[Action, ActionUses] = {}
        self._most_values = most_values
        self._most_rows = most_rows
        self._rows = 0

    def __bool__(self) -> bool:
        """Whether there are any uses."""
        return bool(self.actions)

    def add(self, action: Action, resource: str | None, task: int, uses: int = 1) -> None:
        """Adds uses by one task. With `uses` 0, copies of uses that are counted already.

        Raises:
            UsageError: there are too many different ones to be kept.
        """
        found = self.actions.get(action)
        if found is None:
            found = self.actions[action] = ActionUses(self._most_values)
            self._rows += 1
        row, grown = found.row(resource)
        row.uses += uses
        row.tasks.add(task)
        self._rows += grown
        if self._rows > self._most_rows:
            raise UsageError(
                f"suggest: tasks of one kind did more than {self._most_rows:,} different things, which is more than a "
                "suggestion can hold: read fewer days (--days), or split the kind (--by group, --by workload)"
            )


def put_together(rows: dict[Segments, Row], most: int) -> dict[Segments, Row]:
    """Rows in which no segment has more than `most` values after the same beginning: those become one `Wild`."""
    made: dict[Segments, Row] = {}
    stack: list[tuple[Segments, Rows]] = [((), list(rows.items()))]
    while stack:
        before, some = stack.pop()
        depth = len(before)
        if len(some) == 1:
            segments, row = some[0]
            made[before + segments[depth:]] = row
            continue
        divided = divide(some, depth)
        if len(divided) > most or any(isinstance(value, Wild) for value in divided):
            stack.append(((*before, alike(divided)), join(some, depth + 1)))
        else:
            stack += [((*before, value), rest) for value, rest in divided.items()]
    return made


def divide(rows: Rows, depth: int) -> dict[Segment, Rows]:
    """Rows by one of their segments."""
    divided: dict[Segment, Rows] = {}
    for item in rows:
        value = item[0][depth]
        known = divided.get(value)
        if known is None:
            divided[value] = [item]
        else:
            known.append(item)
    return divided


def join(rows: Rows, depth: int) -> Rows:
    """Rows that have the same segments from one on become one row. Those before it no longer count."""
    joined: dict[Segments, tuple[Segments, Row]] = {}
    for segments, row in rows:
        rest = segments[depth:]
        known = joined.get(rest)
        if known is None:
            known = joined[rest] = segments, Row()
        known[1].merge(row)
    return list(joined.values())


def paths(uses: ActionUses) -> Iterator[tuple[ResourcePath, Row]]:
    """All resources of an action, in order."""
    for shape, rows in uses.settled():
        for segments, row in sorted(rows.items(), key=lambda item: _order(item[0])):
            yield ResourcePath(shape, segments), row


def _order(segments: Segments) -> list[tuple[bool, str, str, int]]:
    return [
        (True, each.head, each.tail, each.shortest) if isinstance(each, Wild) else (False, each, "", 0)
        for each in segments
    ]
