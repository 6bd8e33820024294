"""What an audit event costs the live service, stage by stage and without Kafka, alone and among logs.

Reading, masking, routing and judging are called as the service's handlers call them. CPU time, the least of some
rounds. Among logs an event costs what the poll takes longer than the same logs without it.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from benchmarks import compare, tables
from benchmarks.live_load import SPAN, Load, Texts, cloudevent, key_of, records
from detector.configuration.settings import Settings
from detector.ingest.classify import BUNDLED
from detector.judge.policy import Policy
from detector.kafka.handlers import Partition
from detector.outputs.output import Run
from detector.records.made_columns import columns_of
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.replay.replay_command import seldom_collected
from detector.scan.scanner_loader import load_scanner
from detector.service.judge.handler import JudgeHandler, JudgeSettings, Topics
from detector.service.scan.work_records import WorkRecords
from detector.stages.scan import PartitionScanner
from detector.values.events import AnyEvent, CredentialIssued, CredentialUsed, Identifier, TaskStarted
from detector.values.times import DAY, HOUR, MILLISECOND, SECOND, format_rfc3339
from tests.fake_records import FakeRecord
from tests.service.judge.judge_without_kafka import Logs

NOW: Final = 1_800_000_000 * SECOND
_START: Final = NOW - SPAN
_USED: Final = 50  # credentials that are used by turns
_POLL: Final = 2000
_SEED: Final = 7
_WORK: Final = Partition(Topics().work, 0)

Make = Callable[[int, int], bytes]
"""(number, time) -> the value of a record"""


class Cost(msgspec.Struct, frozen=True):
    """CPU microseconds for an event: to read and mask it among others of its kind, to route, to judge; among logs."""

    event: str
    read: float
    route: float
    judge: float
    tenth: float
    hundredth: float


def _use(number: int, at: int) -> bytes:
    data = {"credential_id": f"c-{number % _USED}", "action": "s3:GetObject", "resource": f"bucket/{number}"}
    return cloudevent("credential.used", f"u-{number}", at, data | {"source_ip": "10.1.2.3"})


def _issue(number: int, at: int) -> bytes:
    identifier = {"scheme": "hmac-sha256", "value": f"{number:064x}", "length": 40, "check": f"{number:08x}"}
    data = {"credential_id": f"new-{number}", "task_id": f"new-task-{number}", "identifiers": [identifier]}
    return cloudevent(
        "credential.issued", f"i-{number}", at, data | {"expires_at": format_rfc3339(NOW + DAY)}
    )


def _task(number: int, at: int) -> bytes:
    kind = ("task.started", "task.ended")[number % 2]
    return cloudevent(kind, f"{kind}-{number}", at, {"task_id": f"own-task-{number // 2}"})


def _cloudtrail(number: int, at: int) -> bytes:
    caller = {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::123456789012:assumed-role/ci/s",
        "accountId": "123456789012",
    }
    return orjson.dumps(
        {
            "eventVersion": "1.08",
            "userIdentity": caller | {"accessKeyId": f"ASIA{number % _USED:016d}"},
            "eventTime": format_rfc3339(at // SECOND * SECOND),
            "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject",
            "awsRegion": "eu-west-1",
            "sourceIPAddress": "10.1.2.3",
            "userAgent": "aws-cli/2.0",
            "requestParameters": {"bucketName": "bucket", "key": f"k/{number}"},
            "eventID": f"e-{number}",
            "resources": [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::bucket/k/{number}"}],
            "eventType": "AwsApiCall",
            "recipientAccountId": "123456789012",
        }
    )


def _github(number: int, at: int) -> bytes:
    return orjson.dumps(
        {
            "@timestamp": at // MILLISECOND,
            "_document_id": f"d-{number}",
            "action": "git.clone",
            "actor": "octo",
            "actor_ip": "10.1.2.3",
            "hashed_token": "q" * 43 + "=",
            "org": "acme",
            "programmatic_access_type": "GitHub App server-to-server token",
            "repo": "acme/app",
            "token_id": number % _USED + 1000,
            "user_agent": "git/2.0",
        }
    )


def _kubernetes(number: int, at: int) -> bytes:
    token = f"JTI=00000000-0000-0000-0000-{number % _USED:012d}"
    return orjson.dumps(
        {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "auditID": f"a-{number}",
            "stage": "ResponseComplete",
            "requestURI": "/api/v1/namespaces/ci/pods/p",
            "verb": "get",
            "user": {
                "username": "system:serviceaccount:ci:runner",
                "groups": ["system:serviceaccounts"],
                "extra": {"authentication.kubernetes.io/credential-id": [token]},
            },
            "sourceIPs": ["10.1.2.3"],
            "objectRef": {"resource": "pods", "namespace": "ci", "name": "p", "apiVersion": "v1"},
            "responseStatus": {"code": 200},
            "requestReceivedTimestamp": format_rfc3339(at),
            "stageTimestamp": format_rfc3339(at),
        }
    )


EVENTS: Final[dict[str, Make]] = {
    "use of a known credential, CloudEvent": _use,
    "the same, CloudTrail": _cloudtrail,
    "the same, GitHub's audit log": _github,
    "the same, Kubernetes' audit log": _kubernetes,
    "issue of a new credential": _issue,
    "start or end of a task without credentials": _task,
}


def values(make: Make, count: int) -> list[bytes]:
    """Events over the span of a topic."""
    return [make(number, _START + SPAN * number // count) for number in range(count)]


def known(events: Sequence[bytes]) -> list[AnyEvent]:
    """The tasks and credentials that the first events use, an hour before them."""
    uses = [
        event for line in events[:_USED] for read in BUNDLED.read_object(line, NOW) for event in read.events
    ]
    named = [use.identifier for use in uses if isinstance(use, CredentialUsed) and use.identifier is not None]
    found: list[AnyEvent] = []
    for number in range(_USED):
        identifiers = named[number : number + 1] or [Identifier("made", str(number))]
        base: dict[str, Any] = {"time": _START - HOUR, "source": "known"}
        found += [
            TaskStarted(id=f"s-{number}", task_id=f"t-{number}", **base),
            CredentialIssued(
                id=f"i-{number}",
                credential_id=f"c-{number}",
                task_id=f"t-{number}",
                identifiers=tuple(identifiers),
                expires_at=NOW + DAY,
                **base,
            ),
        ]
    return found


def logs(count: int) -> list[bytes]:
    """Log records of the benchmarks of the live service, none of which shows a secret."""
    load = Load(count + 1000, NOW, leaks=0.0, seed=_SEED)
    return [value for _, value in records(load, Texts(_SEED), 0, 1)][-count:]


def scan(lines: Sequence[bytes], finders: Finders) -> tuple[float, list[list[AnyEvent]]]:
    """The CPU time (s) to read, search and mask records in polls, and the events of each."""
    some = [FakeRecord(line, at, timestamp=NOW // MILLISECOND) for at, line in enumerate(lines)]
    polls = [some[first : first + _POLL] for first in range(0, len(some), _POLL)]
    scanner = PartitionScanner("in", 0)
    gc.collect()
    begun = time.process_time()
    found = [scanner.scan(poll, finders.finder, NOW).events for poll in polls]
    spent = time.process_time() - begun
    return spent, [[event for _, event in events] for events in found]


async def judge(before: Sequence[Any], polls: Sequence[Sequence[Any]]) -> float:
    """The CPU time (s) to judge polls of the work topic, with what came before known."""
    with tempfile.TemporaryDirectory() as folder:
        settings = JudgeSettings(Policy(), Path(folder) / "stores", Topics())
        handler = JudgeHandler(settings, Run({}, lambda text: text), Logs(1), lambda: NOW)
        await handler.assigned(_WORK)
        await handler.process(_WORK, before)
        await handler.committed(_WORK, len(before))
        columns = [columns_of(_WORK.topic, 0, some) for some in polls]
        gc.collect()
        begun = time.process_time()
        for some, read in zip(polls, columns, strict=True):
            await handler.process(_WORK, read)
            await handler.committed(_WORK, some[-1].offset + 1)
        spent = time.process_time() - begun
        await handler.revoked(_WORK)
    return spent


def _once(events: Sequence[bytes], plain: Sequence[bytes], finders: Finders) -> tuple[float, ...]:
    """Seconds for all events: to read, route and judge them; to read logs alone, with every tenth, every hundredth."""
    issued = known(events)
    registered = RegisteredCredentials(finders)
    asyncio.run(registered.register([event for event in issued if isinstance(event, CredentialIssued)]))
    work = WorkRecords(Topics().work, registered, ())
    read, found = scan(events, finders)
    begun = time.process_time()
    routed = [[output for event in some for output in work.of(event, 0, 1)] for some in found]
    route = time.process_time() - begun
    first = [output for event in issued for output in work.of(event, 0, 1)]
    polls = [
        [
            FakeRecord(each.value, at, topic=_WORK.topic, key=each.key, timestamp=1)
            for at, each in enumerate(some)
        ]
        for some in [first, *routed]
    ]
    judged = asyncio.run(judge(polls[0], polls[1:]))
    alone, tenth, hundredth = (
        scan([events[at] if every and not at % every else line for at, line in enumerate(plain)], finders)[0]
        for every in (0, 10, 100)
    )
    return read, route, judged, alone, tenth, hundredth


def measure(count: int, rounds: int) -> list[Cost]:
    """All events in turn, and again; the least of each."""
    scanner, _ = load_scanner(Settings().patterns)
    plain = logs(count)
    made = {name: values(make, count) for name, make in EVENTS.items()}
    least: dict[str, tuple[float, ...]] = {}
    with seldom_collected():  # as in the service
        for number in range(rounds + 1):  # the first compiles
            for name, events in made.items():
                found = _once(events, plain, Finders(scanner, (key_of(_SEED),)))
                if number:
                    least[name] = tuple(map(min, found, least.get(name, found)))
    alone = min(spent[3] for spent in least.values())
    return [
        Cost(
            name,
            *(spent / count * 1e6 for spent in spents[:3]),
            *(
                (spent - alone * (1 - 1 / every)) / (count / every) * 1e6
                for every, spent in ((10, spents[4]), (100, spents[5]))
            ),
        )
        for name, spents in least.items()
    ]


def report(costs: Sequence[Cost], machine: compare.Machine, rounds: int) -> str:
    """The table."""
    head = [
        "µs of CPU an event",
        "read and mask",
        "route",
        "judge",
        "all",
        "read, 10 % among logs",
        "read, 1 % among logs",
    ]
    body = [
        [
            cost.event,
            *(
                f"{some:.1f}"
                for some in (cost.read, cost.route, cost.judge, cost.read + cost.route + cost.judge)
            ),
            *(f"{some:.0f}" for some in (cost.tenth, cost.hundredth)),
        ]
        for cost in costs
    ]
    about = f"\nPolls of {_POLL} records, one partition, {_USED} credentials used by turns. The least of {rounds} rounds.\n"
    return "\n".join(
        ["# What an audit event costs\n", tables.about(machine), about, tables.table(head, body), ""]
    )


def main(count: int = 4000, rounds: int = 5) -> None:
    """Measures, prints and keeps the table."""
    costs, machine = measure(count, rounds), compare.machine()
    text = report(costs, machine, rounds)
    print(text)
    tables.save(compare.RESULTS, "events", text, {"machine": machine, "costs": costs})
