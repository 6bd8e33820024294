"""From the paths on a command line to readable sources: files, folders, archives, URLs, pipes, standard input."""

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from detector.ingest.archive_sources import ArchiveSources
from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.declarations import STDIN, Declarations, split_member
from detector.ingest.remote import RemoteFile, files_below, is_url
from detector.ingest.remote_sources import Look, Looking, NamedFile, look_here
from detector.ingest.sources import Asked, Source, StoredSource, from_file, from_pipe
from detector.ingest.stored_sources import Sources, in_order, opened
from detector.records.dead_letters import EMPTY, UNREADABLE, DeadLetter, bad
from detector.terminal.output import printable, shown, why
from detector.values.errors import InputError
from detector.values.globs import compile_glob


def find_sources(  # noqa: PLR0913 - what a person says of the inputs
    paths: Sequence[str],
    *,
    format_name: str | None = None,
    skip: Sequence[Path] = (),
    classifier: RecordClassifier = BUNDLED,
    declarations: Declarations | None = None,
    passed_over: list[str] | None = None,
    look: Look = look_here,
    unit: int | None = None,
) -> tuple[Sources, list[DeadLetter]]:
    """The sources that `paths` name, in the order of their names, each file once; and what could not be opened.

    A path may name members of an archive by a glob: `run.zip!build/*`. Each member of an archive is a source.

    What is named must be there; what cannot be opened inside a folder is a dead letter, and sockets, devices and
    the files `skip` (our own output of an earlier run) are skipped. `format_name` is one of `formats.CHOICES`,
    `classifier` what is recognised, `declarations` says what carries events. `passed_over` gets a sentence for each
    archive that has links or devices. `look` looks at files by URL, and cuts them into units of so many bytes.

    Raises:
        InputError: a path that was named does not exist or cannot be opened, or no member has such a name.
    """
    letters: list[DeadLetter] = []
    search = _Search(format_name, classifier, declarations or Declarations(), letters)
    for file in skip:
        with suppress(OSError):
            search.seen.add(_identity(file.stat()))
    globs: dict[str, list[str]] = {}
    search.take_urls([path for path in sorted(set(paths)) if is_url(path)], look, Looking(format_name, unit))
    for path in sorted({path for path in paths if not is_url(path)}):
        named = split_member(path)
        if named is not None:
            globs.setdefault(named.archive, []).append(named.glob)
        else:
            search.take(path)
    for archive, members in globs.items():
        search.take_members(archive, members)
    if passed_over is not None:
        passed_over += search.archives.passed_over
    return in_order(search.sources), letters


