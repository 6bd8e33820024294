"""What the judge stage does as time goes by: commands confirmed or not, what waits, what is forgotten."""

import shutil
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.judge.aggregates import SecretAggregate
from detector.judge.policy import Policy
from detector.judge.routing import (
    Claim,
    InputProgress,
    LeakWithdrawal,
    registry_key,
    route,
    secret_key,
)
from detector.judge.watermark import BEGINNING
from detector.kafka.changelog import Change
from detector.kafka.handlers import Output, Refusal
from detector.registry.credential_registry import CredentialRegistry
from detector.service.judge.reports import JudgedTransaction
from detector.service.judge.restore import Restored, Restoring
from detector.service.judge.store import Store, digest_of, entry_key, meta_value
from detector.values.errors import RetryError, StopError
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    Leak,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.service.judge.judge_without_kafka import TOPICS, World, run

T0 = 1_793_491_200 * SECOND
HMAC = Identifier("hmac-sha256", "ab" * 32)
POLICY = Policy()


class Story:
    """One world with events in order; `rules` are those that stand."""

    def __init__(self, policy: Policy = POLICY, **settings: int) -> None:
        self.world = World(policy, T0, **settings)
        self.registry = CredentialRegistry()
        self.policy = policy

    async def apply(self, *events: AnyEvent) -> None:
        for event in events:
            for key, payload in route(event, self.registry):
                self.world.send(key, payload)
            if isinstance(event, CredentialIssued):
                self.registry.add(event)
        await self.world.drain()

    async def until(self, time: int) -> None:
        """The watermark comes to `time` because nothing is heard any more."""
        await self.world.settle(time, self.policy)

    @property
    def rules(self) -> list[str]:
        standing = self.world.standing().values()
        return sorted(record["finding_info"]["analytic"]["uid"] for record in standing)

    @property
    def commands(self) -> list[tuple[bool, tuple[str, ...]]]:
        return [
            (command["data"]["escalated"], tuple(command["data"]["reasons"]))
            for command in self.world.commands
        ]


def run_story(story: Callable[[Story], Awaitable[None]], policy: Policy = POLICY, **settings: int) -> None:
    async def all_of_it() -> None:
        one = Story(policy, **settings)
        try:
            await one.world.open()
            await story(one)
            await one.world.close()
        finally:
            one.world.remove()

    run(all_of_it())


def start(
    task: str = "t1", parent: str | None = None, at: int = T0, deadline: int | None = None
) -> TaskStarted:
    return TaskStarted(
        time=at, source="ci", id=f"s{task}", task_id=task, parent_task_id=parent, deadline=deadline
    )


def end(task: str = "t1", at: int = T0 + MINUTE) -> TaskEnded:
    return TaskEnded(time=at, source="ci", id=f"e{task}", task_id=task)


def issue(
    credential: str = "c1", task: str = "t1", at: int = T0, expires: int | None = T0 + HOUR
) -> CredentialIssued:
    return CredentialIssued(
        time=at,
        source="vault",
        id=f"i{credential}{task}",
        credential_id=credential,
        task_id=task,
        identifiers=(HMAC,),
        expires_at=expires,
    )


def use(at: int, task: str | None = None, credential: str | None = "c1", number: int = 0) -> CredentialUsed:
    return CredentialUsed(
        time=at, source="audit", id=f"u{at}{task}{number}", credential_id=credential, task_id=task
    )


def revoke(at: int, credential: str = "c1") -> CredentialRevoked:
    return CredentialRevoked(time=at, source="vault", id=f"r{credential}", credential_id=credential)


def leak(at: int, pattern: str | None = "a-token", task: str | None = None) -> Leak:
    return Leak(
        time=at,
        source="logs",
        id="p0@7",
        identifiers=(HMAC,),
        fingerprint=HMAC.value,
        pattern=pattern,
        severity=5,
        excerpt="‹a-token:40›",
        task_id=task,
    )


def test_a_command_that_nothing_confirms_is_escalated_once() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(expires=T0 + DAY), leak(T0 + SECOND))
        assert one.commands == [(False, ("leaked-credential",))]
        await one.until(T0 + SECOND + POLICY.confirm_timeout - 1)
        assert one.rules == ["leaked-credential"]
        await one.until(T0 + SECOND + POLICY.confirm_timeout)
        assert one.rules == ["leaked-credential", "revocation-unconfirmed"]
        assert one.commands[1:] == [(True, ("revocation-unconfirmed",))]
        await one.until(T0 + HOUR)
        assert len(one.commands) == 2
        (record,) = [
            record
            for record in one.world.standing().values()
            if record["finding_info"]["analytic"]["uid"] == "revocation-unconfirmed"
        ]
        assert record["count"] == 1  # it is judged for the plain command only

    run_story(story)


