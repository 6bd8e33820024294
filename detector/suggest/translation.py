"""What the forms of all providers have in common: a document, and what could not be said in it."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from detector.suggest.suggestion import Covered, Suggestion
from detector.values.wording import counted, visible

_SHOWN = 3  # names in one note
_NAME = 80  # characters


class Translated(msgspec.Struct, frozen=True):
    """A document in a provider's own form.

    `notes` say, each in one line, what it does not grant, or grants too widely.
    """

    text: str
    notes: tuple[str, ...] = ()


class Form(msgspec.Struct, frozen=True):
    """A form of one provider. `what` names it in messages, `granted` makes the document from what is to be granted.

    `granted(covered, name)`: `name` is that of the kind of task.
    """

    provider: str
    what: str
    granted: Callable[[Sequence[Covered], str], Translated]

    def covered(self, made: Suggestion) -> list[Covered]:
        """What of a suggestion is this provider's."""
        return [each for each in made.covered if each.provider == self.provider]

    def of(self, made: Suggestion) -> Translated:
        """The document for one suggestion."""
        mine = self.covered(made)
        done = self.granted(mine, made.kind.task.name)
        notes = list(done.notes)
        if not made.enough:
            notes.insert(
                0,
                f"seen by {counted(made.used_by.tasks, 'task')} only: not enough to say what the next one needs",
            )
        if len(mine) < len(made.covered):
            notes.append(
                f"{counted(len(made.covered) - len(mine), 'entry', 'entries')} of other providers left out"
            )
        return Translated(done.text, tuple(notes))


class Notes:
    """Collects notes: what is said of several things is said once, with the first few of them."""

    def __init__(self) -> None:
        self._about: dict[str, list[str]] = {}

    def add(self, note: str, what: str) -> None:
        """Something to say about `what`."""
        self._about.setdefault(note, []).append(what)

    def lines(self) -> tuple[str, ...]:
        """One line for each note."""
        return tuple(f"{_some(about)}: {note}" for note, about in self._about.items())


def _some(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _SHOWN:,} more" if len(distinct) > _SHOWN else ""
    return ", ".join(visible(name, _NAME) for name in distinct[:_SHOWN]) + more


def shown(each: Covered) -> str:
    """An entry in a note."""
    return " ".join(part for part in (each.action, each.resource) if part) or "(no action)"
