"""The CloudEvents that a task tells: each is one line of JSON."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from detector.values.times import format_rfc3339

ENDED: Final = "task.ended"
OUTCOMES: Final = ("succeeded", "failed", "cancelled", "timed_out")


def event(kind: str, source: str, time: int, data: Mapping[str, Any]) -> bytes:
    """One event of that type at that time (ns). Fields that are None are left out.

    Raises:
        ValueError: a text is not valid Unicode, or a field is no JSON (also TypeError, RecursionError).
    """
    given = {name: value for name, value in data.items() if value is not None}
    envelope = {
        "specversion": "1.0",
        "id": os.urandom(16).hex(),
        "source": source,
        "type": kind,
        "time": format_rfc3339(time),
        "datacontenttype": "application/json",
        "data": given,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def is_event(line: bytes) -> bool:
    """Whether a line of a spool file is to be sent; others are notes for whoever ends the task."""
    return line.startswith(b'{"specversion"')


def ended(source: str, time: int, task_id: str, outcome: str, **more: Any) -> bytes:
    """The end of a task. `more` says how it ended; curfewd ignores these fields, and people may read them."""
    return event(ENDED, source, time, {"task_id": task_id, "outcome": outcome, **more})


def has_ended(lines: Sequence[bytes]) -> bool:
    """Whether the last event is the end of the task."""
    return bool(lines) and is_event(lines[-1]) and json.loads(lines[-1])["type"] == ENDED
