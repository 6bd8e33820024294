"""Writes the judge stage's findings and commands as the records of their topics."""

import hashlib
from typing import Any, Final

from detector.judge.rules.titles import Patterns
from detector.outputs.commands import command_record
from detector.outputs.ocsf import CREATE, UPDATE, activity_fields, change_record, finding_record
from detector.outputs.writers import dumps
from detector.values.findings import Command, Finding, FindingChange
from detector.values.wording import Clean

_ACTIVITY_FIELDS: Final = activity_fields(CREATE).keys()
_UPDATE: Final = activity_fields(UPDATE)


class OutputEncoder:
    """Makes records; `patterns` by id and `clean` as in `finding_record`."""

    def __init__(self, patterns: Patterns, clean: Clean) -> None:
        self._patterns = patterns
        self._clean = clean

    def findings(self) -> "FindingRecords":
        """Makes the records of the findings of one judgement."""
        return FindingRecords(self._patterns, self._clean)

    def command(self, command: Command) -> bytes:
        """The record of a command."""
        return dumps(command_record(command, self._clean))


class FindingRecords:
    """Makes each finding's record once: for the digest that tells whether it has changed, and for the output."""

    __slots__ = ("_clean", "_made", "_patterns")

    def __init__(self, patterns: Patterns, clean: Clean) -> None:
        self._patterns = patterns
        self._clean = clean
        self._made: dict[str, dict[str, Any]] = {}

    def digest(self, finding: Finding) -> str:
        """A digest of all that the record says, except for the activity."""
        record = self._made[finding.uid] = finding_record(finding, self._patterns, self._clean)
        lasting = {name: value for name, value in record.items() if name not in _ACTIVITY_FIELDS}
        return hashlib.blake2b(dumps(lasting), digest_size=16).hexdigest()

    def encoded(self, change: FindingChange) -> bytes:
        """The record of a change. If `digest` was asked about the finding, what it made is used."""
        record = None if change.activity == "closed" else self._made.get(change.finding.uid)
        if record is None:
            return dumps(change_record(change, self._patterns, self._clean))
        return dumps(record if change.activity == "created" else record | _UPDATE)
