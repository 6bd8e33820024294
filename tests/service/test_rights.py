"""Least privilege on a real broker with an authorizer: the listed rights are enough, and each is needed."""

import asyncio
import contextlib
import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.admin import NewTopic

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.settings import Settings
from detector.kafka.acls import Right, check_rights
from detector.kafka.clients import reaction
from detector.revoke.approve_command import run_approve
from detector.service.rights import Which, rights, rights_to_approve, rights_to_create, rights_to_revoke
from detector.service.stage_settings import connection_of
from detector.service.topics import create_topics
from detector.values.errors import RetryError, StopError
from tests.broker.guarded import PASSWORD, GuardedBroker
from tests.ingest.streams import admin, until
from tests.service.approvals.people import approvers_in, command_id, outcome
from tests.service.whole.deployment import ROOT, Deployment

ACLS = ROOT / "deploy" / "kafka"
EXAMPLE = Settings.load(str(ACLS / "example.toml")).live()
STAGES: dict[str, Which] = {"whole": "all", "scan": "scan", "judge": "judge"}
LACKING = [f"{stage}-lacks-{number}" for stage in STAGES for number in range(20)]
USERS = [
    *STAGES,
    "creator",
    *LACKING,
    *(f"{does}-{number}" for does in ("ends", "makes", "approves") for number in range(4)),
    "approver",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    with GuardedBroker(tmp_path_factory.mktemp("guarded"), USERS) as broker:
        yield broker


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURFEWD_KAFKA_PASSWORD", PASSWORD)


class Guarded(Deployment):
    """A deployment whose processes are users of the guarded listener; the tests look on from the open one."""

    def __init__(self, broker: GuardedBroker, folder: Path) -> None:
        super().__init__(broker.open, folder, partitions=2)
        self.broker = broker
        redacted = '[kafka.redacted]\ntopics = ["*.logs"]\n'
        self.open_config = self.config.read_text().replace("[service]", f"{redacted}[service]\nview = true")
        self.config.write_text(self.open_config)

    def as_user(self, user: str) -> Path:
        """The configuration under which that user connects."""
        self.config = self.folder / user / "live.toml"
        self.config.parent.mkdir(exist_ok=True)
        security = (
            f'[kafka.security]\nprotocol = "SASL_PLAINTEXT"\nmechanism = "PLAIN"\nusername = "{user}"\n'
        )
        text = self.open_config.replace(self.broker.open, self.broker.guarded)
        self.config.write_text(text.replace("[service]", f"{security}[service]"))
        return self.config

    def live(self, user: str) -> KafkaSettings:
        return Settings.load(str(self.as_user(user))).live()


@pytest.fixture
def deployment(guarded: GuardedBroker, tmp_path: Path) -> Iterator[Guarded]:
    made = Guarded(guarded, tmp_path)
    yield made
    made.end()


def event(about: str, **data: Any) -> bytes:
    envelope = {"specversion": "1.0", "id": f"{about}-{len(data)}", "source": "test", "type": about}
    return json.dumps({**envelope, "time": "2026-09-01T00:00:00Z", "data": data}).encode()


IDENTIFIERS = [{"scheme": "jwt-id", "value": "a-token-with-an-id"}]
# A finding, a command and a dead letter come of it, and a line is passed on; every topic is written.
HISTORY = [
    event("task.started", task_id="t", kind="job"),
    event("credential.issued", task_id="t", credential_id="c", identifiers=IDENTIFIERS),
    event("task.ended", task_id="t"),
    event("credential.used", credential_id="c", action="sign", task_id="somebody-else"),
    event("task.ended"),
]


async def judged(deployment: Guarded) -> bool:
    return bool(
        await deployment.findings()
        and await deployment.commands()
        and await deployment.topic("dead-letters")
        and await deployment.topic("logs.redacted")
    )


async def looked_back(deployment: Guarded) -> bool:
    async with admin(deployment.bootstrap) as client:
        return bool(await client.list_consumer_group_offsets(f"{deployment.name}-lookback"))


@pytest.mark.parametrize("users", [["whole"], ["scan", "judge"]], ids=["one process", "a process a stage"])
async def test_what_is_listed_is_enough(
    guarded: GuardedBroker, deployment: Guarded, users: list[str]
) -> None:
    async with admin(guarded.open) as client:
        await client.create_topics([NewTopic(name, 1, 1) for name in deployment.inputs])
    creating = deployment.live("creator")
    granted = [("creator", right) for right in rights_to_create(creating)]
    await guarded.allow(
        [*granted, *((user, right) for user in users for right in rights(creating, STAGES[user]))]
    )
    assert len((await create_topics(creating)).created) == 7
    assert (await create_topics(creating)).differences == ()  # reads the settings of those that are there
    await deployment.put([(0, 0, b"a line of a log"), *((1, 0, line) for line in HISTORY)])
    for user in users:
        deployment.as_user(user)
        deployment.start(*([] if user == "whole" else ["--stage", user]))
    await until(lambda: judged(deployment), "a finding, a command and a dead letter")
    await until(lambda: looked_back(deployment), "the look-back's offsets")
    if users == ["whole"]:
        status, page = await asyncio.to_thread(deployment.get, "/view/task?id=t")
        assert status == 200
        assert "use-by-other-workload" in page
    for process in deployment.processes:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0


def all_but(needed: Sequence[Right], lacking: Right, user: str) -> list[tuple[str, Right]]:
    return [(user, right) for right in needed if right != lacking]


async def told(live: KafkaSettings, needed: Iterable[Right]) -> None:
    """`check_rights`, asked again as the service does where a busy broker gives no answer in time."""
    for _ in range(5):
        with contextlib.suppress(RetryError):
            return await check_rights(connection_of(live), needed)
    raise AssertionError("the broker never answers")


@pytest.mark.parametrize("stage", STAGES)
async def test_what_is_missing_of_topics_and_groups_is_named(
    guarded: GuardedBroker, deployment: Guarded, stage: str
) -> None:
    await deployment.create()
    needed = rights(deployment.live("whole"), STAGES[stage])
    lacking = {
        f"{stage}-lacks-{n}": right for n, right in enumerate(needed) if right.kind in {"topic", "group"}
    }
    assert len(lacking) >= 9
    redacted = Right("topic", f"{deployment.inputs[0]}.redacted", "Write")
    assert (redacted in lacking.values()) == (stage != "judge")
    await guarded.allow(grant for user, right in lacking.items() for grant in all_but(needed, right, user))
    for user, right in lacking.items():
        with pytest.raises(StopError) as caught:
            await told(deployment.live(user), needed)
        assert str(caught.value) == (
            f"Kafka does not let user {user} do all that is needed: allow it {right} (ACLs; docs/deploy.md lists all)"
        )


async def test_who_may_not_ends_at_once_with_a_line_that_says_what(
    guarded: GuardedBroker, deployment: Guarded
) -> None:
    await deployment.create()
    needed = rights(deployment.live("whole"), "all")
    named = {
        Right("topic", deployment.inputs[0], "Read"): f"allow it Read on topic {deployment.inputs[0]} (ACLs",
        Right(
            "transactional id", f"{deployment.name}-scan-*", "Write"
        ): f"transactional id {deployment.name}-scan-",
        Right(
            "transactional id", f"{deployment.name}-judge-*", "Write"
        ): f"transactional id {deployment.name}-judge-",
    }
    users = {right: f"ends-{number}" for number, right in enumerate(named)}
    await guarded.allow(grant for right, user in users.items() for grant in all_but(needed, right, user))
    for user in users.values():
        deployment.as_user(user)
        deployment.start()
    for number, (right, process) in enumerate(zip(users, deployment.processes, strict=True), start=1):
        assert await asyncio.to_thread(process.wait, 60) == 2, right
        deployment.runs = number
        (why,) = (line["why"] for line in deployment.said() if line["level"] == "error")
        assert named[right] in why


async def test_what_is_listed_is_enough_to_create_the_inputs_too(
    guarded: GuardedBroker, deployment: Guarded
) -> None:
    creating = deployment.live("makes-3")
    needed = rights_to_create(creating, inputs=True)
    await guarded.allow(("makes-3", right) for right in needed)
    assert set(deployment.inputs) <= set((await create_topics(creating, inputs=True)).created)


async def test_topics_create_says_what_is_missing(guarded: GuardedBroker, deployment: Guarded) -> None:
    await deployment.create()  # settings are read of topics that are there
    needed = rights_to_create(deployment.live("creator"))
    operations = ("Create", "Describe", "DescribeConfigs")
    users = dict(zip(operations, ("makes-0", "makes-1", "makes-2"), strict=True))
    await guarded.allow(
        (user, right) for operation, user in users.items() for right in needed if right.operation != operation
    )
    for operation in ("Describe", "DescribeConfigs"):
        with pytest.raises(StopError, match=rf"allow it {operation} on topic {deployment.name}\."):
            await create_topics(deployment.live(users[operation]))
    async with admin(guarded.open) as client:
        await client.delete_topics(sorted({right.name for right in needed if right.operation == "Create"}))
    with pytest.raises(StopError, match=rf"allow it Create on topic {deployment.name}\."):
        await create_topics(deployment.live(users["Create"]))


async def test_an_approver_needs_what_is_listed_and_no_more(
    guarded: GuardedBroker, deployment: Guarded, tmp_path: Path
) -> None:
    people = "".join(
        f'[[revoke.approver]]\nname = "{one.name}"\ntoken_file = "{one.token.path}"\n'
        for one in approvers_in(tmp_path)
    )
    deployment.open_config += f"[revoke]\n{people}"
    deployment.config.write_text(deployment.open_config)
    await deployment.create()
    needed = rights_to_approve(deployment.live("approver"))
    await guarded.allow(("approver", right) for right in needed)
    users = {right: f"approves-{number}" for number, right in enumerate(needed)}
    await guarded.allow(grant for right, user in users.items() for grant in all_but(needed, right, user))
    async with AIOKafkaProducer(bootstrap_servers=guarded.open) as producer:
        await producer.send_and_wait(f"{deployment.name}.revocation-outcomes", outcome(1), key=b"1")
    settings = Settings.load(str(deployment.as_user("approver")))
    said = await asyncio.to_thread(run_approve, settings, "approve", command_id(1), "alice")
    assert said.startswith(f"{command_id(1)}: approved by alice")
    for right, user in users.items():
        settings = Settings.load(str(deployment.as_user(user)))
        with pytest.raises(StopError, match=re.escape(f"allow it {right} (ACLs")):
            await asyncio.to_thread(run_approve, settings, "deny", command_id(1), "bob")


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (kafka.TopicAuthorizationFailedError("curfewd.work"), "topic curfewd.work"),
        (kafka.GroupAuthorizationFailedError("curfewd-judge"), "group curfewd-judge"),
        (kafka.TransactionalIdAuthorizationFailed("curfewd-scan-a-0"), "transactional id curfewd-scan-a-0"),
    ],
)
def test_a_right_that_is_taken_away_later_is_named_and_ends_the_service(error: Exception, names: str) -> None:
    told = reaction(error, "transaction")
    assert isinstance(told, StopError)
    assert f"Kafka does not let this user at the {names}: an ACL is missing" in str(told)


