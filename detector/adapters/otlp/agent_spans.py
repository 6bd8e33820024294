"""Agents' spans as tasks, by OpenTelemetry's conventions for generative AI. Off unless configured.

`invoke_agent` and `invoke_workflow` spans are runs of an agent; `execute_tool` spans (and MCP's `tools/call`) are
calls of its tools (open-telemetry/semantic-conventions-genai, all of it in development). The workload itself writes a
span, at its end: whoever can write one can end the task that it names. So these tasks have names that no other source
uses, and a span is a task only if `agents` in the configuration says so:

- `runs`: each run is a task `agent/<trace>/<span>` below its conversation `agent/<conversation>`. The conversation
  starts with its first run. No run ends it, because the next turn may follow.
- `conversations`: each conversation is one run, and ends with it.

Tool calls are `agent/<conversation or parent span>/<call>`. Without a conversation id the MCP session is used.
"""

from collections.abc import Mapping
from typing import Any, Final

from detector.adapters.otlp.values import nanoseconds
from detector.records.agent_names import MCP_SESSION, agent_task
from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, MISSING_FIELD, WRONG_FIELD, bad
from detector.values.events import MAX_FUTURE, CanonicalEvent, TaskEnded, TaskStarted

OFF: Final = "off"
RUNS: Final = "runs"
CONVERSATIONS: Final = "conversations"
MODES: Final = (OFF, RUNS, CONVERSATIONS)
AGENT: Final = "agent"
CONVERSATION: Final = "gen_ai.conversation.id"
TOOL_CALL: Final = "tool-call"
_RUN_NAMES: Final = frozenset({"invoke_agent", "invoke_workflow"})
_ERROR_CODES: Final = (2, "STATUS_CODE_ERROR")


def span_events(
    span: Mapping[str, Any], attributes: Mapping[str, str], mode: str, now: int
) -> list[CanonicalEvent]:
    """Starts and ends of the tasks that a span reports; empty if it is not an agent's.

    `attributes` are the span's over its resource's; `now` is the wall clock (ns).

    Raises:
        BadRecordError: a field that such a span has is missing or wrong.
    """
    operation = attributes.get("gen_ai.operation.name", "")
    tool = operation == "execute_tool" or attributes.get("mcp.method.name") == "tools/call"
    if not tool and operation not in _RUN_NAMES:
        return []
    one = _Span(span, attributes, now)
    return one.tool_call() if tool else one.run(mode)


class _Span:
    def __init__(self, span: Mapping[str, Any], attributes: Mapping[str, str], now: int) -> None:
        self._span = span
        self._attributes = attributes
        self._trace = _identity(span, "traceId", 32)
        self._id = _identity(span, "spanId", 16)
        self._began = _time(span, "startTimeUnixNano", now)
        self._ended = _time(span, "endTimeUnixNano", now)
        self._source = f"otlp/{attributes['service.name']}" if attributes.get("service.name") else "otlp"
        group = attributes.get(CONVERSATION) or attributes.get(MCP_SESSION)
        self._group = agent_task(group) if group else None

    def run(self, mode: str) -> list[CanonicalEvent]:
        """The events of a run of an agent or a workflow."""
        own = f"agent/{self._trace}/{self._id}"
        if self._group is None:
            return [self._start(own, AGENT, None), self._end(own)]
        if mode == CONVERSATIONS:
            return [self._start(self._group, AGENT, None), self._end(self._group)]
        return [
            self._start(self._group, AGENT, None, "conversation"),
            self._start(own, AGENT, self._group),
            self._end(own),
        ]

    def tool_call(self) -> list[CanonicalEvent]:
        """The events of a tool call by an agent."""
        parent = self._group
        if parent is None and self._span.get("parentSpanId"):
            parent = f"agent/{self._trace}/{_identity(self._span, 'parentSpanId', 16)}"
        call = self._attributes.get("gen_ai.tool.call.id") or self._id
        own = f"{parent or f'agent/{self._trace}'}/{call}"
        return [self._start(own, TOOL_CALL, parent), self._end(own)]

    def _start(self, task: str, kind: str, parent: str | None, what: str = "started") -> TaskStarted:
        named = self._attributes
        return TaskStarted(
            time=self._began,
            source=self._source,
            id=f"{self._trace}/{self._id}/{what}",
            task_id=task,
            kind=kind,
            owner=named.get("gen_ai.agent.name") or named.get("gen_ai.agent.id") or named.get("service.name"),
            workload=named.get("k8s.pod.name") or named.get("service.instance.id"),
            parent_task_id=parent,
        )

    def _end(self, task: str) -> TaskEnded:
        status = self._span.get("status")
        failed = isinstance(status, Mapping) and status.get("code") in _ERROR_CODES
        return TaskEnded(
            time=self._ended,
            source=self._source,
            id=f"{self._trace}/{self._id}/ended",
            task_id=task,
            outcome="failed" if failed else "succeeded",
        )


def _identity(span: Mapping[str, Any], name: str, digits: int) -> str:
    """A trace's or span's id in lower-case hex."""
    held = span.get(name)
    if held in (None, ""):
        raise bad(MISSING_FIELD, name)
    if not isinstance(held, str) or len(held) != digits or not held.strip("0"):
        raise bad(WRONG_FIELD, name)
    try:
        return bytes.fromhex(held).hex()
    except ValueError:
        raise bad(WRONG_FIELD, name) from None


def _time(span: Mapping[str, Any], name: str, now: int) -> int:
    held = span.get(name)
    if held in (None, "", 0, "0"):
        raise bad(MISSING_FIELD, name)
    time = nanoseconds(held)
    if time is None:
        raise bad(BAD_TIME, name, "not nanoseconds since 1970")
    if time > now + MAX_FUTURE:
        raise bad(FUTURE_TIME, name)
    return time
