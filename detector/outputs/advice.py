"""What a finding says to a person: a title, a message and what to do, in sentences they can act on.

Every text that came from an event goes through `clean` (no secret) and `visible` (no terminal escapes).
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final, Protocol

import msgspec

from detector.values.events import DENIED, CredentialIssued, CredentialRenewed, CredentialUsed, Leak
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OUTLIVES_TASK,
    OVERDUE_TASK,
    OVERLONG_CREDENTIAL,
    REVOCATION_UNCONFIRMED,
    RULES,
    UNUSED_GRANT,
    USE_AFTER_REVOCATION,
    USE_AFTER_TERMINATION,
    USE_BY_OTHER_WORKLOAD,
    USE_OUTSIDE_SCOPE,
    USE_OUTSIDE_WINDOW,
    Evidence,
    Finding,
)
from detector.values.wording import Clean, counted, moment, span, visible

_SHORT: Final = 64  # characters of a name in a title
_ACRONYMS: Final = frozenset(
    {"api", "aws", "gcp", "iam", "jwt", "mtls", "oidc", "ssh", "sts", "svid", "tls", "x509"}
)
_ENCODINGS: Final = {
    "escaped": "an escaped string",
    "percent": "percent escapes",
    "ansi": "coloured text",
    "html": "HTML entities",
    "utf-16": "UTF-16",
    "spaced": "single characters",
}
HANDLE_IS: Final = "Revocation handle: "
_HANDLE: Final = 200  # characters of a revocation handle


class PatternWords(Protocol):
    """What of a pattern (`detector.patterns.pattern.Pattern`) is told to a person."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the pattern's fields, described there
    @property
    def advice(self) -> str: ...  # noqa: D102 - the same
    @property
    def revoke(self) -> str: ...  # noqa: D102 - the same


Patterns = Mapping[str, PatternWords]


class Advice(msgspec.Struct, frozen=True):
    """`title` is one sentence without a full stop, `message` and `remediation` are one to four sentences."""

    title: str
    message: str
    remediation: str


def advise(finding: Finding, patterns: Patterns, clean: Clean) -> Advice:
    """The words for a finding; `patterns` by id."""

    def say(text: str | None, limit: int = _SHORT) -> str:
        return visible(clean(text), limit) if text else ""

    title = _TITLES[finding.rule](finding, finding.lead, patterns, say)
    facts = [_extent(finding), _state(finding)]
    if finding.accepted is not None:
        facts.append(f"Accepted: {say(finding.accepted, _HANDLE)}.")
    message = ". ".join([title, *(fact.rstrip(".") for fact in facts if fact)]) + "."
    return Advice(title, message, _remedy(finding, patterns, say))


Say = Callable[..., str]


def _who(finding: Finding, say: Say) -> str:
    """`Token cred-7 of task release-4711`, by what is known."""
    credential = finding.credential
    task = finding.task.task_id if finding.task else credential.task_id if credential else None
    if credential is None:
        return f"Task {say(task or finding.key)}"
    return f"{_noun(say(credential.kind, 24))} {say(credential.credential_id)} of task {say(task)}"


def _noun(kind: str) -> str:
    """A credential's kind as a sentence begins with it: `aws-session` is an AWS session."""
    if not kind.replace("_", "").replace("-", "").isalnum():
        return kind or "Credential"
    first, _, rest = kind.replace("_", "-").partition("-")
    first = first.upper() if first.lower() in _ACRONYMS else first[:1].upper() + first[1:]
    return f"{first} {rest.replace('-', ' ')}".rstrip()


def place_of(leak: Leak, say: Say) -> str:
    """Where a leak stands: `build.log line 17`, `logs partition 3 offset 1042`."""
    source = say(leak.source, 120)
    if leak.line is not None:
        return f"{source} line {leak.line}"
    if leak.partition is not None:
        return f"{source} partition {leak.partition} offset {leak.offset}"
    return f"{source} offset {leak.offset}" if leak.offset is not None else f"{source} {say(leak.id)}".strip()


def _used(piece: Evidence, say: Say, when: str) -> str:
    """`was used <when>, by workload W from A: action on resource`, as far as known."""
    event = piece.event
    if not isinstance(event, CredentialUsed):
        return f"was used {when}"
    words = f"was {'tried, and denied,' if event.outcome == DENIED else 'used'} {when}".rstrip()
    origin = [f"by workload {say(event.workload)}"] if event.workload else []
    origin += [f"from {say(event.source_ip)}"] if event.source_ip else []
    if origin:
        words += ", " + " ".join(origin)
    deed = [say(event.action)] if event.action else []
    deed += [f"on {say(event.resource)}"] if event.resource else []
    return words + (": " + " ".join(deed) if deed else "")


