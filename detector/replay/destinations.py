"""Where a replay writes: files, a folder, and standard output, for one kind of data or the summary for a person."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import re2

from detector.ingest.remote import is_url
from detector.outputs.files import FILES, FindingsFile, WholeDocument, folder_outputs
from detector.outputs.output import Output
from detector.outputs.report import Report, ReportOutput
from detector.outputs.report_page import write_report
from detector.outputs.report_text import console_for, print_report
from detector.outputs.sarif import write_sarif
from detector.outputs.writers import RemoteDraft, StandardOutput, Target
from detector.terminal.output import printable, printing, shown, why
from detector.values.errors import UsageError
from detector.values.wording import visible

STANDARD_OUTPUT = "-"
_READ = 16 << 10  # bytes: a dead letter names its source first
# A report, SARIF, findings, revocations, dead letters, a summary.
_OURS = re2.compile(
    rb'<!doctype html>|\{"\$schema":|\{"activity_id":|\{"specversion":"1\.0","id":"[0-9a-f-]{36}","source":"curfewd",'
    rb'"type":"credential\.revocation\.requested"|\{"source":"(?:[^"\\]|\\.)*",(?:"(?:partition|offset|line)":[0-9]+,)*"reason":'
    rb'|\{\n  "records":'
)


class Destinations(msgspec.Struct, frozen=True):
    """The arguments about outputs: a folder, files or `-`, and whether all goes to standard output as one document."""

    out: str | None = None
    report: str | None = None
    sarif: str | None = None
    findings: str | None = None
    document: bool = False

    @property
    def data_on_standard_output(self) -> tuple[str, ...]:
        """The arguments that ask for standard output."""
        named = {"--sarif -": self.sarif, "--findings -": self.findings}
        asked = [option for option, value in named.items() if value == STANDARD_OUTPUT]
        return (*asked, "--json") if self.document else tuple(asked)

    @property
    def pages(self) -> dict[str, Path]:
        """The single files of this machine by their arguments."""
        return {option: Path(name) for option, name in self._named().items() if not is_url(name)}

    @property
    def urls(self) -> dict[str, str]:
        """The files of other machines, one of the folder too, by their arguments."""
        named = self._named()
        if self.out is not None:
            named["--out"] = f"{self.out.rstrip('/')}/{FILES[0]}"
        return {option: name for option, name in named.items() if is_url(name)}

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of this machine that are written: what an earlier replay left there is not read."""
        far = self.out is None or is_url(self.out)
        folder = () if far else tuple(Path(str(self.out)) / name for name in FILES)
        return (*folder, *self.pages.values())

    def _named(self) -> dict[str, str]:
        named = {"--report": self.report, "--sarif": self.sarif, "--findings": self.findings}
        return {
            option: value
            for option, value in named.items()
            if value is not None and (value != STANDARD_OUTPUT or option == "--report")
        }


def check_destinations(where: Destinations, inputs: Sequence[str]) -> None:
    """Says now, not after an hour of reading, that an output has nowhere to go or would replace an input.

    Raises:
        UsageError: what is wrong.
    """
    asked = where.data_on_standard_output
    if len(asked) > 1:
        raise UsageError(
            f"{' and '.join(asked)} would both write to standard output: name a file for one of them"
        )
    if where.out is not None and not is_url(where.out):
        _prepare(Path(where.out))
    for option, url in where.urls.items():
        _check_url(option, url, inputs)
    read = [path for path in inputs if path != "-"]
    for file in where.files:
        _look_at(file, read)
    written: dict[Path, str] = {}
    for option, page in where.pages.items():
        other = written.setdefault(page.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} would both write {shown(page)}")


def outputs_of(where: Destinations) -> Iterator[Output]:
    """The outputs that the arguments name, and the summary for a person, which comes last.

    The summary is on standard output, unless that takes data: then it is on standard error.
    """
    if where.out is not None:
        yield from folder_outputs(partial(_in_folder, where.out))
    if where.report is not None:
        yield ReportOutput(partial(write_report, _file(where.report)))
    if where.sarif is not None:
        yield ReportOutput(partial(write_sarif, _target(where.sarif)))
    if where.findings is not None:
        yield FindingsFile(_target(where.findings))
    if where.document:
        yield WholeDocument(StandardOutput())
    out = None if where.out is None else visible(shown(where.out))
    yield ReportOutput(_print_beside if where.data_on_standard_output else _print, out)


def _target(name: str) -> Target:
    return StandardOutput() if name == STANDARD_OUTPUT else _file(name)


def _file(name: str) -> Target:
    return RemoteDraft(name) if is_url(name) else Path(name)


def _in_folder(folder: str, name: str) -> Target:
    return _file(f"{folder.rstrip('/')}/{name}") if is_url(folder) else Path(folder) / name


def _check_url(option: str, url: str, inputs: Sequence[str]) -> None:
    for read in inputs:
        if is_url(read) and f"{url}/".startswith(f"{read.rstrip('/')}/"):
            raise UsageError(
                f"{option}: it would stand in {printable(read)}, which is read, and be read next time: name another place"
            )
    RemoteDraft(url).check()


def _print(report: Report) -> None:
    with printing():
        print_report(report, console_for(sys.stdout))


def _print_beside(report: Report) -> None:
    """On standard error. Where that is closed or full, nobody can be told."""
    with suppress(OSError, SystemExit):  # rich raises SystemExit on a closed pipe
        print_report(report, console_for(sys.stderr))
        sys.stderr.flush()


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the output folder {shown(out)}: {why(error)}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write into the output folder {shown(out)}")


def _look_at(page: Path, inputs: Sequence[str]) -> None:
    why = None
    if any(page.resolve() == Path(one).resolve() for one in inputs):
        why = "it is an input"
    elif page.exists() and not page.is_file():
        why = "it exists and is not a file"
    elif _is_foreign(page) and any(page.resolve().is_relative_to(Path(one).resolve()) for one in inputs):
        why = "it is in an input folder, and no earlier replay wrote it"
    elif not page.parent.is_dir():
        why = f"there is no folder {shown(page.parent)}"
    elif not os.access(page.parent, os.W_OK | os.X_OK):
        why = f"the folder {shown(page.parent)} is not writable"
    if why is not None:
        raise UsageError(f"cannot write {shown(page)}: {why}")


def _is_foreign(page: Path) -> bool:
    """Whether there is a file with something in it that does not begin as one of ours: it would be lost unread."""
    try:
        with page.open("rb") as file:
            begin = file.read(_READ)
    except OSError:
        return False
    return bool(begin) and _OURS.match(begin) is None
