"""The service's output: findings, commands and dead letters as records of their Kafka topics."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from detector.kafka.handlers import Output as TopicRecord
from detector.outputs.command_signature import HEADER, signed
from detector.outputs.commands import command_record, command_record_with
from detector.outputs.ocsf import CREATE, UPDATE, activity_fields, change_record, lasting_record_with
from detector.outputs.output import Run
from detector.outputs.writers import dumps
from detector.records.dead_letters import DeadLetter
from detector.values.findings import Command, Finding, FindingChange
from detector.values.wording import Clean, cleanly

APPENDED: Final = "curfewd-appended"
"""The header of a command that says when the record that led to it was appended, in ms since the epoch."""

_HEADS: Final = {
    activity: dumps(activity_fields(number))[:-1] + b","
    for activity, number in (("created", CREATE), ("updated", UPDATE))
}


class OutputTopics(msgspec.Struct, frozen=True):
    """The names of the topics."""

    findings: str = "curfewd.findings"
    revocations: str = "curfewd.revocations"
    dead_letters: str = "curfewd.dead-letters"


class TopicOutput:
    """Collects `records` for the Kafka transaction that the handler is in, which makes them appear whole or not at all.

    What is drafted is cleaned together, and each finding is written once: for the digest that tells whether it has
    changed, and for the topic. `appended_ms` is when the input record behind the next commands appeared, None if time
    alone led to them. Whoever carries a command out measures from there how long the credential was exposed.
    """

    __slots__ = ("_commands", "_findings", "_run", "_topics", "appended_ms", "records")

    def __init__(self, topics: OutputTopics, run: Run) -> None:
        self._topics = topics
        self.open(run)

    def open(self, run: Run) -> None:
        """Begins with no records."""
        self._run = run
        self.appended_ms: int | None = None
        self._findings: dict[str, bytes] = {}  # by uid, without the activity
        self._commands: dict[str, bytes] = {}  # by id
        self.records: list[TopicRecord] = []

    def draft(self, findings: Sequence[Finding], commands: Sequence[Command] = ()) -> None:
        """Writes records that may be needed. One search cleans the texts of all."""
        if not findings and not commands:
            return
        patterns = self._run.patterns

        def made(clean: Clean) -> tuple[dict[str, bytes], dict[str, bytes]]:
            # Encoded one by one: the objects of one record take the memory of those before it, which is in the cache.
            return (
                {each.uid: dumps(lasting_record_with(each, patterns, clean)) for each in findings},
                {each.id: dumps(command_record_with(each, clean)) for each in commands},
            )

        found, sent = cleanly(made, self._run.clean)
        self._findings |= found
        self._commands |= sent

    def digest(self, finding: Finding) -> str:
        """A digest of all that the finding's record says, except for the activity."""
        uid = finding.uid
        if uid not in self._findings:
            self.draft([finding])
        return hashlib.blake2b(self._findings[uid], digest_size=16).hexdigest()

    def finding(self, change: FindingChange) -> None:
        """Adds the record of a change, under the finding's uid."""
        uid = change.finding.uid
        lasting = self._findings.get(uid)
        if change.activity == "closed" or lasting is None:
            value = dumps(change_record(change, self._run.patterns, self._run.clean))
        else:
            value = _HEADS[change.activity] + lasting[1:]
        self.records.append(TopicRecord(self._topics.findings, uid.encode(), value, fact=change))

    def command(self, command: Command) -> None:
        """Adds the record of a command, under the credential's id. Its signature is a member and a header."""
        drafted = self._commands.get(command.id) or dumps(command_record(command, self._run.clean))
        value, signature = signed(drafted, self._run.command_key)
        key = command.credential.credential_id.encode()
        at = self.appended_ms
        headers = [] if at is None else [(APPENDED, str(at).encode())]
        if signature:
            headers.append((HEADER, signature.encode()))
        self.records.append(TopicRecord(self._topics.revocations, key, value, tuple(headers), fact=command))

    def deleted(self, uid: str) -> None:
        """Adds the tombstone of a finding's record."""
        self.records.append(TopicRecord(self._topics.findings, uid.encode(), None))

    def taken(self) -> list[TopicRecord]:
        """The records so far, to be written before those that follow."""
        records, self.records = self.records, []
        return records

    def dead_letter(self, letter: DeadLetter) -> None:
        """Adds the record of a dead letter."""
        self.records.append(TopicRecord(self._topics.dead_letters, None, dumps(letter.record()), fact=letter))

    def close(self) -> None:
        """Does nothing: the commit of the transaction completes the output."""

    def discard(self) -> None:
        """Forgets the records."""
        self.records.clear()
