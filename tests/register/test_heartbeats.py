"""A task with a lease says that it is alive, in time and at no cost to anybody."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.cloudevents import decode
from detector.register import Task
from detector.register.destinations import UndeliveredError
from detector.register.heartbeats import Heartbeats, heartbeat, lease_of
from detector.values.errors import UsageError
from detector.values.events import TaskHeartbeat
from detector.values.times import DAY, MILLISECOND, SECOND
from tests.register.test_task import events_in

LEASE = 60 * MILLISECOND


class Destination:
    """Keeps what it is sent; it takes nothing while it is `down`."""

    address = "memory"

    def __init__(self) -> None:
        self.down = False
        self.tries = 0
        self.taken: list[bytes] = []

    def send(self, lines: Sequence[bytes]) -> None:
        self.tries += 1
        if self.down:
            raise UndeliveredError("down")
        self.taken += lines


def attempts(heartbeats: Heartbeats, until: Callable[[], bool]) -> None:
    """What a thread does until then."""
    while not until():
        heartbeats.attempt()
        time.sleep(min(heartbeats.wait(), 0.01))


def of_type(path: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in events_in(path) if event["type"] == kind]


def wait_for(path: Path) -> None:
    """Waits for the second heartbeat."""
    while not path.exists() or len(of_type(path, "task.heartbeat")) < 2:
        time.sleep(0.01)


def test_each_third_of_a_lease_one_is_sent() -> None:
    to, began = Destination(), time.monotonic()
    attempts(Heartbeats(to, "s", "t", LEASE), lambda: len(to.taken) >= 3)
    assert time.monotonic() - began >= LEASE / SECOND
    first = decode(to.taken[0], time.time_ns())
    assert isinstance(first, TaskHeartbeat)
    assert (first.task_id, first.source, first.lease) == ("t", "s", LEASE)


def test_one_that_was_not_sent_gives_way_to_the_next() -> None:
    to = Destination()
    to.down = True
    heartbeats = Heartbeats(to, "s", "t", LEASE)
    attempts(heartbeats, lambda: to.tries > 2)
    to.down = False
    attempts(heartbeats, lambda: len(to.taken) >= 2)
    assert len(set(to.taken)) == len(to.taken)


def test_one_that_is_told_while_another_fails_waits_for_nothing() -> None:
    class Failing(Destination):
        def send(self, lines: Sequence[bytes]) -> None:
            if self.down:
                self.down = False
                heartbeats.tell(b"the latest")
                raise UndeliveredError("down")
            super().send(lines)

    to = Failing()
    to.down = True
    heartbeats = Heartbeats(to, "s", "t", None)
    heartbeats.tell(b"the first")
    heartbeats.attempt()
    assert heartbeats.wait() == 0
    heartbeats.attempt()
    assert to.taken == [b"the latest"]


def test_without_a_lease_only_what_is_told_is_sent() -> None:
    to = Destination()
    heartbeats = Heartbeats(to, "s", "t", None)
    assert heartbeats.wait() == float("inf")
    lines = [heartbeat("s", "t", SECOND), heartbeat("s", "t", DAY)]
    for line in lines:
        heartbeats.tell(line)
    heartbeats.attempt()
    heartbeats.attempt()
    assert to.taken == lines[1:]


def test_a_task_beats_from_its_start_and_no_more_after_its_end(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    with Task("agent/1", lease=3.6, to=str(out)) as task:
        task.heartbeat()
        wait_for(out)
    types = [event["type"] for event in events_in(out)]
    assert (types[0], types[-1]) == ("task.started", "task.ended")
    assert len(types) >= 4
    assert set(types[1:-1]) == {"task.heartbeat"}
    assert {beat["data"]["lease"] for beat in of_type(out, "task.heartbeat")} == {"3.6s"}
    with pytest.raises(UsageError):
        task.heartbeat()


def test_an_async_task_may_say_itself_how_long_it_lives(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"

    async def work() -> None:
        async with Task("agent/2", lease="90s", beats=False, to=str(out)) as task:
            task.heartbeat("10m")
            await asyncio.to_thread(wait_for, out)

    asyncio.run(work())
    assert [beat["data"]["lease"] for beat in of_type(out, "task.heartbeat")] == ["90s", "600s"]


def test_a_lease_that_curfewd_would_refuse_is_refused(tmp_path: Path) -> None:
    assert lease_of("1d") == DAY
    assert json.loads(heartbeat("s", "t", DAY))["data"]["lease"] == "86400s"
    for lease in ("soon", "", 0, "2s", "25h", -1):
        with pytest.raises(UsageError):
            Task("agent/3", lease=lease, to=str(tmp_path / "events.jsonl"))
    with Task("agent/4", to=str(tmp_path / "events.jsonl")) as task, pytest.raises(UsageError):
        task.heartbeat()
