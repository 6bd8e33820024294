"""A case: one command on its way from received to its outcome, as a value. Nothing here asks a provider or a clock.

    waiting ──► held ──► acting: look ──► act, step by step ──► prove ──► ended
       └───────────────────►      │
       ◄──────────────────────────┘ it is something else than what was decided over

`held`, `refused` and `going` take a case out of `waiting` and `held`; `looked`, `stepped`, `proved` and `stumbled`
take it on from there, by what the target answered. Each gives the case as it is then, and the outcome to tell, if
there is one. A case is stored after every change, so that another process can go on with it; it begins by looking,
and a credential that is dead by then is `gone-already`.

A provider that knows nothing of a name proves nothing by that: the name may be wrong. Such a credential counts as
dead only if this case saw it there before.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from detector.revoke.case import NEVER, Case, Move, cut, differs, nanoseconds, new, proof_of
from detector.revoke.outcomes import DEAD, Outcome, Verdict
from detector.revoke.rails import Held
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import (
    GoneError,
    Observation,
    Plan,
    RefusedError,
    State,
    UnavailableError,
)
from detector.values.approvals import Approval
from detector.values.times import SECOND

STILL_LIVE: Final = "every step was done, and the credential is still live"
CONTRADICTED: Final = "the provider said that it was dead before, too, and yet it was used"
NOTHING: Final = (
    "nothing has this name: it never existed, or was deleted before anybody looked. If it was deleted, report that "
    "with a credential.revoked; otherwise find the credential, revoke it by hand, and correct what its issuer registers"
)
ELSEWHERE: Final = "its name changed after the decision, so the rest was not done: try it again"
DIFFERING: Final = (
    "another command with this id has other content and was ignored: one of the two is forged or wrong"
)


Changed = tuple[Case, Outcome | None]


def held(case: Case, decision: Held, plan: str, now: int) -> Changed:
    """The rails hold it, until a time or until somebody approves or the settings change. `plan` says what it would do.

    It is told once for each reason.
    """
    reason = cut(decision.reason)
    again = case.phase == "held" and case.reason == reason
    due = NEVER if decision.until is None else max(decision.until, now + SECOND)
    case = case.changed(phase="held", rail=decision.rail, pages=decision.pages, reason=reason, due=due)
    return (case, None) if again else _tell(case, "held", now, detail=f"{reason}; {plan}" if plan else reason)


def refused(case: Case, reason: str, now: int) -> Changed:
    """The rails, or no target at all, refuse it."""
    return _end(case, "refused", now, detail=reason)


def forbidden(case: Case, plan: Plan, reason: str, now: int) -> Changed:
    """The rails refuse to go on with it. What was done by then is proved."""
    return _refused_by_target(case.changed(due=0), plan, cut(reason), now)


def left_alone(case: Case, reason: str, now: int) -> Changed:
    """Its target is gone from the configuration, or points elsewhere.

    Where nothing was done yet, it is decided again.
    """
    if _stays_dead(case):
        return _finish(case.changed(left=reason), Plan((), "", 0.0), now)
    if case.did or case.tried:
        return _end(case, "failed", now, proof=proof_of(case), detail=reason)
    return case.changed(phase="waiting", due=0, began=None), None


def aimed(case: Case, target: str, place: str) -> Case:
    """As the target of this name takes it, which is at `place`.

    What was seen and done elsewhere says nothing about it.
    """
    if case.target in {"", target} and case.place in {"", place}:
        return case.changed(target=target, place=place)
    return case.changed(
        target=target,
        place=place,
        step=0,
        did=(),
        tried=False,
        resumed=False,
        before="",
        before_how="",
        known=False,
        seen="",
        seen_how="",
        control=None,
        proved=False,
        found={},
    )


def asked(case: Case, plan: Plan, approvals: Iterable[Approval], now: int) -> Case:
    """This plan is decided over. What was said of another one before is no approval of it, whatever its time."""
    about = (case.target, case.place, [step.words for step in plan.steps])
    digest = hashlib.sha256(msgspec.json.encode(about)).hexdigest()[:32]
    if digest == case.asked:
        return case
    if not case.asked:
        return case.changed(asked=digest)
    early = tuple((one.approver, one.time) for one in approvals if one.approves and one.time > now)
    return case.changed(asked=digest, asked_at=now, early=early)


def going(case: Case, target: str, approved: str, now: int, patience: int) -> Case:
    """The rails let it go: acting begins, and fails if a step takes longer than `patience` (ns)."""
    return case.changed(
        phase="acting",
        move="look",
        due=0,
        target=target,
        reason="",
        rail=None,
        pages=False,
        approved=cut(approved) or case.approved,
        began=now,
        patience=patience,
        deadline=now + patience,
    )


def contradicted(case: Case) -> Changed:
    """A command came with this one's id that says something else.

    It is told with the outcomes; if it was refused or failed already, at once.
    """
    case = case.changed(differing=True)
    if case.verdict not in {"refused", "failed"}:
        return case, None
    return _tell(case, case.verdict, case.ended, detail=case.reason)


def again(case: Case, asked: int, by: str) -> Case:
    """A command that failed or is not proved, once more from its start. `asked` is when a person asked for it (ns)."""
    return Case(
        case.command,
        partition=case.partition,
        taken=case.taken,
        target=case.target,
        place=case.place,
        approved=f"tried again, asked by {by}",
        resumed=True,
        before=case.before,
        known=case.known,
        dead=case.dead,
        outcomes=case.outcomes,
        digest=case.digest,
        differing=case.differing,
        retried=asked,
        asked=case.asked,
        asked_at=case.asked_at,
        early=case.early,
    )


def gives_way(case: Case, command: RevocationCommand) -> bool:
    """Whether nobody signed the command of a case, nothing was done for it, and a signed one came with its id."""
    unsigned = command.signed and not case.command.signed
    return unsigned and not case.counts and (case.open or differs(case, command))


def in_place_of(case: Case, command: RevocationCommand) -> Case:
    """A signed command in place of the unsigned one of a case. What was approved before was that one's plan."""
    fresh = new(command, case.partition, case.taken)
    return fresh.changed(outcomes=case.outcomes, asked=case.asked, asked_at=case.asked_at, early=case.early)


