"""What shippers say around a log line: which pod, container or unit wrote it, and whether it is part of a longer line.

Fluent Bit and Fluentd (`kubernetes.pod_id`, `_p` and `logtag` of their cri parsers), Vector (`kubernetes.pod_uid`,
`_partial`), Filebeat (`kubernetes.pod.uid`), Docker's fluentd and journald drivers (`partial_message`, `partial_id`,
`CONTAINER_PARTIAL_ID`; the journald driver's last part has no `…_MESSAGE`, so `…_LAST` decides), systemd's journal.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from detector.records.agent_names import session_task
from detector.records.pod_names import pod_task

Record = Mapping[str, Any]

Named = Callable[[Record], str | None]
"""The task that a configuration finds in a log record."""

SPLIT: Final = 16 * 1024  # bytes at which Docker and containerd cut a line
_CONTAINER: Final = ("container_id", "CONTAINER_ID_FULL")
_UNIT: Final = ("_SYSTEMD_INVOCATION_ID", "INVOCATION_ID", "_SYSTEMD_UNIT")
_PLACES: Final = (*_CONTAINER, "file", "stream", "source")
_FLAGS: Final = ("_p", "logtag")
_PARTIAL: Final = (
    ("partial_message", "partial_id", "partial_last"),
    ("CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_ID", "CONTAINER_PARTIAL_LAST"),
    ("container_partial_message", "container_partial_id", "container_partial_last"),
)
PARTS: Final = frozenset({*_FLAGS, "_partial", *(name for names in _PARTIAL for name in names[:2])})
_SHIPPED: Final = frozenset({*_FLAGS, "_partial", "partial_message"})
# What else shippers write beside a line, or beside the fields of a JSON line that they merged: Filebeat, Logstash,
# Vector, Fluent Bit on ECS, Docker's drivers. A CloudEvent has none of them at its top; audit records may.
_LOGGED: Final = frozenset(
    {
        "@timestamp",
        "@version",
        "container_id",
        "container_name",
        "ecs_cluster",
        "ecs_task_arn",
        "source_type",
        "message",
        "log",
    }
)
_STREAMS: Final = frozenset({"stream", "source"})
WRITERS: Final = frozenset({"kubernetes", "docker", *_CONTAINER, *_UNIT})
PART_MARKS: Final = (
    *(f'"{name}":{space}"P'.encode() for name in _FLAGS for space in ("", " ")),
    b'"_partial"',
    b"partial_",
    b"CONTAINER_PARTIAL_",
)
"""One of these is in a record that says it is part of a line."""

LOGGED_MARKS: Final = tuple(f'"{name}"'.encode() for name in ("kubernetes", *sorted(_SHIPPED | _LOGGED)))
"""One of these is in a record that `is_logged`."""


def task_of(record: Record, named: Named | None = None) -> str | None:
    """The task of a log record: its `task_id`, what the configuration finds, its session, pod, container or unit."""
    own = record.get("task_id")
    if isinstance(own, str) and own:
        return own
    if named is not None and (found := named(record)):
        return found
    if (session := session_task(record)) is not None:
        return session
    if record.keys().isdisjoint(WRITERS):
        return None
    namespace, name, uid, _ = _pod(record)
    if namespace and name and (task := pod_task(namespace, name, uid)):
        return task
    held = _within(record, "docker").get("container_id")
    return next(
        (text for text in (uid, *map(record.get, _CONTAINER), held, *map(record.get, _UNIT)) if _text(text)),
        None,
    )


def is_shipped(record: Record) -> bool:
    """Whether a shipper says that a container wrote it: then nothing in it is an event."""
    return any(_pod(record)[:3]) or not record.keys().isdisjoint(_SHIPPED)


def is_logged(record: Record) -> bool:
    """Whether it has the shape of a log record, or of a shipper's: then it is no CloudEvent, whatever else is in it."""
    return not record.keys().isdisjoint(_LOGGED) or is_shipped(record)


def part_of(record: Record, message: str | None) -> tuple[str, bool] | None:
    """What joins a record with others of the same line, and whether the line ends here; None if nothing does.

    A line of a container that is cut where Docker cuts, and does not end, goes on though nothing says so.
    """
    if not record.keys().isdisjoint(PARTS):
        for told, identity, last in _PARTIAL:
            if told in record or identity in record:
                ends = _true(record[last]) if last in record else not _true(record.get(told))
                return _text(record.get(identity)) or _channel(record), ends
        flag = record["_p"] if "_p" in record else record.get("logtag")
        if isinstance(flag, str) and flag[:1] in ("P", "F"):
            return _channel(record), flag[:1] == "F"
        if record.get("_partial") is True:
            return _channel(record), False
    if record.keys().isdisjoint(_STREAMS) or record.keys().isdisjoint(WRITERS):
        return None
    cut = message is not None and len(message) <= SPLIT <= 4 * len(message) and not message.endswith("\n")
    return _channel(record), not (cut and len((message or "").encode("utf-8", "replace")) == SPLIT)


def _channel(record: Record) -> str:
    """What tells the writers of lines apart."""
    places = (record.get(place) for place in _PLACES)
    return "\0".join(part if isinstance(part, str) else "" for part in (*_pod(record), *places))


def _pod(record: Record) -> tuple[Any, Any, Any, Any]:
    """Namespace, name, uid and container; what is there is text."""
    pod = record.get("kubernetes")
    if not isinstance(pod, dict):
        return None, None, None, None
    inner, container = _within(pod, "pod"), _within(pod, "container")
    return (
        _text(pod.get("namespace_name") or pod.get("pod_namespace") or pod.get("namespace")),
        _text(pod.get("pod_name") or inner.get("name")),
        _text(pod.get("pod_uid") or pod.get("pod_id") or inner.get("uid")),
        _text(pod.get("container_name") or container.get("name")),
    )


def _within(record: Record, name: str) -> Record:
    held = record.get(name)
    return held if isinstance(held, dict) else {}


def _true(value: Any) -> bool:
    return value is True or value == "true"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