def acls(*arguments: str) -> str:
    command = [sys.executable, str(ACLS / "acls.py"), "--config", str(ACLS / "example.toml"), *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_table_is_what_the_code_asks_for() -> None:
    assert acls("--table") in (ACLS / "acls.md").read_text()


def test_the_commands_allow_just_what_is_needed() -> None:
    printed = acls(
        "--scan", "s", "--judge", "j", "--revoker", "r", "--approver", "a", "--creator", "c"
    ).splitlines()
    found = {user: set[Right]() for user in "sjrac"}
    for line in printed:
        words = shlex.split(line)
        assert words[0] == "kafka-acls.sh"
        options = list(itertools.pairwise(words))
        kind, name = next((a, b) for a, b in options if a in {"--topic", "--group", "--transactional-id"})
        star = "*" if ("--resource-pattern-type", "prefixed") in options else ""
        (user,) = (b.removeprefix("User:") for a, b in options if a == "--allow-principal")
        words_of = kind.removeprefix("--").replace("-", " ")
        found[user] |= {Right(words_of, name + star, b) for a, b in options if a == "--operation"}  # type: ignore[arg-type]
    assert found == {
        "s": set(rights(EXAMPLE, "scan")),
        "j": set(rights(EXAMPLE, "judge")),
        "r": set(rights_to_revoke(EXAMPLE)),
        "a": set(rights_to_approve(EXAMPLE)),
        "c": set(rights_to_create(EXAMPLE)),
    }


def test_a_glob_that_ends_in_a_star_is_a_prefixed_right_and_another_is_named(tmp_path: Path) -> None:
    config = tmp_path / "curfewd.toml"
    config.write_text(
        '[kafka]\nbootstrap = "127.0.0.1:9092"\nevent_topics = ["audit", "audit.*"]\nlog_topics = ["*.logs", "pods-?"]\n'
    )
    read = [
        right.name for right in rights(Settings.load(str(config)).live(), "scan") if right.operation == "Read"
    ]
    assert [name for name in read if not name.startswith("curfewd")] == ["audit", "audit.*"]
    command = [sys.executable, str(ACLS / "acls.py"), "--config", str(config), "--scan", "s"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[0] == "# Read is needed on each topic that matches *.logs, pods-?, too."
    assert "--topic audit. --resource-pattern-type prefixed --operation Read" in said
