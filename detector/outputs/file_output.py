"""An output that is one file: it appears whole on `close`, or not at all.

A file of your own is a subclass that writes what it wants of `finding`, `command` and `dead_letter`.
"""

from pathlib import Path

from detector.outputs.output import Run
from detector.outputs.writers import Draft, Target
from detector.records.dead_letters import DeadLetter
from detector.terminal.output import shown, why
from detector.values.errors import UsageError
from detector.values.findings import Command, FindingChange


class FileOutput:
    """An output that is one file, or goes to standard output.

    It takes findings, commands and dead letters, and writes none of them.
    """

    def __init__(self, target: Target) -> None:
        self._draft = Draft(target) if isinstance(target, Path) else target
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
        if isinstance(self._draft, Draft):
            folder = self._draft.path.parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"cannot make the output folder {shown(folder)}: {why(error)}") from error
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

    def write(self, data: bytes) -> None:
        """Adds bytes to the file.

        Raises:
            UsageError: they cannot be written.
        """
        self._draft.write(data)
