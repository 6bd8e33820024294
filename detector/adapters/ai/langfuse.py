"""Langfuse's traces and observations: what an agent, its tools and its models did.

Records as the API gives them (`GET /api/public/traces/{id}`, `/observations`, `/v2/observations`; langfuse/langfuse,
`fern/apis/server/definition`), as the button of the trace's page saves them (`{"trace": …, "observations": […]}`), as
the export to blob storage writes them (its names have underscores), and as SDKs send them to `POST
/api/public/ingestion`: alone, or in a `batch`.

A trace has no end of its own. It is known only where a trace is given whole, with all its observations. SDKs need not
name the trace of an observation; then nothing can name its task.
"""

from collections.abc import Iterator
from typing import Any, Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ai.runs import AGENT, STEP, TOOL_CALL, run_text
from detector.adapters.fields import maybe_text, maybe_time, text, time
from detector.adapters.pages import pages_of
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent

SOURCE: Final = "langfuse"
_ENVELOPE: Final = ("id", "type", "timestamp")
_TRACE: Final = "trace-create"
_MOMENT: Final = "EVENT"  # an observation without an end
_OTHERS: Final = ("score-create", "event-create", "sdk-log", "dataset-run-item-create")
_SENT: Final = frozenset(
    {_TRACE, *_OTHERS}
    | {
        f"{kind}-create"
        for kind in ("agent", "tool", "chain", "retriever", "evaluator", "embedding", "guardrail")
    }
    | {f"{kind}-{what}" for kind in ("span", "generation", "observation") for what in ("create", "update")}
)
_MARKS: Final = (
    b'"parentObservationId"',
    b'"parent_observation_id"',
    *(f'"{kind}"'.encode() for kind in sorted(_SENT)),
)
_KINDS: Final = {"AGENT": AGENT, "TOOL": TOOL_CALL}
_FAILED: Final = "ERROR"


def looks_like(record: Record) -> bool:
    """Whether an object is an observation, a trace with its observations, or an event of the ingestion API."""
    return _is_sent(record) or _is_observation(record) or _is_whole(record)


def _is_sent(record: Record) -> bool:
    return (
        isinstance(record.get("body"), dict)
        and all(isinstance(record.get(name), str) for name in _ENVELOPE)
        and record["type"] in _SENT
    )


def _is_observation(record: Record) -> bool:
    return (
        ("parentObservationId" in record or "parent_observation_id" in record)
        and isinstance(record.get("type"), str)
        and isinstance(record.get("id"), str)
    )


def _is_whole(record: Record) -> bool:
    held, trace = record.get("observations"), _trace_of(record)
    return (
        isinstance(held, list)
        and isinstance(trace.get("id"), str)
        and "timestamp" in trace
        and any(isinstance(one, dict) and _is_observation(one) for one in held)
    )


def _trace_of(record: Record) -> Record:
    trace = record.get("trace")
    return trace if isinstance(trace, dict) else record


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The starts and ends of the runs that a record tells.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    return [event for run in _runs(record, now) for event in run.events()]


def scanned(record: Record, now: int) -> LogText | None:
    """What went into the run and came out of it."""
    try:
        run = next(_runs(record, now), None)
    except BadRecordError:
        run = None
    body = record["body"] if _is_sent(record) else record
    if run is None:
        return run_text(body, now, None, None)
    return run_text(body, now, run.task_id, run.started if run.ended is None else run.ended)


def _runs(record: Record, now: int) -> Iterator[TaskRun]:
    """The runs in a record, and first the one that the record is about."""
    if _is_sent(record):
        kind = record["type"]
        if kind == _TRACE:
            yield _trace(record["body"], now, maybe_text(record, "timestamp"))
        elif kind not in _OTHERS and record["body"].get("type") != _MOMENT and record["body"].get("traceId"):
            yield _observation(record["body"], now, kind.partition("-")[0].upper())
    elif _is_whole(record):
        parts = [
            one for one in record["observations"] if isinstance(one, dict) and one.get("type") != _MOMENT
        ]
        runs = [_observation(one, now) for one in parts]
        yield _trace(_trace_of(record), now, None, runs)
        yield from runs
    elif record["type"] != _MOMENT:
        yield _observation(record, now)


def _trace(body: Record, now: int, sent: str | None, runs: list[TaskRun] | None = None) -> TaskRun:
    session, task_id = maybe_text(body, "sessionId"), _task(text(body, "id"))
    ends = [run.ended for run in runs or ()]
    known = [end for end in ends if end is not None]
    outcomes = {run.outcome for run in runs or () if run.parent == task_id}
    return TaskRun(
        source=SOURCE,
        task_id=task_id,
        kind=AGENT,
        started=time(body if body.get("timestamp") else {"timestamp": sent}, "timestamp", now),
        ended=max(known) if known and len(known) == len(ends) else None,
        outcome="failed" if "failed" in outcomes else "succeeded",
        owner=maybe_text(body, "name"),
        group=f"langfuse:{session}" if session else None,
    )


def _observation(body: Record, now: int, sent_as: str = "") -> TaskRun:
    kind = _field(body, "type")
    trace = _task(text(body, _name(body, "traceId", "trace_id")))
    parent = _field(body, "parentObservationId", "parent_observation_id")
    return TaskRun(
        source=SOURCE,
        task_id=f"{trace}/{text(body, 'id')}",
        kind=_KINDS.get(kind or sent_as) or (STEP if parent else AGENT),
        started=_moment(body, now, "startTime", "start_time"),
        ended=_moment(body, now, "endTime", "end_time"),
        outcome="failed" if body.get("level") == _FAILED else "succeeded",
        parent=f"{trace}/{parent}" if parent else trace,
        owner=maybe_text(body, "name"),
    )


def _name(body: Record, *names: str) -> str:
    """The name under which a body has a field: exports write it otherwise."""
    return next((name for name in names if name in body), names[0])


def _field(body: Record, *names: str) -> str | None:
    return maybe_text(body, _name(body, *names))


def _moment(body: Record, now: int, *names: str) -> int | None:
    return maybe_time(body, _name(body, *names), now)


def _task(trace: str) -> str:
    return f"langfuse/{trace}"


def _kind(record: Record) -> str:
    kind: Any = record.get("type")
    return kind if kind in _OTHERS else "observation without a trace" if _is_sent(record) else "event"


ADAPTER: Final = Adapter(SOURCE, _MARKS, looks_like, translate, text=scanned, kind=_kind, type_at=("type",))
CARRIERS: Final = (pages_of(SOURCE, _MARKS, looks_like, "data", "batch"),)
