"""Rails: whether a command may be carried out now. Pure: everything comes in as values, also the time.

In this order; the first that applies decides:

1. `never` and `deny` refuse, whoever approves. So does a command that `allow` does not cover.
2. An approver who denies refuses.
3. `mode = "plan"` holds everything.
4. `approval`, `max_age` and a signature that was not asked for when the command came hold until enough people have
   approved.
5. Quiet hours hold what is not critical, unless somebody has approved it.
6. Limits hold what would be too much within a minute or an hour. An approval does not lift them.

Names are compared without white space at their ends, and in one case: `"Web "` is the owner `web`.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

import msgspec

from detector.configuration.revoke_settings import ACT, ApprovalRule, RevokeSettings, Scope
from detector.revoke.quiet_hours import quiet_until
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Plan
from detector.values.approvals import Approval
from detector.values.findings import Severity
from detector.values.globs import GlobSet
from detector.values.times import DAY, HOUR, MINUTE
from detector.values.wording import counted, span

Rail = Literal[
    "target",
    "never",
    "deny",
    "allow",
    "denied",
    "plan",
    "approval",
    "signature",
    "age",
    "quiet-hours",
    "limit",
]
"""What held or refused a command; `target` if no target takes it, or the target refuses to plan it."""

_KEPT: Final = 10_000  # acts before old ones are forgotten
_MOST_NAMES: Final = 1000
_SKEW: Final = 5 * MINUTE  # how far ahead of this machine the clock of an approver may be


class Proposal(msgspec.Struct, frozen=True):
    """What would be done: the command, the name of the table of the target that takes it, and the target's plan.

    - `found`: what the target found for it, see `Observation`.
    - `since`: what was approved until then (ns) was another plan; `early` are such approvals whose clocks were ahead.
    """

    command: RevocationCommand
    target: str
    plan: Plan
    found: Mapping[str, str] = {}
    since: int = 0
    early: tuple[tuple[str, int], ...] = ()


class Go(msgspec.Struct, frozen=True):
    """It may be carried out now. `approved_by` are the people who approved it."""

    approved_by: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """It waits. `reason` is for a person.

    - `until`: when it is to be decided again (ns); None if only a person or a new configuration can change it.
    - `approved_by`, of `needed`: who has approved it so far.
    - `pages`: somebody should be woken: more is asked for than the limits let through.
    """

    rail: Rail
    reason: str
    until: int | None = None
    approved_by: tuple[str, ...] = ()
    needed: int = 0
    pages: bool = False


class Refused(msgspec.Struct, frozen=True):
    """It is not carried out, now or later."""

    rail: Rail
    reason: str


Decision = Go | Held | Refused


class Act(msgspec.Struct, frozen=True):
    """A command that was let through at `time` (ns)."""

    time: int
    target: str
    owner: str


class History:
    """What was let through, of the last day at least. Limits count in it."""

    def __init__(self, acts: Iterable[Act] = ()) -> None:
        self._all: list[int] = []
        self._full = _KEPT
        self._of: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for act in acts:
            self.add(act)

    def add(self, act: Act) -> None:
        """A command was let through: call it for each `Go`, before the next decision."""
        for times in self._lists(act):
            insort(times, act.time)
        if len(self._all) > self._full:
            self._forget(act.time - DAY)
            self._full = max(_KEPT, 2 * len(self._all))  # so that each act is looked at a few times only

    def take_back(self, act: Act) -> None:
        """Nothing came of an act: it does not count."""
        for times in self._lists(act):
            at = bisect_left(times, act.time)
            if at < len(times) and times[at] == act.time:
                del times[at]

    def since(self, time: int, of: tuple[str, str] | None = None) -> list[int]:
        """The times after `time`, in order: of all acts, or of `("owner", …)` or `("target", …)`."""
        times = self._all if of is None else self._of.get((of[0], _folded(of[1])), [])
        return times[bisect_right(times, time) :]

    def _lists(self, act: Act) -> tuple[list[int], ...]:
        return (
            self._all,
            self._of["owner", _folded(act.owner)],
            self._of["target", _folded(act.target)],
        )

    def _forget(self, before: int) -> None:
        for times in (self._all, *self._of.values()):
            del times[: bisect_right(times, before)]
        for key in [key for key, times in self._of.items() if not times]:
            del self._of[key]


def urgency(command: RevocationCommand) -> tuple[int, bool, int, str]:
    """What commands are sorted by before a decision: the most severe first, then the escalated, then the oldest."""
    return -command.severity, not command.escalated, command.time, command.id


def decide(
    proposal: Proposal,
    history: History,
    settings: RevokeSettings,
    now: int,
    approvals: Sequence[Approval] = (),
) -> Decision:
    """Whether a command may be carried out at `now` (ns).

    `approvals` are those of this command, verified; the settings say whose count and how long.
    """
    people = _approved_by(_given(proposal, settings, now, approvals))
    return (
        stopped(proposal, settings, now, approvals)
        or _unapproved(proposal, settings, now, people, _said(proposal.command, settings, approvals))
        or _quiet(proposal.command, settings, now, people)
        or _too_much(proposal, history, settings, now)
        or Go(people)
    )


def stopped(
    proposal: Proposal, settings: RevokeSettings, now: int, approvals: Sequence[Approval] = ()
) -> Held | Refused | None:
    """The first three rails, which also stop what was let through before: its next step or try. None if they do not."""
    refused = _refused(proposal, settings)
    if refused is not None:
        return refused
    given = _given(proposal, settings, now, approvals)
    denied = {approval.approver for approval in given if approval.denies}
    if denied:
        return Refused("denied", f"denied by {', '.join(sorted(denied))}")
    if settings.mode != ACT:
        return Held("plan", 'revoke.mode is "plan": nothing is revoked', approved_by=_approved_by(given))
    return None


def _approved_by(given: Iterable[Approval]) -> tuple[str, ...]:
    return tuple(sorted({one.approver for one in given if one.approves}))


def _refused(proposal: Proposal, settings: RevokeSettings) -> Refused | None:
    if settings.never:
        never = _globs(settings.never)
        names = list(islice(_names(proposal), _MOST_NAMES + 1))
        if len(names) > _MOST_NAMES:
            return Refused("never", "its handle has too many names to compare with revoke.never")
        if any(never.matches(_folded(name)) for name in names):
            return Refused("never", "revoke.never names it")
    for what, globs, values in _compared(proposal, settings.deny):
        if any(map(globs.matches, values)):
            return Refused("deny", f"revoke.deny.{what} names it")
    for what, globs, values in _compared(proposal, settings.allow):
        if not values or not all(map(globs.matches, values)):
            return Refused("allow", f"revoke.allow.{what} does not name it")
    return None


def _folded(name: str) -> str:
    """A name as it is compared: a blank or a capital makes nobody else of an owner."""
    return name.strip().casefold()


def _globs(globs: Iterable[str]) -> GlobSet:
    return GlobSet(tuple(map(_folded, globs)))


def _compared(proposal: Proposal, scope: Scope) -> Iterator[tuple[str, GlobSet, tuple[str, ...]]]:
    """Each list that a scope has: its name, its globs, and what the command has there, to be compared."""
    command = proposal.command
    for what, globs, values in (
        ("targets", scope.targets, (proposal.target,)),
        ("kinds", scope.kinds, (command.kind,)),
        ("tasks", scope.tasks, command.task_ids),
        ("owners", scope.owners, (command.owner,)),
    ):
        if globs is not None:
            yield what, _globs(globs), tuple(map(_folded, values))


def covers(scope: Scope, proposal: Proposal) -> bool:
    """Whether every list of a scope names the command. Of several candidates one is enough."""
    return all(any(map(globs.matches, values)) for _, globs, values in _compared(proposal, scope))


def _names(proposal: Proposal) -> Iterator[str]:
    """All by which a credential and its principal may be called: its id, its identifiers, texts of the handle.

    And what the target found: the handle may name something else.
    """
    command = proposal.command
    yield command.credential_id
    yield from proposal.found.values()
    yield from (identifier.value for identifier in command.identifiers)
    stack: list[Any] = [command.revocation]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list | tuple):
            stack.extend(value)
        elif value is not None:
            yield str(value)


def _given(
    proposal: Proposal, settings: RevokeSettings, now: int, approvals: Sequence[Approval]
) -> list[Approval]:
    """What counts: of this command, by an approver of the configuration.

    Approvals of this very plan, not too old, nor of the future.
    A denial counts whatever its time: nobody's clock undoes it.
    """
    return [
        one
        for one in _said(proposal.command, settings, approvals)
        if one.denies
        or (now - settings.approval_age <= one.time <= now + _SKEW and not _of_another(proposal, one))
    ]


def _of_another(proposal: Proposal, approval: Approval) -> bool:
    """Whether it was said before this plan was asked about."""
    return approval.time <= proposal.since or (approval.approver, approval.time) in proposal.early


def _said(
    command: RevocationCommand, settings: RevokeSettings, approvals: Sequence[Approval]
) -> list[Approval]:
    known = {approver.name for approver in settings.approvers}
    return [one for one in approvals if one.command_id == command.id and one.approver in known]


def needed_approvals(proposal: Proposal, rules: Iterable[ApprovalRule]) -> int:
    """How many different people have to approve."""
    irreversible = any(not step.reversible for step in proposal.plan.steps)
    return max(
        (
            rule.approvals
            for rule in rules
            if (irreversible or not rule.irreversible) and covers(rule.scope, proposal)
        ),
        default=0,
    )


def _unapproved(
    proposal: Proposal, settings: RevokeSettings, now: int, people: tuple[str, ...], said: Sequence[Approval]
) -> Held | None:
    needed = needed_approvals(proposal, settings.approvals)
    rail: Rail = "approval"
    why = "revoke.approval asks for it"
    age = now - proposal.command.time
    if not needed and settings.command_keys and not (proposal.command.signed or settings.allow_unsigned):
        needed, rail, why = 1, "signature", "it was taken when a command needed no signature, and has none"
    elif not needed and age > settings.max_age:
        needed, rail, why = 1, "age", f"its evidence is {span(age)} old"
    if len(people) >= needed:
        return None
    so_far = f", {len(people)} so far ({', '.join(people)})" if people else ""
    reason = f"needs {counted(needed, 'approval')}{so_far}: {why}"
    early = {one.approver: one.time - _SKEW for one in said if one.time > now + _SKEW}
    of_another = {one.approver for one in said if one.approves and _of_another(proposal, one)} - {*people}
    if of_another:
        reason += f"; what {', '.join(sorted(of_another))} approved before was about something else"
    if early:
        reason += (
            f"; what {', '.join(sorted(early))} said is of the future: set the clock there, and say it again"
        )
    return Held(rail, reason, min(early.values(), default=None), people, needed)


def _quiet(
    command: RevocationCommand, settings: RevokeSettings, now: int, people: tuple[str, ...]
) -> Held | None:
    if command.severity >= Severity.CRITICAL or people:
        return None
    until = quiet_until(settings.quiet_hours, now)
    if until is None:
        return None
    return Held("quiet-hours", "quiet hours: only critical commands are carried out now", until)


def _too_much(proposal: Proposal, history: History, settings: RevokeSettings, now: int) -> Held | None:
    limits = settings.limits
    over = [
        (times[-limit] + period, f"{limit} {words}")
        for limit, period, of, words in (
            (limits.per_minute, MINUTE, None, "a minute"),
            (limits.per_hour, HOUR, None, "an hour"),
            (limits.per_owner, HOUR, ("owner", proposal.command.owner), "an hour for one owner"),
            (limits.per_target, HOUR, ("target", proposal.target), "an hour at one target"),
        )
        if limit and len(times := history.since(now - period, of)) >= limit
    ]
    if not over:
        return None
    until, words = max(over)
    return Held("limit", f"more than revoke.limits lets through: {words}", until, pages=True)
