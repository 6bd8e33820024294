"""Carries out the cases of one process: it decides which go next, and runs their turns beside whatever stores them.

Whoever stores the cases (a Kafka handler, a file) calls, for each partition, in this order:

1. `restore` with the stored cases of a partition, and `take` for each new command.
2. `pump` gives what changed since: cases to store and outcomes to tell, and chooses what goes next. The most severe go
   first, the older before the younger; a target has only so many at once.
3. `committed`, once all that `pump` gave is stored. Only now the chosen cases begin to ask a provider.
4. Again from 2. A turn ends as soon as it would only wait; its case then waits for its next one without a task.

`drop` forgets a partition: its turns are cancelled. What they had done shows when another process looks.
"""

import asyncio
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from detector.revoke import case as case_values
from detector.revoke import cases
from detector.revoke.breaker import Breaker, State
from detector.revoke.case import Case, checked_plan
from detector.revoke.cases import Changed
from detector.revoke.deciding import Deciding
from detector.revoke.dispatch_queue import DispatchQueue, order
from detector.revoke.outcomes import Outcome
from detector.revoke.rails import Act as Let
from detector.revoke.rails import Held, History, Proposal, Refused
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Plan, RefusedError, Target
from detector.revoke.target_tables import TableTarget
from detector.revoke.turn import CANCEL_SECONDS, Turns, TurnSettings
from detector.values.approvals import RETRIABLE
from detector.values.findings import command_id
from detector.values.times import MINUTE, SECOND, SKEW

FORGET_EVERY: Final = MINUTE
MOST_FORGOTTEN: Final = 1000
MOST_CHOSEN: Final = 500  # in one transaction


class ExecutorSettings(msgspec.Struct, frozen=True):
    """Times in ns.

    - `concurrency`: turns of one target at once.
    - `deadline`: after this time a step that does not succeed has failed.
    - `breaker_failures`: so many in a row open a target's breaker for `breaker_pause`.
    - `keep`: how long a case is remembered after its end.
    """

    concurrency: int = 8
    deadline: int = 10 * MINUTE
    breaker_failures: int = 5
    breaker_pause: int = 30 * SECOND
    keep: int = 31 * 24 * 60 * MINUTE


class Change(msgspec.Struct, frozen=True):
    """What has to be stored about a case: how it is now, None if it is forgotten; and what is to be told."""

    id: str
    case: Case | None
    outcomes: tuple[Outcome, ...] = ()


class _Entry:
    """A case in memory, what of it is not stored yet, and its turn. `likely` is the target that will take it."""

    __slots__ = ("case", "likely", "outcomes", "task")

    def __init__(self, case: Case, likely: str) -> None:
        self.case = case
        self.likely = likely
        self.outcomes: list[Outcome] = []
        self.task: asyncio.Task[None] | None = None


