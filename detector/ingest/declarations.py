"""Which files carry events and which carry text, as a person says it with `--events` and `--logs`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from detector.terminal.output import shown
from detector.values.errors import InputError
from detector.values.globs import Matcher, compile_glob

STDIN: Final = "-"
MEMBER_MARK: Final = "!"
"""Stands between the path of an archive and the name of a member."""

_MOST_MARKS: Final = 64  # of a path that are tried


class MemberGlob(NamedTuple):
    """The members of an archive that a glob names."""

    archive: str
    glob: str


def split_member(path: str) -> MemberGlob | None:
    """What `archive!glob` names: None where a file or folder has that name, or there is no such archive."""
    if MEMBER_MARK not in path or os.path.lexists(path):
        return None
    parts = path.split(MEMBER_MARK)[:_MOST_MARKS]
    for number in range(1, len(parts)):
        archive = MEMBER_MARK.join(parts[:number])
        if Path(archive).is_file():
            return MemberGlob(archive, path[len(archive) + 1 :])
    return None


class Declarations:
    """The paths that a person declared: files, folders with all that is in them, or `-` for standard input.

    The deepest path that a file stands under decides. For a member of an archive a glob of members
    (`run.zip!audit/*`) decides before the archive does; of several the longest, and of two as long the one of logs. A
    link counts as the file that it leads to, if that stands under a declared path: so nobody makes text of a file of
    events by a link to it among the logs.
    """

    def __init__(self, events: Iterable[str] = (), logs: Iterable[str] = ()) -> None:
        """Takes the paths.

        Raises:
            InputError: a path is declared as both.
        """
        self._carry: dict[Path | str, bool] = {}
        self._members: dict[Path, list[tuple[int, bool, Matcher]]] = {}
        for path, carries in (*((path, True) for path in events), *((path, False) for path in logs)):
            named = split_member(path)
            if named is not None:
                rule = (len(named.glob), not carries, compile_glob(named.glob))
                self._members.setdefault(_real(named.archive), []).append(rule)
                continue
            for place in (STDIN,) if path == STDIN else {_real(path), _absolute(path)}:
                if self._carry.setdefault(place, carries) != carries:
                    raise InputError(
                        f"{shown(path)}: named by --events and by --logs: it carries either events or text"
                    )

    def of_member(self, archive: str | Path, name: str) -> bool | None:
        """The same of a member of an archive."""
        rules = () if archive == STDIN else self._members.get(_real(archive), ())
        matching = [(length, text) for length, text, matches in rules if matches(name)]
        return not max(matching)[1] if matching else self.of(archive)

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
