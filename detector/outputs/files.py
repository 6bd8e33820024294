"""The files of a replay's output folder: each appears whole or not at all, and the same input gives the same bytes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from detector.outputs.command_signature import signed
from detector.outputs.commands import command_record
from detector.outputs.file_output import FileOutput
from detector.outputs.ocsf import finding_records
from detector.outputs.output import Output, Run
from detector.outputs.writers import Target, dumps, line
from detector.records.dead_letters import DeadLetter
from detector.values.findings import Command, Finding, FindingChange
from detector.values.wording import Clean

FINDINGS: Final = "findings.jsonl"
REVOCATIONS: Final = "revocations.jsonl"
DEAD_LETTERS: Final = "dead-letters.jsonl"
SUMMARY: Final = "summary.json"
_TOGETHER: Final = 1000  # findings that are encoded at once: the texts of several are cleaned as one


class FindingsFile(FileOutput):
    """findings.jsonl: OCSF Detection Findings."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._waiting: list[Finding] = []

    def finding(self, change: FindingChange) -> None:
        """Takes a finding. It waits until there are enough to encode them together."""
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
            self.write(line(record))
        self._waiting.clear()


class RevocationsFile(FileOutput):
    """revocations.jsonl: commands as CloudEvents, signed where there is a key."""

    def command(self, command: Command) -> None:
        """Writes a command."""
        self.write(_signed_command(command, self.run) + b"\n")


class DeadLettersFile(FileOutput):
    """dead-letters.jsonl: what could not be read."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Writes a dead letter."""
        self.write(line(_letter_record(letter, self.run.clean)))


class SummaryFile(FileOutput):
    """summary.json: the numbers of the run."""

    def close(self) -> None:
        """Writes the summary, indented for a person, and puts the file in its place."""
        record = self.run.summary.record()
        self.write(dumps(record, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        super().close()


class WholeDocument(FileOutput):
    """All of a run as one JSON object: `findings`, `revocations`, `dead_letters` and `summary`, each as in its file."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._findings: list[Finding] = []
        self._commands: list[Command] = []
        self._letters: list[DeadLetter] = []

    def finding(self, change: FindingChange) -> None:
        """Takes a finding."""
        self._findings.append(change.finding)

    def command(self, command: Command) -> None:
        """Takes a command."""
        self._commands.append(command)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Takes a dead letter."""
        self._letters.append(letter)

    def close(self) -> None:
        """Writes the document."""
        run = self.run
        findings = map(dumps, finding_records(self._findings, run.patterns, run.clean))
        commands = (_signed_command(each, run) for each in self._commands)
        letters = (dumps(_letter_record(each, run.clean)) for each in self._letters)
        for name, records in (("findings", findings), ("revocations", commands), ("dead_letters", letters)):
            self.write(b"{" if name == "findings" else b",")
            self.write(dumps({name: []})[1:-2])
            for number, record in enumerate(records):
                self.write((b",\n" if number else b"\n") + record)
            self.write(b"]")
        self.write(b"," + dumps({"summary": run.summary.record()})[1:] + b"\n")
        super().close()


def _signed_command(command: Command, run: Run) -> bytes:
    return signed(dumps(command_record(command, run.clean)), run.command_key)[0]


def _letter_record(letter: DeadLetter, clean: Clean) -> dict[str, Any]:
    """A dead letter. The names of its source and field come from the input, so they are cleaned."""
    return {
        name: clean(value) if isinstance(value, str) else value for name, value in letter.record().items()
    }


# The files of an output folder, by their names.
_OUTPUTS: Final[Mapping[str, type[FileOutput]]] = {
    FINDINGS: FindingsFile,
    REVOCATIONS: RevocationsFile,
    DEAD_LETTERS: DeadLettersFile,
    SUMMARY: SummaryFile,
}
FILES: Final = tuple(_OUTPUTS)


def folder_outputs(target: Callable[[str], Target]) -> tuple[Output, ...]:
    """The outputs of a folder, given the target of each name in it."""
    return tuple(output(target(name)) for name, output in _OUTPUTS.items())
