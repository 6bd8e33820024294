"""How long the record of a finding stands in its topic."""

import msgspec
import pytest

from detector.judge.policy import Policy
from detector.judge.routing import FindingOver, finding_key, task_key
from detector.registry.credential_registry import CredentialRegistry
from detector.values.findings import finding_uid
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.service.judge.test_judge_over_time import (
    T0,
    Story,
    end,
    issue,
    leak,
    revoke,
    run_story,
    start,
    use,
)

POLICY = Policy(finding_retention=30 * DAY)
OVER = T0 + HOUR + POLICY.retention  # a credential that expires after an hour is forgotten
GONE = OVER + MINUTE + POLICY.finding_retention
HISTORY = (start(), issue(), leak(T0 + SECOND), end())
LEAKED = finding_uid("leaked-credential", "c1")


def state_left(one: Story) -> set[bytes]:
    one.world.logs.compact()
    left = [change for rows in one.world.logs.topics for _, change in rows if change[1] is not None]
    return {key for key, _ in left}


@pytest.mark.parametrize("store", ["kept", "lost"])
def test_a_finding_is_deleted_when_its_state_has_been_gone_for_long_enough(store: str) -> None:
    async def story(one: Story) -> None:
        await one.apply(*HISTORY)
        await one.until(T0 + 2 * HOUR)
        before = one.rules
        assert "leaked-credential" in before
        await one.until(OVER + MINUTE)
        await one.world.restart(store=store)
        await one.until(GONE - SECOND)
        assert (one.rules, one.world.deleted) == (before, [])
        await one.until(GONE)
        assert one.rules == []
        assert len(one.world.deleted) == len(set(one.world.deleted)) == len(before)
        await one.world.restart(store=store)
        await one.until(GONE + POLICY.finding_retention + DAY)
        assert len(one.world.deleted) == len(before)
        assert state_left(one) <= {b"w", b"v"}

    run_story(story, POLICY)


def test_a_closed_finding_is_deleted_while_its_task_goes_on() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(deadline=T0 + HOUR))
        await one.until(T0 + 2 * HOUR)
        assert one.rules == ["overdue-task"]
        await one.apply(end(at=T0 + HOUR))  # it comes late
        assert one.rules == []
        await one.apply(issue(expires=None))
        await one.until(T0 + 2 * HOUR + POLICY.finding_retention - SECOND)
        assert one.world.deleted == []
        await one.until(T0 + 2 * HOUR + POLICY.finding_retention + MINUTE)
        assert one.world.deleted == [finding_uid("overdue-task", "t1")]

    run_story(story, POLICY)


def test_a_finding_that_still_holds_is_not_deleted_however_old_it_is() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(expires=None), leak(T0 + SECOND))
        await one.until(T0 + HOUR)
        before = one.rules
        await one.until(T0 + 10 * POLICY.finding_retention)
        assert (one.rules, one.world.deleted) == (before, [])

    run_story(story, POLICY)


@pytest.mark.parametrize("store", ["kept", "lost"])
@pytest.mark.parametrize("again", [GONE - DAY, GONE + MINUTE, GONE + 2 * POLICY.retention])
def test_a_credential_id_that_another_task_uses_again_keeps_its_finding(again: int, store: str) -> None:
    async def story(one: Story) -> None:
        await one.apply(*HISTORY)
        await one.until(T0 + 2 * HOUR)
        await one.until(OVER + MINUTE)
        await one.until(again)
        one.registry = CredentialRegistry()  # the credential is forgotten
        later = msgspec.structs.replace(leak(again + SECOND), id="p0@8")
        await one.apply(start("t2", at=again), issue(task="t2", at=again, expires=None), later)
        await one.world.restart(store=store)
        await one.until(again + 2 * POLICY.finding_retention)
        assert "leaked-credential" in one.rules
        assert one.world.deleted.count(LEAKED) == (again > GONE)

    run_story(story, POLICY)


def test_a_report_that_a_deletion_has_passed_is_written_again() -> None:
    async def story(one: Story) -> None:
        one.world.send(finding_key(LEAKED), FindingOver(task_key("t0"), T0, T0 - DAY))
        await one.until(T0 + MINUTE)
        assert one.world.deleted == [LEAKED]
        await one.apply(start(), issue(), leak(T0 + MINUTE))
        records = [record["activity_id"] for uid, record in one.world.findings if uid == LEAKED]
        assert records == [1, 2]
        await one.until(T0 + DAY)
        assert one.world.deleted == [LEAKED]

    run_story(story, POLICY)


@pytest.mark.parametrize("together", [False, True])
def test_facts_that_are_read_again_bring_no_deleted_finding_back(*, together: bool) -> None:
    async def story(one: Story) -> None:
        await one.apply(*HISTORY)
        await one.until(T0 + 2 * HOUR)
        await one.until(OVER + MINUTE)
        await one.until(GONE)
        deleted = set(one.world.deleted)
        assert deleted
        commands = {command["id"] for command in one.world.commands}
        if together:
            await one.apply(*HISTORY)
        else:
            for event in (*HISTORY, revoke(T0 + 2 * MINUTE), use(T0 + 3 * MINUTE)):
                await one.apply(event)
        await one.until(GONE + MINUTE)
        assert one.rules == []
        assert set(one.world.deleted) >= deleted
        assert {command["id"] for command in one.world.commands} == commands
        await one.until(GONE + 2 * POLICY.finding_retention)
        assert state_left(one) <= {b"w", b"v"}

    run_story(story, POLICY)


def test_what_comes_for_the_first_time_when_all_is_over_is_reported_and_stands() -> None:
    async def story(one: Story) -> None:
        await one.until(GONE)
        await one.apply(*HISTORY)
        assert "leaked-credential" in one.rules
        await one.until(GONE + POLICY.finding_retention - SECOND)
        assert "leaked-credential" in one.rules
        await one.until(GONE + POLICY.finding_retention + MINUTE)
        assert one.rules == []

    run_story(story, POLICY)


def test_findings_stand_for_ever_if_no_time_is_set() -> None:
    async def story(one: Story) -> None:
        await one.apply(*HISTORY)
        await one.until(T0 + 2 * HOUR)
        before = one.rules
        await one.until(T0 + 5000 * DAY)
        assert (one.rules, one.world.deleted) == (before, [])
        assert state_left(one) <= {b"w", b"v"}

    run_story(story, Policy(finding_retention=0))
