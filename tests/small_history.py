"""A small history with every kind of input in it, and what makes it into files."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import SECOND, format_rfc3339, parse_rfc3339

KEY_TEXT = "00112233445566778899aabbccddeeff"
KEY = DeploymentKey.of(bytes.fromhex(KEY_TEXT))
START = parse_rfc3339("2026-05-01T00:00:00Z")
NOW = parse_rfc3339("2026-06-01T00:00:00Z")
TASKS = 12


def secret_of(task: int) -> bytes:
    """The made-up secret of a task's credential."""
    return random.Random(task).randbytes(15).hex().encode() + b"-s"


def identifier_of(task: int) -> dict[str, Any]:
    """How the issuer registers it."""
    secret = Secret(secret_of(task))
    return {
        "scheme": "hmac-sha256",
        "value": KEY.fingerprint(secret),
        "length": len(secret),
        "check": KEY.check(secret),
    }


def at(seconds: float) -> str:
    """RFC 3339 of so many seconds after the start."""
    return format_rfc3339(START + round(seconds * SECOND))


def event(number: int, kind: str, seconds: float, /, **data: Any) -> dict[str, Any]:
    """A canonical event."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "ci",
        "type": kind,
        "time": at(seconds),
        "data": data,
    }


def events(tasks: int = TASKS) -> list[dict[str, Any]]:
    """Tasks that start every 100 s and last 60: an even one's credential is revoked, an odd one's used too late."""
    found = []
    for task in range(tasks):
        begin, name, credential = task * 100, f"task-{task}", f"cred-{task}"
        found += [
            event(10 * task, "task.started", begin, task_id=name, kind="ci", owner="team"),
            event(
                10 * task + 1,
                "credential.issued",
                begin + 1,
                credential_id=credential,
                task_id=name,
                identifiers=[identifier_of(task)],
                expires_at=at(begin + 4000),
                revocation={"handle": f"h{task}"},
            ),
            event(
                10 * task + 2,
                "credential.used",
                begin + 20,
                credential_id=credential,
                action="read",
                task_id=name,
            ),
            event(10 * task + 3, "task.ended", begin + 60, task_id=name, outcome="succeeded"),
        ]
        if task % 2:
            found.append(
                event(10 * task + 4, "credential.used", begin + 90, credential_id=credential, action="read")
            )
        else:
            found.append(event(10 * task + 4, "credential.revoked", begin + 62, credential_id=credential))
    return found


def logs(lines: int = 40, tasks: int = TASKS) -> list[dict[str, Any]]:
    """Log records of every task; every third task's secret is shown once."""
    noise = random.Random(7)
    found = []
    for task in range(tasks):
        for line in range(lines):
            message = f"step {line} of task {task}: {noise.randbytes(20).hex()} done"
            if task % 3 == 0 and line == 9:
                message += f" token={secret_of(task).decode()}"
            found.append({"time": at(task * 100 + line), "task_id": f"task-{task}", "message": message})
    return found


def jsonl(records: Iterable[dict[str, Any]]) -> bytes:
    """One record a line."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def write(folder: Path) -> tuple[Path, Path]:
    """events.jsonl and logs.jsonl in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "events.jsonl", folder / "logs.jsonl"
    paths[0].write_bytes(jsonl(events()))
    paths[1].write_bytes(jsonl(logs()))
    return paths
