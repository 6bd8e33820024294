"""A case as a value, what identifies its command, and what is checked and cut before a case keeps it."""

import hashlib
from typing import Final, Literal

import msgspec

from detector.revoke.outcomes import Verdict
from detector.revoke.rails import Rail
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, State, UnavailableError
from detector.values.approvals import RETRIABLE
from detector.values.times import SECOND

Phase = Literal["waiting", "held", "acting", "ended"]
Move = Literal["look", "act", "prove"]
LONGEST_SECONDS: Final = 30 * 86400.0
NEVER: Final = 1 << 62  # ns: until somebody says so
MOST_WORDS: Final = 300  # characters that a case keeps of each thing that a target says
_OBSERVATION: Final = msgspec.json.Decoder(Observation)
_ORDERED: Final = msgspec.json.Encoder(order="sorted")
_PLAN: Final = msgspec.json.Decoder(Plan)
_WORDS: Final = {"unknown": "not known", "absent": "not there"}


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One command and how far it is. Times are in ns.

    - `due`: when its next turn or decision is; 0 is at once, NEVER when somebody approves or the settings change.
    - `target`: the name of its table in the configuration; `place`: a digest of where that pointed; `reason`: why it
      is held, or what failed last.
    - `rail`, `pages`: of what holds it.
    - `began`: when acting was decided; the rails' limits count it. `acted`: when a process took it up first.
    - `step`: how many steps are done. `tried`: a step was asked for
      and got no answer, so that it may have been done. `tries`: failures in a row; `rounds`: how often all steps were
      done in vain. `deadline`: of what it does now, which
      may take `patience`. `later`: when the next step is due, if it has a delay.
    - `before`: what was seen first, or alive before a step, and `before_how`; of `target` alone. `known`: see
      `taken_up`. `seen`: what was seen last. `control`: see `Observation`.
    - `prove_until`: how long it is probed after a step; `rests`: how often it waited between two probes. `dead`: an
      outcome has said that it is.
    - `proved`: an outcome has said so since acting was asked for, or asked for again, at `target`.
    - `found`: see `Observation`; `about` is the command with it. `asked`: a digest of the plan that was decided over
      last, since `asked_at`; what approvers said before was about another one, `early` ones too (name and time).
    - `digest`: of what the command is about, see `differs`. `differing`: another command came with its id.
    - `retried`: when a person asked last to try it again.
    - `left`: what was left undone. `approved`: who approved it, for a person. `outcomes`: how many there were.
    """

    command: RevocationCommand
    partition: int = 0
    taken: int = 0
    phase: Phase = "waiting"
    move: Move = "look"
    due: int = 0
    target: str = ""
    place: str = ""
    reason: str = ""
    rail: Rail | None = None
    pages: bool = False
    approved: str = ""
    began: int | None = None
    acted: int | None = None
    resumed: bool = False
    step: int = 0
    tried: bool = False
    tries: int = 0
    rounds: int = 0
    patience: int = 0
    deadline: int = 0
    later: int = 0
    before: State | Literal[""] = ""
    before_how: str = ""
    known: bool = False
    seen: State | Literal[""] = ""
    seen_how: str = ""
    control: bool | None = None
    did: tuple[str, ...] = ()
    left: str = ""
    prove_until: int = 0
    rests: int = 0
    dead: bool = False
    proved: bool = False
    outcomes: int = 0
    verdict: Verdict | None = None
    ended: int = 0
    digest: str = ""
    differing: bool = False
    retried: int = 0
    found: dict[str, str] = {}
    asked: str = ""
    asked_at: int = 0
    early: tuple[tuple[str, int], ...] = ()

    @property
    def about(self) -> RevocationCommand:
        """The command as the target gets it: it names what was found."""
        if not self.found:
            return self.command
        return msgspec.structs.replace(self.command, revocation={**self.command.revocation, **self.found})

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self.phase != "ended"

    @property
    def counts(self) -> bool:
        """Whether the rails' limits count it: it was let go, and not refused or found dead before anything was done."""
        in_vain = self.verdict in {"refused", "gone-already"} and not (
            self.step or self.tried or self.rounds or self.resumed
        )
        return self.began is not None and not in_vain

    def changed(self, **fields: object) -> "Case":
        """A copy with other fields."""
        return msgspec.structs.replace(self, **fields)


def new(command: RevocationCommand, partition: int, now: int) -> Case:
    """A command that was read just now."""
    return Case(command, partition=partition, taken=now, digest=_digest(command))


def differs(case: Case, command: RevocationCommand) -> bool:
    """Whether a command with the id of this case is about something else: then one of the two is forged, or wrong."""
    return bool(case.digest) and case.digest != _digest(command)


def with_command(case: Case, command: RevocationCommand) -> Case:
    """The case of the same command, written otherwise."""
    return case.changed(command=command, digest=case.digest and _digest(command))


def _digest(command: RevocationCommand) -> str:
    """Of what a command is about and how that is revoked: not of its evidence, which may grow."""
    about = (
        command.credential_id,
        command.revocation,
        command.identifiers,
        command.task_ids,
        command.kind,
        command.owner,
        command.issued_at,
    )
    return hashlib.sha256(_ORDERED.encode(about)).hexdigest()[:32]


def proof_of(case: Case, plan: Plan | None = None) -> str:
    """By what it is known how the credential was before, and how it is now; what is not known is said too."""
    parts = []
    if case.before:
        parts.append(f"before: {_WORDS.get(case.before, case.before)} ({case.before_how})")
    if case.seen and (case.did or case.seen != case.before):
        parts.append(f"now: {_WORDS.get(case.seen, case.seen)} ({case.seen_how})")
    if case.control is not None:
        parts.append(f"the control credential {'works' if case.control else 'does not work either'}")
    if plan is not None and plan.unproved:
        parts.append(f"not proved: {plan.unproved}")
    return "; ".join(parts)


def checked(seen: object) -> Observation:
    """What a probe gave.

    Raises:
        UnavailableError: it is no observation.
    """
    try:
        return _OBSERVATION.decode(msgspec.json.encode(seen))
    except (msgspec.MsgspecError, TypeError, ValueError):
        raise UnavailableError("the target's probe gave no observation") from None


def checked_plan(plan: object) -> Plan:
    """What a target plans.

    Raises:
        TypeError: it is no plan.
    """
    try:
        return _PLAN.decode(msgspec.json.encode(plan))
    except (msgspec.MsgspecError, TypeError, ValueError):
        raise TypeError("the target gave no plan") from None


def cut(text: str) -> str:
    """At most so much of what a target or a person said, as text that can be written."""
    text = text[: MOST_WORDS + 1].encode(errors="replace").decode()
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 1] + "…"


def nanoseconds(seconds: float) -> int:
    """As a whole number; a time that a target gives may be anything."""
    return round(min(max(seconds, 0.0), LONGEST_SECONDS) * SECOND) if seconds == seconds else 0  # noqa: PLR0124 - NaN


def kept(case: Case) -> Case:
    """What stays of a case that ended: enough to know a copy of its command, and to count it.

    Of one that can be tried again all stays that is needed for that.
    """
    if case.verdict in RETRIABLE:
        return case
    command = msgspec.structs.replace(
        case.command, revocation={}, identifiers=(), reasons=(), finding_uids=()
    )
    return case.changed(command=command, before_how="", seen_how="", did=(), left="", found={}, early=())
