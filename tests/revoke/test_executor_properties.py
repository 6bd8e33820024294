"""Whatever a provider does, and whenever a process dies: each command ends once, with nothing that is not so.

A run is a list of moments: commands and copies come, a transaction is stored, time passes, the process is killed. The
provider answers by a script of faults.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detector.revoke import cases
from detector.revoke.case import Case
from detector.revoke.outcomes import DEAD
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step, UnavailableError
from detector.values.findings import Severity
from detector.values.times import MILLISECOND, SECOND
from tests.revoke.recording import OpenRails, RecordingOptions, RecordingTarget
from tests.revoke.running import Running, Stored, command

NAMES = ("a", "b", "c")
PLANS = (
    (Step("revoke it"),),
    (Step("disable it"), Step("end its sessions")),
    (Step("disable it", reversible=True), Step("delete it", delay=0.01)),
)
FAULTS = ("fine", "fine", "fine", "down", "slow down", "hang", "bug", "garbage", "lost", "lie", "cancel")
moments = st.lists(
    st.one_of(
        st.tuples(st.just("command"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("store"), st.just(""), st.just(value=False)),
        st.tuples(st.just("wait"), st.just(""), st.just(value=False)),
        st.tuples(st.just("kill"), st.just(""), st.just(value=False)),
    ),
    max_size=30,
)


class Scripted(RecordingTarget):
    """Goes through a script of faults, then behaves."""

    def __init__(self, options: RecordingOptions, script: Sequence[str]) -> None:
        super().__init__(options)
        self.script: Iterator[str] = iter(script)
        self.about: str = ""

    async def revoke(self, command: Any, step: int) -> str:
        self.about = command.credential_id
        fault = next(self.script, "fine")
        if fault == "lost":
            await super().revoke(command, step)
            raise UnavailableError("the connection broke")
        if fault == "lie":
            self.revoked.append((command.credential_id, command.id, step))
            return "done, honestly"
        await self.meet(fault)
        return "\x00" if fault == "garbage" else await super().revoke(command, step)

    async def probe(self, command: Any) -> Observation:
        fault = next(self.script, "fine")
        await self.meet(fault)
        if fault == "garbage":
            return {"state": "dead", "how": 7}  # type: ignore[return-value]  # garbage
        return await super().probe(command)

    async def meet(self, fault: str) -> None:
        if fault == "down":
            raise UnavailableError("HTTP 503")
        if fault == "slow down":
            raise UnavailableError("HTTP 429", after=0.01)
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "bug":
            raise ZeroDivisionError
        if fault == "cancel":
            raise asyncio.CancelledError


@settings(max_examples=60)
@given(
    script=moments,
    faults=st.lists(st.sampled_from(FAULTS), max_size=20),
    plan=st.sampled_from(PLANS),
    live=st.sets(st.sampled_from(NAMES)),
    forgets=st.booleans(),
)
def test_nothing_is_done_twice_forgotten_or_done_unasked(
    script: list[tuple[str, str, bool]],
    faults: list[str],
    plan: tuple[Step, ...],
    live: set[str],
    *,
    forgets: bool,
) -> None:
    target = Scripted(RecordingOptions(steps=plan, within=0.02, forgets=forgets), faults)
    target.live |= {*live, "bystander"}
    asked: dict[str, Any] = {}

    async def go() -> Stored:
        running = Running(OpenRails({"memory": target}))
        for what, name, escalated in script:
            if what == "command":
                one = command(name, escalated=escalated, severity=Severity.HIGH)
                asked[one.id] = one
                running.take([one])
                running.transaction()  # command and offset are stored together
            elif what == "store":
                running.transaction()
            elif what == "wait":
                await asyncio.sleep(0.003)
            else:
                await running.crash()
                running = Running(OpenRails({"memory": target}), running.stored)
        await running.settle()
        running.take(asked.values())  # copies
        await running.settle()
        await running.crash()
        return running.stored

    stored = asyncio.run(go())
    assert "bystander" in target.live
    assert {name for name, _, _ in target.revoked} <= {one.credential_id for one in asked.values()}
    assert all(count == 1 for count in target.kills.values())
    for one in asked.values():
        told = stored.of(one.id)
        assert [outcome.number for outcome in told] == list(range(1, len(told) + 1))
        finals = told[-1].verdict
        assert finals in {
            "confirmed",
            "gone-already",
            "done-unproved",
            "failed",
            *(("refused",) if forgets else ()),
        }
        assert sum(outcome.revoked for outcome in told) == any(outcome.verdict in DEAD for outcome in told)
        if finals in DEAD:
            assert one.credential_id not in target.live
        if one.credential_id not in live and not one.escalated:
            assert finals in {"failed", "done-unproved", "refused" if forgets else "gone-already"}
        if one.credential_id in live and forgets:
            assert finals != "refused"
    assert all(
        count == 1 for count in Counter((name, outcome.number) for name, outcome in stored.outcomes).values()
    )


ANSWERS = st.sampled_from(
    [
        Observation("live", "x"),
        Observation("dead", "x"),
        Observation("unknown", "x"),
        Observation("absent", "x"),
        Observation("absent", "x", control=False),
        Observation("dead", "x", control=False),
        Observation("dead", "x", control=True),
        Observation("unknown", "x", control=False),
        RefusedError("not its own"),
        GoneError("HTTP 404"),
        GoneError("it is disabled", known=True),
        UnavailableError("HTTP 500"),
        UnavailableError("HTTP 429", after=1e300),
        UnavailableError("HTTP 429", after=float("nan")),
        RuntimeError("secret"),
    ]
)


@settings(max_examples=300)
@given(
    answers=st.lists(ANSWERS, min_size=1, max_size=12),
    plan=st.sampled_from(PLANS),
    escalated=st.booleans(),
    killed=st.booleans(),
)
def test_no_answers_make_a_wrong_all_clear(
    answers: list[Observation | Exception],
    plan: tuple[Step, ...],
    *,
    escalated: bool,
    killed: bool,
) -> None:
    """Every state of a case, from any answers: it ends in time, and says dead only if told so last, and believably."""
    made = Plan(plan, "a look", 0.01)
    case = cases.taken_up(cases.going(Case(command(escalated=escalated)), "memory", "", 0, SECOND), 0)
    if killed:
        case = cases.restored(case)
    now, told, last, was_there = 0, [], None, False
    for turn in range(400):
        answer = answers[turn % len(answers)]
        now = max(now + 10 * MILLISECOND, min(case.due, now + SECOND))
        if isinstance(answer, Exception) or case.move != "act":
            last = answer
            was_there = was_there or _says_that_it_was_there(answer)
        if isinstance(answer, Exception):
            case, outcome = cases.stumbled(case, made, answer, now, now + 10 * MILLISECOND)
        elif case.move == "act":
            case, outcome = cases.stepped(case, made, "done", now)
        elif case.move == "look":
            case, outcome = cases.looked(case, made, answer, now)
        else:
            case, outcome = cases.proved(case, made, answer, now, now + 10 * MILLISECOND)
        if outcome is not None:
            told.append(outcome)
            if outcome.verdict in DEAD and not (isinstance(last, RefusedError) or case.left):
                assert isinstance(last, GoneError) or (
                    isinstance(last, Observation)
                    and last.state in {"dead", "absent"}
                    and last.control is not False
                )
                assert was_there, "it may never have been there"
            assert "secret" not in f"{outcome}"
        if not case.open:
            break
    assert not case.open, "it ends"
    assert told[-1].verdict == case.verdict
    assert sum(outcome.revoked for outcome in told) <= 1
    assert [outcome.number for outcome in told] == list(range(1, len(told) + 1))


def _says_that_it_was_there(answer: Observation | Exception) -> bool:
    if isinstance(answer, Observation):
        return answer.state in {"live", "dead"}
    return isinstance(answer, GoneError) and answer.known
