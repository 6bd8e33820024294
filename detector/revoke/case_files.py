"""The cases and outcomes of `curfewd revoke --commands`, in files: what a changelog and a topic are on Kafka.

`outcomes.jsonl` has the CloudEvents, `cases.jsonl` each case as it changes; the last line of a command stands. Both are
only appended to, and a line that a crash tore is skipped. A case is on the disk, with the events of its outcomes,
before these are told: what a crash kept from being told is told at the next start. If `cases.jsonl` is lost, the last
outcome of a command counts.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from detector.revoke.audit_records import Recorder
from detector.revoke.case import Case
from detector.revoke.command_masker import CommandMasker
from detector.revoke.executor import Change
from detector.revoke.outcomes import TYPE, Verdict, outcome_event, revoked_event
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.stored_cases import case_and_told, case_record
from detector.terminal.output import shown, why
from detector.values.errors import StopError, UsageError

OUTCOMES: Final = "outcomes.jsonl"
CASES: Final = "cases.jsonl"
_OURS: Final = 0o600  # the handles of credentials stand there


class _Named(msgspec.Struct):
    id: str


class _Data(msgspec.Struct):
    command_id: str
    outcome: Verdict


class _Outcome(_Named):
    type: str
    data: _Data


_NAMED: Final = msgspec.json.Decoder(_Named)
_DECODER: Final = msgspec.json.Decoder(_Outcome)


class CaseFiles:
    """The files in a folder, which only one process at a time may have. `masker` masks what an earlier version stored.

    Raises:
        UsageError: they cannot be opened, or another process has them.
        StopError: a later version wrote them.
    """

    def __init__(self, folder: Path, masker: CommandMasker) -> None:
        self._folder = folder
        self._masker = masker
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._cases = _opened(folder / CASES)
            self._outcomes = _opened(folder / OUTCOMES)
            self._ids: set[str] = set()
            self._told = self._read_outcomes()
            self._stored = self._read_cases()
        except OSError as error:
            raise UsageError(f"cannot use the folder {shown(folder)}: {why(error)}") from None

    def restored(self, commands: Iterable[RevocationCommand]) -> list[Case]:
        """The cases of the commands that were begun, and of those of which an outcome was told."""
        found = dict(self._stored)
        for command in commands:
            if command.id in self._told and command.id not in found:
                found[command.id] = Case(command)
        for command_id, (number, verdict) in self._told.items():
            case = found.get(command_id)
            if case is None or case.outcomes >= number:
                continue
            found[command_id] = case.changed(outcomes=number)
            if verdict != "held":
                found[command_id] = case.changed(outcomes=number, phase="ended", verdict=verdict)
        return list(found.values())

    async def write(self, changes: Iterable[Change], recorder: Recorder) -> None:
        """Writes what changed, to the disk.

        Raises:
            StopError: it cannot be written.
        """
        changes = list(changes)
        await recorder.outcomes(changes)
        outcomes, cases = [], []
        for change in changes:
            if change.case is None:
                continue
            told = []
            for outcome in change.outcomes:
                command = change.case.command
                told.append(outcome_event(command, outcome, recorder.clean, recorder.log.head))
                if outcome.revoked:
                    told.append(revoked_event(command, outcome))
            cases.append(case_record(change.case, told))
            outcomes += told
        try:
            _append(self._cases, cases)
            _append(self._outcomes, outcomes)
        except OSError as error:
            raise StopError(f"cannot write into the folder {shown(self._folder)}: {why(error)}") from None

    def close(self) -> None:
        """Closes the files."""
        self._cases.close()
        self._outcomes.close()

    def _read_cases(self) -> dict[str, Case]:
        """The last case of each command. Tells what was about to be told of them."""
        found, untold = {}, []
        for line in _lines(self._cases):
            case, told = case_and_told(line, shown(str(self._folder / CASES)))
            found[case.command.id] = self._masker.case(case)
            untold += [self._masker.told(event) for event in told if _NAMED.decode(event).id not in self._ids]
        _append(self._outcomes, untold)
        return found

    def _read_outcomes(self) -> dict[str, tuple[int, Verdict]]:
        """Number and verdict of the last outcome of each command."""
        told: dict[str, tuple[int, Verdict]] = {}
        for line in _lines(self._outcomes):
            try:
                self._ids.add(_NAMED.decode(line).id)
                outcome = _DECODER.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # `credential.revoked`
            number = outcome.id.rpartition("/")[2]
            if outcome.type == TYPE and number.isascii() and number.isdigit() and len(number) < 10:  # noqa: PLR2004 - no more than fits
                told[outcome.data.command_id] = int(number), outcome.data.outcome
        return told


def _opened(path: Path) -> BinaryIO:
    path.touch(_OURS)
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UsageError(f"another process writes {shown(str(path))}") from None
    return file


def _lines(file: BinaryIO) -> Iterable[bytes]:
    """The whole lines. A torn last one is cut off: what it said did not happen."""
    file.seek(0)
    size = 0
    for line in file:
        if not line.endswith(b"\n"):
            break
        size += len(line)
        yield line
    file.truncate(size)


def _append(file: BinaryIO, lines: Iterable[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    if data:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
