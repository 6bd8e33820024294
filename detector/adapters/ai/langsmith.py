"""LangSmith's runs: what an agent, its tools and its models did.

Records as `POST /runs/query` gives them, as a bulk export has them (docs.langchain.com, "Run (span) data format"), and
as SDKs send them: alone, or in lists under `post` and `patch` (langchain-ai/langsmith-sdk, `schemas.py`,
`client.py`). All have `dotted_order`. The run that has the id of its trace is the root.
"""

from typing import Any, Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ai.runs import AGENT, STEP, TOOL_CALL, run_text
from detector.adapters.fields import maybe_text, maybe_time, text
from detector.adapters.pages import pages_of
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText
from detector.records.timestamps import log_time
from detector.values.events import CanonicalEvent

SOURCE: Final = "langsmith"
_MARKS: Final = (b'"dotted_order"',)
_FAILED: Final = "error"


def looks_like(record: Record) -> bool:
    """Whether an object is a run, or a change of one."""
    return all(isinstance(record.get(name), str) for name in ("dotted_order", "trace_id", "id"))


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and end of a run.

    Raises:
        BadRecordError: a field that a run has is missing or wrong.
    """
    own, trace = text(record, "id"), text(record, "trace_id")
    project = maybe_text(record, "session_id")
    run = TaskRun(
        source=f"{SOURCE}/{project}" if project else SOURCE,
        task_id=_task(own),
        kind=_kind_of(record),
        started=maybe_time(record, "start_time", now),
        ended=maybe_time(record, "end_time", now),
        outcome="failed" if record.get("error") or record.get("status") == _FAILED else "succeeded",
        parent=None if own == trace else _task(maybe_text(record, "parent_run_id") or trace),
        owner=maybe_text(record, "name"),
    )
    return run.events()


def scanned(record: Record, now: int) -> LogText | None:
    """What went into the run and came out of it."""
    when: Any = record.get("end_time") or record.get("start_time")
    return run_text(record, now, _task(str(record["id"])), log_time(when))


def _kind_of(record: Record) -> str:
    if record.get("run_type") == "tool":
        return TOOL_CALL
    return AGENT if record["id"] == record["trace_id"] else STEP


def _task(run: str) -> str:
    return f"langsmith/{run}"


ADAPTER: Final = Adapter(SOURCE, _MARKS, looks_like, translate, text=scanned, kind=lambda _: "run")
CARRIERS: Final = (pages_of(SOURCE, _MARKS, looks_like, "runs", "post", "patch"),)