@pytest.mark.parametrize("ends", [revoke(T0 + 2 * SECOND), None])
def test_a_revocation_or_the_expiry_confirms_a_command(ends: CredentialRevoked | None) -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(expires=T0 + MINUTE if ends is None else T0 + DAY), leak(T0 + SECOND))
        if ends is not None:
            await one.apply(ends)
        await one.until(T0 + HOUR)
        assert one.rules == ["leaked-credential"]
        assert one.commands == [(False, ("leaked-credential",))]

    run_story(story)


def test_a_late_revocation_undoes_what_was_unconfirmed() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(expires=T0 + DAY), leak(T0 + SECOND))
        await one.until(T0 + 10 * MINUTE)
        assert "revocation-unconfirmed" in one.rules
        await one.apply(revoke(T0 + MINUTE))
        assert one.rules == ["leaked-credential"]

    run_story(story)


def test_a_command_waits_for_what_would_undo_it() -> None:
    rules = {name: msgspec.structs.replace(rule, command_delay=MINUTE) for name, rule in POLICY.rules.items()}
    policy = msgspec.structs.replace(POLICY, rules=rules)

    async def story(one: Story) -> None:
        await one.apply(start(), issue(), use(T0 + 10 * SECOND, task="t2"))
        assert one.rules == ["use-by-other-workload"]
        await one.until(T0 + 10 * SECOND + MINUTE - 1)
        assert one.commands == []
        await one.apply(start("t2", parent="t1"))
        await one.until(T0 + 10 * SECOND + MINUTE)
        assert (one.rules, one.commands) == ([], [])

    run_story(story, policy)


def test_a_grandchild_that_uses_its_own_tree_is_never_suspected() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), start("t2", parent="t1"), start("t3", parent="t2"), issue())
        await one.apply(use(T0 + SECOND, task="t3"), use(T0 + SECOND, task="t2"))
        assert one.world.findings == []
        assert one.world.commands == []
        await one.apply(use(T0 + SECOND, task="t4"), use(T0 + 2 * SECOND, task="t3"))
        assert one.rules == ["use-by-other-workload"]

    run_story(story)


def test_what_nobody_claims_waits_for_twice_the_lateness_and_is_counted() -> None:
    async def story(one: Story) -> None:
        await one.apply(use(T0), use(T0, number=1), leak(T0), end("t9", at=T0 + MINUTE))
        await one.until(T0 + 3 * POLICY.lateness)
        counted = [
            fact.expired for fact in one.world.facts if isinstance(fact, JudgedTransaction) and fact.expired
        ]
        assert counted == [{"audit": 2}]  # the leak waited too, and is reported as a leaked secret
        await one.apply(use(T0 + 2 * SECOND, number=2))  # later than that: not even parked
        await one.apply(issue(), end(at=T0 - HOUR))
        assert "use-after-termination" not in one.rules

    run_story(story)


def test_what_comes_too_late_is_counted_and_judged_against_what_is_known() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(), end())
        await one.until(T0 + 6 * HOUR)
        await one.apply(use(T0 + 2 * MINUTE))
        assert "use-after-termination" in one.rules
        assert sum(fact.late for fact in one.world.facts if isinstance(fact, JudgedTransaction)) == 1

    run_story(story)


def test_a_leaked_secret_is_closed_when_a_credential_claims_it_even_days_later() -> None:
    async def story(one: Story) -> None:
        await one.apply(leak(T0))
        assert one.rules == ["leaked-secret"]
        await one.until(T0 + 5 * HOUR)
        await one.apply(start(at=T0 + 5 * HOUR), issue(at=T0 + 5 * HOUR, expires=T0 + 6 * HOUR))
        assert one.rules == ["leaked-credential"]

    run_story(story)


