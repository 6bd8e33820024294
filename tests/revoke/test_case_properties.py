"""No wrong all-clear: a case alone against a provider that never lies about what lives, but fails in all other ways.

It hangs, loses answers, says that it did what it did not, and refuses. The process dies between any two of look, act,
store and commit; people switch a credential on again, retry what failed, and move a command to another target, or a
target to another place.
"""

from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detector.revoke import cases
from detector.revoke.case import Case, kept, new
from detector.revoke.outcomes import DEAD, Outcome
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.turn import stored_first
from detector.values.approvals import RETRIABLE
from detector.values.times import MILLISECOND, SECOND
from tests.revoke.running import command

PLANS = (
    (Step("revoke it"),),
    (Step("disable it"), Step("end its sessions")),
    (Step("disable it", reversible=True), Step("delete it", delay=0.5)),
)
PAUSE = 100 * MILLISECOND
PATIENCE = 250 * MILLISECOND
MOMENTS = (
    *("fine",) * 6,
    *("store",) * 3,
    *("down", "lost", "lie", "gone", "refused", "unknown", "nothing works", "late"),
    *("kill", "kill in the act", "undo", "retry", "move", "elsewhere", "target gone"),
)


class World:
    """One credential at the target `real`; the target `other` knows nothing of it. It keeps the truth."""

    def __init__(self, plan: Plan, state: str, *, escalated: bool) -> None:
        self.plan, self.live, self.now = plan, state == "live", SECOND
        self.ever, self.lived = state != "never there", self.live
        self.case = new(command(escalated=escalated), 0, self.now)
        self.stored = msgspec.json.encode(self.case)
        self.pending: list[Outcome] = []
        self.told: list[Outcome] = []
        self.aim, self.place = "real", "here"

    def moment(self, what: str) -> None:
        self.now += PAUSE
        if what == "store":
            self.store()
        elif what == "kill":
            self.kill()
        elif what == "undo":  # only what a step has switched off can be switched on
            self.live = self.ever
            self.lived |= self.live
        elif what == "late":
            self.now += SECOND
        elif what == "retry":
            self.retry()
        elif what == "move":
            self.aim = "other" if self.aim == "real" else "real"
        elif what == "elsewhere":
            self.place = "there" if self.place == "here" else "here"
        elif not self.case.open:
            pass
        elif what == "target gone" and self.case.phase == "acting":
            self.take(cases.left_alone(self.case, "the target is gone", self.now))
        else:
            self.turn(what)

    @property
    def here(self) -> bool:
        """Whether the case asks where the credential is."""
        return (self.case.target, self.case.place) == ("real", "here")

    def turn(self, what: str) -> None:
        if self.case.phase == "acting" and self.case.place != self.place:
            self.take(cases.left_alone(self.case, "the target points elsewhere", self.now))
            return
        if self.case.phase != "acting":
            going = cases.aimed(self.case, self.aim, self.place)
            self.take((cases.going(going, self.aim, "", self.now, PATIENCE), None))
        if self.case.acted is None:
            self.take((cases.taken_up(self.case, self.now), None))
            self.store()
        self.now = max(self.now, min(self.case.due, self.now + SECOND))
        if self.case.due > self.now:
            return
        before = msgspec.json.decode(self.stored, type=Case).before
        if self.case.move == "act" and stored_first(self.case, self.plan, before):
            self.store()
        self.take(self.asked(what))

    def asked(self, what: str) -> cases.Changed:
        case, again = self.case, self.now + PAUSE
        try:
            if case.move == "act":
                if case.step >= len(self.plan.steps):
                    return cases.stepped(case, self.plan, "there is nothing left to do", self.now)
                self.act(what)
                if what == "kill in the act":
                    self.kill()
                    return self.case, None
                return cases.stepped(case, self.plan, "done", self.now)
            seen = self.look(what)
        except (GoneError, RefusedError, UnavailableError) as error:
            return cases.stumbled(case, self.plan, error, self.now, again)
        if case.move == "look":
            return cases.looked(case, self.plan, seen, self.now)
        return cases.proved(case, self.plan, seen, self.now, again)

    def look(self, what: str) -> Observation:
        self.fail(what)
        if what == "unknown":
            return Observation("unknown", "x")
        if what == "nothing works":  # not even what must go on working
            return Observation("absent" if self.plan.forgets else "dead", "x", control=False)
        if self.here and self.live:
            return Observation("live", "x")
        known = self.here and self.ever and not self.plan.forgets
        return Observation("dead" if known else "absent", "x")

    def act(self, what: str) -> None:
        self.fail(what)
        if what == "nothing works":
            raise GoneError("it refuses everything")
        if what == "lie":
            return
        if what == "gone" and not (self.here and self.live):
            raise GoneError("HTTP 404", known=self.here and self.ever and not self.plan.forgets)
        self.live = self.live and not self.here
        if what == "lost":
            raise UnavailableError("the connection broke")

    def fail(self, what: str) -> None:
        if what == "down":
            raise UnavailableError("HTTP 503")
        if what == "refused":
            raise RefusedError("not now, not ever")

    def take(self, changed: cases.Changed) -> None:
        self.case, outcome = changed
        if outcome is None:
            return
        if outcome.verdict in DEAD and self.live:
            so_far = [*self.told, *self.pending]
            assert self.case.left, f"a wrong all-clear: {outcome}"
            assert self.case.seen != "live", f"a wrong all-clear: {outcome}"
            assert so_far[-1].verdict in DEAD, f"a wrong all-clear: {outcome} after {so_far[-1]}"
        assert not (outcome.verdict in DEAD and not self.ever), f"it was never there: {outcome}"
        if self.case.command.escalated and not self.lived and self.case.before != "unknown":
            # It was used, although the provider called it dead.
            assert outcome.verdict not in DEAD, f"a wrong all-clear: {outcome}"
        self.pending.append(outcome)

    def store(self) -> None:
        if not self.case.open:
            self.case = kept(self.case)
        self.stored = msgspec.json.encode(self.case)
        self.told += self.pending
        self.pending = []

    def kill(self) -> None:
        self.case, self.pending = cases.restored(msgspec.json.decode(self.stored, type=Case)), []

    def retry(self) -> None:
        if self.case.verdict in RETRIABLE:
            self.case = cases.again(self.case, self.now, "ann")


