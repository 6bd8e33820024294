"""A bad month: tasks of five kinds, each of which goes wrong in its own way, as events and logs for a replay.

Ids are random, as those of real systems are, so that a page of the findings cannot be compressed further than one of
theirs.
"""

import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import DAY, HOUR, MINUTE, SECOND, format_rfc3339

KEY: Final = DeploymentKey.of(bytes(range(32)))
PER_TASK: Final = 12 / 5  # findings that a task gives: 12 of each five
_START: Final = 1_772_323_200 * SECOND  # 2026-03-01
_MONTH: Final = 28 * DAY
_TEAMS: Final = ("release-team", "platform-team", "orders-team", "finance-data", "security-team", "ml-infra")
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"

Record = dict[str, Any]


class _Task:
    """One task with its credential, and what is written about them."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.rng = rng
        self.kind = ("release", "router", "resize", "export", "rotate")[number % 5]
        self.id = f"{self.kind}-{rng.getrandbits(40):010x}"
        self.credential = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        self.start = _START + rng.randrange(_MONTH // SECOND) * SECOND
        self.end = self.start + rng.randrange(3, 50) * MINUTE
        self.secret = "".join(rng.choices(_ALPHABET, k=40))
        self.runner = f"runner-{rng.randrange(40)}"

    def event(self, kind: str, at: int, /, **data: Any) -> Record:
        return {
            "specversion": "1.0",
            "id": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            "source": "/scheduler" if kind.startswith("task") else "/audit",
            "type": kind,
            "time": format_rfc3339(at),
            "data": data,
        }

    def use(self, at: int, action: str, resource: str, **more: Any) -> Record:
        data = {
            "workload": self.runner,
            "source_ip": f"10.20.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}",
        }
        named = {"credential_id": self.credential, "action": action, "resource": resource}
        return self.event("credential.used", at, **named, **data | more)

    def events(self) -> Iterator[Record]:
        owner = self.rng.choice(_TEAMS)
        yield self.event(
            "task.started",
            self.start,
            task_id=self.id,
            kind=self.kind,
            owner=owner,
            workload=self.runner,
            deadline=format_rfc3339(self.start + HOUR),
        )
        value = Secret(self.secret.encode())
        grants = [{"actions": ["read", "write"], "resources": [f"store/{self.kind}/*"]}]
        expiry = {} if self.kind == "export" else {"expires_at": format_rfc3339(self.start + HOUR)}
        yield self.event(
            "credential.issued",
            self.start + SECOND,
            credential_id=self.credential,
            task_id=self.id,
            kind=f"{self.kind}-token",
            identifiers=[
                {
                    "scheme": "hmac-sha256",
                    "value": KEY.fingerprint(value),
                    "length": len(value),
                    "check": KEY.check(value),
                }
            ],
            grants=grants if self.kind != "router" else [*grants, {"actions": ["purge"]}],
            bound_to={"workloads": ["runner-*"]},
            revocation={"method": "store-api", "handle": self.credential},
            **expiry,
        )
        yield self.use(self.start + MINUTE, "write", f"store/{self.kind}/{self.rng.getrandbits(48):x}")
        yield self.event("task.ended", self.end, task_id=self.id, outcome="succeeded")
        yield from getattr(self, f"_{self.kind}")()

    def _revoked(self, at: int) -> Record:
        return self.event("credential.revoked", at, credential_id=self.credential)

    def _release(self) -> Iterator[Record]:
        """Its token is in the log, outlives it, and is used by somebody else."""
        address = f"203.0.113.{self.rng.randrange(1, 255)}"
        for number in range(3):
            at = self.end + (5 + number) * MINUTE
            yield self.use(
                at,
                "write",
                f"store/release/{self.rng.getrandbits(48):x}",
                workload="laptop",
                source_ip=address,
            )

    def _router(self) -> Iterator[Record]:
        """It looks where it may not, and has a grant that it does not use."""
        for number in range(2):
            yield self.use(
                self.start + (number + 2) * MINUTE, "read", f"db/customers/{self.rng.getrandbits(32):x}"
            )
        yield self._revoked(self.end)

    def _resize(self) -> Iterator[Record]:
        """Nobody revokes its token."""
        yield from ()

    def _export(self) -> Iterator[Record]:
        """Its token has no expiry, and works after it was revoked."""
        revoked = self.start + 2 * MINUTE
        yield self._revoked(revoked)
        for number in range(6):
            yield self.use(
                revoked + (number + 1) * MINUTE, "read", f"store/export/part-{self.rng.getrandbits(32):x}"
            )

    def _rotate(self) -> Iterator[Record]:
        """It prints a password that nobody registered; its token is used late and never revoked."""
        yield self.use(self.end + 2 * MINUTE, "write", f"store/rotate/{self.rng.getrandbits(48):x}")

    def log(self) -> Iterator[Record]:
        """What the task prints."""
        told = {"time": format_rfc3339(self.start + 2 * MINUTE), "task_id": self.id, "stream": "stderr"}
        if self.kind == "release":
            yield told | {
                "message": f"+ curl -fsS -H 'X-Store-Token: {self.secret}' https://store.internal/v1/{self.rng.getrandbits(64):x}"
            }
        elif self.kind == "rotate":
            yield told | {
                "message": f"smoke test with postgresql://orders:{self.secret[:28]}@db-{self.rng.randrange(99)}.internal:5432/orders"
            }


def write(folder: Path, findings: int, seed: int = 7) -> list[str]:
    """Writes a history with about so many findings (at least) into `folder`; the arguments that replay it."""
    rng = random.Random(seed)
    tasks = [_Task(rng, number) for number in range(int(findings / PER_TASK) + 5)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(_line(one) for task in tasks for one in task.events()))
    (folder / "tasks.log").write_text("".join(_line(one) for task in tasks for one in task.log()))
    (folder / "key").write_text(KEY.material.hex())
    (folder / "curfewd.toml").write_text('key_file = "key"\n')
    return ["--config", str(folder / "curfewd.toml"), str(folder / "events.jsonl"), str(folder / "tasks.log")]


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"