@pytest.mark.parametrize("first", ["the leak", "the withdrawal"])
def test_a_record_that_shows_only_a_credentials_secret_is_no_secret_of_its_own(first: str) -> None:
    async def story(one: Story) -> None:
        shown, other = leak(T0), msgspec.structs.replace(leak(T0 + SECOND), id="p0@8")
        withdrawn = secret_key(shown.fingerprint), LeakWithdrawal(shown.source, shown.id, shown.time)
        if first == "the leak":
            await one.apply(shown)
            assert one.rules == ["leaked-secret"]
            one.world.send(*withdrawn)
            await one.world.drain()
        else:
            one.world.send(*withdrawn)
            await one.apply(shown)
        assert one.rules == []
        await one.world.restart(store="lost")
        await one.apply(shown)
        assert one.rules == []
        await one.apply(other)  # another record does show it by itself
        assert [record["count"] for record in one.world.standing().values()] == [1]
        await one.until(T0 + 2 * POLICY.retention)
        one.world.logs.compact()
        left = [change for rows in one.world.logs.topics for _, change in rows if change[1] is not None]
        assert {key for key, _ in left} <= {b"w", b"v"}

    run_story(story, Policy(finding_retention=0))


def test_when_all_is_over_everything_is_forgotten_but_what_was_told() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(deadline=T0 + HOUR), issue(), use(T0 + SECOND, task="t7"), leak(T0), end())
        await one.apply(revoke(T0 + 2 * MINUTE))
        before = one.rules
        assert before
        await one.until(T0 + 2 * MINUTE + POLICY.retention - SECOND)
        assert one.world.forgotten == []
        await one.until(T0 + 3 * POLICY.retention)
        assert one.rules == before
        assert one.world.forgotten == [registry_key(issue())]
        one.world.logs.compact()
        left = [change for rows in one.world.logs.topics for _, change in rows if change[1] is not None]
        assert {key for key, _ in left} <= {b"w", b"v"}

    run_story(story, Policy(finding_retention=0))


@pytest.mark.parametrize("lives", ["task", "credential"])
def test_while_a_task_or_a_credential_goes_on_nothing_is_forgotten(lives: str) -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(expires=None))
        await one.apply(end() if lives == "credential" else revoke(T0 + MINUTE))
        await one.until(T0 + 20 * POLICY.retention)
        assert one.world.forgotten == []
        at = T0 + 20 * POLICY.retention
        await one.apply(use(at))
        expected = "use-after-termination" if lives == "credential" else "use-after-revocation"
        assert expected in one.rules

    run_story(story)


def test_a_task_that_nobody_tells_of_is_forgotten_with_its_credentials() -> None:
    async def story(one: Story) -> None:
        await one.apply(issue(), use(T0 + MINUTE))
        await one.until(T0 + HOUR + POLICY.retention - SECOND)
        assert one.world.forgotten == []
        await one.until(T0 + HOUR + 2 * POLICY.retention)
        assert one.world.forgotten == [registry_key(issue())]

    run_story(story)


@pytest.mark.parametrize(
    ("store", "reason"), [("kept", None), ("lost", "none there"), ("torn", "unreadable: Exception")]
)
def test_a_partition_comes_back_with_its_store_or_without(store: str, reason: str | None) -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue())
        one.world.clock += 10 * SECOND  # the position is saved now and then
        await one.world.tick()
        await one.apply(start("t2"))
        one.world.facts.clear()
        await one.world.restart(store=store)
        *going, fact = one.world.facts
        assert all(isinstance(each, Restoring) for each in going)
        assert isinstance(fact, Restored)
        assert fact.reason == reason
        assert (fact.changes < 5) == (store == "kept")
        await one.apply(use(T0 + 2 * HOUR))
        assert one.rules == ["use-outside-window"]

    run_story(story, partitions=1)


def test_a_restore_that_is_cut_short_starts_again() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue(), *[start(f"t{number}") for number in range(2, 12)])
        one.world.logs.cut = True
        for store in ("lost", "kept"):
            with pytest.raises(RetryError, match="the broker is gone"):
                await one.world.restart(store=store)
        one.world.logs.cut = False
        one.world.facts.clear()
        await one.world.restart()
        assert [fact.reason for fact in one.world.facts if isinstance(fact, Restored)] == ["never complete"]
        await one.apply(use(T0 + 2 * HOUR))
        assert one.rules == ["use-outside-window"]

    run_story(story, partitions=1)


def test_a_store_from_long_ago_is_not_trusted() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue())
        one.world.clock += 13 * HOUR
        one.world.facts.clear()
        await one.world.restart()
        assert [fact.reason for fact in one.world.facts if isinstance(fact, Restored)] == ["too old"]

    run_story(story, partitions=1)


