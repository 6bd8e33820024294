"""A whole run, for outputs that must know all of it before they write: the HTML page, SARIF, the terminal."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from detector.judge.rules.titles import Patterns
from detector.outputs.output import Run
from detector.outputs.summary import Summary
from detector.records.dead_letters import DeadLetter
from detector.values.findings import Command, Finding, FindingChange, Resolution, Severity
from detector.values.wording import Clean

MAX_LETTERS: Final = 200


class Report(msgspec.Struct, frozen=True):
    """All findings and commands of a run, its numbers, and the folder its files went to (None: there is none).

    `patterns` by id and `clean` are what the findings are put into words with. `letters` are the first dead letters,
    `until` is the time judged up to (ns, 0 if unknown).
    """

    findings: Sequence[Finding]
    commands: Sequence[Command]
    summary: Summary
    patterns: Patterns
    clean: Clean
    out: str | None = None
    letters: Sequence[DeadLetter] = ()
    until: int = 0


def proved_dead(findings: Iterable[Finding], commands: Iterable[Command]) -> dict[str, int]:
    """When credentials were proved dead (ns), by id: those whose commands are all carried out.

    Each finding that a command names is resolved, and nothing above low was seen of the credential since.
    """
    known = {one.uid: one for one in findings}
    proofs: dict[str, list[Resolution | None]] = {}
    for command in commands:
        named = [known.get(uid) for uid in command.finding_uids]
        made = proofs.setdefault(command.credential.credential_id, [])
        made += [None if one is None else one.resolution for one in named]
    dead = {
        name: max(one.time for one in made if one is not None)
        for name, made in proofs.items()
        if made and None not in made
    }
    for one in known.values():
        name = "" if one.credential is None else one.credential.credential_id
        stands = one.resolution is None and one.accepted is None and one.severity > Severity.LOW
        if stands and one.last_seen > dead.get(name, one.last_seen):
            del dead[name]
    return dead


class ReportOutput:
    """An output that collects the run and writes one report of it on `close`."""

    def __init__(self, write: Callable[[Report], None], out: str | None = None) -> None:
        self._write = write
        self._out = out
        self._run: Run | None = None
        self._findings: list[Finding] = []
        self._commands: list[Command] = []
        self._letters: list[DeadLetter] = []

    def open(self, run: Run) -> None:
        """Begins a report."""
        self._run = run

    def finding(self, change: FindingChange) -> None:
        """Takes a finding."""
        self._findings.append(change.finding)

    def command(self, command: Command) -> None:
        """Takes a command."""
        self._commands.append(command)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Takes a dead letter; a report shows the first of them only."""
        if len(self._letters) < MAX_LETTERS:
            self._letters.append(letter)

    def close(self) -> None:
        """Writes the report.

        Raises:
            UsageError: it cannot be written.
            RuntimeError: the output is not open.
        """
        run = self._run
        if run is None:
            raise RuntimeError("the output is not open")
        self._write(
            Report(
                self._findings,
                self._commands,
                run.summary,
                run.patterns,
                run.clean,
                None if self._out is None else run.clean(self._out),
                self._letters,
                run.until,
            )
        )

    def discard(self) -> None:
        """Does nothing: nothing is written before `close`."""