def seen_once(
    moments: str,
    steps: tuple[Step, ...] = PLANS[0],
    state: str = "live",
    *,
    forgets: bool = True,
    escalated: bool = False,
) -> Any:
    """What made a wrong all-clear once."""
    return example(
        moments=moments.split(", "), steps=steps, state=state, forgets=forgets, escalated=escalated
    )


@seen_once("nothing works", state="never there", forgets=False)
@seen_once("fine, store, kill, nothing works, nothing works")
@seen_once("fine, nothing works, nothing works")
@seen_once("fine, target gone, move")
@seen_once("fine, elsewhere, fine, fine, fine, fine")
@seen_once("fine, move, late, down, store, retry")
@seen_once("fine, fine, fine, undo, late, fine, store, retry, fine, target gone", PLANS[2])
@seen_once("fine, fine, fine, late, fine, fine, undo, fine, refused", PLANS[2])
@seen_once("fine, store, kill", state="dead", forgets=False, escalated=True)
@settings(max_examples=1000, deadline=None)
@given(
    moments=st.lists(st.sampled_from(MOMENTS), max_size=40),
    steps=st.sampled_from(PLANS),
    state=st.sampled_from(["live", "dead", "never there"]),
    forgets=st.booleans(),
    escalated=st.booleans(),
)
def test_no_all_clear_while_it_lives_and_none_forgotten(
    moments: list[str], steps: tuple[Step, ...], state: str, *, forgets: bool, escalated: bool
) -> None:
    world = World(Plan(steps, "a look", 0.3, forgets=forgets), state, escalated=escalated)
    for moment in moments:
        world.moment(moment)
    for _ in range(200):
        if not world.case.open:
            break
        world.moment("fine")
        world.store()
    assert not world.case.open, "it ends"
    world.store()
    numbers: list[Any] = [outcome.number for outcome in world.told]
    assert numbers == list(range(1, len(numbers) + 1))
    assert world.told[-1].verdict == world.case.verdict
    assert sum(outcome.revoked for outcome in world.told) == any(one.verdict in DEAD for one in world.told)
