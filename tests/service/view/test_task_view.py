"""A task as the live view shows it: only what is committed, in the words of findings, and never a secret."""

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.judge.policy import Policy
from detector.judge.routing import task_key
from detector.service.judge.store import digest_of
from detector.service.view.task import MOST_EVENTS, ViewContext, bounded, task_view
from detector.values.events import CredentialUsed, RevocationOutcome, TaskStarted
from detector.values.findings import command_id
from detector.values.times import HOUR, SECOND, to_millis
from tests.histories import START, History, arrivals, histories
from tests.outputs.finding_samples import ENDED, issued, leak, use
from tests.service.judge.judge_without_kafka import IDLE, World, feed, longer, run, through_crashes

TASK = "release-4711"


def looked(
    world: World, task_id: str, policy: Policy, clean: Any = lambda text: text
) -> dict[str, Any] | None:
    """What is shown of a task: its partition's store is the one that has it."""
    for store in world.handler.stores.values():
        rows = bounded(store.entries(digest_of(task_key(task_id))))
        if rows:
            return task_view(task_id, rows, store.watermark(), ViewContext(policy, {}, clean))
    return None


async def lived(policy: Policy, until: int, order: list[Any], seed: int) -> tuple[World, dict[str, Any]]:
    rng = random.Random(seed)
    world = World(
        policy, until + policy.watermark_delay - IDLE, partitions=2, cache_size=rng.choice((0, 1000))
    )
    tasks = {name for event in order for name in (getattr(event, "task_id", None),) if name}
    try:
        await world.open()
        feed(world, order, rng)
        await through_crashes(world, rng, crashes=0.1)
        await world.settle(until, policy)
        views = {task: view for task in tasks if (view := looked(world, task, policy)) is not None}
        await world.close()
    finally:
        world.remove()
    return world, views


@settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.data(), st.integers(0, 10**6))
def test_a_task_shows_its_findings_and_commands_and_no_others(
    history: History, data: st.DataObject, seed: int
) -> None:
    policy = longer(history.policy, command_delay=HOUR)
    latest = max((event.time for event in history.events), default=START)
    until = max(latest, history.until) + 2 * HOUR
    world, views = run(lived(policy, until, data.draw(arrivals(history.events)), seed))
    told = {
        uid: record
        for uid, record in world.standing().items()
        if record["finding_info"]["analytic"]["uid"] != "leaked-secret"
    }
    shown = {each["uid"]: each for view in views.values() for each in view["findings"]}
    gone = [uid for uid, record in told.items() if record["unmapped"].get("task_id") not in views]
    assert shown.keys() == told.keys() - set(gone)
    assert {uid: each["count"] for uid, each in shown.items()} == {uid: told[uid]["count"] for uid in shown}
    commands = {
        (each["subject"], each["data"]["escalated"])
        for each in world.commands
        if each["data"].get("task_id") in views
    }
    assert commands == {
        (each["credential"], each["escalated"]) for view in views.values() for each in view["commands"]
    }


def only(
    world_events: list[Any], *, crash: str = "", clean: Any = lambda text: text
) -> dict[str, Any] | None:
    """What is shown of the task after these events, each sent to it, in one transaction."""

    async def told() -> dict[str, Any] | None:
        policy = Policy()
        world = World(policy, ENDED + HOUR, partitions=1)
        try:
            await world.open()
            for event in world_events:
                world.send(task_key(TASK), event)
            await world.poll(0, 10_000, crash=crash)
            found = looked(world, TASK, policy, clean)
            await world.close()
        finally:
            world.remove()
        return found

    found: dict[str, Any] | None = run(told())
    return found


STARTED = TaskStarted(
    time=ENDED - HOUR,
    source="ci",
    id="start",
    task_id=TASK,
    kind="ci",
    owner="release-team",
    parent_task_id="p",
)


