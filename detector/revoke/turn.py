"""A turn of a case: questions to its target, one after the other, for as long as there is something to do at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeVar

import msgspec

from detector.revoke import cases
from detector.revoke.breaker import Breaker
from detector.revoke.case import Case, checked, cut, nanoseconds
from detector.revoke.cases import Changed
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Target, UnavailableError
from detector.values.times import MINUTE, SECOND
from detector.values.wording import Clean

FIRST_PROBES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)  # seconds before each of the probes that follow a step
CANCEL_SECONDS: Final = 1.0
_MOST_DOUBLINGS: Final = 20
_SHORTEST: Final = SECOND // 10
_LONGEST: Final = 10_000  # characters in which secrets are looked for
_KNOWN: Final = (RefusedError, GoneError, UnavailableError)

_T = TypeVar("_T")


class TurnSettings(msgspec.Struct, frozen=True):
    """Times in ns. `call_timeout` is for one question. The pause between tries doubles, with jitter."""

    call_timeout: int = 15 * SECOND
    first_pause: int = SECOND // 2
    longest_pause: int = MINUTE


class Act(msgspec.Struct, frozen=True):
    """Something that is done to a case. `words` say more, and may quote a provider."""

    what: Literal["acting", "acted", "failed"]
    case: Case
    words: str = ""


class RecordError(Exception):
    """An act cannot be recorded: so it must not be done."""


def stored_first(case: Case, plan: Plan, stored: str) -> bool:
    """Whether what was seen has to be stored before the case acts: it could not be seen after a crash.

    `stored` is the `before` that is. An escalated command has to know whether the provider called it dead before.
    """
    return case.before != stored and (case.command.escalated or (plan.forgets and case.before == "live"))


class Turns:
    """Runs turns. `clock` gives ns. `record` is awaited before and after each act; what it raises ends the turn.

    `clean` masks secrets in what a target says, before anything keeps it.
    """

    def __init__(
        self,
        settings: TurnSettings,
        clock: Callable[[], int],
        record: Callable[[Act], Awaitable[None]] | None = None,
        jitter: Callable[[], float] = random.random,
        clean: Clean = str,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._record = record
        self._jitter = jitter
        self._clean = clean
        self._abandoned: set[asyncio.Task[Any]] = set()

    def use(self, settings: TurnSettings) -> None:
        """Goes on under other settings."""
        self._settings = settings

    async def run(
        self, case: Case, target: Target, plan: Plan, breaker: Breaker, note: Callable[[Changed], None]
    ) -> None:
        """Goes on until the case ends or has to wait for more than a moment. `note` takes each change.

        Raises:
            RecordError: an act could not be recorded.
        """

        def changed(change: Changed) -> None:
            nonlocal case
            case = change[0]
            note(change)

        probes, stored = 0, case.before
        while case.phase == "acting" and case.due <= self._clock():
            if case.move == "act" and stored_first(case, plan, stored):
                break
            if case.move != "prove":
                probes = 0
            elif probes >= (1 if case.rests else len(FIRST_PROBES)):
                changed((self._rested(case), None))
                break
            else:
                await asyncio.sleep(0.0 if case.rests else FIRST_PROBES[probes])
                probes += 1
            changed(await self._asked(case, target, plan, breaker))

    def _rested(self, case: Case) -> Case:
        """Waits for the next probe without a task."""
        now = self._clock()
        pause = min(SECOND << min(case.rests, _MOST_DOUBLINGS), self._settings.longest_pause)
        due = max(min(now + pause, case.prove_until), now + _SHORTEST)
        return case.changed(due=due, rests=case.rests + 1)

    async def _asked(self, case: Case, target: Target, plan: Plan, breaker: Breaker) -> Changed:
        """One question to the provider: the case as it is after the answer."""
        try:
            answer = await (self._act(case, target, plan) if case.move == "act" else self._look(case, target))
        except (RefusedError, GoneError) as error:
            breaker.succeeded()
            return await self._stumbled(case, plan, error)
        except RecordError:
            raise
        except Exception as error:  # noqa: BLE001 - a provider, and the module that asks it, may do anything
            breaker.failed(self._clock())
            return await self._stumbled(case, plan, error)
        breaker.succeeded()
        now = self._clock()
        if isinstance(answer, str):
            return cases.stepped(case, plan, answer, now)
        if case.move == "look":
            return cases.looked(case, plan, answer, now)
        return cases.proved(case, plan, answer, now, now + self._backoff(case.rounds))

    async def _look(self, case: Case, target: Target) -> Observation:
        seen = checked(await self._call(target.probe(case.about)))
        if any(self._clean(text) != text for text in seen.found.values()):
            raise RefusedError("what was found for it looks like a secret, and would be written down")
        return msgspec.structs.replace(seen, how=self._words(seen.how))

    async def _act(self, case: Case, target: Target, plan: Plan) -> str:
        if case.step >= len(plan.steps):  # the settings have changed, or the plan is empty
            return "there is nothing left to do"
        await self._recorded(Act("acting", case, plan.steps[case.step].words))
        words = self._words(str(await self._call(target.revoke(case.about, case.step))))
        await self._recorded(Act("acted", case, words))
        return words

    async def _stumbled(self, case: Case, plan: Plan, error: Exception) -> Changed:
        known = next((kind for kind in _KNOWN if isinstance(error, kind)), None)
        words = self._words(str(error)) if known else type(error).__name__
        await self._recorded(Act("failed", case, words))
        now = self._clock()
        again = now + self._wait(case, error)
        masked = known(words) if known else error
        if isinstance(error, GoneError):
            masked = GoneError(words, known=error.known is True)
        return cases.stumbled(case, plan, masked, now, again)

    def _words(self, text: str) -> str:
        """What a target says, without secrets: it is cut only then, as half a secret is not recognised."""
        return cut(self._clean(text[:_LONGEST]))

    def _wait(self, case: Case, error: Exception) -> int:
        """How long until the next try: what the provider asked for, else twice as long as before, and some more."""
        asked = error.after if isinstance(error, UnavailableError) else None
        if isinstance(asked, int | float):  # a target of one's own may give anything
            return max(nanoseconds(asked), _SHORTEST)
        return self._backoff(case.tries)

    def _backoff(self, tries: int) -> int:
        pause = self._settings.first_pause << min(tries, _MOST_DOUBLINGS)
        pause = min(pause, self._settings.longest_pause)
        return round(pause * (1 + self._jitter() / 2))

    async def _call(self, question: Awaitable[_T]) -> _T:
        """The answer. What does not answer in time is left behind, even if it refuses to be cancelled.

        Raises:
            UnavailableError: no answer in time.
            Exception: whatever the target raises.
        """
        task = asyncio.ensure_future(question)
        seconds = self._settings.call_timeout / SECOND
        try:
            await asyncio.wait([task], timeout=seconds)
            if not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=CANCEL_SECONDS)
                self._abandon(task)
                raise UnavailableError(f"no answer within {seconds:g} s")
        except asyncio.CancelledError:
            task.cancel()
            self._abandon(task)
            raise
        if task.cancelled():
            raise UnavailableError("the request was cancelled")
        return task.result()

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        """Keeps it until it ends, and takes its error, which nobody waits for."""

        def ended(task: asyncio.Task[Any]) -> None:
            self._abandoned.discard(task)
            if not task.cancelled():
                task.exception()

        self._abandoned.add(task)
        task.add_done_callback(ended)

    async def _recorded(self, act: Act) -> None:
        if self._record is None:
            return
        try:
            await self._record(act)
        except Exception as error:
            raise RecordError(str(error)) from error
