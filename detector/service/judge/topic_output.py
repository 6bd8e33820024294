"""The service's output: findings, commands and dead letters as records of their Kafka topics."""

import hashlib
from typing import Any, Final

import msgspec

from detector.kafka.handlers import Output as TopicRecord
from detector.outputs.commands import command_record
from detector.outputs.ocsf import CREATE, UPDATE, activity_fields, change_record, finding_record
from detector.outputs.output import Run
from detector.outputs.writers import dumps
from detector.records.dead_letters import DeadLetter
from detector.values.findings import Command, Finding, FindingChange

APPENDED: Final = "curfewd-appended"
"""The header of a command that says when the record that led to it was appended, in ms since the epoch."""

_ACTIVITY_FIELDS: Final = activity_fields(CREATE).keys()
_UPDATE: Final = activity_fields(UPDATE)


class OutputTopics(msgspec.Struct, frozen=True):
    """The names of the topics."""

    findings: str = "curfewd.findings"
    revocations: str = "curfewd.revocations"
    dead_letters: str = "curfewd.dead-letters"


class TopicOutput:
    """Collects `records` for the Kafka transaction that the handler is in, which makes them appear whole or not at all.

    Each finding's record is made once: for the digest that tells whether it has changed, and for the topic.
    `appended_ms` is when the input record behind the next commands appeared, None if time alone led to them. Whoever
    carries a command out measures from there how long the credential was exposed.
    """

    __slots__ = ("_made", "_run", "_topics", "appended_ms", "records")

    def __init__(self, topics: OutputTopics, run: Run) -> None:
        self._topics = topics
        self.open(run)

    def open(self, run: Run) -> None:
        """Begins with no records."""
        self._run = run
        self.appended_ms: int | None = None
        self._made: dict[str, dict[str, Any]] = {}
        self.records: list[TopicRecord] = []

    def digest(self, finding: Finding) -> str:
        """A digest of all that the finding's record says, except for the activity."""
        record = self._made[finding.uid] = finding_record(finding, self._run.patterns, self._run.clean)
        lasting = {name: value for name, value in record.items() if name not in _ACTIVITY_FIELDS}
        return hashlib.blake2b(dumps(lasting), digest_size=16).hexdigest()

    def finding(self, change: FindingChange) -> None:
        """Adds the record of a change, under the finding's uid."""
        record = None if change.activity == "closed" else self._made.get(change.finding.uid)
        if record is None:
            record = change_record(change, self._run.patterns, self._run.clean)
        elif change.activity == "updated":
            record = record | _UPDATE
        key = change.finding.uid.encode()
        self.records.append(TopicRecord(self._topics.findings, key, dumps(record), fact=change))

    def command(self, command: Command) -> None:
        """Adds the record of a command, under the credential's id."""
        value = dumps(command_record(command, self._run.clean))
        key = command.credential.credential_id.encode()
        at = self.appended_ms
        headers = () if at is None else ((APPENDED, str(at).encode()),)
        self.records.append(TopicRecord(self._topics.revocations, key, value, headers, fact=command))

    def dead_letter(self, letter: DeadLetter) -> None:
        """Adds the record of a dead letter."""
        self.records.append(TopicRecord(self._topics.dead_letters, None, dumps(letter.record()), fact=letter))

    def close(self) -> None:
        """Does nothing: the commit of the transaction completes the output."""

    def discard(self) -> None:
        """Forgets the records."""
        self.records.clear()
