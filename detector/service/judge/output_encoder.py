"""The records that the judge stage writes for others: findings and commands, and what is kept of a finding told."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from detector.judge.routing import ReportedFinding
from detector.outputs.advice import Patterns, lead
from detector.outputs.commands import command_record
from detector.outputs.ocsf import CLOSE, CREATE, UPDATE, finding_record
from detector.outputs.writers import dumps
from detector.values.findings import Command, Finding
from detector.values.wording import Clean

_ACTIVITY = ("activity_id", "activity_name", "type_uid", "type_name")


class OutputEncoder:
    """Makes records: `patterns` by id and `clean` as in `finding_record`."""

    def __init__(self, patterns: Patterns, clean: Clean) -> None:
        self._patterns = patterns
        self._clean = clean

    def finding(
        self, finding: Finding, before: ReportedFinding | None
    ) -> tuple[bytes, ReportedFinding] | None:
        """The record of a new or changed finding, and what to remember; None if it says what was told before."""
        record = finding_record(finding, self._patterns, self._clean, CREATE if before is None else UPDATE)
        digest = _digest(record)
        if before is not None and before.digest == digest:
            return None
        return dumps(record), ReportedFinding(
            digest, msgspec.structs.replace(finding, evidences=(lead(finding),))
        )

    def closed(self, told: ReportedFinding) -> bytes:
        """The record that closes a finding."""
        return dumps(finding_record(told.finding, self._patterns, self._clean, CLOSE))

    def command(self, command: Command) -> bytes:
        """The record of a command."""
        return dumps(command_record(command, self._clean))


def _digest(record: Mapping[str, Any]) -> str:
    """Of all that a record says but whether it is the first."""
    said = {name: value for name, value in record.items() if name not in _ACTIVITY}
    return hashlib.blake2b(dumps(said), digest_size=16).hexdigest()
