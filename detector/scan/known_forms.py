"""Registered secrets in another form: what people do to get past a mask.

| form | name in a finding | what tells it |
| --- | --- | --- |
| `rev` | `reversed` | the secret's own check and digest |
| rot13 | `rot13` | the same |
| case | `upper-case`, `lower-case`, `swapped-case` | the same; of a secret in both cases its `folded` digest |
| the last or first character dropped | `without-last`, `without-first` | the same, with each character in its place |

So nothing else has to be registered for most of them, also not for credentials that were registered before. Of those
that are registered by `sha256` and length alone the first two forms and swapped case are hashed. The text has to stand
between two boundaries and to change between digits and letters as tokens do, and has 16 to 1,024 bytes.
`core/src/known/forms.rs` finds them.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from detector.values.events import Identifier

UPPER, LOWER, SWAPPED = "upper-case", "lower-case", "swapped-case"
NO_LAST, NO_FIRST = "without-last", "without-first"
_NAMES: Final = "reversed", "rot13", SWAPPED, NO_LAST, NO_FIRST  # as the core numbers them


class Disguise(NamedTuple):
    """A registered secret in data[start:end] in another form: its `value`, or what is shown of it, and the form.

    `owners` are by what it is registered, one under each key, if `value` is not the secret itself.
    """

    start: int
    end: int
    value: bytes
    form: str
    owners: tuple[Identifier, ...] = ()


def disguise(data: bytes, told: tuple[int, int, int, int, bytes]) -> Disguise:
    """What the core tells of a text, with the missing character where a blank sets that apart."""
    start, end, number, missing, secret = told
    text, form = data[start:end], _NAMES[number]
    if form == SWAPPED:
        return Disguise(start, end, secret, _case(text))
    if form == NO_FIRST and data[max(start - 2, 0) : start] == bytes([missing, 0x20]):
        start -= 2
    if form == NO_LAST and data[end : end + 2] == bytes([0x20, missing]):
        end += 2
    return Disguise(start, end, secret, form)


def folded_disguise(data: bytes, span: tuple[int, int], owners: Iterable[Identifier]) -> Disguise:
    """A text that has lost its case, and whose it is."""
    text = data[slice(*span)]
    return Disguise(*span, text, _case(text), tuple(owners))


def _case(text: bytes) -> str:
    return UPPER if text.isupper() else LOWER if text.islower() else SWAPPED
