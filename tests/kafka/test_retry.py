"""Calls that are tried again: which errors, how long, and what is said meanwhile."""

import asyncio

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from detector.kafka import retry
from detector.kafka.retry import until_it_succeeds
from detector.values.errors import CurfewdError, FencedError, RetryError, StopError


class Flaky:
    """Fails with these errors, then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)

    async def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "connected"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(retry, "JITTER_SECONDS", 0.0)


async def test_it_tries_until_it_succeeds_and_tells_each_failure() -> None:
    told: list[str] = []
    failures = [RetryError(f"attempt {number}") for number in range(30)]
    found = await until_it_succeeds(
        Flaky(*failures), lambda error: told.append(str(error)), longest_pause=0.002
    )
    assert found == "connected"
    assert told == [f"attempt {number}" for number in range(30)]


@pytest.mark.parametrize(
    "error", [StopError("no right"), FencedError("other"), ValueError("x"), asyncio.CancelledError()]
)
async def test_what_no_retry_helps_is_raised_at_once(error: BaseException) -> None:
    told: list[CurfewdError] = []
    with pytest.raises(type(error)) as raised:
        await until_it_succeeds(Flaky(error), told.append, longest_pause=0.002)
    assert raised.value is error
    assert told == []


async def test_it_ends_when_it_is_cancelled() -> None:
    waiting = asyncio.Event()

    async def away() -> None:
        raise RetryError("no broker answers")

    task = asyncio.create_task(until_it_succeeds(away, lambda _: waiting.set(), longest_pause=60.0))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_but_the_caller_reports_a_retry() -> None:
    structlog.reset_defaults()
    with capture_logs() as logs:
        await until_it_succeeds(Flaky(RetryError("x")), lambda _: None, longest_pause=0.002)
    assert logs == []
    assert "stamina_retries_total" not in {family.name for family in REGISTRY.collect()}
