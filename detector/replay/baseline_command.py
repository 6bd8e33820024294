"""What `curfewd baseline write`, `update` and `prune` do: a file of known findings, made from a replay's output."""

import fcntl
import getpass
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from detector.configuration.accept_table import read_uid
from detector.configuration.baseline import BaselineEntry, baseline_bytes, day_of, read_baseline, read_day
from detector.outputs.files import FINDINGS, SUMMARY
from detector.outputs.writers import write_file
from detector.terminal.output import shown, why
from detector.values.bounded_files import BadFileError, read_bounded
from detector.values.errors import InputError, UsageError
from detector.values.findings import LEAKED_SECRET, Severity
from detector.values.times import parse_duration
from detector.values.wording import Clean, counted, visible

LIFETIME: Final = "90d"
_MAX_LINE: Final = 4 << 20
_MAX_SUMMARY: Final = 256 << 20
_ABOUT: Final = 200  # characters of a finding's title
_SUPPRESSED: Final = 3
_NO_UID: Final = "{} left out: without a deployment key a leaked secret has no lasting uid. Set CURFEWD_KEY or key_file, and replay again"


class BaselineRequest(msgspec.Struct, frozen=True):
    """The arguments. `folder` is a replay's output, `now` the wall clock (ns), `expires` a duration or a day."""

    file: str
    folder: str
    now: int
    reason: str = ""
    by: str | None = None
    expires: str = LIFETIME


class _Analytic(msgspec.Struct):
    uid: str


class _Info(msgspec.Struct):
    uid: str
    title: str
    analytic: _Analytic


class _Unmapped(msgspec.Struct):
    fingerprint: str | None = None


class _Known(msgspec.Struct):
    """What is read of a finding's record."""

    finding_info: _Info
    severity_id: int
    status_id: int
    unmapped: _Unmapped

    @property
    def severity(self) -> Severity:
        return Severity(self.severity_id)


class _Summary(msgspec.Struct):
    keyed: bool


class _Output(msgspec.Struct):
    """The output of a replay. `keyed` says whether there was a deployment key."""

    findings: dict[str, _Known]
    keyed: bool

    @property
    def lasting(self) -> Iterable[_Known]:
        """The findings whose uid the next replay gives again."""
        return (
            one
            for one in self.findings.values()
            if self.keyed or one.finding_info.analytic.uid != LEAKED_SECRET
        )

    @property
    def fleeting(self) -> int:
        """The number of the others."""
        return len(self.findings) - sum(1 for _ in self.lasting)


_DECODER: Final = msgspec.json.Decoder(_Known)


def write_baseline(request: BaselineRequest, clean: Clean) -> list[str]:
    """Writes a new file with every finding that is not accepted; what to say about it.

    Raises:
        UsageError: the file exists, or an argument or the output of the replay is wrong.
    """
    with _alone(request.file):
        if Path(request.file).exists():
            raise UsageError(f"baseline: {shown(request.file)} exists: `curfewd baseline update` adds to it")
        return _renewed(request, (), clean)


def update_baseline(request: BaselineRequest, clean: Clean) -> list[str]:
    """Adds every finding that is not accepted. An entry that still accepts its finding keeps all that it says.

    Raises:
        UsageError: the file cannot be read, or an argument or the output of the replay is wrong.
    """
    with _alone(request.file):
        return _renewed(request, read_baseline(request.file), clean)


def prune_baseline(request: BaselineRequest) -> list[str]:
    """Drops the entries whose findings no longer occur.

    Raises:
        UsageError: the file or the output of the replay cannot be read.
    """
    with _alone(request.file):
        entries = read_baseline(request.file)
        output = _read(request.folder)
        kept = [
            entry
            for entry in entries
            if entry.uid in output.findings or (entry.rule == LEAKED_SECRET and not output.keyed)
        ]
        _put(request.file, entries, kept)
    gone = len(entries) - len(kept)
    said = [f"{shown(request.file)}: {counted(gone, 'entry', 'entries')} dropped, {len(kept):,} kept"]
    if not output.keyed and any(entry.rule == LEAKED_SECRET for entry in kept):
        said.append("warning: entries of leaked secrets are kept: without a deployment key nobody can tell")
    return said