class _Search:
    """What was found. `seen` are the files and folders that are not to be read again."""

    def __init__(
        self,
        format_name: str | None,
        classifier: RecordClassifier,
        declarations: Declarations,
        letters: list[DeadLetter],
    ) -> None:
        self._format = format_name
        self._classifier = classifier
        self._declared = declarations
        self._letters = letters
        self._names: dict[tuple[int, int], list[str]] = {}  # of the members of archives
        self.archives = ArchiveSources(letters)
        self.sources = Sources()
        self.seen: set[tuple[int, int]] = set()
        self._far_archives: set[str] = set()

    def take(self, path: str) -> None:
        """A path that was named."""
        if path == STDIN:
            self._add(STDIN, _stdin(self._asked(STDIN)))
            return
        info = _stat(path)
        if stat.S_ISDIR(info.st_mode):
            self._folder(path)
        elif _identity(info) not in self.seen:
            self.seen.add(_identity(info))
            self._add(path, _named(path, info, self._asked(path)), _identity(info))

    def take_members(self, archive: str, globs: Sequence[str]) -> None:
        """Members of an archive that were named."""
        info = _stat(archive)
        identity = _identity(info)
        if identity not in self.seen:
            self.seen.add(identity)
            matchers = [compile_glob(glob) for glob in globs]
            source = _named(archive, info, self._asked(archive))
            self._add(archive, source, identity, lambda name: any(matches(name) for matches in matchers))
        names = self._names.get(identity)
        for glob in globs:
            if names is None:
                raise InputError(f"{shown(archive)}: not an archive whose members curfewd reads")
            if not any(map(compile_glob(glob), names)):
                raise InputError(f"{shown(archive)}: no member of it has a name like {shown(glob)}")

    def _folder(self, path: str) -> None:
        empty = True
        for file, info in _walk(path, self.seen, self._letters):
            empty = False
            if info is None:
                continue
            try:
                self._add(file, from_file(file, self._asked(file)), _identity(info))
            except OSError:
                self._letters.append(DeadLetter.of(bad(UNREADABLE), shown(file)))
        if empty:
            self._letters.append(DeadLetter.of(bad(EMPTY, detail="there is no file in it"), shown(path)))

    def take_urls(self, urls: Sequence[str], look: Look, looking: Looking) -> None:
        """URLs that were named."""
        folders = []
        for file, looked in look(looking, self._classifier, map(self._named_file, urls)):
            if looked.refused is not None:
                raise InputError(looked.refused)
            if looked.folder:
                folders.append(file.url)
            elif looked.source is None:
                raise InputError(f"{printable(file.url)}: it cannot be read")
            else:
                self._add_far(file.url, looked.source, named=True)
        below = (self._named_file(file.url, file) for url in folders for file in files_below(url))
        for file, looked in look(looking, self._classifier, below) if folders else ():
            if looked.source is None:
                self._letters.append(DeadLetter.of(bad(UNREADABLE), printable(file.url)))
            else:
                self._add_far(file.url, looked.source)

    def _named_file(self, url: str, file: RemoteFile | None = None) -> NamedFile:
        return NamedFile(url, self._declared.of(url), file)

    def _add_far(self, url: str, source: StoredSource, *, named: bool = False) -> None:
        if source.archive is not None:
            if url in self._far_archives:
                return
            self._far_archives.add(url)
        try:
            self._add(url, opened(source))
        except OSError:
            if named:
                raise InputError(f"{printable(url)}: it cannot be read") from None
            self._letters.append(DeadLetter.of(bad(UNREADABLE), printable(url)))

    def _add(
        self,
        path: str | Path,
        source: Source,
        identity: tuple[int, int] | None = None,
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """A source, or the members of one."""
        if source.archive is None:
            self.sources.append(source)
            return

        def asked(name: str) -> Asked | None:
            if not wanted(name):
                return None
            return Asked(self._format, self._classifier, self._declared.of_member(path, name))

        found, names = self.archives.sources(source, asked)
        for one in found:
            self.sources.append(one)
        if identity is not None:
            self._names[identity] = names

    def _asked(self, path: str | Path) -> Asked:
        return Asked(self._format, self._classifier, self._declared.of(path))


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
        regular = stat.S_ISREG(info.st_mode)
        if regular and info.st_size:
            return from_file(path, asked)
        if regular or stat.S_ISFIFO(info.st_mode) or Path(path).samefile(os.devnull):
            with Path(path).open("rb", buffering=0) as pipe:
                return from_pipe(shown(path), pipe.fileno(), asked)
    except OSError as error:
        raise InputError(f"{shown(path)}: {_why(error)}") from None
    raise InputError(f"{shown(path)}: neither a file nor a folder nor a pipe")


def _walk(
    top: str, seen: set[tuple[int, int]], letters: list[DeadLetter]
) -> Iterator[tuple[Path, os.stat_result | None]]:
    """The regular files below a folder, sorted; links are followed, but nothing is entered or read twice.

    Without a `stat_result` it is a file that was seen before, or cannot be read.
    """

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
                yield path, None
                continue
            if stat.S_ISREG(info.st_mode):
                known = _identity(info) in seen
                seen.add(_identity(info))
                yield path, None if known else info


def _first(folder: Path, seen: set[tuple[int, int]]) -> bool:
    try:
        identity = _identity(folder.stat())
    except OSError:
        return False
    if identity in seen:
        return False
    seen.add(identity)
    return True
