"""The runs of agents and their steps, as tracing services record them: each is a task, its texts are scanned.

The agent's own process writes them. So their tasks have names that no other source uses, and whoever can write such
records can start and end no other task.
"""

from typing import Final

import msgspec

from detector.adapters.adapter import Record
from detector.records.log_records import LogText, log_record
from detector.values.events import MAX_FUTURE

AGENT: Final = "agent"
STEP: Final = "agent-step"
TOOL_CALL: Final = "tool-call"


def run_text(record: Record, now: int, task_id: str | None, time: int | None) -> LogText | None:
    """Every text in a record: what went into the run and what came out of it.

    A time (ns) that is still to come is none.
    """
    log = log_record(record, now).log
    if log is None:
        return None
    known = time if time is not None and time <= now + MAX_FUTURE else None
    return msgspec.structs.replace(log, time=known, task_id=task_id)
