"""Join coverage in the service: what moves a credential from one join to another, story by story.

`test_totals` compares it with a replay of the same events, whatever moves, crashes or comes late.
"""

import msgspec

from detector.judge.joins import LONG, JoinCounts
from detector.judge.stage import META, AggregateState, Meta
from detector.judge.watermark import BEGINNING
from detector.values.events import TaskStarted
from detector.values.times import DAY, HOUR, MINUTE
from tests.service.judge.test_judge_over_time import POLICY, T0, Story, end, issue, run_story, start
from tests.service.judge.test_totals import by_join


def test_a_credential_moves_from_join_to_join_and_goes_with_its_state() -> None:
    async def story(one: Story) -> None:
        await one.apply(issue(expires=T0 + HOUR))
        assert by_join(one.world) == {"unreported": 1}
        await one.apply(start())
        assert by_join(one.world) == {"running": 1}
        await one.world.restart(store="lost")
        await one.world.tick()
        assert by_join(one.world) == {"running": 1}
        await one.apply(end())
        assert by_join(one.world) == {"ended": 1}
        await one.until(T0 + 3 * DAY)
        assert by_join(one.world) == {}

    run_story(story)


def test_time_alone_makes_a_task_overdue_and_a_late_end_undoes_it() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(deadline=T0 + HOUR), issue(expires=T0 + DAY))
        await one.until(T0 + HOUR + POLICY.grace_period - 1)
        assert by_join(one.world) == {"running": 1}
        await one.until(T0 + HOUR + POLICY.grace_period)
        assert by_join(one.world) == {"overdue": 1}
        await one.world.restart(store="kept")
        await one.apply(end(at=T0 + HOUR + 2 * MINUTE))
        assert by_join(one.world) == {"ended": 1}

    run_story(story)


def test_an_earlier_issue_moves_the_credential_to_its_task() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), start("t2"), end("t2"), issue(at=T0 + MINUTE))
        assert by_join(one.world) == {"running": 1}
        await one.apply(issue(task="t2", at=T0))
        assert by_join(one.world) == {"ended": 1}

    run_story(story)


def test_a_credential_of_a_group_waits_for_the_last_of_its_candidates() -> None:
    def one_of(task: str) -> TaskStarted:
        return msgspec.structs.replace(start(task), group="repo")

    async def story(one: Story) -> None:
        grouped = msgspec.structs.replace(issue(expires=T0 + HOUR), task_id=None, task_group="repo")
        await one.apply(grouped)
        assert by_join(one.world) == {"no-candidate": 1}
        await one.apply(one_of("t1"), one_of("t2"))
        assert by_join(one.world) == {"candidates-running": 1}
        await one.apply(end("t1"))
        assert by_join(one.world) == {"candidates-running": 1}
        await one.until(T0 + LONG + POLICY.grace_period)
        assert by_join(one.world) == {"candidates-overdue": 1}
        await one.world.restart(store="lost")
        await one.world.tick()
        await one.apply(end("t2"))
        assert by_join(one.world) == {"candidates-ended": 1}

    run_story(story)


def test_state_of_an_earlier_version_counts_once_it_is_judged_again() -> None:
    state = AggregateState("t:t1", POLICY)
    state.load([(META, msgspec.json.encode(["t:t1", None, None]))])
    assert state.counted.joins == JoinCounts()
    assert msgspec.json.decode(b'["t:t1",5,null]', type=Meta).joins is None
    for fact in (start(), issue()):
        state.take(fact, msgspec.json.encode(fact), BEGINNING)
    state.judge(T0)
    assert state.totals.joins == JoinCounts({"vault": {"running": 1}})
