"""Lives of credentials as they happen now: what is told of each, when, and what ought to become of it.

They are short, so that all of a life may fall into a minute in which nobody reads. In most of them something comes just
before a credential would be revoked and takes that back: whoever misses it revokes what nobody should.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from detector.values.times import SECOND, format_rfc3339
from tests.small_history import identifier_of, secret_of

GRACE: Final = 20
HELD: Final = 40
POLICY: Final = f"""key_file = "deployment.key"
grace_period = "{GRACE}s"
[rules.use-outside-window]
command_delay = "{HELD}s"
[rules.revocation-unconfirmed]
enabled = false
"""
LOGS, EVENTS = 0, 1


class Told(msgspec.Struct, frozen=True, order=True):
    """One record: when it is written (ns), the number of the input, the partition and the value."""

    at: int
    which: int
    partition: int
    value: bytes


class Life:
    """What is told of one task and its credential. `begin` is in ns, all else in seconds after it."""

    def __init__(self, number: int, begin: int, rng: random.Random, partitions: int) -> None:
        self.number = number
        self.task, self.credential = f"task-{number}", f"of-{number}"
        self.told: list[Told] = []
        self._begin = begin
        self._rng = rng
        self._partitions = partitions

    def tell(self, seconds: float, kind: str, /, late: float = 0.0, **data: Any) -> None:
        """An event, which is written up to two seconds after its time, or `late` by more."""
        name = f"{self.number}-{len(self.told)}"
        event = {"specversion": "1.0", "id": name, "source": "ci", "type": kind, "time": self.time(seconds)}
        self._write(seconds + late, EVENTS, {**event, "data": data})

    def show(self, seconds: float) -> None:
        """A log record with the secret."""
        message = f"a line with {secret_of(self.number).decode()} in it"
        self._write(seconds, LOGS, {"time": self.time(seconds), "message": message})

    def start(self, seconds: float = 0.0, task: str | None = None, **data: Any) -> None:
        self.tell(seconds, "task.started", task_id=task or self.task, **data)

    def issue(self, seconds: float = 1.0, lasts: float = 900.0, **data: Any) -> None:
        whose = data or {"task_id": self.task}
        expires = self.time(seconds + lasts)
        identifiers = [identifier_of(self.number)]
        self.tell(
            seconds,
            "credential.issued",
            credential_id=self.credential,
            identifiers=identifiers,
            expires_at=expires,
            **whose,
        )

    def use(self, seconds: float, **data: Any) -> None:
        self.tell(seconds, "credential.used", credential_id=self.credential, action="read", **data)

    def end(self, seconds: float, task: str | None = None) -> None:
        self.tell(seconds, "task.ended", task_id=task or self.task)

    def revoke(self, seconds: float, *, by_name: bool = False) -> None:
        named = {"scheme": "hmac-sha256", "value": identifier_of(self.number)["value"]}
        self.tell(
            seconds,
            "credential.revoked",
            **({"identifier": named} if by_name else {"credential_id": self.credential}),
        )

    def soon(self, low: float, high: float) -> float:
        return low + self._rng.random() * (high - low)

    def time(self, seconds: float) -> str:
        """As an event says it."""
        return format_rfc3339(self._begin + round(seconds * SECOND))

    def _write(self, seconds: float, which: int, record: dict[str, Any]) -> None:
        at = self._begin + round((seconds + self.soon(0, 2)) * SECOND)
        self.told.append(Told(at, which, self._rng.randrange(self._partitions), json.dumps(record).encode()))


def revoked(life: Life) -> None:
    """In its grace period, by id or by the hash of its secret."""
    life.start()
    life.issue()
    end = life.soon(5, 15)
    life.end(end)
    life.revoke(end + life.soon(3, GRACE - 2), by_name=life.number % 2 == 0)


def forgotten(life: Life) -> None:
    """Nobody revokes it: it outlives its task."""
    life.start()
    life.issue()
    life.end(life.soon(5, 15))


def used_late(life: Life) -> None:
    """Used after its end, twice, and once by somebody else."""
    life.start()
    life.issue()
    end = life.soon(5, 10)
    life.end(end)
    life.use(end + life.soon(6, 8))
    life.use(end + life.soon(8, 10))
    life.use(end + life.soon(10, 12), task_id="somebody-else")
    life.revoke(end + life.soon(13, GRACE - 2))


def of_a_group(life: Life) -> None:
    """Issued to one of two tasks. The longer one ends after the grace period of the other."""
    group, longer = f"group-{life.number}", f"{life.task}-longer"
    life.start(group=group)
    life.start(1.0, longer, group=group)
    life.issue(4.0, task_group=group)
    end = life.soon(6, 10)
    life.end(end)
    last = end + life.soon(GRACE + 1, GRACE + 8)
    life.end(last, longer)
    life.revoke(last + life.soon(3, GRACE - 2))


def that_beats(life: Life) -> None:
    """Its leases would lapse again and again, were its heartbeats not read."""
    life.start()
    life.issue()
    end = life.soon(30, 45)
    for second in range(2, round(end), 4):
        life.tell(second, "task.heartbeat", task_id=life.task, lease="8s")
    life.end(end)
    life.revoke(end + life.soon(3, GRACE - 2))


def renewed(life: Life) -> None:
    """Used past its expiry, and the news that it had been renewed comes late. The command waits for that."""
    life.start()
    life.issue(lasts=8.0)
    life.use(20.0)
    life.tell(
        7.0, "credential.renewed", late=20.0, credential_id=life.credential, expires_at=life.time(900.0)
    )
    life.end(25.0)
    life.revoke(25.0 + life.soon(3, GRACE - 2))


def expired(life: Life) -> None:
    """Used past its expiry, twice. The command waits, and then tells of the first use."""
    life.start()
    life.issue(lasts=8.0)
    life.use(16.0)
    life.use(19.0)
    life.end(25.0)
    life.revoke(25.0 + HELD + life.soon(3, 10))


def shown(life: Life) -> None:
    """Its secret is shown in a log, and then it is revoked."""
    life.start()
    life.issue()
    life.show(life.soon(4, 8))
    end = life.soon(10, 15)
    life.end(end)
    life.revoke(end + life.soon(3, GRACE - 2))


KINDS: Final[tuple[Callable[[Life], None], ...]] = (
    revoked,
    forgotten,
    used_late,
    of_a_group,
    that_beats,
    renewed,
    expired,
    shown,
)


def lives(begin: int, seconds: float, each: float, rng: random.Random, partitions: int) -> Iterator[Life]:
    """One begins every `each` seconds, for some seconds from `begin` (ns) on; of every kind as many."""
    for number in range(round(seconds / each)):
        life = Life(number, begin + round(number * each * SECOND), rng, partitions)
        KINDS[number % len(KINDS)](life)
        yield life