def test_a_store_of_another_changelog_is_not_trusted() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), issue())
        one.world.clock += 10 * SECOND
        await one.world.tick()
        await one.apply(start("t2"))
        one.world.logs.topics, one.world.logs.ends = [[]], [0]
        one.world.facts.clear()
        await one.world.restart()
        assert [fact.reason for fact in one.world.facts if isinstance(fact, Restored)] == [
            "not of this changelog"
        ]

    run_story(story, partitions=1)


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"t:t1", b"{}"), (b"x:t1", b'["follow","t:t1",1]'), (b"\xff", b'["follow","t:t1",1]'), (None, None)],
)
def test_what_the_scan_stage_never_sends_is_a_dead_letter(key: bytes | None, value: bytes | None) -> None:
    async def story(one: Story) -> None:
        one.world.write(Output(TOPICS.work, key, value))
        await one.apply(start(), issue(), use(T0 + 2 * HOUR))
        (letter,) = one.world.letters
        assert (letter["source"], letter["reason"]) == (TOPICS.work, "unreadable")
        assert one.rules == ["use-outside-window"]

    run_story(story)


def test_a_topic_that_takes_less_than_we_write_stops_the_stage() -> None:
    async def story(one: Story) -> None:
        output = Output(TOPICS.state, b"a", b"x" * 99)
        with pytest.raises(StopError, match=r"curfewd.state is larger than the 50 bytes"):
            await one.world.handler.refused(
                one.world.partitions[0], Refusal("output-too-large", output=output, limit=50)
            )

    run_story(story)


def test_memory_holds_no_more_than_it_is_allowed() -> None:
    async def story(one: Story) -> None:
        for number in range(100):
            await one.apply(start(f"t{number}"))
        held = [fact.cached for fact in one.world.facts if isinstance(fact, JudgedTransaction)]
        assert max(held) <= 30
        await one.apply(*[issue(f"c{number}", f"t{number}") for number in range(100)])
        await one.apply(*[use(T0 + 2 * HOUR, credential=f"c{number}") for number in range(100)])
        assert one.rules.count("use-outside-window") == 100

    run_story(story, cache_size=30)


def test_an_identifier_that_everybody_claims_costs_each_claim_a_few_messages() -> None:
    async def story(one: Story) -> None:
        events = [issue(f"c{number:03}", f"t{number}", at=T0 - number) for number in range(200)]
        await one.apply(*events)
        assert sum(map(len, one.world.work)) < 200 * 8
        await one.apply(CredentialUsed(time=T0 + 2 * HOUR, source="audit", id="1", identifier=HMAC))
        (record,) = one.world.standing().values()
        assert record["unmapped"]["credential_id"] == "c199"  # issued first, though its event came last

    run_story(story)


def test_an_earlier_claim_that_is_told_of_late_takes_over_what_was_judged() -> None:
    async def story(one: Story) -> None:
        await one.apply(issue("c1", "t1"))
        await one.apply(CredentialUsed(time=T0 + 2 * HOUR, source="audit", id="1", identifier=HMAC))
        await one.apply(issue("c2", "t2", at=T0 - 1))
        (record,) = one.world.standing().values()
        assert (record["unmapped"]["credential_id"], record["unmapped"]["task_id"]) == ("c2", "t2")

    run_story(story)


def test_an_earlier_issue_that_is_told_of_late_moves_a_credential_to_its_task() -> None:
    async def story(one: Story) -> None:
        await one.apply(issue("c1", "t1"), use(T0 + 2 * HOUR))
        await one.apply(issue("c1", "t0", at=T0 - 1))
        (record,) = one.world.standing().values()
        assert (record["unmapped"]["credential_id"], record["unmapped"]["task_id"]) == ("c1", "t0")
        assert [record["activity_id"] for _, record in one.world.findings] == [1, 2]
        assert len(one.commands) == 1

    run_story(story)


def test_another_policy_holds_from_the_next_word_on() -> None:
    rules = {name: msgspec.structs.replace(rule, enabled=False) for name, rule in POLICY.rules.items()}

    async def story(one: Story) -> None:
        await one.apply(start(), issue(), use(T0 + 2 * HOUR))
        assert one.rules == ["use-outside-window"]
        await one.world.restart(policy=msgspec.structs.replace(POLICY, rules=rules))
        await one.apply(use(T0 + 3 * HOUR))
        assert one.rules == []
        assert len(one.commands) == 1

    run_story(story)