def test_it_tells_when_and_what_in_order() -> None:
    events = [STARTED, issued(), use(ENDED + SECOND, id="late"), use(ENDED - 60 * SECOND, id="early"), leak()]
    found = only(events)
    assert found is not None
    assert found["task"] == {
        "id": TASK, "kind": "ci", "owner": "release-team", "parent": "p", "started": to_millis(ENDED - HOUR)
    }  # fmt: skip
    (credential,) = found["credentials"]
    assert credential["id"] == "cred-7"
    assert credential["identifiers"] == ["vault-accessor acc-7"]
    assert [piece["type"] for piece in credential["happened"]] == [
        "credential.issued", "log", "credential.used", "credential.used",
    ]  # fmt: skip
    assert credential["happened"][1]["excerpt"] == "TOKEN=‹github-pat-classic:40› done"
    assert [piece["id"] for piece in credential["happened"][2:]] == ["early", "late"]
    assert {each["rule"] for each in found["findings"]} == {"leaked-credential", "overlong-credential"}
    assert [each["escalated"] for each in found["commands"]] == [False]


@pytest.mark.parametrize(
    ("outcomes", "uses", "said"),
    [
        (["done-unproved"], [], ["Revoked, but not proved"]),
        (
            ["held", "done-unproved"],
            ["denied", None],
            ["Revoked, but not proved", "Refused: the next use was denied"],
        ),
        (["done-unproved"], [None, "denied"], ["Revoked, but not proved", "Used after it was revoked"]),
        (["done-unproved", "confirmed"], ["denied"], []),
        (["failed"], ["denied"], []),
    ],
    ids=["no use", "denied", "works", "proved later", "failed"],
)
def test_the_next_use_after_an_unproved_revocation_is_shown(
    outcomes: list[str], uses: list[str | None], said: list[str]
) -> None:
    asked = command_id("cred-7", escalated=False)
    told = [
        RevocationOutcome(
            time=ENDED + number * SECOND,
            source="curfewd/revoke",
            id=f"{asked}/{number}",
            credential_id="cred-7",
            command_id=asked,
            outcome=outcome,
        )
        for number, outcome in enumerate(outcomes, 1)
    ]
    later = [
        use(ENDED + (10 + number) * SECOND, id=f"later-{number}", **({} if how is None else {"outcome": how}))
        for number, how in enumerate(uses)
    ]
    found = only(
        [STARTED, issued(), leak(), use(ENDED - 60 * SECOND, id="early", outcome="denied"), *later, *told]
    )
    assert found is not None
    (credential,) = found["credentials"]
    assert [
        text[: len(start)]
        for start, text in zip(said, (one["text"] for one in credential["unproved"]), strict=True)
    ] == said
    if len(said) > 1:
        assert credential["unproved"][1]["time"] == to_millis(ENDED + 10 * SECOND)


def test_what_is_not_committed_is_not_shown() -> None:
    events = [STARTED, issued(), leak()]
    assert only(events, crash="before") is None
    assert only(events) is not None


def test_a_task_that_is_known_by_its_credential_alone_is_shown() -> None:
    found = only([issued()])
    assert found is not None
    assert found["task"] == {"id": TASK}


def test_of_many_uses_the_latest_are_listed() -> None:
    uses = [use(ENDED + n * SECOND, id=f"u{n}") for n in range(MOST_EVENTS + 50)]
    found = only([issued(), *uses])
    assert found is not None
    (credential,) = found["credentials"]
    assert len(credential["happened"]) == MOST_EVENTS
    assert credential["earlier"] == 51
    assert credential["happened"][-1]["id"] == f"u{MOST_EVENTS + 49}"


def test_what_a_store_keeps_is_read_up_to_a_bound() -> None:
    row = (b"key", b"x" * 1000)
    assert bounded([row] * 3999) is not None
    assert bounded([row] * 4001) is None
    assert bounded([(b"key", b"x" * (9 << 20))]) is None


def test_no_secret_is_shown_and_no_fingerprint() -> None:
    secret = "hunter2-hunter2-hunter2"
    hostile = CredentialUsed(
        time=ENDED, source=secret, id=secret, credential_id="cred-7", action=secret, resource=f"x/{secret}",
        task_id=None, workload=secret, source_ip=secret, user_agent=secret,
    )  # fmt: skip
    shown_in = leak(excerpt=f"‹a:3› {secret}", source=secret, stream=secret)
    found = only(
        [STARTED, issued(id=secret), hostile, shown_in], clean=lambda text: text.replace(secret, "‹masked›")
    )
    assert found is not None
    text = json.dumps(found, ensure_ascii=False)
    assert secret not in text
    assert text.count("‹masked›") >= 8
    for fingerprint in ("a" * 64, "b" * 64, "0badcafe"):
        assert fingerprint not in text
