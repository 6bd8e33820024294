"""Tasks of now: their events and leaks as records of a deployment's inputs, (number of the input, partition, value)."""

import json
import time
from typing import Any

from detector.values.times import SECOND, format_rfc3339
from tests.small_history import event, identifier_of, secret_of

Record = tuple[int, int, bytes]


def soon(seconds: float) -> str:
    """RFC 3339 of so many seconds from now."""
    return format_rfc3339(time.time_ns() + round(seconds * SECOND))


def now(seconds: float, number: int, kind: str, /, **data: Any) -> Record:
    """An event of that time."""
    made = event(number, kind, 0, **data)
    return 1, 0, json.dumps(made | {"time": soon(seconds)}).encode()


def life(number: int) -> list[Record]:
    """A task that runs, with a credential that lives for a day."""
    task, credential = f"deploy-{number}", f"cred-{number}"
    return [
        now(-30, 10 * number, "task.started", task_id=task, kind="ci"),
        now(-29, 10 * number + 1, "credential.issued", credential_id=credential, task_id=task, kind="token",
            identifiers=[identifier_of(number)], expires_at=soon(86_400)),
    ]  # fmt: skip


def leak(number: int) -> Record:
    """A log line that shows its secret."""
    message = f"token={secret_of(number).decode()} done"
    return 0, 0, json.dumps({"message": message, "time": soon(-1), "task_id": f"deploy-{number}"}).encode()


def revoked(number: int) -> Record:
    """The end of its credential."""
    return now(0, 10 * number + 3, "credential.revoked", credential_id=f"cred-{number}")