def taken_up(case: Case, now: int, *, known: bool = False) -> Case:
    """A process begins a turn: what it asks a provider from now on may be repeated by another process.

    `known`: the other command of this credential has proved it dead.
    """
    return case.changed(acted=now if case.acted is None else case.acted, due=0, known=case.known or known)


def restored(case: Case) -> Case:
    """As another process goes on with it: it looks before it acts, as a step may have been done.

    What is held is decided again: settings may be others now, and somebody may have approved it meanwhile.
    """
    if case.phase == "held":
        return case.changed(due=0)
    if case.phase != "acting" or case.acted is None or case.move == "prove":
        return case
    return case.changed(move="look", resumed=True)


def looked(case: Case, plan: Plan, seen: Observation, now: int) -> Changed:
    """A probe before a step. If it led to something that was not decided over, that is decided first."""
    case, outcome = _looked(case, plan, seen, now)
    if case.move != "act" or not case.open or not _elsewhere(case, seen):
        return case, outcome
    if case.did or case.tried or case.rounds:  # what was done is proved, and a person says how it goes on
        until = now + nanoseconds(plan.within)
        return case.changed(move="prove", left=ELSEWHERE, later=0, prove_until=until), None
    due = now + SECOND if case.found else 0
    found = {**case.found, **seen.found}
    return case.changed(phase="waiting", move="look", due=due, began=None, found=found), None


def _elsewhere(case: Case, seen: Observation) -> bool:
    """Whether what was seen is not what the command names."""
    named = case.about.revocation
    return any(named.get(name) != value for name, value in seen.found.items())


def _looked(case: Case, plan: Plan, seen: Observation, now: int) -> Changed:
    case = _saw(case, seen)
    if not case.before or (seen.state == "live" and case.before in {"unknown", "absent"}):
        # Where nothing works, it says nothing that it does not either.
        state: State = "unknown" if seen.control is False and seen.state != "live" else seen.state
        case = case.changed(before=state, before_how=case.seen_how)
    if case.step and case.proved and seen.state == "live":
        undone = (
            f"it is live again after this: {case.did[-1]}; somebody has undone it, so the rest was not done"
        )
        return _end(case, "failed", now, proof=proof_of(case), detail=undone)
    if case.step or seen.state in {"live", "unknown"} or seen.control is False:
        return case.changed(move="act"), None
    if seen.state == "absent" and not _was_there(case):
        return _missed(case, now)
    escalated = case.command.escalated
    if case.before == "live" or (case.resumed and not escalated):  # its answer was lost: it was done
        return (case.changed(move="act"), None) if len(plan.steps) > 1 else _finish(case, plan, now)
    if escalated:  # it was used, whatever the provider says: everything is done again
        return case.changed(move="act"), None
    return _finish(case, plan, now)