def test_a_full_disk_loses_nothing() -> None:
    class Full(Store):
        def write(self, changes: Iterable[Change], position: Any = None) -> None:  # noqa: ARG002 - the method's signature
            raise Exception("IO error: No space left on device: While appending to file")  # noqa: TRY002 - as RocksDB's

    async def story(one: Story) -> None:
        work = one.world.handler._work[one.world.partitions[0]]
        good = work.store
        work.store = object.__new__(Full)
        work.store.__dict__.update(good.__dict__)
        for key, payload in route(start(), CredentialRegistry()):
            one.world.send(key, payload)
        with pytest.raises(Exception, match=r"the store failed: Exception$"):
            await one.world.poll(0, 10)
        await one.world.close()
        await one.world.open()
        assert [fact.reason for fact in one.world.facts if isinstance(fact, Restored)][-1] == "none there"
        await one.apply(issue(), use(T0 + 2 * HOUR))
        assert one.rules == ["use-outside-window"]

    run_story(story, partitions=1)


def test_no_log_record_moves_the_watermark() -> None:
    """A line that is stamped ahead would let the grace period of a task end before the news of its credentials came."""

    async def story(one: Story) -> None:
        one.world.clock += 11 * SECOND
        one.world.send("m:events-0", InputProgress("events-0", T0))
        await one.apply(start(), issue(), end(at=T0 + SECOND))
        for ahead in range(10):
            one.world.clock += SECOND
            await one.apply(leak(T0 + HOUR + ahead * SECOND))
            await one.world.tick()
        marks = [each.watermark for each in one.world.facts if isinstance(each, JudgedTransaction)]
        assert {mark for mark in marks if mark is not None} <= {BEGINNING, T0}
        assert "outlives-task" not in one.rules

    run_story(story, partitions=1)


def test_how_far_the_inputs_were_is_known_after_a_move() -> None:
    async def story(one: Story) -> None:
        for number in range(4):
            one.world.send(f"t:{number}", InputProgress("events-0", T0))
            one.world.send(f"t:{number}", InputProgress("logs-0", T0 + HOUR))
        one.world.clock = T0 + 11 * SECOND
        await one.apply(start(), issue(), end())
        one.world.clock += 20 * SECOND
        await one.apply(start("t2"))
        await one.world.restart(store="lost")
        for number in range(4):
            one.world.send(f"t:{number}", InputProgress("logs-0", T0 + 2 * HOUR))
        one.world.clock += 20 * SECOND
        await one.apply(start("t3"))
        assert one.rules == []  # else `outlives-task`, though its revocation stands in what was not read yet
        await one.apply(revoke(T0 + MINUTE))
        await one.until(T0 + 3 * HOUR)
        assert one.rules == []

    run_story(story)


def test_a_task_that_lags_behind_is_waited_for() -> None:
    async def story(one: Story) -> None:
        for number in range(4):
            one.world.send(f"t:{number}", InputProgress("audit/0", T0))
        await one.apply(start(), issue(), end(), end("t2", at=T0 + HOUR))
        assert one.rules == []
        await one.apply(revoke(T0 + MINUTE))
        await one.until(T0 + 2 * HOUR)
        assert one.rules == []

    run_story(story)


def test_timers_are_found_in_order_of_time_even_of_the_year_9999(tmp_path: Path) -> None:
    store = Store(tmp_path / "one")
    dues = [5, 253_402_300_799 * SECOND, 0, 1 << 63]
    for number, due in enumerate(dues):
        digest = digest_of(f"t:{number}")
        store.write([(entry_key(digest, b"m"), meta_value(due, b""))])
    store.write([(entry_key(digest_of("t:none"), b"m"), meta_value(None, b""))])
    found = [dues.index(int.from_bytes(key[1:13], "big")) for key, _ in store.due(0, 1 << 80, 10)]
    assert found == [2, 0, 3, 1]
    assert len(store.due(0, 5, 10)) == 2
    store.close()
    shutil.rmtree(tmp_path / "one")


