"""What the benchmarks of the live service send: log records of 300 bytes with leaks and audit events, and a registry.

All of it follows from a seed. The text of the logs is that of the corpus (`logtext.py`), cut to size. A leak is a
record whose message shows a secret: in turn one of a registered credential and a fresh token that only a pattern can
tell.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import orjson

from benchmarks import families, logtext
from benchmarks.replay_bench import deployment_key
from detector.scan.known_credentials import HMAC, KeyRing
from detector.values.events import CredentialIssued, Identifier
from detector.values.registrable import MIXED
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import DAY, HOUR, MINUTE, format_rfc3339

RECORD_BYTES: Final = 300
LEAKING: Final = 1000  # registered credentials that leak now and then
SPAN: Final = 10 * MINUTE  # of event time over a topic
ACTIONS: Final = ("s3:GetObject", "s3:PutObject")
_TEXTS: Final = 20_000
_TEXT_BYTES: Final = 32 << 20  # of all texts
_LEAK_BYTES: Final = 200  # at least: a shorter message would cut the secret
_AT_ONCE: Final = 100  # tasks of one partition whose events come by turns
_USES: Final = 6
LENGTHS: Final = (32, 33, 36, 40, 43, 64)
_SAME_TIME: Final = 64  # records with one time: writing a time costs more than the rest of a record
_TOKEN: Final = families.BY_NAME["github-pat"]

Pair = tuple[bytes, bytes]


class Load(msgspec.Struct, frozen=True):
    """So many records with times over `SPAN` until `end` (ns); `leaks` and `events` are shares of them."""

    records: int
    end: int
    leaks: float = 0.001
    events: float = 0.0
    seed: int = 7


def key_of(seed: int) -> DeploymentKey:
    """The deployment key of a benchmark."""
    return DeploymentKey.of(deployment_key(seed))


def secret_of(seed: int, name: str) -> str:
    """The secret of a credential that leaks."""
    return families.registered_secret(random.Random(f"{seed} {name}"))


def issue(seed: int, name: str, time: int) -> CredentialIssued:
    """The issue of a credential that leaks, with the fingerprint of its secret."""
    key, secret = key_of(seed), Secret(secret_of(seed, name).encode())
    [identifier] = KeyRing([key]).identifiers(secret)
    return CredentialIssued(
        time=time,
        source="bench/issuer",
        id=f"i-{name}",
        credential_id=f"c-{name}",
        task_id=f"job-{name}",
        identifiers=(identifier,),
        kind="token",
        expires_at=time + DAY,
        revocation={"method": "http", "handle": f"handle-{name}"},
    )


def known(count: int, seed: int, time: int) -> Iterator[CredentialIssued]:
    """So many registered credentials: the ones that leak, the others with fingerprints of nothing."""
    for number in range(min(count, LEAKING)):
        yield issue(seed, str(number), time)
    rng = random.Random(seed + 1)
    for number in range(LEAKING, count):
        digits = f"{rng.getrandbits(544):0136x}"
        yield CredentialIssued(
            time=time,
            source="bench/issuer",
            id=f"i-{number}",
            credential_id=f"c-{number}",
            task_id=f"job-{number}",
            identifiers=(
                Identifier(
                    HMAC, digits[:64], LENGTHS[number % 6], digits[128:], folded=digits[64:128], shape=MIXED
                ),
            ),
            kind="token",
            expires_at=time + DAY,
        )


def cloudevent(kind: str, name: str, time: int, data: dict[str, Any]) -> bytes:
    """A CloudEvent in structured mode."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": kind,
            "source": "bench",
            "id": name,
            "time": format_rfc3339(time),
            "data": data,
        }
    )


def issued(event: CredentialIssued) -> bytes:
    """An issue as its CloudEvent."""
    data = {
        "credential_id": event.credential_id,
        "task_id": event.task_id,
        "kind": event.kind,
        "expires_at": format_rfc3339(event.expires_at or event.time + DAY),
        "revocation": event.revocation,
        "identifiers": [
            {name: value for name, value in msgspec.structs.asdict(each).items() if value is not None}
            for each in event.identifiers
        ],
    }
    return cloudevent("credential.issued", event.id, event.time, data)


