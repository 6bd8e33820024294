"""Which files carry events and which carry text, as a person says it with `--events` and `--logs`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from detector.terminal.output import shown
from detector.values.errors import InputError

STDIN: Final = "-"


class Declarations:
    """The paths that a person declared: files, folders with all that is in them, or `-` for standard input.

    The deepest path that a file stands under decides. A link counts as the file that it leads to, if that stands under a
    declared path: so nobody makes text of a file of events by a link to it among the logs.
    """

    def __init__(self, events: Iterable[str] = (), logs: Iterable[str] = ()) -> None:
        """Takes the paths.

        Raises:
            InputError: a path is declared as both.
        """
        self._carry: dict[Path | str, bool] = {}
        for path, carries in (*((path, True) for path in events), *((path, False) for path in logs)):
            for place in (STDIN,) if path == STDIN else {_real(path), _absolute(path)}:
                if self._carry.setdefault(place, carries) != carries:
                    raise InputError(
                        f"{shown(path)}: named by --events and by --logs: it carries events or text"
                    )

    def of(self, path: str | Path) -> bool | None:
        """Whether a file carries events, None if nobody said so."""
        if path == STDIN:
            return self._carry.get(STDIN)
        if not self._carry:
            return None
        for place in (_real(path), _absolute(path)):
            for above in (place, *place.parents):
                if above in self._carry:
                    return self._carry[above]
        return None


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - `absolute` leaves `..` in it
