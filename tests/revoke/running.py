"""Runs an executor as a handler of Kafka would, with a store in memory that survives it."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from detector.revoke.case import Case
from detector.revoke.deciding import Deciding
from detector.revoke.executor import Executor, ExecutorSettings
from detector.revoke.outcomes import Outcome
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.turn import Act, Turns, TurnSettings
from detector.values.errors import StopError
from detector.values.findings import command_id
from detector.values.times import MILLISECOND, SECOND
from detector.values.wording import Clean

QUICK = ExecutorSettings(deadline=SECOND, breaker_failures=50, breaker_pause=20 * MILLISECOND)
QUICK_TURNS = TurnSettings(
    call_timeout=50 * MILLISECOND, first_pause=MILLISECOND, longest_pause=20 * MILLISECOND
)


def command(credential: str = "cred-1", **fields: Any) -> RevocationCommand:
    """A command for the recording target."""
    escalated = fields.get("escalated", False)
    made = {
        "id": command_id(credential, escalated=escalated),
        "time": time.time_ns(),
        "credential_id": credential,
        "task_ids": ("build-7",),
        "revocation": {"provider": "recording"},
        **fields,
    }
    return RevocationCommand(**made)


class Stored:
    """What a changelog and a topic of outcomes would hold."""

    def __init__(self) -> None:
        self.cases: dict[str, bytes] = {}
        self.versions: list[bytes] = []  # whatever was written of them
        self.outcomes: list[tuple[str, Outcome]] = []

    def of(self, command_id: str) -> list[Outcome]:
        return [outcome for name, outcome in self.outcomes if name == command_id]

    @property
    def verdicts(self) -> list[str]:
        return [outcome.verdict for _, outcome in self.outcomes]


class Running:
    """One process of a revoker. `crash` ends it between any two moments; a new one begins from what is stored."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that a process has
        self,
        rails: Deciding,
        stored: Stored | None = None,
        settings: ExecutorSettings = QUICK,
        turns: TurnSettings = QUICK_TURNS,
        clock: Callable[[], int] = time.time_ns,
        clean: Clean = str,
    ) -> None:
        self.stored = Stored() if stored is None else stored
        self.acts: list[Act] = []
        self.broken = False
        self.clock = clock
        self.executor = Executor(rails, settings, clock, Turns(turns, clock, self._record, clean=clean))
        self.executor.restore(
            0, [msgspec.json.decode(case, type=Case) for case in self.stored.cases.values()]
        )

    async def _record(self, act: Act) -> None:
        if self.broken:
            raise StopError("the disk is full")
        self.acts.append(act)

    def take(self, commands: Iterable[RevocationCommand]) -> None:
        for one in commands:
            self.executor.take(one, 0, self.clock())

    def transaction(self) -> None:
        """All that changed is stored, or nothing."""
        for change in self.executor.pump(0, self.clock()):
            if change.case is None:
                self.stored.cases.pop(change.id, None)
            else:
                self.stored.cases[change.id] = msgspec.json.encode(change.case)
                self.stored.versions.append(self.stored.cases[change.id])
            self.stored.outcomes += [(change.id, outcome) for outcome in change.outcomes]
        self.executor.committed(0)

    async def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"not done: {[case.phase for case in self.executor.open]}"
            assert self.executor.failure is None, self.executor.failure
            self.transaction()
            await asyncio.sleep(0.002)

    async def settle(self, seconds: float = 60.0) -> None:
        """Until nothing is left to do at once."""
        await self.until(lambda: not list(self.executor.open), seconds)
        self.transaction()

    async def crash(self) -> None:
        await self.executor.close()


def some_id() -> str:
    return str(uuid.uuid4())