class Executor:
    """See the module. `partitions` is how many have to be restored before anything is decided. `clock` gives ns.

    `failure` is why nothing more is done: an act could not be recorded. `copies` counts the copies of known commands,
    `differing` those that say something else under the id of a known one. While it is `draining`, nothing begins.
    """

    def __init__(
        self,
        deciding: Deciding,
        settings: ExecutorSettings,
        clock: Callable[[], int],
        turns: Turns,
        partitions: int = 1,
    ) -> None:
        self.copies = 0
        self.differing = 0
        self.draining = False
        self.failure: Exception | None = None
        self._deciding = deciding
        self._settings = settings
        self._clock = clock
        self._partitions = partitions
        self._turns = turns
        self._entries: dict[str, _Entry] = {}
        self._open: dict[str, _Entry] = {}
        self._history: History | None = None
        self._restored: set[int] = set()
        self._changed: defaultdict[int, dict[str, _Entry]] = defaultdict(dict)
        self._queue: DispatchQueue[_Entry] = DispatchQueue()
        self._active: dict[str, _Entry] = {}  # chosen, or at work
        self._starting: defaultdict[int, list[_Entry]] = defaultdict(list)
        self._breakers: dict[str, Breaker] = {}
        self._forgotten: dict[int, int] = {}
        self._freed = 0  # places under the limits since `_used`
        self._used = 0

    # What is known.

    @property
    def open(self) -> Iterable[Case]:
        """The cases of which something is still to be done."""
        return (entry.case for entry in self._open.values())

    def case(self, command_id: str) -> Case | None:
        """The case of a command, also if it ended and is remembered."""
        entry = self._entries.get(command_id)
        return None if entry is None else entry.case

    @property
    def busy(self) -> int:
        """How many turns run now, or are about to."""
        return len(self._active)

    @property
    def drained(self) -> bool:
        """Whether no turn runs, and all that they changed is given to `pump`."""
        return not self._active and not any(self._changed.values())

    def breakers(self, now: int) -> dict[str, State]:
        """The state of the breaker of each target that was asked."""
        return {name: breaker.state(now) for name, breaker in self._breakers.items()}

    # What the one who stores the cases calls.

    def restore(self, partition: int, stored: Iterable[Case]) -> None:
        """Takes the stored cases of a partition. Nothing is decided before all partitions are restored."""
        for case in stored:
            self._retry(self._enter(cases.restored(case.changed(partition=partition))))
        self._restored.add(partition)
        self._history = None

    def take(self, command: RevocationCommand, partition: int, now: int) -> bool:
        """Takes a command. False if its id is known: a copy changes nothing, and what differs is only told of.

        A signed one takes the place of one that nobody signed, if nothing was done for that: else whoever can write
        a command could keep the true one away.
        """
        known = self._entries.get(command.id)
        if known is not None and cases.gives_way(known.case, command):
            self._renew(known, cases.in_place_of(known.case, command))
            return True
        if known is not None:
            if not case_values.differs(known.case, command):
                self.copies += 1
                return False
            self.differing += 1
            if not known.case.differing:
                self._note(known, cases.contradicted(known.case))
            return False
        entry = self._enter(case_values.new(command, partition, now))
        self._changed[partition][command.id] = entry
        return True

    def wake(self, command_id: str | None = None) -> None:
        """A person said something about a command, or (None) the settings changed: what is held is decided again."""
        if command_id in self._entries:
            self._retry(self._entries[command_id])
        some = tuple(self._open.values()) if command_id is None else (self._open.get(command_id),)
        for entry in some:
            if entry is None or entry.case.command.id in self._active:
                continue
            self._queue.discard(entry)
            if command_id is None:
                entry.likely = self._likely(entry.case)
            if entry.case.phase == "held":
                entry.case = entry.case.changed(due=0)
            self._queue.add(entry, self._clock())

    def _retry(self, entry: _Entry) -> None:
        """Restarts what failed or is not proved, if a person asked for that since.

        A case of an earlier version may have kept too little of its command for that.
        """
        case = entry.case
        if case.open or case.verdict not in RETRIABLE or case_values.differs(case, case.command):
            return
        asked, by = self._deciding.retried(entry.case.command.id)
        if asked <= max(entry.case.retried, entry.case.ended - SKEW):
            return
        self._renew(entry, cases.again(entry.case, asked, by))

    def _renew(self, entry: _Entry, case: Case) -> None:
        """A case starts over."""
        self._queue.discard(entry)
        entry.case = case
        entry.likely = self._likely(case)
        self._open[case.command.id] = entry
        self._note(entry, (case, None))
        self._queue.add(entry, self._clock())

    def use(self, deciding: Deciding, settings: ExecutorSettings, turns: TurnSettings) -> None:
        """Goes on under other settings."""
        self._turns.use(turns)
        self._deciding, self._settings = deciding, settings
        self._breakers.clear()
        self.wake()

    def pump(self, partition: int, now: int) -> list[Change]:
        """What has to be stored now, of one partition."""
        if self.failure is None and not self.draining and len(self._restored) >= self._partitions:
            self._choose(partition, now)
        changes = self._forget(partition, now)
        for name, entry in self._changed.pop(partition, {}).items():
            if not entry.case.open:
                entry.case = case_values.kept(entry.case)
            changes.append(Change(name, entry.case, tuple(entry.outcomes)))
            entry.outcomes = []
        return changes

    def committed(self, partition: int) -> None:
        """What `pump` gave is stored: the chosen cases begin."""
        for entry in self._starting.pop(partition, ()):
            entry.task = asyncio.create_task(self._turn(entry))

    async def drop(self, partition: int) -> None:
        """Forgets a partition, and ends its turns."""
        self._restored.discard(partition)
        self._history = None
        self._starting.pop(partition, None)
        self._changed.pop(partition, None)
        tasks = []
        for name in [name for name, entry in self._entries.items() if entry.case.partition == partition]:
            entry = self._entries.pop(name)
            self._queue.discard(entry)
            self._open.pop(name, None)
            self._active.pop(name, None)
            if entry.task is not None:
                entry.task.cancel()
                tasks.append(entry.task)
        if tasks:
            await asyncio.wait(tasks, timeout=2 * CANCEL_SECONDS)

    async def close(self) -> None:
        """Ends all turns."""
        for partition in {entry.case.partition for entry in self._entries.values()} | self._restored:
            await self.drop(partition)

    # The queue.

    def _enter(self, case: Case) -> _Entry:
        entry = self._entries[case.command.id] = _Entry(case, self._likely(case) if case.open else "")
        if case.open:
            self._open[case.command.id] = entry
            self._queue.add(entry, self._clock())
        return entry

    def _likely(self, case: Case) -> str:
        if case.phase == "acting":
            return case.target
        try:
            return self._deciding.target_of(case.command).name
        except Exception:  # noqa: BLE001 - none takes it, or one has a bug: `_decided` says so
            return ""

    def _choose(self, partition: int, now: int) -> None:
        """Decides and begins what is due, as far as targets have room.

        For cases of other partitions it keeps the room.
        """
        for name in self._queue.expired(now):
            waiting = self._open.get(name)
            if waiting is not None and name not in self._active:
                self._queue.add(waiting, now)
        self._use_freed(now)
        room = Counter(entry.likely for entry in self._active.values())
        credentials = {entry.case.command.credential_id for entry in self._active.values()}
        most = self._settings.concurrency
        done: list[_Entry] = []
        others = 0  # the severity of a case of another partition that has to be decided before lesser ones
        for entry in self._queue.due(lambda name: room[name] < most):
            case = entry.case
            if case.command.severity < others or len(done) >= MOST_CHOSEN:
                break
            if case.partition != partition:
                room[entry.likely] += 1
                others = max(others, case.command.severity if case.phase != "acting" else 0)
            elif case.command.credential_id not in credentials:  # one command of a credential after the other
                done.append(entry)
                if self._begun(entry, now):
                    room[entry.likely] += 1
                    credentials.add(case.command.credential_id)
        for entry in done:
            self._queue.discard(entry)
            if entry.case.command.id not in self._active and entry.case.open:
                self._queue.add(entry, self._clock())

    def _begun(self, entry: _Entry, now: int) -> bool:
        """Decides over a case, if that has to be, and begins its turn, if it may."""
        if entry.case.phase != "acting":
            self._note(entry, self._decided(entry.case, now))
        if entry.case.phase != "acting":
            return False
        case = entry.case
        found = self._planned(case)
        if found is None:
            reason = f"the configuration no longer has a target {case.target} that accepts it, or it now points elsewhere"
            self._note(entry, cases.left_alone(case, reason, now))
            return False
        stop = self._deciding.stopped(_proposal(case, found[1]), now)
        if stop is not None and case.move != "prove":  # what was done is proved in any case
            if isinstance(stop, Held):
                self._note(entry, cases.held(case, stop, "", now))
            else:
                self._note(entry, cases.forbidden(case, found[1], stop.reason, now))
            return False
        wait = self._breaker(case.target).wait_until(now)
        if wait is None:
            self._note(entry, (cases.taken_up(case, now, known=self._proved_dead(case)), None))
            self._active[case.command.id] = entry
            self._starting[case.partition].append(entry)
            return True
        if now > case.deadline:
            self._note(entry, cases.overdue(case, found[1], now))
        else:
            reason = case.reason or f"target {case.target} keeps failing, and is left alone for a while"
            self._note(entry, (case.changed(due=min(wait, case.deadline + 1), reason=reason), None))
        return False

    def _proved_dead(self, case: Case) -> bool:
        """Whether the credential's other command, of the same handle, has proved it dead at the same target."""
        command = case.command
        other = self._entries.get(command_id(command.credential_id, escalated=not command.escalated))
        return (
            other is not None
            and other.case.proved
            and other.case.command.credential_id == command.credential_id
            and (other.case.target, other.case.place) == (case.target, case.place)
            and other.case.digest == case.digest
        )

    def _decided(self, case: Case, now: int) -> Changed:
        name = ""
        try:
            found = self._deciding.target_of(case.command)
            name = found.name
            case = cases.aimed(case, name, found.place)
            plan = checked_plan(found.target.plan(_taken(case, found)))
            case = cases.asked(case, plan, self._deciding.said(case.command.id), now)
            proposal = _proposal(case, plan)
        except RefusedError as error:
            return cases.refused(case.changed(target=name), str(error), now)
        except Exception as error:  # noqa: BLE001 - a target must not end the work of others
            does = f"target {name} cannot plan it" if name else "a target cannot say whether it takes it"
            return cases.refused(case.changed(target=name), f"{does} ({type(error).__name__})", now)
        if self._history is None:
            self._history = History(
                Let(entry.case.began, entry.case.target, entry.case.command.owner)
                for entry in self._entries.values()
                if entry.case.began is not None and entry.case.counts
            )
        decision = self._deciding.decide(proposal, self._history, now)
        if isinstance(decision, Refused):
            return cases.refused(case, decision.reason, now)
        if isinstance(decision, Held):
            return cases.held(case, decision, plan_words(proposal.plan), now)
        self._history.add(Let(now, name, case.command.owner))
        approved = f"approved by {', '.join(decision.approved_by)}" if decision.approved_by else ""
        return cases.going(case, name, approved, now, self._settings.deadline), None

    def _note(self, entry: _Entry, changed: Changed) -> None:
        """Takes a case as it is now, to be stored."""
        was = entry.case
        entry.case, outcome = changed
        if entry.case.phase == "waiting" and was.began is not None:  # it is decided again
            self._give_back(was, was.began)
        self._changed[entry.case.partition][entry.case.command.id] = entry
        if outcome is not None:
            entry.outcomes.append(outcome)
        if not entry.case.open and self._open.pop(entry.case.command.id, None) is not None:
            self._take_back(entry.case)

    def _take_back(self, case: Case) -> None:
        """What was refused, or dead before anything was done, leaves its place under the limits to others."""
        if case.began is not None and not case.counts:
            self._give_back(case, case.began)

    def _give_back(self, case: Case, began: int) -> None:
        if self._history is not None:
            self._history.take_back(Let(began, case.target, case.command.owner))
        self._freed += 1

    def _use_freed(self, now: int) -> None:
        """Decides again over as many of those that a limit holds as there are freed places, once a second."""
        if not self._freed or now - self._used < SECOND:
            return
        held = (entry for entry in self._open.values() if entry.case.rail == "limit")
        for entry in heapq.nsmallest(self._freed, held, key=order):
            entry.case = entry.case.changed(due=0)
            self._queue.add(entry, now)
        self._freed, self._used = 0, now

    def _planned(self, case: Case) -> tuple[Target, Plan] | None:
        found = self._deciding.target_named(case.target)
        if found is None or case.place not in {"", found.place}:
            return None
        try:
            return found.target, checked_plan(found.target.plan(case.about))
        except Exception:  # noqa: BLE001 - the settings may have changed since it was decided
            return None

    def _breaker(self, name: str) -> Breaker:
        settings = self._settings
        return self._breakers.setdefault(name, Breaker(settings.breaker_failures, settings.breaker_pause))

    def _forget(self, partition: int, now: int) -> list[Change]:
        """Forgets cases that ended long ago: once a minute, those of one partition."""
        if now - self._forgotten.get(partition, 0) < FORGET_EVERY:
            return []
        self._forgotten[partition] = now
        old = [
            name
            for name, entry in self._entries.items()
            if not entry.case.open
            and entry.case.partition == partition
            and now - entry.case.ended > self._settings.keep
        ][:MOST_FORGOTTEN]
        for name in old:
            del self._entries[name]
            self._changed[partition].pop(name, None)
        return [Change(name, None) for name in old]

    async def _turn(self, entry: _Entry) -> None:
        """Runs the turn of a case; what changes is stored by the next `pump`."""
        breaker = self._breaker(entry.case.target)
        try:
            found = self._planned(entry.case)
            if found is not None:
                await self._turns.run(entry.case, *found, breaker, lambda changed: self._note(entry, changed))
        except asyncio.CancelledError:
            breaker.gave_up()
            raise
        except Exception as error:  # noqa: BLE001 - it is not about this case: the audit log, or a bug
            breaker.gave_up()
            self.failure = self.failure or error
        entry.task = None
        self._active.pop(entry.case.command.id, None)
        if entry.case.open:
            self._queue.add(entry, self._clock())


def _taken(case: Case, by: TableTarget) -> RevocationCommand:
    """The command as the target gets it.

    Raises:
        RefusedError: it takes the command, but not what was found for it.
    """
    if case.found and not by.takes(case.about):
        raise RefusedError(f"what was found for it is none that {by.name} takes: its match says so")
    return case.about


def _proposal(case: Case, plan: Plan) -> Proposal:
    return Proposal(case.command, case.target, plan, case.found, case.asked_at, case.early)


def plan_words(plan: Plan) -> str:
    """What would be done, for a person."""
    return "would " + ", then ".join(step.words for step in plan.steps) if plan.steps else ""
