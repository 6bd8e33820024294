"""From the paths on a command line to readable sources: files, folders, archives, pipes, standard input."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.declarations import STDIN, Declarations
from detector.ingest.sources import Asked, Source, from_file, from_pipe
from detector.records.dead_letters import UNREADABLE, DeadLetter, bad
from detector.terminal.output import shown, why
from detector.values.errors import InputError


def find_sources(
    paths: Sequence[str],
    *,
    format_name: str | None = None,
    skip: Sequence[Path] = (),
    classifier: RecordClassifier = BUNDLED,
    declarations: Declarations | None = None,
) -> tuple[list[Source], list[DeadLetter]]:
    """The sources that `paths` name, in the order of their names, each file once; and what could not be opened.

    What is named must be there; what cannot be opened inside a folder is a dead letter, and sockets, devices and
    the files `skip` (our own output of an earlier run) are passed over. `format_name` is one of `formats.CHOICES`,
    `classifier` what is recognised, `declarations` says what carries events.

    Raises:
        InputError: a path that was named does not exist or cannot be opened.
    """
    declared = declarations or Declarations()

    def asked(path: str | Path) -> Asked:
        return Asked(format_name, classifier, declared.of(path))

    sources: list[Source] = []
    letters: list[DeadLetter] = []
    seen: set[tuple[int, int]] = set()
    for file in skip:
        with suppress(OSError):
            seen.add(_identity(file.stat()))
    for path in sorted(set(paths)):
        if path == STDIN:
            sources.append(_stdin(asked(STDIN)))
            continue
        info = _stat(path)
        if stat.S_ISDIR(info.st_mode):
            for file in _walk(path, seen, letters):
                try:
                    sources.append(from_file(file, asked(file)))
                except OSError:
                    letters.append(DeadLetter.of(bad(UNREADABLE), shown(file)))
        elif _identity(info) not in seen:
            seen.add(_identity(info))
            sources.append(_named(path, info, asked(path)))
    return sorted(sources, key=lambda source: source.name), letters


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _stat(path: str) -> os.stat_result:
    if not path:  # an unset variable in a script, and not the folder we are in
        raise InputError("an empty path: no such file or folder")
    try:
        return Path(path).stat()
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path)}: {_why(error)}") from None


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    return why(error) if isinstance(error, OSError) else "cannot be opened"


def _stdin(asked: Asked) -> Source:
    try:
        return from_pipe(STDIN, sys.stdin.fileno(), asked)
    except (OSError, ValueError) as error:
        raise InputError(f"standard input: {_why(error)}") from None


def _named(path: str, info: os.stat_result, asked: Asked) -> Source:
    try:
        if stat.S_ISREG(info.st_mode):
            return from_file(path, asked)
        if stat.S_ISFIFO(info.st_mode) or Path(path).samefile(os.devnull):
            with Path(path).open("rb", buffering=0) as pipe:
                return from_pipe(shown(path), pipe.fileno(), asked)
    except OSError as error:
        raise InputError(f"{shown(path)}: {_why(error)}") from None
    raise InputError(f"{shown(path)}: neither a file nor a folder nor a pipe")


def _walk(top: str, seen: set[tuple[int, int]], letters: list[DeadLetter]) -> Iterator[Path]:
    """The regular files below a folder, sorted; links are followed, but nothing is entered or read twice."""

    def unreadable(error: OSError) -> None:
        letters.append(DeadLetter.of(bad(UNREADABLE), shown(str(error.filename or top))))

    for folder, folders, names in os.walk(top, onerror=unreadable, followlinks=True):
        if not _first(Path(folder), seen):
            folders.clear()
            continue
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            try:
                info = path.stat()
            except OSError as error:
                unreadable(error)
                continue
            if stat.S_ISREG(info.st_mode) and _identity(info) not in seen:
                seen.add(_identity(info))
                yield path


def _first(folder: Path, seen: set[tuple[int, int]]) -> bool:
    try:
        identity = _identity(folder.stat())
    except OSError:
        return False
    if identity in seen:
        return False
    seen.add(identity)
    return True
