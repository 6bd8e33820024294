"""What is committed beside an offset: the note of the handler, and the ids of the topics for which the offset holds.

An offset says that all records before it are done: that what came of them is in the topics that the stage writes.
Where one of these is recreated, what came of them is gone, though the offset stands.
"""

from collections.abc import Mapping
from typing import Final

_BAR: Final = "|"
_NEXT: Final = ","
_IS: Final = "="


def beside(note: str, ids: Mapping[str, str]) -> str:
    """What to commit beside an offset: a note without `|`, and the id of each topic by what the topic is for."""
    told = _NEXT.join(f"{role}{_IS}{made}" for role, made in sorted(ids.items()))
    return f"{note}{_BAR}{told}" if told else note


def note_in(metadata: str) -> str:
    """The note in what was committed."""
    return metadata.partition(_BAR)[0]


def ids_in(metadata: str) -> dict[str, str]:
    """The ids in what was committed; none if an earlier version committed it."""
    pairs = (each.partition(_IS) for each in metadata.partition(_BAR)[2].split(_NEXT))
    return {role: made for role, _, made in pairs if role and made}
