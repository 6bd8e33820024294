"""The files of a replay's output folder: each appears whole or not at all, and the same input gives the same bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from detector.outputs.commands import command_record
from detector.outputs.ocsf import finding_records
from detector.outputs.output import Output, Run
from detector.outputs.writers import Draft, dumps, line
from detector.records.dead_letters import DeadLetter
from detector.values.errors import UsageError
from detector.values.findings import Command, Finding, FindingChange

FINDINGS: Final = "findings.jsonl"
REVOCATIONS: Final = "revocations.jsonl"
DEAD_LETTERS: Final = "dead-letters.jsonl"
SUMMARY: Final = "summary.json"
FILES: Final = (FINDINGS, REVOCATIONS, DEAD_LETTERS, SUMMARY)
_TOGETHER: Final = 1000  # findings that are encoded at once: the texts of several are cleaned as one


class _File:
    """An output that is one file; it takes nothing by itself."""

    def __init__(self, path: Path) -> None:
        self._draft = Draft(path)
        self._run: Run | None = None

    @property
    def run(self) -> Run:
        """The run that it was opened for."""
        if self._run is None:
            raise RuntimeError("the output is not open")
        return self._run

    def open(self, run: Run) -> None:
        """Makes the folder and the draft of the file.

        Raises:
            UsageError: they cannot be made.
        """
        self._run = run
        folder = self._draft.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the output folder {folder}: {error.strerror}") from error
        self._draft.open()

    def finding(self, change: FindingChange) -> None:
        """Takes a finding."""

    def command(self, command: Command) -> None:
        """Takes a command."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Takes a dead letter."""

    def close(self) -> None:
        """Puts the file in its place."""
        self._draft.close()

    def discard(self) -> None:
        """Removes the draft."""
        self._draft.discard()

    def write(self, record: Mapping[str, Any]) -> None:
        """Writes one line of JSON."""
        self._draft.write(line(record))


class FindingsFile(_File):
    """findings.jsonl: OCSF Detection Findings."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._waiting: list[Finding] = []

    def finding(self, change: FindingChange) -> None:
        """Takes a finding; some wait until there are enough to be encoded together."""
        self._waiting.append(change.finding)
        if len(self._waiting) == _TOGETHER:
            self._encode()

    def command(self, command: Command) -> None:  # noqa: ARG002 - the protocol's signature
        """Writes the findings that wait: with the first command, all findings are there."""
        self._encode()

    def close(self) -> None:
        """Writes the findings that wait, and puts the file in its place."""
        self._encode()
        super().close()

    def _encode(self) -> None:
        if not self._waiting:
            return
        for record in finding_records(self._waiting, self.run.patterns, self.run.clean):
            self.write(record)
        self._waiting.clear()


class RevocationsFile(_File):
    """revocations.jsonl: commands as CloudEvents."""

    def command(self, command: Command) -> None:
        """Writes a command."""
        self.write(command_record(command, self.run.clean))


class DeadLettersFile(_File):
    """dead-letters.jsonl: what could not be read."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Writes a dead letter. It names a source and a field, which may be anything that was read."""
        clean = self.run.clean
        record = letter.record()
        self.write(
            {name: clean(value) if isinstance(value, str) else value for name, value in record.items()}
        )


class SummaryFile(_File):
    """summary.json: the numbers of the run."""

    def close(self) -> None:
        """Writes the summary, indented for a person, and puts the file in its place."""
        record = self.run.summary.record()
        self._draft.write(dumps(record, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        super().close()


def folder_outputs(folder: Path) -> tuple[Output, ...]:
    """The four files of an output folder, which is made if need be."""
    return (
        FindingsFile(folder / FINDINGS),
        RevocationsFile(folder / REVOCATIONS),
        DeadLettersFile(folder / DEAD_LETTERS),
        SummaryFile(folder / SUMMARY),
    )
