"""The runs of agents and their steps, as tracing services record them: each is a task, its texts are scanned.

The agent's own process writes them. So their tasks have names that no other source uses, and whoever can write such
records can start and end no other task.
"""

from typing import Final

import msgspec

from detector.adapters.adapter import Record
from detector.records.log_records import LogText, log_record
from detector.values.events import MAX_FUTURE, CanonicalEvent, TaskEnded, TaskStarted

AGENT: Final = "agent"
STEP: Final = "agent-step"
TOOL_CALL: Final = "tool-call"


class Run(msgspec.Struct, frozen=True):
    """One run as its record tells it; `began` and `ended` (ns) are None where the record does not say them.

    `group` is what the runs of one conversation share.
    """

    source: str
    task_id: str
    kind: str
    began: int | None
    ended: int | None
    failed: bool
    parent: str | None = None
    owner: str | None = None
    group: str | None = None

    def events(self) -> list[CanonicalEvent]:
        """The start and the end that the record tells. A copy of the record gives the same events."""
        events: list[CanonicalEvent] = []
        if self.began is not None:
            events.append(
                TaskStarted(
                    time=self.began,
                    source=self.source,
                    id=f"{self.task_id}/started",
                    task_id=self.task_id,
                    kind=self.kind,
                    owner=self.owner,
                    parent_task_id=self.parent,
                    group=self.group,
                )
            )
        if self.ended is not None:
            events.append(
                TaskEnded(
                    time=self.ended,
                    source=self.source,
                    id=f"{self.task_id}/ended",
                    task_id=self.task_id,
                    outcome="failed" if self.failed else "succeeded",
                )
            )
        return events


def run_text(record: Record, now: int, task_id: str | None, time: int | None) -> LogText | None:
    """Every text in a record: what went into the run and what came out of it. A time (ns) that is still to come is none."""
    log = log_record(record, now).log
    if log is None:
        return None
    known = time if time is not None and time <= now + MAX_FUTURE else None
    return msgspec.structs.replace(log, time=known, task_id=task_id)
