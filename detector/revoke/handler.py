"""The revoker on Kafka: commands come in, cases and outcomes go out, each change in one transaction with its offset.

A command is taken, and in the same transaction it may be decided over; a provider is asked only after the commit.
What a turn changed is written at the next tick. The state topic has the case of each command under its id, in the
partition with the number of the command's, so whoever has a partition of commands has its cases.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from detector.configuration.revoke_settings import RevokeSettings
from detector.kafka.changelog import Changelog, pairs_in
from detector.kafka.handlers import Output, Partition, Refusal
from detector.records.dead_letters import DeadLetter
from detector.revoke.audit_records import Recorder
from detector.revoke.command_masker import CommandMasker
from detector.revoke.executor import Change, Executor
from detector.revoke.outcomes import Outcome, outcome_event, outcome_key, revoked_event, revoked_key
from detector.revoke.reader import appended_at, read_command
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.stored_cases import case_record, last_cases
from detector.service.scan.dead_letter_records import dead_letter_output, refusal_letter
from detector.values.errors import BadRecordError, StopError

STAGE: Final = "revoke"


class RevokeTopics(msgspec.Struct, frozen=True):
    """Where the revoker writes."""

    state: str = "curfewd.revocation-state"
    outcomes: str = "curfewd.revocation-outcomes"
    dead_letters: str = "curfewd.dead-letters"


class Told(msgspec.Struct, frozen=True):
    """An outcome that was written, for observers."""

    command: RevocationCommand
    outcome: Outcome


class RevokeHandler:
    """Handles the topic of commands.

    `masker` masks what comes in, `clock` gives ns, `settings` those in force: a reload may change them.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it works with
        self,
        topics: RevokeTopics,
        executor: Executor,
        changelog: Changelog,
        recorder: Recorder,
        masker: CommandMasker,
        clock: Callable[[], int],
        *,
        settings: Callable[[], RevokeSettings],
    ) -> None:
        self._topics = topics
        self._executor = executor
        self._changelog = changelog
        self._recorder = recorder
        self._masker = masker
        self._clock = clock
        self._settings = settings

    async def assigned(self, partition: Partition) -> None:
        """Restores the partition's cases."""
        span = await self._changelog.span(partition.number)
        read = self._changelog.read(partition.number, span.first)
        changes = [change async for some in read for change in pairs_in(some)]
        cases = last_cases(changes, f"topic {self._topics.state}, partition {partition.number},")
        self._executor.restore(partition.number, map(self._masker.case, cases.values()))

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        """Takes new commands, and begins what may begin."""
        now, outputs = self._clock(), []
        for record in records:
            appended = appended_at(record.headers, record.timestamp)
            try:
                command = self._masker.command(read_command(record.value, now, appended, self._settings()))
            except BadRecordError as error:
                letter = DeadLetter.of(error, partition.topic)
                letter = msgspec.structs.replace(letter, partition=partition.number, offset=record.offset)
                outputs.append(dead_letter_output(self._topics.dead_letters, letter))
                continue
            self._executor.take(command, partition.number, now)
        return outputs + await self._changes(partition, now)

    async def tick(self, partition: Partition, now: int, *, caught_up: int = 0) -> list[Output]:  # noqa: ARG002 - the protocol's signature
        """Writes what turns changed, and begins what may begin."""
        return await self._changes(partition, now)

    async def committed(self, partition: Partition, offset: int | None) -> None:  # noqa: ARG002 - the protocol's
        """Only now providers are asked."""
        self._executor.committed(partition.number)

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """Writes a dead letter for a refused record.

        Raises:
            StopError: a case or an outcome is too large. Both are bounded, so the topic's limit is wrong.
        """
        output = refusal.output
        if output is not None and output.topic != self._topics.dead_letters:
            raise StopError(
                f"a record of ours for {output.topic} is larger than the {refusal.limit} bytes that it accepts: is the "
                "topic's max.message.bytes below kafka.record_bytes?"
            )
        return [dead_letter_output(self._topics.dead_letters, refusal_letter(partition, refusal))]

    async def revoked(self, partition: Partition) -> None:
        """Forgets the partition, and ends its turns."""
        await self._executor.drop(partition.number)

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - the protocol's
        """Nothing: all that is left over is in the state."""
        return ""

    async def _changes(self, partition: Partition, now: int) -> list[Output]:
        if self._executor.failure is not None:
            raise StopError(f"nothing more is revoked: {self._executor.failure}")
        changes = self._executor.pump(partition.number, now)
        await self._recorder.outcomes(changes)
        return [output for change in changes for output in self._written(change, partition.number)]

    def _written(self, change: Change, number: int) -> list[Output]:
        key = outcome_key(change.id)
        if change.case is None:
            return [Output(self._topics.state, key, None, partition=number)]
        command = change.case.command
        outputs = [Output(self._topics.state, key, case_record(change.case), partition=number)]
        for outcome in change.outcomes:
            event = outcome_event(command, outcome, self._recorder.clean, self._recorder.log.head)
            told = Told(command, outcome)
            outputs.append(Output(self._topics.outcomes, key, event, partition=number, fact=told))
            if outcome.revoked:
                dead = revoked_event(command, outcome)
                outputs.append(Output(self._topics.outcomes, revoked_key(change.id), dead, partition=number))
        return outputs