def _renewed(request: BaselineRequest, before: tuple[BaselineEntry, ...], clean: Clean) -> list[str]:
    if not request.reason.strip():
        raise UsageError('baseline: say why with --reason, such as --reason "first run: to triage by March"')
    today = day_of(request.now)
    by = getpass.getuser() if request.by is None else request.by
    expires = _last_day(request)
    entries = {entry.uid: entry for entry in before}
    output = _read(request.folder)
    added = renewed = 0
    worst: dict[Severity, int] = {}
    for found in output.lasting:
        info = found.finding_info
        known = entries.get(info.uid)
        if found.status_id == _SUPPRESSED or (known is not None and _accepts(known, found, today)):
            continue
        added += known is None
        renewed += known is not None
        worst[found.severity] = worst.get(found.severity, 0) + 1
        entries[info.uid] = BaselineEntry(
            uid=info.uid,
            rule=info.analytic.uid,
            severity=found.severity.label,
            about=visible(clean(info.title), _ABOUT),
            reason=visible(clean(request.reason)),
            by=visible(clean(by)),
            added=today,
            expires=expires,
        )
    _put(request.file, before, entries.values())
    severities = ", ".join(f"{worst[one]:,} {one.label}" for one in sorted(worst, reverse=True))
    told = f"{added:,} added, {renewed:,} renewed" + (f" ({severities})" if severities else "")
    kept = len(entries) - added - renewed
    said = [f"{shown(request.file)}: {told}, {kept:,} kept"]
    if output.fleeting:
        said.append(f"warning: {_NO_UID.format(counted(output.fleeting, 'finding'))}")
    return said


def _accepts(entry: BaselineEntry, found: _Known, today: str) -> bool:
    return entry.expires >= today and Severity.of(entry.severity) >= found.severity


def _last_day(request: BaselineRequest) -> str:
    """The day until which the new entries count."""
    today, text = day_of(request.now), request.expires
    try:
        day = read_day(text) if "-" in text else day_of(request.now + parse_duration(text))
    except (ValueError, OverflowError):
        raise UsageError(
            "baseline --expires: write a duration such as 90d, or a day such as 2027-01-31"
        ) from None
    if day < today:
        raise UsageError("baseline --expires: that day is over")
    return day


@contextmanager
def _alone(file: str) -> Iterator[None]:
    """Waits until no other `curfewd baseline` works in the file's folder: one would lose what the other adds."""
    try:
        folder = os.open(Path(file).resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # what is done next says why
        yield
        return
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _put(file: str, before: Iterable[BaselineEntry], after: Iterable[BaselineEntry]) -> None:
    """Writes the file, unless nothing has changed: somebody may have put its lines into another order.

    Of a link it is the file behind it.
    """
    kept = tuple(after)
    if not Path(file).exists() or set(before) != set(kept):
        write_file(Path(file).resolve(), baseline_bytes(kept))


def _read(folder: str) -> _Output:
    """The output of a replay.

    Raises:
        InputError: it is not there, or not what this version writes.
    """
    path = Path(folder) / SUMMARY
    try:
        keyed = msgspec.json.decode(read_bounded(path, _MAX_SUMMARY), type=_Summary).keyed
        findings = dict(_findings(Path(folder) / FINDINGS))
    except BadFileError as error:
        raise InputError(
            f"{shown(path)}: {error}; name the folder that `curfewd replay --out` wrote"
        ) from None
    except OSError as error:
        raise InputError(f"{shown(folder)}/{FINDINGS}: cannot be read: {why(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InputError(f"{shown(path)}: no summary of this version of curfewd: replay again") from None
    return _Output(findings, keyed)


def _findings(path: Path) -> Iterator[tuple[str, _Known]]:
    """The findings by uid. Of several records of one uid the last stands."""
    with path.open("rb") as file:
        for number in itertools.count(1):
            line = file.readline(_MAX_LINE)
            if not line:
                return
            try:
                found = _DECODER.decode(line)
                read_uid(found.finding_info.uid)
                Severity(found.severity_id)
            except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
                raise InputError(f"{shown(path)}:{number}: not a finding of curfewd: replay again") from None
            yield found.finding_info.uid, found
