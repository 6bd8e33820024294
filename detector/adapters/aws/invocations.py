"""Invocations of Lambda as tasks: of the Telemetry API, of a function's destinations, and durable executions.

- `platform.start`, `platform.runtimeDone`, `platform.report` (docs.aws.amazon.com, "Lambda Telemetry API Event schema
  reference"), which also stand in a function's log in JSON;
- the invocation record that Lambda sends to a destination once an asynchronous invocation is over for good
  ("Retaining records of asynchronous invocations"), bare or in EventBridge's envelope;
- `Durable Execution Status Change` ("Monitoring durable functions").

An invocation's task is its request id, which is a UUID: so nothing here can end a task of another name. A try that
failed does not end it, as Lambda may try again under that id. All invocations of a function share the sessions of its
role, which are named after the function: only a session that the code asks for under the name of the request belongs
to one invocation.
"""

from typing import Final

import re2

from detector.adapters.adapter import Record
from detector.adapters.aws.state import OUTCOMES, State, state_time
from detector.adapters.fields import UUID, find, maybe_text, text, time
from detector.records.dead_letters import WRONG_FIELD, bad

_START: Final = "platform.start"
_TELEMETRY: Final = frozenset({_START, "platform.runtimeDone", "platform.report"})
_PLATFORM: Final = "platform."
MARKS: Final = (b'"platform.', b'"approximateInvokeCount"')
_KIND: Final = "lambda-invocation"
_ACCOUNT: Final = 4  # its place in an ARN
_REQUEST: Final = re2.compile(UUID)


def is_invocation(record: Record) -> bool:
    """Whether an object is an event of the Telemetry API by the platform, or an invocation record."""
    kind = record.get("type")
    if isinstance(kind, str) and kind.startswith(_PLATFORM) and "time" in record:
        return isinstance(record.get("record"), dict)
    context = record.get("requestContext")
    return isinstance(context, dict) and "functionArn" in context and "approximateInvokeCount" in context


def invocation(record: Record, now: int) -> State | None:
    """The start or the end of an invocation; None of what else the platform does.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    if "requestContext" in record:
        return _result(record, now)
    if record["type"] not in _TELEMETRY:
        return None
    at, began = time(record, "time", now), record["type"] == _START
    done = not began and find(record, "record.status") == "success"
    arn = maybe_text(record, "record.functionArn")
    return State(
        _request(record, "record.requestId"),
        _KIND,
        None if arn is None else _function(arn),
        None,
        at if began else None,
        at if done else None,
        "succeeded" if done else None,
        account=None if arn is None else _account(arn),
    )


def _result(record: Record, now: int) -> State:
    """What a destination is sent: the outcome of the last try."""
    arn = text(record, "requestContext.functionArn")
    return State(
        _request(record, "requestContext.requestId"),
        _KIND,
        _function(arn),
        None,
        None,
        time(record, "timestamp", now),
        "succeeded" if find(record, "requestContext.condition") == "Success" else "failed",
        account=_account(arn),
    )


def _request(record: Record, path: str) -> str:
    request = text(record, path)
    if not _REQUEST.fullmatch(request):
        raise bad(WRONG_FIELD, path, "not the id of a request")
    return request


def durable_execution(record: Record, now: int) -> State:
    """An execution of a durable function. Its name is used once.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    status = text(record, "detail.status")
    function = _function(text(record, "detail.functionArn"))
    over = status in OUTCOMES
    return State(
        f"aws-lambda/{function}/{text(record, 'detail.durableExecutionName')}",
        "lambda-durable-execution",
        function,
        None,
        state_time(record, "detail.startTimestamp", now),
        state_time(record, "detail.endTimestamp", now) if over else None,
        OUTCOMES.get(status),
    )


def _function(arn: str) -> str:
    """The name in `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, with a version or without."""
    return arn.partition(":function:")[2].partition(":")[0] or arn


def _account(arn: str) -> str | None:
    parts = arn.split(":", _ACCOUNT + 1)
    return parts[_ACCOUNT] or None if len(parts) > _ACCOUNT + 1 else None
