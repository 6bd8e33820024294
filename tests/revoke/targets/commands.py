"""Commands for the tests of targets."""

import time
from typing import Any

from detector.revoke.revocation_command import RevocationCommand
from detector.values.times import SECOND


def command(revocation: dict[str, Any], **fields: Any) -> RevocationCommand:
    """A command about a credential that was issued just now."""
    made: dict[str, Any] = {
        "id": "0d6e0e52-3f0c-5a3c-9d6e-4f6f0f8d2c11",
        "time": time.time_ns(),
        "credential_id": "cred-1",
        "task_ids": ("task-1",),
        "issued_at": time.time_ns() // SECOND * SECOND,
        "revocation": revocation,
    }
    return RevocationCommand(**(made | fields))
