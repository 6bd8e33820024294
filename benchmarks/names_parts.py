"""What each half of the `names` corpus is made of, from the module that has it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks import (
    names_contexts,
    names_eighth,
    names_fifth,
    names_fourth,
    names_lookalikes,
    names_second,
    names_seventh,
    names_sixth,
    names_third,
    names_words,
)
from benchmarks.names_contexts import Context
from benchmarks.names_lookalikes import Line, LookAlike
from benchmarks.names_words import Half, Name, Value

# Kinds of look-alikes that stand behind the names of secrets: what their values say makes the difference.
TOLD_BY_VALUE: Final = frozenset({"masked", "reference", "placeholder"})


class Part(msgspec.Struct, frozen=True):
    """One half: names by kind, and what is made behind them."""

    names: dict[str, tuple[Name, ...]]
    values: dict[str, Value]
    contexts: dict[str, Context]
    look_alikes: dict[str, LookAlike]
    look_alike_contexts: dict[str, Context]
    talk: Sequence[Line]

    @property
    def named(self) -> list[tuple[str, Name]]:
        """Each name with its kind."""
        return [(kind, name) for kind, some in self.names.items() for name in some]


def part(half: Half) -> Part:
    """The parts of one half. Those of `_LATER` have the dev half's contexts, and those of their own."""
    if half in _BY_RECIPE:
        own = _BY_RECIPE[half]
        return Part(own.NAMES, own.VALUES, own.CONTEXTS, own.LOOK_ALIKES, own.LOOK_ALIKE_CONTEXTS, own.TALK)
    if half in _LATER:
        one = _LATER[half]
        values = {**names_words.SHARED, **one.VALUES, names_words.MEMORABLE: names_words.memorable}
        places = names_contexts.DEV | one.CONTEXTS
        return Part(one.NAMES, values, places, one.LOOK_ALIKES, places, one.TALK)
    places = names_contexts.contexts(half)
    return Part(
        names_words.NAMES[half],
        names_words.values(half),
        places,
        names_lookalikes.ASSIGNED,
        places,
        names_lookalikes.talk(half),
    )


_LATER: Final = {
    Half.SECOND: names_second,
    Half.THIRD: names_third,
    Half.FOURTH: names_fourth,
    Half.FIFTH: names_fifth,
    Half.SIXTH: names_sixth,
}
_BY_RECIPE: Final = {Half.SEVENTH: names_seventh, Half.EIGHTH: names_eighth}