def test_of_a_secret_that_leaks_without_end_sums_are_kept_and_the_latest_leaks() -> None:
    key = secret_key(HMAC.value)
    aggregate = SecretAggregate(key, POLICY, 10)
    leaks = [msgspec.structs.replace(leak(T0 + number * SECOND), id=f"p0@{number}") for number in range(60)]
    for number in (*range(30, 60), *range(30)):
        aggregate.take(leaks[number], T0)
    (before,) = aggregate.judge(T0 + DAY, []).findings.values()
    ((_, kept),) = aggregate.compact(T0 + 55 * SECOND)
    assert aggregate.dropped == leaks[20:50]  # the finding's own stay, and the last ten, however old
    (after,) = aggregate.judge(T0 + DAY, []).findings.values()
    assert after == before

    again = SecretAggregate(key, POLICY, 10)
    for each in (*leaks[:20], *leaks[50:]):
        again.take(each, T0)
    again.restore_sums(kept)
    (restored,) = again.judge(T0 + DAY, []).findings.values()
    assert restored == before
    again.take(leaks[33], T0 + DAY)  # a second copy of one that was added up
    (same,) = again.judge(T0 + DAY, []).findings.values()
    assert same.count == 60

    again.take(Claim(issue(at=T0 - SECOND)), T0 + DAY)
    assert again.judge(T0 + DAY, []).findings == {}
    handed = {payload for where, payload in again.sends if where == "t:t1"}
    assert handed == {*leaks[:20], leaks[33], *leaks[50:]}  # all that is kept


def test_a_credential_that_is_used_for_days_stays_small_and_is_judged_by_all_its_uses() -> None:
    grants = tuple(Grant(actions=(action,)) for action in "abc")
    issued = msgspec.structs.replace(issue(expires=T0 + 9 * DAY), grants=grants)

    def did(action: str, at: int) -> CredentialUsed:
        return msgspec.structs.replace(use(at), action=action)

    async def story(one: Story) -> None:
        await one.apply(
            start(deadline=T0 + 9 * DAY), issued, did("a", T0 + SECOND), did("x", T0 + 2 * SECOND)
        )
        for minutes in range(600):
            one.world.clock = T0 + minutes * MINUTE
            await one.apply(did("b", T0 + minutes * MINUTE + 3 * SECOND))
        one.world.logs.compact()
        left = [change for rows in one.world.logs.topics for _, change in rows if change[1] is not None]
        assert len(left) < 60
        await one.world.restart(store="lost")
        over = T0 + 700 * MINUTE
        await one.apply(
            start(at=T0 - SECOND, deadline=T0 + 9 * DAY)
        )  # another start, earlier: all is judged again
        await one.apply(revoke(over), end(at=over))
        await one.until(over + HOUR)
        assert one.rules == ["unused-grant", "use-outside-scope"]
        counts = {
            record["finding_info"]["analytic"]["uid"]: record["count"]
            for record in one.world.standing().values()
        }
        assert counts == {"unused-grant": 1, "use-outside-scope": 1}

    run_story(story, compact_every=8)


@pytest.mark.parametrize("first", ["the issues", "the revocation"])
def test_all_of_a_role_that_were_issued_before_are_revoked_at_once(first: str) -> None:
    def session(credential: str, task: str, at: int) -> CredentialIssued:
        return msgspec.structs.replace(
            issue(credential, task, at, T0 + DAY), identifiers=(), groups=("aws/role/1/deploy",)
        )

    issues = [session("c1", "t1", T0), session("c2", "t2", T0 + MINUTE), session("c3", "t3", T0 + HOUR)]
    revoked = CredentialRevoked(
        time=T0 + 10 * MINUTE, source="aws", id="r1", group="aws/role/1/deploy", issued_before=T0 + 5 * MINUTE
    )

    async def story(one: Story) -> None:
        await one.apply(*(issues if first == "the issues" else [revoked]))
        await one.world.restart(store="lost")
        await one.apply(*([revoked] if first == "the issues" else issues))
        await one.apply(*[use(T0 + 2 * HOUR, credential=f"c{number}") for number in (1, 2, 3)])
        keys = {
            (
                record["finding_info"]["analytic"]["uid"],
                record["unmapped"]["credential_id"],
            )
            for record in one.world.standing().values()
        }
        assert keys == {("use-after-revocation", "c1"), ("use-after-revocation", "c2")}
        await one.apply(*[end(f"t{number}", T0 + 3 * HOUR) for number in (1, 2, 3)])
        await one.until(T0 + 600 * DAY)
        one.world.logs.compact()
        left = [change for rows in one.world.logs.topics for _, change in rows if change[1] is not None]
        assert {key[:1] for key, _ in left} <= {b"w", b"v"}

    run_story(story, Policy(finding_retention=0))