def _missed(case: Case, now: int) -> Changed:
    """A look before a step found nothing of that name, and nothing says that there was something.

    An escalated command rests on a use of the credential, so it is carried out all the same.
    """
    if case.command.escalated and not case.tried:
        return case.changed(move="act"), None
    verdict: Verdict = "done-unproved" if case.tried else "refused"
    return _end(case, verdict, now, proof=proof_of(case), detail=NOTHING)


def stepped(case: Case, plan: Plan, words: str, now: int) -> Changed:
    """The step in hand was done, in these words."""
    step = case.step + 1
    case = case.changed(step=step, tries=0, tried=False, did=(*case.did, cut(words)), reason="", rests=0)
    until = now + nanoseconds(plan.within)
    if step >= len(plan.steps):
        return case.changed(move="prove", later=0, prove_until=until), None
    delay = nanoseconds(plan.steps[step].delay)
    if not delay:
        return case, None
    return case.changed(move="prove", later=now + delay, prove_until=min(until, now + delay)), None


def proved(case: Case, plan: Plan, seen: Observation, now: int, again: int) -> Changed:
    """A probe after a step. Probes go on until `prove_until`. `again` is when to repeat what did not take (ns)."""
    named = case.about.revocation
    if seen.state != "live" and any(named.get(name, value) != value for name, value in seen.found.items()):
        # what was acted on is something else
        seen = msgspec.structs.replace(seen, state="unknown")
    case = _saw(case, seen)
    dead = seen.state == "dead" or (seen.state == "absent" and _was_there(case))
    if dead and seen.control is not False:
        return _finish(case, plan, now)
    if now < case.prove_until:
        return case, None
    if case.later:
        case = _later(case)
        return (case, None) if seen.state == "live" else _between(case, "done-unproved", plan, now)
    if seen.state != "live":
        return _end(case, "done-unproved", now, proof=proof_of(case, plan))
    at_once = not any(step.delay for step in plan.steps)
    if again <= case.deadline and at_once and not case.left:
        rounds = case.rounds + 1
        return case.changed(move="look", due=again, step=0, did=(), rounds=rounds, reason=STILL_LIVE), None
    return _end(case, "failed", now, proof=proof_of(case), detail=STILL_LIVE)


def stumbled(case: Case, plan: Plan, error: Exception, now: int, again: int) -> Changed:
    """What was asked of the target failed. `again` is when to try again, if that may help (ns)."""
    known = isinstance(error, RefusedError | GoneError | UnavailableError)
    words = cut(str(error)) if known else type(error).__name__  # any other text may quote anything
    if isinstance(error, GoneError):
        return _gone(case, plan, Observation("dead" if error.known else "absent", words), now)
    if isinstance(error, RefusedError):
        return _refused_by_target(case, plan, words, now)
    acting = case.move == "act"
    move: Move = "look" if acting else case.move
    case = case.changed(tries=case.tries + 1, tried=case.tried or acting, move=move, reason=words, due=again)
    return _unproved(case, plan, words, now) if move == "prove" else _undone(case, plan, words, now)


def _unproved(case: Case, plan: Plan, words: str, now: int) -> Changed:
    """The target cannot be asked after a step."""
    if case.due <= max(case.prove_until, case.deadline):
        return case, None
    if case.later:
        return _between(_later(case), "done-unproved", plan, now)
    detail = f"it could not be asked: {words}"
    return _end(case, "done-unproved", now, proof=proof_of(case, plan), detail=detail)


def _undone(case: Case, plan: Plan, words: str, now: int) -> Changed:
    """A step, or the look before it, did not succeed."""
    if case.due <= case.deadline:
        return case, None
    detail = f"{case.tries} tries failed, the last one: {words}"
    if _stays_dead(case):
        return _finish(case.changed(left=detail), plan, now)
    return _end(case, "failed", now, proof=proof_of(case), detail=detail)


