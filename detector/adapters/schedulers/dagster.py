"""Dagster: runs and their steps, from its event log.

Records are entries of the event log, as the column `event` of the table `event_logs` has them (`EventLogEntry` of
Dagster 1; in it a run's events are still called `PIPELINE_START` and so on). A step that is retried goes on in the same
task. What a run prints by its JSON logger is never an event: it is the word of the run itself.
"""

from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText, whole_record
from detector.values.events import CanonicalEvent

_STARTS: Final = frozenset({"PIPELINE_START", "STEP_START"})
_ENDS: Final = {
    "PIPELINE_SUCCESS": "succeeded",
    "PIPELINE_FAILURE": "failed",
    "PIPELINE_CANCELED": "cancelled",
    "STEP_SUCCESS": "succeeded",
    "STEP_FAILURE": "failed",
    "STEP_SKIPPED": "cancelled",
}
_KINDS: Final = {
    "PIPELINE": "run",
    "RUN": "run",
    "STEP": "step",
    "ENGINE": "engine",
    "ASSET": "asset",
    "RESOURCE": "resource",
    "ALERT": "alert",
    "FRESHNESS": "asset",
    "HANDLED": "output",
    "HOOK": "hook",
    "LOADED": "input",
    "LOGS": "logs",
    "OBJECT": "object store",
}


def looks_like(record: Record) -> bool:
    """Whether an object is an entry of the event log."""
    return record.get("__class__") == "EventLogEntry" and "dagster_event" in record and "run_id" in record


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start or end of a run or a step.

    Raises:
        BadRecordError: a field that such an entry has is missing or wrong.
    """
    kind = maybe_text(record, "dagster_event.event_type_value") or ""
    if kind not in _STARTS and kind not in _ENDS:
        return []
    name, when = f"dagster/{text(record, 'run_id')}", time(record, "timestamp", now)
    is_step = kind.startswith("STEP_")
    run = TaskRun(
        source="dagster",
        task_id=f"{name}/{text(record, 'dagster_event.step_key')}" if is_step else name,
        kind="dagster-step" if is_step else "dagster-run",
        started=when if kind in _STARTS else None,
        ended=None if kind in _STARTS else when,
        outcome=_ENDS.get(kind),
        workload=maybe_text(record, "dagster_event.pipeline_name"),
        parent=name if is_step else None,
    )
    return run.events()


def scanned(record: Record, _now: int) -> LogText:
    """What an entry says: messages of the run, and what its events hold."""
    run = record["run_id"]
    task_id = f"dagster/{run}" if isinstance(run, str) and run else None
    return whole_record(record, record.get("timestamp"), task_id)


def _kind(record: Record) -> str | None:
    """What an entry is about."""
    kind = find(record, "dagster_event.event_type_value")
    return _KINDS.get(kind.partition("_")[0]) if isinstance(kind, str) else "message"


ADAPTER: Final = Adapter(
    "dagster",
    (b'"EventLogEntry"',),
    looks_like,
    translate,
    text=scanned,
    kind=_kind,
    type_at=("dagster_event.event_type_value",),
)
