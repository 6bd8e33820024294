"""The probes' own thread and port: they answer while the event loop cannot, and say when it hangs."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from detector.configuration.service_settings import Address
from detector.service.http.probes import ProbeServer
from detector.service.http.server import probe_answer
from detector.service.observability import readiness as readiness_module
from detector.service.observability.readiness import HUNG_SECONDS, Readiness
from detector.values.errors import UsageError

ANY_PORT = Address("127.0.0.1", 0)


def asked(address: Address) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def probing(readiness: Readiness) -> ProbeServer:
    return ProbeServer(ANY_PORT, {"/healthz": lambda _: probe_answer(readiness.alive())})


@pytest.fixture
async def turning() -> AsyncIterator[Readiness]:
    """Told ten times a second that the loop runs."""
    readiness = Readiness(ready_lag=1)

    async def turn() -> None:
        while True:
            readiness.loop_turned()
            await asyncio.sleep(0.1)

    task = asyncio.create_task(turn())
    await asyncio.sleep(0)
    yield readiness
    task.cancel()


def meanwhile(
    executor: ThreadPoolExecutor, ask: Callable[[], tuple[int, str]], seconds: float
) -> tuple[int, str]:
    """What is answered while the event loop stands still."""

    def later() -> tuple[int, str]:
        time.sleep(seconds / 2)
        return ask()

    asking = executor.submit(later)
    time.sleep(seconds)  # in the loop, as what hangs would
    assert asking.done()
    return asking.result()


async def test_a_busy_loop_is_alive_and_a_hung_one_is_not(
    turning: Readiness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(1) as executor:
        async with probing(turning) as probes:
            assert await asyncio.to_thread(asked, probes.address) == (200, "ok\n")
            assert meanwhile(executor, lambda: asked(probes.address), 2) == (200, "ok\n")
            monkeypatch.setattr(readiness_module, "HUNG_SECONDS", 0.5)
            status, why = meanwhile(executor, lambda: asked(probes.address), 4)
            assert status == 503
            assert why.startswith("the event loop has stood still for ")
            await asyncio.sleep(0.3)
            monkeypatch.setattr(readiness_module, "HUNG_SECONDS", HUNG_SECONDS)
            assert await asyncio.to_thread(asked, probes.address) == (200, "ok\n")


def test_the_loop_is_asked_for_only_once_it_has_begun() -> None:
    now = 100.0
    readiness = Readiness(ready_lag=1, clock=lambda: now)
    now += 1000
    assert readiness.alive() is None
    readiness.loop_turned()
    now += HUNG_SECONDS
    assert readiness.alive() is None
    now += 1
    assert readiness.alive() == "the event loop has stood still for 31 s"
    assert readiness.ready() == "the event loop has stood still for 31 s"


async def test_a_port_in_use_is_named_by_its_setting() -> None:
    readiness = Readiness(ready_lag=1)
    async with probing(readiness) as probes:
        with pytest.raises(UsageError, match=r"service\.probes: cannot listen on .*in use"):
            await ProbeServer(probes.address, {}).__aenter__()


async def test_its_port_is_free_again_at_the_end() -> None:
    readiness = Readiness(ready_lag=1)
    async with probing(readiness) as probes:
        address = probes.address
    async with ProbeServer(address, {"/healthz": lambda _: probe_answer(None)}) as again:
        assert await asyncio.to_thread(asked, again.address) == (200, "ok\n")
