"""Poison records through `curfewd run`: each gives one dead letter, shows nothing and stops nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from detector.kafka.clients import read_to_end
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Partition
from tests.broker import Cluster
from tests.ingest.streams import admin, until
from tests.scan.growth import again
from tests.scan.test_growth import FOUND
from tests.service.whole.deployment import ended
from tests.service.whole.disturbed import Disturbed, deployed
from tests.small_history import event, identifier_of, secret_of

LEAKED = 0  # the task whose secret stands in all poison
SECRET = secret_of(LEAKED)
LARGE = 4 << 20
LIMIT = 1_048_588  # message.max.bytes
EVERYTHING = ("work", "registry", "state", "findings", "revocations", "dead-letters")
ISSUED = event(
    1, "credential.issued", 0, credential_id="leaked", task_id="t", identifiers=[identifier_of(LEAKED)]
)
STARTED = event(2, "task.started", 0, task_id="t")


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


# What is in it, the reasons of its dead letters, and whether the secret in it is found.
POISON: dict[str, tuple[bytes | None, list[str], bool]] = {
    "random bytes": (bytes(range(256)) * 8 + SECRET, [], True),
    "truncated": (b'{"message": "' + SECRET, ["truncated-json"], True),
    "not utf-8": (b'{"message": "\xff\xfe ' + SECRET + b'"}', ["not-utf8"], True),
    "no json": (b"{" + SECRET, ["not-json"], True),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"m":"' + SECRET + b'"}', ["too-deep"], True),
    "deep array": (b"[" * 100_000 + b" " + SECRET, [], True),
    "null": (b"null " + SECRET, [], True),
    "a huge line": (b"x" * (3 << 20) + b" " + SECRET, [], True),
    "a huge object": (b'{"message": "' + SECRET + b" " + b"x" * (3 << 20) + b'"}', [], True),
    "a huge number": (b'{"message": "' + SECRET + b'", "time": 1' + b"0" * 400 + b"}", ["bad-time"], True),
    "a bad time": (dumps({"message": f"{SECRET.decode()}", "time": SECRET.decode()}), ["bad-time"], True),
    "a future time": (dumps({**STARTED, "time": "9999-12-31T23:59:59Z"}), ["future-time"], False),
    "a future log": (
        dumps({"message": SECRET.decode(), "time": "9999-12-31T23:59:59Z"}),
        ["future-time"],
        True,
    ),
    "no task": (dumps({**STARTED, "data": {"kind": SECRET.decode()}}), ["missing-field"], False),
    "a number for a name": (dumps({**STARTED, "data": {"task_id": 7}}), ["wrong-field"], False),
    "a list for data": (dumps({**STARTED, "data": [SECRET.decode()]}), ["wrong-field"], False),
    "many bad lines": (b"\n".join([b"{" + SECRET] * 1000), ["not-json"], True),
    "zeros": (b"\0" * 100_000 + SECRET, [], True),
    "nothing": (b"", [], False),
    "white space": (b" \n\t\r\n", [], False),
    "a tombstone": (None, [], False),
    "an event in binary mode": (dumps({"task_id": SECRET.decode()}), ["not-utf8"], False),
} | {name: (SECRET + b"\n" + again(fragment, 400 << 10), [], True) for name, fragment in FOUND.items()}
HEADERS = {
    "an event in binary mode": [("ce_specversion", b"1.0"), ("ce_type", b"task.started"), ("ce_id", b"\xff")]
}


def good(number: int) -> bytes:
    """All of a story in one record: a credential is used after it was revoked."""
    story: list[dict[str, Any]] = [
        event(0, "task.started", 0, task_id=f"good-{number}"),
        event(
            0,
            "credential.issued",
            1,
            credential_id=f"good-{number}",
            task_id=f"good-{number}",
            identifiers=[{"scheme": "vault-accessor", "value": f"accessor-{number}"}],
        ),
        event(0, "credential.revoked", 2, credential_id=f"good-{number}"),
        event(0, "credential.used", 100, credential_id=f"good-{number}", action="read"),
    ]
    return dumps([{**each, "id": f"good-{number}-{index}"} for index, each in enumerate(story)])


async def sent(
    deployment: Disturbed,
    records: list[tuple[bytes | None, list[tuple[str, bytes]]]],
    codec: str | None = None,
) -> list[int]:
    """Values with headers, one after another to one partition, each in a batch of its own; their offsets."""
    producer = AIOKafkaProducer(
        bootstrap_servers=deployment.bootstrap,
        enable_idempotence=True,
        max_request_size=32 * LARGE,
        compression_type=codec,
    )
    async with producer:
        return [
            (
                await producer.send_and_wait(
                    deployment.inputs[0], value, key=b"k", partition=1, headers=headers
                )
            ).offset
            for value, headers in records
        ]


async def judged(deployment: Disturbed) -> set[str]:
    """Whose use after revocation was found."""
    return {
        each["unmapped"]["credential_id"]
        for each in (await deployment.findings()).values()
        if each["finding_info"]["analytic"]["uid"] == "use-after-revocation"
    }


async def letters(deployment: Disturbed) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in await deployment.topic("dead-letters")]


async def everything(deployment: Disturbed) -> bytes:
    """All bytes of our own topics."""
    found = bytearray()
    async with admin(deployment.bootstrap) as client:
        topics = await client.describe_topics([f"{deployment.name}.{name}" for name in EVERYTHING])
    for topic in topics:
        for each in topic["partitions"]:
            partition = Partition(topic["topic"], each["partition"])
            async for some in read_to_end(ConnectionSettings(deployment.bootstrap), partition):
                found += b"".join((record.key or b"") + (record.value or b"") for record in some)
    return bytes(found)


@pytest.fixture
async def deployment(broker: Cluster, tmp_path: Path) -> Any:
    """Inputs that take records of four times the size of what we write."""
    made = Disturbed(broker.bootstrap, tmp_path)
    await made.create()
    async with admin(broker.bootstrap) as client:
        name = f"{made.name}.large"
        await client.create_topics(
            [NewTopic(name, 2, 1, topic_configs={"max.message.bytes": str(2 * LARGE)})]
        )
    text = made.config.read_text()
    lists = f"log_topics = {json.dumps(made.inputs[:1])}\nevent_topics = {json.dumps(made.inputs[1:])}\n"
    assert lists in text
    made.config.write_text(text.replace(lists, f"event_topics = {json.dumps([name, *made.inputs[1:]])}\n"))
    made.inputs = (name, made.inputs[1])
    with deployed(made):
        yield made


async def test_poison_is_told_once_and_stops_nobody(deployment: Disturbed) -> None:
    await sent(deployment, [(dumps([STARTED, ISSUED]), [])])
    process = deployment.start()
    await until(deployment.ready, "readiness")
    records = []
    for number, (name, (value, _, _)) in enumerate(POISON.items()):
        records += [(value, HEADERS.get(name, [])), (good(number), [])]
    offsets = await sent(deployment, records)
    poisoned = dict(zip(POISON, offsets[::2], strict=True))

    async def all_judged() -> bool:
        return await judged(deployment) == {f"good-{number}" for number in range(len(POISON))}

    await until(all_judged, "what comes after each of them", every=0.5)
    await until(deployment.quiet, "the look-back", every=0.5)
    found = await letters(deployment)
    assert {(each["source"], each["partition"]) for each in found} == {(deployment.inputs[0], 1)}
    told = {name: [each["reason"] for each in found if each["offset"] == at] for name, at in poisoned.items()}
    assert told == {name: reasons for name, (_, reasons, _) in POISON.items()}
    (leak,) = (
        each
        for each in (await deployment.findings()).values()
        if each["finding_info"]["analytic"]["uid"] == "leaked-credential"
    )
    assert leak["count"] == sum(shown for _, _, shown in POISON.values())
    assert SECRET not in await everything(deployment)
    assert SECRET.decode() not in deployment.log.read_text()
    assert process.poll() is None


async def test_a_record_at_the_brokers_limit_is_read_to_its_end_and_what_would_be_larger_is_told(
    deployment: Disturbed,
) -> None:
    await sent(deployment, [(dumps([STARTED, ISSUED]), [])])
    deployment.start()
    plain = deployment.inputs[1]  # takes what any topic takes
    producer = AIOKafkaProducer(bootstrap_servers=deployment.bootstrap, max_request_size=LARGE)
    async with producer:
        for size in range(LIMIT - 61, 0, -1):  # 61 bytes of every batch are its own
            try:
                await producer.send_and_wait(plain, SECRET.rjust(size, b" "), key=b"k")
            except MessageSizeTooLargeError:
                continue
            break
    assert LIMIT - 100 < size < LIMIT - 61
    large = event(
        3, "credential.issued", 0, credential_id="large", task_id="t", identifiers=[identifier_of(1)]
    )
    large["data"]["revocation"] = {"handle": "x" * LARGE}
    offset, _ = await sent(deployment, [(dumps(large), []), (good(0), [])])

    async def found() -> bool:
        rules = {each["finding_info"]["analytic"]["uid"] for each in (await deployment.findings()).values()}
        return rules >= {"leaked-credential", "use-after-revocation"}

    await until(found, "the leak, and what comes after", every=0.5)
    await until(deployment.quiet, "the end", every=0.5)
    told = {(each["source"], each["offset"], each["reason"]) for each in await letters(deployment)}
    assert told == {(deployment.inputs[0], offset, "too-large")}


async def test_a_bomb_is_passed_by_the_scan_the_look_back_and_whoever_starts_anew(
    deployment: Disturbed,
) -> None:
    """70 MB of zeros that compress to nearly nothing, then a log line whose credential is registered later."""
    # The log line must be judged before the look-back reads it, however busy the machine is.
    deployment.config.write_text(deployment.config.read_text().replace('lookback = "2s"', 'lookback = "60s"'))
    process = deployment.start()
    await until(deployment.ready, "readiness")
    log = dumps({"message": f"token {SECRET.decode()}"})
    before, bomb, *_ = [
        *await sent(deployment, [(good(0), [])]),
        *await sent(deployment, [(b"\0" * (70 << 20), [])], codec="gzip"),
        *await sent(deployment, [(log, []), (good(1), [])]),
    ]
    assert bomb == before + 1

    async def judged_so_far() -> bool:
        return await judged(deployment) == {"good-0", "good-1"}

    await until(judged_so_far, "what comes after it", every=0.5)
    await sent(deployment, [(dumps([STARTED, ISSUED]), [])])

    async def found() -> bool:
        return any(
            each["finding_info"]["analytic"]["uid"] == "leaked-credential"
            for each in (await deployment.findings()).values()
        )

    await until(found, "the leak, by the look-back", every=0.5)
    process.terminate()
    assert await ended(process) == 0
    process = deployment.start()
    await sent(deployment, [(good(2), [])])

    async def judged_again() -> bool:
        return await judged(deployment) == {"good-0", "good-1", "good-2"}

    await until(judged_again, "what comes after a new start", every=0.5)
    assert [(each["offset"], each["reason"]) for each in await letters(deployment)] == [(bomb, "unreadable")]
    assert process.poll() is None
