"""The rules about leaks: a log record shows a secret."""

from typing import Final

from detector.judge.rules import classification as filed
from detector.judge.rules.classification import Classification
from detector.judge.rules.rule import Phrase, Rule
from detector.judge.rules.titles import LONG, Words, encoded_as
from detector.judge.terms import Terms
from detector.values.events import Leak
from detector.values.findings import LEAKED_CREDENTIAL, LEAKED_SECRET, Evidence, Finding, Severity

_RECORDS: Final = ("log record", "log records")
_LEAKED: Final = Phrase("leaked into a log", "leaked into logs")


# leaked-credential


def _leaked_credential(_terms: Terms, _leak: Leak) -> bool:
    return True


def _leaked_credential_title(finding: Finding, piece: Evidence, words: Words) -> str:
    leak = piece.event
    if not isinstance(leak, Leak):
        return f"{words.who(finding)} was printed in a log"
    state = f" ({words.say(piece.detail, LONG)})" if piece.detail else ""
    return f"{words.who(finding)} was printed{encoded_as(leak)} in a log{state}: {words.place(leak)}"


CREDENTIAL: Final = Rule(
    id=LEAKED_CREDENTIAL,
    severity=Severity.CRITICAL,
    denied=Severity.LOW,
    revoke=True,
    leak=_leaked_credential,
    summary="A task's credential is in a log",
    description="A log record shows the secret of a registered credential.",
    title=_leaked_credential_title,
    phrase=_LEAKED,
    counted=_RECORDS,
    advice=(
        "Revoke it and issue a new one to the task if that still runs. Remove the record from the log store and "
        "its copies, stop the step that prints it, and look through the audit log for uses since the leak."
    ),
    classification=Classification(
        attack=(filed.UNSECURED,),
        atlas=(filed.AI_UNSECURED, filed.AI_TOOL_HARVEST),
        nhi=("NHI2:2025",),
        agentic=("ASI03",),
        maestro="L5",
        rmf="MANAGE 2.3",
    ),
    weaknesses=(filed.LOGGED, filed.UNGUARDED),
)


# leaked-secret


def _leaked_secret(leak: Leak) -> bool:
    return leak.pattern is not None and not leak.allowed


def _leaked_secret_title(finding: Finding, piece: Evidence, words: Words) -> str:
    leak, say = piece.event, words.say
    pattern = words.patterns.get(finding.patterns[0]) if finding.patterns else None
    what = pattern.name if pattern else say(finding.patterns[0]) if finding.patterns else "secret"
    if not isinstance(leak, Leak):
        return f"Unregistered {what} was printed in a log"
    if leak.name is not None:
        what = f"value of {say(leak.name)}"
    task = f" of task {say(leak.task_id)}" if leak.task_id else ""
    where = f"the log{task}" if task else "a log"
    return f"Unregistered {what} was printed{encoded_as(leak)} in {where}: {words.place(leak)}"


SECRET: Final = Rule(
    id=LEAKED_SECRET,
    severity=None,
    secret=_leaked_secret,
    summary="A secret is in a log",
    description="A log record shows a secret of a known form that nobody registered.",
    title=_leaked_secret_title,
    phrase=Phrase(_LEAKED.one, _LEAKED.many, "unregistered secret", "unregistered secrets"),
    counted=_RECORDS,
    advice=(
        "Treat it as known to everyone who can read the log: revoke or rotate it, remove the record from the log "
        "store, and register whatever issued it, so that the next leak names its task."
    ),
    classification=Classification(
        attack=(filed.UNSECURED,),
        atlas=(filed.AI_UNSECURED, filed.AI_TOOL_HARVEST),
        nhi=("NHI2:2025", "NHI7:2025"),
        agentic=("ASI03",),
        maestro="L5",
        rmf="MANAGE 2.3",
    ),
    weaknesses=(filed.LOGGED, filed.UNGUARDED),
)
