"""Names live: which credential an event is about, whatever comes first, and however late the issue."""

import itertools
from collections.abc import Iterable

import pytest

from detector.judge.policy import Policy
from detector.judge.routing import Recall
from detector.judge.stage import judge_history
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    TaskEnded,
)
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.judge.test_stage import World, kept_in_memory, patient, through_bytes
from tests.scan.cases import ledger_of

START = 1_800_000_000 * SECOND
POLICY = patient(Policy())
KEY = Identifier("aws-access-key-id", "ASIAEXAMPLE")
OTHER_KEY = Identifier("jwt-id", "other")


def issued(
    credential: str, task: str | None, time: int, *identifiers: Identifier, group: str | None = None
) -> CredentialIssued:
    return CredentialIssued(
        time=time,
        source="sts",
        id=f"i-{credential}-{time}",
        credential_id=credential,
        task_id=task,
        task_group=group,
        identifiers=identifiers,
        expires_at=START + 2 * HOUR,
    )


def used(time: int, credential: str | None = None, identifier: Identifier | None = None) -> CredentialUsed:
    name = f"u-{time}"
    return CredentialUsed(
        time=time, source="trail", id=name, credential_id=credential, identifier=identifier, action="read"
    )


def ended(task: str, time: int) -> TaskEnded:
    return TaskEnded(time=time, source="ci", id=f"e-{task}", task_id=task)


def told(events: Iterable[AnyEvent], *, in_memory: bool = False) -> World:
    """All at once, then the time in which nothing more comes."""
    made = World((kept_in_memory if in_memory else through_bytes)(POLICY, 256))
    made.tell(events, START)
    made.settle(START + 3 * HOUR)
    return made


def replayed(events: Iterable[AnyEvent]) -> dict[str, tuple[str, int]]:
    findings, _ = judge_history(ledger_of(*events), START + 3 * HOUR)
    return {each.uid: (each.rule, each.count) for each in findings}


def found(world: World) -> list[str]:
    return sorted(rule for rule, _ in world.standing.values())


def test_an_unknown_id_leaves_an_event_to_its_identifier_at_once() -> None:
    events: list[AnyEvent] = [
        issued("c", "t", START, KEY),
        ended("t", START + MINUTE),
        used(START + HOUR, "nobody", KEY),
    ]
    made = World(through_bytes(POLICY, 256))
    made.tell(events, START)
    assert found(made) == ["use-after-termination"]
    assert made.commands


def test_an_id_that_is_issued_later_takes_its_events_back() -> None:
    late = issued("late", "other", START + MINUTE, OTHER_KEY)
    both = used(START + HOUR, "late", KEY)
    made = told([issued("c", "t", START, KEY), ended("t", START + 2 * MINUTE), both, late])
    assert found(made) == ["outlives-task"]
    made.tell([ended("other", START + 3 * MINUTE)], START)
    made.settle(START + 3 * HOUR)
    assert found(made) == ["outlives-task", "outlives-task", "use-after-termination"]
    # Nothing more of it comes to the identifier, and a claim of that learns of it too.
    recalls = [
        key for _, judgement in made.notes for key, fact in judgement.sends if isinstance(fact, Recall)
    ]
    assert recalls == ["i:aws-access-key-id:ASIAEXAMPLE"]


@pytest.mark.parametrize("in_memory", [True, False])
def test_in_every_order_live_finds_what_replay_finds(*, in_memory: bool) -> None:
    """Two credentials dispute the identifier; the id that the events name is issued, or is not."""
    renewal = CredentialRenewed(
        time=START + 3 * MINUTE,
        source="sts",
        id="n",
        credential_id="late",
        identifier=KEY,
        expires_at=START + HOUR,
    )
    revocation = CredentialRevoked(
        time=START + HOUR, source="sts", id="r", credential_id="late", identifier=KEY
    )
    events: list[AnyEvent] = [
        issued("c", "t", START + SECOND, KEY),
        issued("older", None, START, KEY, group="repo"),
        issued("late", "other", START + MINUTE, OTHER_KEY),
        used(START + HOUR + MINUTE, "late", KEY),
        renewal,
        revocation,
    ]
    for known in (events, events[:2] + events[3:]):
        expected = replayed(known)
        for order in itertools.permutations(known):
            assert told(order, in_memory=in_memory).standing == expected


def test_events_whose_names_nobody_claims_are_counted_once() -> None:
    made = told([used(START, "nobody", KEY), used(START + SECOND, "nobody"), used(START + MINUTE, None, KEY)])
    assert sum(judgement.expired.get("trail", 0) for _, judgement in made.notes) == 3


def test_a_leak_that_shows_two_credentials_reaches_both_from_a_third_that_had_it() -> None:
    """The third learns of one after the other that its name is theirs."""
    one, two = Identifier("hmac-sha256", "a" * 64), Identifier("hmac-sha256", "b" * 64)
    leak = Leak(
        time=START + 5 * MINUTE,
        source="log",
        id="5",
        identifiers=(one, two),
        fingerprint="f",
        pattern=None,
        severity=None,
        excerpt="",
    )
    events: list[AnyEvent] = [
        issued("third", None, START + MINUTE, two, one, group="fork"),
        issued("second", None, START + 5 * SECOND, two, OTHER_KEY, group="repo"),
        issued("first", None, START + 2 * MINUTE, one, group="repo"),
        leak,
        issued("first", None, START, OTHER_KEY, group="fork"),
    ]
    expected = replayed(events)
    assert [rule for rule, _ in expected.values()].count("leaked-credential") == 2
    for order in itertools.permutations(events):
        assert told(order).standing == expected


@pytest.mark.parametrize("name", ["id", "identifier"])
def test_a_use_minutes_before_an_issue_that_comes_late_waits_for_it(name: str) -> None:
    late = POLICY.lateness - SECOND
    issue = issued("c", "t", START + POLICY.lateness - MINUTE, KEY)
    use = used(START, "c") if name == "id" else used(START, None, KEY)
    made = World(through_bytes(POLICY, 256))
    made.tell([use], START)
    made.settle(issue.time + late)
    made.tell([issue], issue.time + late)
    assert found(made) == ["use-outside-window"]


def test_what_nobody_claims_is_forgotten_after_twice_the_lateness() -> None:
    made = World(through_bytes(POLICY, 256))
    made.tell([used(START, "nobody", KEY)], START)
    made.settle(START + 2 * POLICY.lateness - SECOND)
    assert not any(judgement.expired for _, judgement in made.notes)
    made.settle(START + DAY)
    assert {key: judgement.timer for key, judgement in made.notes} == {
        "c:nobody": None,
        "i:aws-access-key-id:ASIAEXAMPLE": None,
    }
