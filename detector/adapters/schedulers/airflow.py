"""Airflow task instances, as its REST API shows them and as a short listener writes them.

Fields are those of `TaskInstanceResponse` (Airflow REST API, versions 1 and 2): `dag_id`, `dag_run_id`, `task_id`,
`try_number`, `map_index`, `state`, `start_date`, `end_date`. Each try is a task of its own. A task that is deferred,
or waits to be scheduled again, goes on in the same try.
"""

from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import maybe_text, text, time
from detector.adapters.schedulers.openlineage import airflow_name
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted

_OUTCOMES: Final = {
    "success": "succeeded",
    "failed": "failed",
    "up_for_retry": "failed",  # this try did
    "upstream_failed": "cancelled",
    "skipped": "cancelled",
    "removed": "cancelled",
    "restarting": "cancelled",
}
_WAITING: Final = frozenset({"scheduled", "queued", "deferred", "shutdown", "up_for_reschedule"})


def looks_like(record: Record) -> bool:
    """Whether an object is a task instance."""
    return all(name in record for name in ("dag_id", "dag_run_id", "task_id", "try_number", "state"))


def known(record: Record) -> bool:
    """Whether its state is known. A task instance that nobody has scheduled yet has none."""
    state = record["state"]
    return state is None or (
        isinstance(state, str) and (state == "running" or state in _OUTCOMES or state in _WAITING)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start or end of one try.

    Raises:
        BadRecordError: a field that such an object has is missing or wrong.
    """
    state = maybe_text(record, "state")
    if state != "running" and state not in _OUTCOMES:
        return []
    dag, run, task, number = (text(record, key) for key in ("dag_id", "dag_run_id", "task_id", "try_number"))
    name = airflow_name(dag, run, task, number, maybe_text(record, "map_index"))
    if state == "running":
        when = time(record, "start_date", now)
        return [
            TaskStarted(
                time=when,
                source="airflow",
                id=f"{name.task_id}/started/{when}",
                task_id=name.task_id,
                kind=name.kind,
                owner=maybe_text(record, "owner"),
                workload=maybe_text(record, "hostname"),
                parent_task_id=name.parent,
            )
        ]
    when = time(record, "end_date", now)
    return [
        TaskEnded(
            time=when,
            source="airflow",
            id=f"{name.task_id}/ended/{when}",
            task_id=name.task_id,
            outcome=_OUTCOMES[state],
        )
    ]


ADAPTER: Final = Adapter("airflow", (b'"dag_run_id"',), looks_like, translate, known, type_at=("state",))
