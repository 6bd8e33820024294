"""A target that revokes nothing: it keeps credentials in memory, records every question, and behaves as it is told.

Tests of the revoker use it. What a real provider does is shown by the tests of its own target.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from detector.configuration.revoke_settings import TargetTable
from detector.revoke.rails import Decision, Go, History, Proposal
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, RefusedError, Step, Target
from detector.revoke.target_tables import TableTarget, find_target
from detector.values.approvals import Approval

Trouble = Callable[[str], Any]


class RecordingOptions(msgspec.Struct, frozen=True):
    """`provider` is the one whose commands it takes; all others are not for it."""

    provider: str = "recording"
    steps: tuple[Step, ...] = (Step("forget it"),)
    within: float = 0.2
    forgets: bool = False


class RecordingTarget:
    """`live` has the credentials that work. `trouble`, if set, is called with `probe` or `revoke` before each answer.

    It may raise, or give an awaitable, which is awaited, or an `Observation` or text, which is the answer. With
    `lies` it says that it revoked and does nothing. If it `forgets`, it knows nothing of what is dead. `after` is how
    many probes still say `live` once a credential is dead.
    """

    name: ClassVar[str] = "recording"
    Options: ClassVar[type[msgspec.Struct]] = RecordingOptions

    def __init__(self, options: RecordingOptions | None = None) -> None:
        self.options = RecordingOptions() if options is None else options
        self.live: set[str] = set()
        self.revoked: list[tuple[str, str, int]] = []  # credential, command, step
        self.kills: Counter[str] = Counter()  # how often a credential went from live to dead
        self.probes: Counter[str] = Counter()
        self.trouble: Trouble | None = None
        self.state: str | None = None
        self.control: bool | None = None
        self.lies = False
        self.after = 0
        self.closed = False

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        return command.provider == "recording"

    def plan(self, command: RevocationCommand) -> Plan:
        if command.text("refuse"):
            raise RefusedError("the object says refuse")
        return Plan(
            self.options.steps, "a look into memory", self.options.within, forgets=self.options.forgets
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        given = await self._troubled("revoke")
        if given is not None:
            return given  # type: ignore[no-any-return]  # garbage, as asked for
        self.revoked.append((command.credential_id, command.id, step))
        if not self.lies and command.credential_id in self.live:
            self.live.discard(command.credential_id)
            self.kills[command.credential_id] += 1
        return f"done: {self.options.steps[step].words}"

    async def probe(self, command: RevocationCommand) -> Observation:
        self.probes[command.credential_id] += 1
        given = await self._troubled("probe")
        if given is not None:
            return given  # type: ignore[no-any-return]  # as above
        lives = command.credential_id in self.live
        if not lives and self.after and self.kills[command.credential_id]:
            self.after -= 1
            lives = True
        state: Any = self.state or ("live" if lives else "absent" if self.options.forgets else "dead")
        return Observation(state, "memory", self.control)

    async def close(self) -> None:
        self.closed = True

    async def _troubled(self, what: str) -> Any:
        await asyncio.sleep(0)
        given = None if self.trouble is None else self.trouble(what)
        return await given if isinstance(given, Awaitable) else given


class OpenRails:
    """Lets everything go, or decides by `decision`."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        decision: Callable[[RevocationCommand, History], Decision] = lambda _command, _history: Go(),
    ) -> None:
        self.targets = dict(targets)
        self.decision = decision
        self.asked: dict[str, tuple[int, str]] = {}  # to try a command again

    def target_of(self, command: RevocationCommand) -> TableTarget:
        return find_target([self._table(name) for name in self.targets], command)

    def target_named(self, name: str) -> TableTarget | None:
        return self._table(name) if name in self.targets else None

    def _table(self, name: str) -> TableTarget:
        target = self.targets[name]
        return TableTarget(TargetTable(name, target.name), target)

    def decide(self, proposal: Proposal, history: History, now: int) -> Decision:
        del now
        return self.decision(proposal.command, history)

    def retried(self, command_id: str) -> tuple[int, str]:
        return self.asked.get(command_id, (0, ""))

    def said(self, command_id: str) -> Sequence[Approval]:
        del command_id
        return ()

    def stopped(self, proposal: Proposal, now: int) -> None:
        """Nothing stops it."""
