"""A transaction that begins while the last one's markers are written retries soon; other errors wait as before."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors as kafka
from aiokafka.producer import sender

from detector.kafka.transaction_retry import WAIT_SECONDS, install


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undone after each test: what is installed is everybody's."""
    for name in ("AddOffsetsToTxnHandler", "BACKOFF_OVERRIDE"):
        monkeypatch.setattr(sender, name, getattr(sender, name))
    install()


def waits(error: type[kafka.KafkaError], manager: Any = None) -> float | None:
    producer = SimpleNamespace(_retry_backoff=0.1, _txn_manager=manager)
    handler = sender.AddOffsetsToTxnHandler(producer, "group")
    return handler.handle_response(SimpleNamespace(error_code=error.errno))  # type: ignore[no-any-return]  # aiokafka has no types


def test_offsets_are_added_again_within_milliseconds() -> None:
    assert waits(kafka.ConcurrentTransactions) == WAIT_SECONDS < 0.02


def test_a_coordinator_that_loads_is_waited_for_as_before() -> None:
    assert waits(kafka.CoordinatorLoadInProgressError) == 0.1


def test_added_offsets_wait_for_nothing() -> None:
    added: list[str] = []
    assert waits(kafka.NoError, SimpleNamespace(consumer_group_added=added.append)) is None
    assert added == ["group"]


def test_partitions_are_added_again_within_milliseconds() -> None:
    manager = SimpleNamespace(txn_partitions=set())
    handler = sender.AddPartitionsToTxnHandler(SimpleNamespace(_retry_backoff=0.1, _txn_manager=manager), [])
    answer = SimpleNamespace(errors=[("topic", [(0, kafka.ConcurrentTransactions.errno)])])
    assert handler.handle_response(answer) == WAIT_SECONDS
