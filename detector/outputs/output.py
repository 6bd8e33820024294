"""The protocol of an output, and what drives one: the same for `curfewd replay` and for the service.

    open → finding, command, dead_letter … → close

Replay opens its outputs once. The service opens one for each aggregate that it judges, and what it gave is part of the
Kafka transaction. Findings stay typed until an output writes them.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Protocol

import msgspec

from detector.judge.rules.titles import Patterns
from detector.outputs.summary import Summary
from detector.records.dead_letters import DeadLetter
from detector.values.findings import Command, Finding, FindingChange
from detector.values.secrets import DeploymentKey
from detector.values.wording import Clean


class Run(msgspec.Struct, frozen=True):
    """What an output needs to put findings into words, and what is known of the run as a whole.

    `patterns` by id. `clean` masks every known secret in a text: no text of an event may be written without it.
    `summary` has the numbers of a replay, `until` the time judged up to (ns, 0 if unknown). `command_key` signs
    commands; None without a deployment key (`detector.outputs.command_signature.signing_key`).
    """

    patterns: Patterns
    clean: Clean
    summary: Summary = Summary()
    until: int = 0
    command_key: DeploymentKey | None = None


class Output(Protocol):
    """Writes findings, commands and dead letters somewhere: to a file, a page, a topic.

    What it writes appears whole, on `close`, or not at all. `discard` takes the place of `close` if the run fails.
    """

    def open(self, run: Run) -> None:
        """Begins. An output that cannot write says so here, not at the end."""

    def finding(self, change: FindingChange) -> None:
        """Takes a finding that is new, has changed or was closed. In a replay all are new."""

    def command(self, command: Command) -> None:
        """Takes a request to revoke a credential."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Takes a record that could not be read: where it stood and why, never what it was."""

    def close(self) -> None:
        """Completes what was written."""

    def discard(self) -> None:
        """Forgets what was written. An output that was closed has nothing to forget."""


def write_run(
    outputs: Sequence[Output],
    run: Run,
    findings: Iterable[Finding],
    commands: Iterable[Command],
    letters: Iterable[DeadLetter],
) -> None:
    """Gives all that a replay found to the outputs, in the order in which each came.

    Raises:
        UsageError: an output cannot be written. The outputs before it are complete, those after it unchanged.
    """
    with ExitStack() as stack:
        for output in outputs:
            stack.callback(output.discard)
            output.open(run)
        for finding in findings:
            change = FindingChange("created", finding)
            for output in outputs:
                output.finding(change)
        for command in commands:
            for output in outputs:
                output.command(command)
        for letter in letters:
            for output in outputs:
                output.dead_letter(letter)
        for output in outputs:
            output.close()
