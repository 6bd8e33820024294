"""What the judge stage reports of its outputs and of each committed transaction: for metrics and the live view."""

from collections import Counter
from typing import Any, Literal

import msgspec

from detector.judge.totals import Totals
from detector.values.findings import Activity, Finding


class FindingReport(msgspec.Struct, frozen=True):
    """The finding that one output writes. `record` is its OCSF record; nobody may change it."""

    finding: Finding
    activity: Activity
    record: dict[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether the record has the status `Suppressed`: the finding is open, and somebody has accepted it."""
        return self.activity != "closed" and self.finding.accepted is not None


class CommandReport(msgspec.Struct, frozen=True):
    """The command that one output writes. `record` is its CloudEvent; nobody may change it."""

    escalated: bool
    record: dict[str, Any]


class OutputCause(msgspec.Struct, frozen=True):
    """Says when the input record appeared that led to a finding or command.

    `began_ms` is Unix time; `uid` is that of the finding, or of the first finding behind the command.
    """

    kind: Literal["finding", "command"]
    uid: str
    began_ms: int


class JudgedTransaction(msgspec.Struct, frozen=True):
    """One committed transaction of one partition of work.

    `late` counts events that came more than the lateness after the watermark. `expired` counts by source the events
    that no credential claimed in time. `cached` says how much of the state is in memory. `totals` and `disk` (bytes)
    cover the whole partition. `causes` lists the outputs that records led to, not those that time alone led to.
    """

    partition: int
    late: int = 0
    expired: Counter[str] = msgspec.field(default_factory=Counter)
    watermark: int | None = None
    cached: int = 0
    totals: Totals = Totals()
    disk: int = 0
    causes: tuple[OutputCause, ...] = ()
