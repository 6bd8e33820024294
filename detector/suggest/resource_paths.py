"""Resources as paths of segments, in which a segment may stand for many values.

`arn:aws:s3:::logs/2026/a.txt` has the segments `arn`, `aws`, `s3`, ``, ``, `logs`, `2026`, `a.txt` and the shape
`:::::///`: the separators between them. Only resources of one shape are compared. A `Wild` segment stands for many
values that begin and end alike.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

LONGEST: Final = 2048  # characters; of a longer name only the beginning is kept
_MOST_SEGMENTS: Final = 32  # the last one holds the rest
CUT: Final = "…"  # in the shape of a name of which only the beginning was kept
_SEPARATORS: Final = "/:"
_JOINTS: Final = "-_.=@+~"  # where a name within a segment ends, and what varies begins


class Wild(NamedTuple):
    """Many values of one segment: all begin with `head`, end with `tail` and have at least `shortest` characters."""

    head: str = ""
    tail: str = ""
    shortest: int = 0


Segment: TypeAlias = str | Wild
Segments: TypeAlias = tuple[Segment, ...]


class ResourcePath(NamedTuple):
    """A resource, or many that are alike."""

    shape: str
    segments: Segments

    @property
    def exact(self) -> bool:
        """Whether it is one resource."""
        return not any(isinstance(each, Wild) for each in self.segments)

    def pieces(self) -> list[str]:
        """Its literal texts. Between two of them anything may stand."""
        pieces = [""]
        separators = self.shape.removesuffix(CUT)
        for index, segment in enumerate(self.segments):
            if isinstance(segment, Wild):
                pieces[-1] += segment.head
                pieces.append(segment.tail)
            else:
                pieces[-1] += segment
            if index < len(separators):
                pieces[-1] += separators[index]
        return pieces

    def glob(self) -> str:
        """A glob that matches it (docs/events.md).

        Globs have no escape: a `*` in a name becomes `?`, any one character.
        """
        return "*".join(piece.replace("*", "?") for piece in self.pieces())


def path_of(resource: str) -> ResourcePath:
    """A resource as a path."""
    cut = len(resource) > LONGEST
    text = resource[:LONGEST] if cut else resource
    parts = text.replace(":", "/").split("/", _MOST_SEGMENTS - 1)
    rest = len(parts[-1])
    segments: list[Segment] = [*parts[:-1], text[len(text) - rest :]]
    shape = "".join(char for char in text[: len(text) - rest] if char in _SEPARATORS)
    if cut:
        segments[-1] = Wild(text[len(text) - rest :], "", rest)
        shape += CUT
    return ResourcePath(shape, tuple(segments))


def alike(values: Iterable[Segment]) -> Wild:
    """All these values as one: as much of their beginning and end as they share. The order does not matter."""
    made: Wild | None = None
    for value in values:
        one = value if isinstance(value, Wild) else Wild(value, value, len(value))
        made = one if made is None else _both(made, one)
    return made or Wild()


def _both(one: Wild, other: Wild) -> Wild:
    return Wild(
        _shared(one.head, other.head),
        _shared(one.tail[::-1], other.tail[::-1])[::-1],
        min(one.shortest, other.shortest),
    )


def _shared(one: str, other: str) -> str:
    size = min(len(one), len(other))
    if one[:size] == other[:size]:
        return one[:size]
    low, high = 0, size
    while low < high:  # the longest prefix that both have
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return one[:low]


def rounded(wild: Wild) -> Wild:
    """Cut back to where names in the segment end, without digits: `job-1` and `job-17` share `job-`, not `job-1`."""
    head, tail = wild.head, wild.tail[::-1]
    head = head[: _joint(head)]
    tail = tail[: _joint(tail)]
    if len(head) + len(tail) > wild.shortest:
        tail = ""
    return Wild(head, tail[::-1], len(head) + len(tail))


def _joint(text: str) -> int:
    """Where the last name in it ends, before any digit."""
    end = 0
    for index, char in enumerate(text):
        if char.isdigit():
            break
        if char in _JOINTS:
            end = index + 1
    return end
