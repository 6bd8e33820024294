"""A right that is taken from a running service: it ends with a line that says what, and goes on when it is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.kafka.acls import Right
from detector.service.rights import rights
from tests.broker.guarded import PASSWORD, GuardedBroker
from tests.ingest.streams import until
from tests.service.test_rights import Guarded, event, judged
from tests.service.whole.deployment import ended

USER = "worker"
# One of each: what the topics' names are is known once they are made. `make chaos` takes them all.
TAKEN = [
    "Write on topic findings",
    "Write on topic state",
    "Write on topic registry",
    "Read on topic logs",
    "Read on group judge",
    "Write on transactional id scan-*",
]
TAKEN_TOO = [
    "Write on topic revocations",
    "Write on topic dead-letters",
    "Write on topic work",
    "Write on topic logs.redacted",
    "Read on topic work",
    "Read on topic registry",
    "Read on topic state",
    "Read on group scan",
    "Read on group lookback",
    "Write on transactional id judge-*",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    with GuardedBroker(tmp_path_factory.mktemp("guarded"), [USER]) as broker:
        yield broker


@pytest.fixture
def deployment(guarded: GuardedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    monkeypatch.setenv("CURFEWD_KAFKA_PASSWORD", PASSWORD)
    made = Guarded(guarded, tmp_path)
    yield made
    made.end()


def history(number: int) -> list[tuple[int, int, bytes]]:
    """A finding, a command and a dead letter come of it, and a line is passed on: every topic is written."""
    task, credential = f"t{number}", f"c{number}"
    identifiers = [{"scheme": "jwt-id", "value": f"a-token-with-id-{number}"}]
    told = [
        event("task.started", task_id=task, kind="job"),
        event("credential.issued", task_id=task, credential_id=credential, identifiers=identifiers),
        event("task.ended", task_id=task),
        event("credential.used", credential_id=credential, action="sign", task_id="somebody-else"),
        event("task.ended"),
    ]
    return [
        (0, 0, b"a line of a log"),
        *((1, 0, line.replace(b'"id": "', b'"id": "%d-' % number)) for line in told),
    ]


def right_of(deployment: Guarded, needed: tuple[Right, ...], text: str) -> Right:
    """The right that a text names without the deployment's own name."""
    names = {
        str(right).replace(f"{deployment.name}.", "").replace(f"{deployment.name}-", ""): right
        for right in needed
    }
    return names[text]


@pytest.mark.parametrize(
    "taken", [*TAKEN, *(pytest.param(each, marks=pytest.mark.chaos) for each in TAKEN_TOO)]
)
async def test_a_right_that_is_taken_away_is_named_and_nothing_is_lost(
    guarded: GuardedBroker, deployment: Guarded, taken: str
) -> None:
    await deployment.create()
    needed = rights(deployment.live(USER), "all")
    right = right_of(deployment, needed, taken)
    await guarded.allow((USER, each) for each in needed)
    await deployment.put(history(1))
    process = deployment.start()
    await until(lambda: judged(deployment), "findings, commands and dead letters of the first half")
    await until(deployment.ready, "the service")
    await guarded.deny([(USER, right)])
    await deployment.put(history(2))
    assert await ended(process) == 2, deployment.log.read_text()[-3000:]
    (why,) = (line["why"] for line in deployment.said() if line["event"] == "cannot go on")
    assert USER in why
    assert (right.name.removesuffix("*") if right.kind == "transactional id" else str(right)) in why
    assert not [line for line in deployment.said() if "InvalidTxnState" in str(line)]
    await guarded.give_back([(USER, right)])
    deployment.start()
    await until(lambda: all_of_it(deployment), "findings and commands of both halves")


async def all_of_it(deployment: Guarded) -> bool:
    commands = {command["subject"] for command in await deployment.commands()}
    found = {each["unmapped"].get("credential_id") for each in (await deployment.findings()).values()}
    return (
        {"c1", "c2"} <= found
        and commands == {"c1", "c2"}
        and len(await deployment.topic("dead-letters")) >= 2
    )
