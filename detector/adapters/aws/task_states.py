"""Tasks of AWS, as EventBridge tells of them: ECS tasks, Batch jobs, executions, builds, invocations of Lambda.

Events `… State Change` and `… Status Change` in EventBridge's envelope (docs.aws.amazon.com, "Amazon ECS task state
change events", "Job state change events", "Step Functions execution status change events", "CodeBuild build
notifications sample"). The same state is told several times, with the state's own time: that is in the event's id.

An ECS task has the name of its role's session, which is the task's id, and a build that of its session,
`AWSCodeBuild-<id>`. So their sessions in CloudTrail belong to them without any setting. `invocations` has those of
Lambda, which tells of them in other forms, too.
"""

from collections.abc import Callable
from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.aws.invocations import MARKS, durable_execution, invocation, is_invocation
from detector.adapters.aws.state import OUTCOMES, State, last_of, lasting, state_time
from detector.adapters.aws.times import answer_time
from detector.adapters.fields import find, maybe_text, text, time
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText, whole_record
from detector.values.events import CanonicalEvent
from detector.values.times import MINUTE, SECOND


def _ecs(record: Record, now: int) -> State:
    """An ECS task. It ended when its last container did, which is before the agent has cleared up."""
    status = text(record, "detail.lastStatus")
    stopped = status == "STOPPED"
    ran = find(record, "detail.startedAt") not in (None, "")
    end = "detail.executionStoppedAt" if find(record, "detail.executionStoppedAt") else "detail.stoppedAt"
    return State(
        last_of(record, "detail.taskArn", "/"),
        "ecs-task",
        maybe_text(record, "detail.group"),
        maybe_text(record, "detail.startedBy"),
        time(record, "detail.startedAt" if ran else "time", now) if ran or status == "RUNNING" else None,
        state_time(record, end, now) if stopped else None,
        _ecs_outcome(record) if stopped else None,
    )


def _ecs_outcome(record: Record) -> str:
    if find(record, "detail.stopCode") == "UserInitiated":
        return "cancelled"
    containers = find(record, "detail.containers")
    codes = [
        one.get("exitCode")
        for one in (containers if isinstance(containers, list) else ())
        if isinstance(one, dict)
    ]
    return "succeeded" if codes and all(code == 0 for code in codes) else "failed"


def _batch(record: Record, now: int) -> State:
    """A job of Batch. Its attempts are one task."""
    status = text(record, "detail.status")
    began, over = find(record, "detail.startedAt"), status in ("SUCCEEDED", "FAILED")
    reason = find(record, "detail.statusReason")
    late = isinstance(reason, str) and "timeout" in reason.lower()
    return State(
        f"aws-batch/{text(record, 'detail.jobId')}",
        "batch-job",
        maybe_text(record, "detail.jobName"),
        None,
        state_time(record, "detail.startedAt", now) if began or status == "RUNNING" else None,
        state_time(record, "detail.stoppedAt", now) if over else None,
        "timed_out" if late and status == "FAILED" else OUTCOMES.get(status),
        lasting(record, "detail.timeout.attemptDurationSeconds", SECOND),
    )


def _execution(record: Record, now: int) -> State:
    """An execution of Step Functions, `arn:…:execution:MACHINE:NAME`."""
    status = text(record, "detail.status")
    machine, _, name = last_of(record, "detail.executionArn", ":execution:").partition(":")
    over = status in OUTCOMES
    return State(
        f"aws-states/{machine}/{name}",
        "step-functions-execution",
        machine,
        None,
        state_time(record, "detail.startDate", now),
        state_time(record, "detail.stopDate", now) if over else None,
        OUTCOMES.get(status),
    )


def _build(record: Record, now: int) -> State:
    """A build of CodeBuild, `arn:…:build/PROJECT:ID`."""
    status = text(record, "detail.build-status")
    began = answer_time(find(record, "detail.additional-information.build-start-time"))
    over, told = status in OUTCOMES, time(record, "time", now)
    return State(
        f"AWSCodeBuild-{last_of(record, 'detail.build-id', ':')}",
        "codebuild-build",
        maybe_text(record, "detail.project-name"),
        maybe_text(record, "detail.additional-information.initiator"),
        began if began is not None and began <= told else None if over else told,
        told if over else None,
        OUTCOMES.get(status),
        lasting(record, "detail.additional-information.timeout-in-minutes", MINUTE),
    )


STATES: Final[dict[str, Callable[[Record, int], State]]] = {
    "ECS Task State Change": _ecs,
    "Batch Job State Change": _batch,
    "Step Functions Execution Status Change": _execution,
    "CodeBuild Build State Change": _build,
    "Durable Execution Status Change": durable_execution,
}
"""By `detail-type`, how a task is."""
_SOURCES: Final = "aws."


def is_of_aws(record: Record) -> bool:
    """Whether AWS itself put an event on a bus. Who else may put events there chooses any source but `aws.…`."""
    source = record.get("source")
    return isinstance(source, str) and source.startswith(_SOURCES)


def _is_state(record: Record) -> bool:
    """Whether AWS itself tells the state of a task."""
    kind = record.get("detail-type")
    return (
        isinstance(kind, str)
        and kind in STATES
        and is_of_aws(record)
        and isinstance(record.get("detail"), dict)
    )


def looks_like(record: Record) -> bool:
    """Whether an event of EventBridge tells the state of a task, or a record of Lambda that of an invocation."""
    return _is_state(record) if "detail-type" in record else is_invocation(record)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and the end of a task, as far as an event tells them; nothing of a task that has not begun.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    read: Callable[[Record, int], State | None] = STATES.get(str(record.get("detail-type")), invocation)
    state = read(record, now)
    if state is None:
        return []
    account = maybe_text(record, "account") or state.account
    source = f"aws.events/{account}" if account else "aws.events"
    began, lasts = state.started, state.lasts
    run = TaskRun(
        source=source,
        task_id=state.task_id,
        kind=state.kind,
        started=began,
        ended=state.ended,
        outcome=state.outcome,
        owner=state.owner,
        workload=state.workload,
        deadline=None if began is None or lasts is None else began + lasts,
    )
    return run.events()


def scanned(record: Record, _now: int) -> LogText:
    """All that an event says: commands, variables and inputs may hold secrets."""
    return whole_record(record, record.get("time") or record.get("timestamp"))


_MARKS: Final = (b'"detail-type"', *MARKS)
ADAPTER: Final = Adapter("awstasks", _MARKS, looks_like, translate, text=scanned, type_at=("detail-type",))