def _how(leak: Leak) -> str:
    """`, in base64,` or `, in hex inside base64,`: the encodings stand outermost first."""
    names = [_ENCODINGS.get(one, one) for one in reversed(leak.encodings)]
    return f", in {' inside '.join(names)}," if names else ""


def _leaked_credential(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    leak = piece.event
    if not isinstance(leak, Leak):
        return f"{_who(finding, say)} was printed in a log"
    state = f" ({say(piece.detail, _HANDLE)})" if piece.detail else ""
    return f"{_who(finding, say)} was printed{_how(leak)} in a log{state}: {place_of(leak, say)}"


def _leaked_secret(finding: Finding, piece: Evidence, patterns: Patterns, say: Say) -> str:
    leak = piece.event
    pattern = patterns.get(finding.patterns[0]) if finding.patterns else None
    what = pattern.name if pattern else say(finding.patterns[0]) if finding.patterns else "secret"
    if not isinstance(leak, Leak):
        return f"Unregistered {what} was printed in a log"
    task = f" of task {say(leak.task_id)}" if leak.task_id else ""
    where = f"the log{task}" if task else "a log"
    return f"Unregistered {what} was printed{_how(leak)} in {where}: {place_of(leak, say)}"


def _after_termination(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    ended = finding.task.ended if finding.task else None
    when = "after its task ended" if ended is None else f"{span(piece.time - ended)} after the task ended"
    return f"{_who(finding, say)} {_used(piece, say, when)}"


def _after_revocation(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    revoked = finding.credential.revoked if finding.credential else None
    when = "after it was revoked" if revoked is None else f"{span(piece.time - revoked)} after it was revoked"
    return f"{_who(finding, say)} {_used(piece, say, when)}"


def _outside_window(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    why = f" ({say(piece.detail, _HANDLE)})" if piece.detail else ""
    return f"{_who(finding, say)} {_used(piece, say, f'outside its time window{why}')}"


def _outside_scope(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    return f"{_who(finding, say)} {_used(piece, say, 'beyond its grants')}"


def _other_workload(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    event = piece.event
    own = finding.credential.task_id if finding.credential else None
    if isinstance(event, CredentialUsed) and event.task_id and event.task_id != own:
        return f"{_who(finding, say)} {_used(piece, say, f'by another task, {say(event.task_id)}')}"
    return f"{_who(finding, say)} {_used(piece, say, 'outside what it is bound to')}"


def _outlives(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    ended = finding.task.ended if finding.task else None
    when = (
        f" {span(piece.time - ended)} after the task ended" if ended is not None else " after its task ended"
    )
    return f"{_who(finding, say)} still worked{when}"


def _unused(finding: Finding, _piece: Evidence, _: Patterns, say: Say) -> str:
    return f"{_who(finding, say)} was granted more than it used: {counted(finding.count, 'grant')} never used"


def _overlong(finding: Finding, piece: Evidence, _: Patterns, say: Say) -> str:
    who, event = _who(finding, say), piece.event
    deadline = finding.task.deadline if finding.task else None
    if isinstance(event, CredentialIssued) and event.expires_at is None:
        return f"{who} never expires"
    if isinstance(event, CredentialIssued | CredentialRenewed) and event.expires_at and deadline is not None:
        made = "was issued" if isinstance(event, CredentialIssued) else "was renewed"
        return f"{who} {made} for {span(event.expires_at - deadline)} longer than the task's deadline"
    return f"{who} lives longer than its task may"


def _overdue(finding: Finding, _piece: Evidence, _: Patterns, say: Say) -> str:
    task = finding.task
    owner = f" (owner {say(task.owner)})" if task and task.owner else ""
    deadline = f", {moment(task.deadline)}" if task and task.deadline is not None else ""
    if task and task.ended is not None and task.deadline is not None and task.ended > task.deadline:
        late = f"ended {span(task.ended - task.deadline)} after its deadline"
        return f"Task {say(finding.key)}{owner} {late}{deadline}"
    return f"Task {say(finding.key)}{owner} had not ended by its deadline{deadline}"


def _unconfirmed(finding: Finding, _piece: Evidence, _: Patterns, say: Say) -> str:
    return f"{_who(finding, say)} was to be revoked, and nothing confirms that it was"


_TITLES: Final[Mapping[str, Callable[[Finding, Evidence, Patterns, Say], str]]] = {
    LEAKED_CREDENTIAL: _leaked_credential,
    LEAKED_SECRET: _leaked_secret,
    USE_AFTER_TERMINATION: _after_termination,
    USE_AFTER_REVOCATION: _after_revocation,
    USE_OUTSIDE_WINDOW: _outside_window,
    USE_OUTSIDE_SCOPE: _outside_scope,
    USE_BY_OTHER_WORKLOAD: _other_workload,
    OUTLIVES_TASK: _outlives,
    UNUSED_GRANT: _unused,
    OVERLONG_CREDENTIAL: _overlong,
    OVERDUE_TASK: _overdue,
    REVOCATION_UNCONFIRMED: _unconfirmed,
}
assert tuple(_TITLES) == RULES  # noqa: S101 - a rule without a title would be a bug of ours

_NOUNS: Final = {
    LEAKED_CREDENTIAL: "log record",
    LEAKED_SECRET: "log record",
    UNUSED_GRANT: "grant",
    OVERLONG_CREDENTIAL: "expiry",
}


def _extent(finding: Finding) -> str:
    """How much was seen and when."""
    if finding.count == 1:
        return f"Seen at {moment(finding.first_seen)}"
    noun = _NOUNS.get(finding.rule, "use")
    seen = counted(finding.count, noun, "expiries" if noun == "expiry" else "")
    if moment(finding.last_seen) == moment(finding.first_seen):
        return f"{seen} at {moment(finding.first_seen)}"
    return f"{seen} from {moment(finding.first_seen)} to {moment(finding.last_seen)}"


def _state(finding: Finding) -> str:
    """What is known of the credential's own end."""
    credential = finding.credential
    if credential is None:
        return ""
    if credential.revoked is not None:
        return f"It was revoked at {moment(credential.revoked)}"
    if credential.expires_at is None:
        return "It has no expiry, and no revocation of it is known"
    tense = "expired" if credential.expires_at < finding.last_seen else "expires"
    return f"It {tense} at {moment(credential.expires_at)}, and no revocation of it is known"


STEPS: Final[Mapping[str, str]] = {
    LEAKED_CREDENTIAL: (
        "Revoke it and issue a new one to the task if that still runs. Remove the record from the log store and "
        "its copies, stop the step that prints it, and look through the audit log for uses since the leak."
    ),
    LEAKED_SECRET: (
        "Treat it as known to everyone who can read the log: revoke or rotate it, remove the record from the log "
        "store, and register whatever issued it, so that the next leak names its task."
    ),
    USE_AFTER_TERMINATION: (
        "Revoke it, then treat the uses as somebody else's until shown otherwise: the task had ended. Undo what "
        "they did, and have the credential end with its task (revoke it in the last step, or bind it to the job)."
    ),
    USE_AFTER_REVOCATION: (
        "The revocation did not take effect where it was used: revoke there directly (a denying policy, a restart "
        "of a caching gateway, key deletion) and review what the uses did."
    ),
    USE_OUTSIDE_WINDOW: (
        "Find out who used it outside its window. Enforce expiry and approval where it is accepted, not only where "
        "it is issued, and compare the clocks of the two if the gap is small."
    ),
    USE_OUTSIDE_SCOPE: (
        "If the task needs this, grant it on the record; if not, narrow what the credential really may do: it was "
        "able to do more than its grants say. Ask the task's owner what made it try."
    ),
    USE_BY_OTHER_WORKLOAD: (
        "Revoke it: it left the task it was issued to. Find the copy (a shared variable, a cache, a log, an "
        "artifact) and give the other workload a credential of its own."
    ),
    OUTLIVES_TASK: (
        "Revoke it, and add a last step to the task that revokes its credential whatever the outcome; or issue it "
        "for no longer than the task runs."
    ),
    UNUSED_GRANT: "Take the grants that were never used from the request of this kind of task.",
    OVERLONG_CREDENTIAL: (
        "Issue it with an expiry at the task's deadline or before, and renew it while the task runs if it must."
    ),
    OVERDUE_TASK: (
        "See whether the task hangs: cancel it, which ends its credentials, or move its deadline. If it did end, "
        "have whatever runs it report that."
    ),
    REVOCATION_UNCONFIRMED: (
        "Revoke it by hand now, see why what executes the commands did not (is it running, may it, was the handle "
        "right?), and have it report the revocation."
    ),
}
assert tuple(STEPS) == RULES  # noqa: S101 - a rule without advice would be a bug of ours


def _remedy(finding: Finding, patterns: Patterns, say: Say) -> str:
    words = [STEPS[finding.rule]]
    if finding.rule == LEAKED_SECRET and finding.patterns and finding.patterns[0] in patterns:
        pattern = patterns[finding.patterns[0]]
        words += [text.rstrip(". ") + "." for text in (pattern.advice, pattern.revoke) if text]
    credential = finding.credential
    if credential is not None and credential.revocation and credential.revoked is None:
        words.append(f"{HANDLE_IS}{handle_of(credential.revocation, say)}.")
    return " ".join(words)


def handle_of(revocation: Mapping[str, object], say: Say) -> str:
    """The scalars of an issuer's revocation object, as `method=http handle=h-17`."""
    pairs = (
        f"{say(key)}={say(value, _HANDLE) if isinstance(value, str) else value}"
        for key, value in islice(revocation.items(), _HANDLE)
        if isinstance(value, str | int | float | bool)
    )
    return visible(" ".join(pairs), _HANDLE) or "see the command"