class Texts:
    """Messages that make a record of just `size` bytes: log text, or `plain` ones of letters and digits, all alike."""

    def __init__(self, seed: int, *, plain: bool = False, size: int = RECORD_BYTES) -> None:
        rng = random.Random(seed)
        self._head_size = len(self._head(0, "run-0000")) + 1
        self._size = size
        lines: Iterator[str] = itertools.chain.from_iterable(
            logtext.block(rng).lines for _ in itertools.count()
        )
        if plain:
            lines = (
                f"step {number}: compiled module in 12 ms, nothing to see here,"
                for number in itertools.count()
            )
        self._texts = [self._fitted(lines, size) for _ in range(min(_TEXTS, _TEXT_BYTES // size))]

    def record(self, number: int, time: int) -> Pair:
        """A log record's key and value."""
        task = f"run-{number % 5000:04d}"
        return task.encode(), self._head(time, task) + self._texts[number % len(self._texts)] + b"}"

    def leak(self, number: int, time: int, secret: str) -> Pair:
        """The same with a secret in its message."""
        task = f"run-{number % 5000:04d}"
        lines = iter([f"pushing with {secret} to the registry of the team"])
        message = self._fitted(lines, max(self._size, _LEAK_BYTES))
        return task.encode(), self._head(time, task) + message + b"}"

    @staticmethod
    def _head(time: int, task: str) -> bytes:
        stamp = format_rfc3339(time).removesuffix("Z")[:23].ljust(20, ".").ljust(23, "0")
        return f'{{"time":"{stamp}Z","task_id":"{task}","stream":"stdout","message":'.encode()

    def _fitted(self, lines: Iterator[str], record_size: int) -> bytes:
        """A JSON string of lines as they come that makes a record of just the size."""
        size = record_size - self._head_size
        text, made = "", b""
        while len(made) < size:
            text += next(lines, "  . . . . . . . . .") + " "
            made = orjson.dumps(text)
        while len(made) > size:
            text = text[: -max((len(made) - size) // 6, 1)]
            made = orjson.dumps(text)
        return made[:-1] + b"." * (size - len(made)) + b'"'


def records(load: Load, texts: Texts, partition: int, partitions: int) -> Iterator[Pair]:
    """What one partition of the input holds, in order: first the issues of the credentials that leak here."""
    rng = random.Random(f"{load.seed} {partition}")
    start = load.end - SPAN
    own = range(partition, LEAKING, partitions)
    for number in own:
        event = issue(load.seed, str(number), start - MINUTE)
        yield str(event.task_id).encode(), issued(event)
    tasks = _tasks(partition, load.seed)
    count = max(len(range(partition, load.records, partitions)) - len(own), 1)
    time, tokens = start, 0
    for index in range(count):
        if index % _SAME_TIME == 0:
            time = start + SPAN * index // count
        drawn = rng.random()
        if drawn < load.leaks:
            tokens += 1
            registered = secret_of(load.seed, str(rng.choice(own)))
            yield texts.leak(index, time, _TOKEN.make(rng) if tokens % 2 else registered)
        elif drawn < load.leaks + load.events:
            kind, name, key, data = next(tasks)
            yield key.encode(), cloudevent(kind, name, time, _timed(data, time))
        else:
            yield texts.record(index * partitions + partition, time)


TaskEvent = tuple[str, str, str, dict[str, Any]]


def _timed(data: dict[str, Any], time: int) -> dict[str, Any]:
    return data | {"expires_at": format_rfc3339(time + HOUR)} if "identifiers" in data else data


def _tasks(partition: int, seed: int) -> Iterator[TaskEvent]:
    """Events of tasks without fault, of many tasks by turns."""
    rng = random.Random(f"{seed} tasks {partition}")
    numbers = itertools.count()
    running = [_task(f"{partition}-{next(numbers)}", rng) for _ in range(_AT_ONCE)]
    while True:
        for at, task in enumerate(running):
            event = next(task, None)
            if event is None:
                running[at] = _task(f"{partition}-{next(numbers)}", rng)
                event = next(running[at])
            yield event


def _task(number: str, rng: random.Random) -> Iterator[TaskEvent]:
    """A task: started, issued, used six times, revoked, ended."""
    task, credential = f"task-{number}", f"cred-{number}"
    digits = f"{rng.getrandbits(544):0136x}"
    identifier = {"scheme": HMAC, "value": digits[:64], "length": 40, "check": digits[128:], "folded": digits[64:128], "shape": MIXED}  # fmt: skip
    grants = [{"actions": ["s3:*"], "resources": ["bucket/*"]}]
    yield "task.started", f"s-{number}", task, {"task_id": task, "kind": "ci", "workload": "runner-1"}
    yield "credential.issued", f"i-{number}", task, {"credential_id": credential, "task_id": task, "kind": "token", "identifiers": [identifier], "grants": grants}  # fmt: skip
    for use in range(_USES):
        yield "credential.used", f"u-{number}-{use}", credential, {"credential_id": credential, "action": ACTIONS[use % 2], "resource": f"bucket/{use}", "task_id": task, "source_ip": "10.1.2.3"}  # fmt: skip
    yield "credential.revoked", f"r-{number}", credential, {"credential_id": credential}
    yield "task.ended", f"e-{number}", task, {"task_id": task, "outcome": "succeeded"}
