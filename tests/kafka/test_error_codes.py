"""The table of Kafka's errors: it has all of them, and whoever meets one does what it says."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.producer import sender

from detector.kafka import retry
from detector.kafka.clients import reaction
from detector.kafka.error_codes import CLIENT, CODES, asks_for, gravest, root_of, told
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.retry import until_it_succeeds
from detector.kafka.security import explain, retriable
from detector.kafka.tokens import TokenError
from detector.values.errors import BarredError, CurfewdError, FencedError, RetryError, StopError

KAFKA_4_1 = range(-1, 134)  # org.apache.kafka.common.protocol.Errors
MEANS: dict[str, type[CurfewdError]] = {
    "none": RetryError,  # whoever does not know better asks again, and is told
    "again": RetryError,
    "retry": RetryError,
    "unreadable": RetryError,
    "rejoin": FencedError,
    "smaller": StopError,
    "stop": StopError,
}


def kinds(of: type[BaseException]) -> set[type[BaseException]]:
    return {of}.union(*(kinds(each) for each in of.__subclasses__()))


def test_the_table_has_every_code_of_the_protocol_and_every_one_that_aiokafka_knows() -> None:
    assert CODES.keys() == set(KAFKA_4_1)
    assert kafka.kafka_errors.keys() <= CODES.keys()
    for code, row in CODES.items():
        assert kafka.for_code(code).errno == code, "aiokafka would call it unknown"
        assert row.advice or row.reaction not in {"stop", "smaller"}, row
    without = {each for each in kinds(kafka.KafkaError) if each.__module__.startswith("aiokafka")}
    assert {each for each in without if not hasattr(each, "errno")} <= CLIENT.keys()


@pytest.mark.parametrize("code", CODES)
async def test_every_code_has_its_reaction(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(retry, "JITTER_SECONDS", 0.0)
    row, error = CODES[code], kafka.for_code(code)("a-name")
    failures: list[Exception] = [reaction(error, "doing")]

    async def attempt() -> str:
        if failures:
            raise failures.pop()
        return "done"

    expected = MEANS[row.reaction]
    assert retriable(error) == (row.reaction in {"again", "retry", "rejoin"})
    assert explain(error)
    if expected is RetryError:
        assert await until_it_succeeds(attempt, lambda _: None, longest_pause=0.0) == "done"
        return
    with pytest.raises(expected) as caught:
        await until_it_succeeds(attempt, lambda _: None, longest_pause=0.0)
    if row.advice:
        assert row.advice in str(caught.value)
    if row.right:
        assert isinstance(caught.value, BarredError)
        assert f"at the {row.right} a-name" in str(caught.value)


class _Coordinator:
    """Answers a commit with these codes, one after the other."""

    group_id, member_id, generation = "group", "member", 1

    def __init__(self, codes: Sequence[int]) -> None:
        self.codes = list(codes)

    async def ensure_coordinator_known(self) -> None:
        """It is known."""

    def coordinator_dead(self) -> None:
        """It is asked for again."""

    async def _send_req(self, _: Any) -> Any:
        return SimpleNamespace(topics=[("topic", [(0, self.codes.pop(0))])])


@pytest.mark.parametrize("code", CODES)
async def test_a_commit_of_offsets_does_what_each_code_asks_for(code: int) -> None:
    coordinator, offsets = _Coordinator([code, 0]), GroupOffsets(5.0)
    offsets.joined(SimpleNamespace(_coordinator=coordinator))
    assert offsets.membership is not None
    committed = offsets.commit(offsets.membership, TopicPartition("topic", 0), 7, "")
    asked = CODES[code].reaction
    if code == 0 or asked == "again":
        await asyncio.wait_for(committed, 5)
        assert len(coordinator.codes) == (1 if code == 0 else 0)
        return
    with pytest.raises(MEANS[asked]):
        await asyncio.wait_for(committed, 5)


def test_what_aiokafka_wraps_is_seen_and_a_cause_comes_before_its_consequences() -> None:
    cause = kafka.TopicAuthorizationFailedError({"findings", "state"})
    wrapped = kafka.KafkaError("Unexpected error during batch delivery")
    wrapped.__cause__ = cause
    assert root_of(wrapped) is cause
    assert asks_for(wrapped) == "stop"
    consequence = kafka.InvalidTxnState()
    assert gravest(consequence, wrapped, TimeoutError()) is wrapped
    assert told(wrapped).startswith("Kafka does not let this user at the topic findings, state: an ACL")
    assert asks_for(TokenError("no token", retriable=False)) == "stop"
    assert asks_for(TokenError("no answer", retriable=True)) == "retry"


def test_aiokafka_gives_no_code_a_class_of_ours_that_it_has_itself() -> None:
    assert kafka.for_code(48) is sender.InvalidTxnState
    assert kafka.for_code(88).message == "UNSTABLE_OFFSET_COMMIT"