def overdue(case: Case, plan: Plan, now: int) -> Changed:
    """Its deadline passed while it waited for its turn."""
    return stumbled(case, plan, UnavailableError(case.reason or "its turn did not come"), now, NEVER)


def _gone(case: Case, plan: Plan, seen: Observation, now: int) -> Changed:
    if case.move == "look":
        return looked(case, plan, seen, now)
    if case.move == "prove":
        return proved(case, plan, seen, now, NEVER)
    if not case.did and not case.tried:
        if seen.state == "absent" and not _was_there(case):
            case = _saw(case, seen)
            return _end(case, "refused", now, proof=proof_of(case), detail=NOTHING)
        if seen.state == "dead" and case.control is not False:
            case = _saw(case, seen)
            return _end(case, _already(case), now, proof=proof_of(case))
    else:
        case = case.changed(did=(*case.did, cut(seen.how)))
    case = case.changed(step=len(plan.steps), move="prove", later=0)
    return case.changed(prove_until=now + nanoseconds(plan.within)), None


def _refused_by_target(case: Case, plan: Plan, words: str, now: int) -> Changed:
    if not case.did and not case.tried:
        return _end(case, "refused", now, proof=proof_of(case), detail=words)
    if case.move != "prove":  # what the steps before this one did is still to be proved
        return case.changed(
            move="prove", left=words, later=0, prove_until=now + nanoseconds(plan.within)
        ), None
    if _stays_dead(case):
        return _finish(case.changed(left=case.left or words), plan, now)
    return _end(case, "done-unproved", now, proof=proof_of(case, plan), detail=words)


def _finish(case: Case, plan: Plan, now: int) -> Changed:
    """It is dead: the end, unless a step is left."""
    nothing = case.move == "prove" and not (case.did or case.tried or case.rounds or case.resumed)
    verdict = _already(case) if nothing or case.before in {"dead", "absent"} else "confirmed"
    if case.later and not case.left:
        return _between(_later(case), verdict, plan, now)
    detail = CONTRADICTED if verdict == "done-unproved" else ""
    if case.before == "absent" and not case.known:
        detail = NOTHING
    return _end(case, verdict, now, proof=proof_of(case, plan), detail=detail)


def _already(case: Case) -> Verdict:
    """It was dead before. A command that is escalated rests on a use of it: then nothing is proved."""
    used = case.command.escalated and case.before != "live"
    return "done-unproved" if used or (case.before == "absent" and not case.known) else "gone-already"


def _was_there(case: Case) -> bool:
    """Whether the provider knew the credential before: then it is gone if the provider does not know it now."""
    return case.known or case.before in {"live", "dead"}


def _stays_dead(case: Case) -> bool:
    """Whether it was proved dead here, and was not seen alive since: that stands if nothing more can be asked."""
    return case.proved and case.seen != "live"


def _later(case: Case) -> Case:
    """Waits for the next step."""
    return case.changed(move="look", due=case.later, later=0, deadline=case.later + case.patience)


def _between(case: Case, verdict: Verdict, plan: Plan, now: int) -> Changed:
    """Tells what is known before the next step is due."""
    rest = f"later: {cut(plan.steps[case.step].words)}"
    return _tell(case, verdict, now, proof=proof_of(case, plan), detail=rest)


def _end(case: Case, verdict: Verdict, now: int, *, proof: str = "", detail: str = "") -> Changed:
    case = case.changed(phase="ended", verdict=verdict, ended=now, due=0, later=0, reason=cut(detail))
    return _tell(case, verdict, now, proof=proof, detail=detail)


def _tell(case: Case, verdict: Verdict, now: int, *, proof: str = "", detail: str = "") -> Changed:
    first = verdict in DEAD and not case.dead
    words = (
        *case.did,
        detail,
        f"left: {case.left}" if case.left else "",
        case.approved,
        DIFFERING if case.differing else "",
    )
    proved = case.proved or verdict in DEAD
    case = case.changed(outcomes=case.outcomes + 1, dead=case.dead or first, proved=proved)
    outcome = Outcome(
        case.outcomes,
        verdict,
        case.target,
        now,
        case.began,
        proof,
        "; ".join(word for word in words if word),
        first,
    )
    return case, outcome


def _saw(case: Case, seen: Observation) -> Case:
    return case.changed(seen=seen.state, seen_how=cut(seen.how), control=seen.control, tries=0, reason="")
