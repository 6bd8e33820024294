"""Writes the judge stage's findings and commands as the records of their topics."""

import hashlib
from typing import Any, Final

from detector.judge.rules.titles import Patterns
from detector.outputs.commands import command_record
from detector.outputs.ocsf import CLOSE, CREATE, UPDATE, activity_fields, finding_record
from detector.outputs.writers import dumps
from detector.service.judge.reports import CommandReport, FindingReport
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

    def command(self, command: Command) -> tuple[bytes, CommandReport]:
        """The record of a command, encoded and as a report."""
        record = command_record(command, self._clean)
        return dumps(record), CommandReport(command.escalated, record)


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

    def encoded(self, change: FindingChange) -> tuple[bytes, FindingReport]:
        """The record of a change, encoded and as a report."""
        finding, activity = change.finding, change.activity
        if activity == "closed":
            record = finding_record(finding, self._patterns, self._clean, CLOSE)
        else:
            record = self._made.get(finding.uid) or finding_record(finding, self._patterns, self._clean)
            if activity == "updated":
                record |= _UPDATE
        return dumps(record), FindingReport(finding, activity, record)
