"""One finding of every rule, as the ledger makes them, for the tests of what is written about them."""

from typing import Any

import msgspec

from detector.judge.rules.catalog import RULES
from detector.values.events import CredentialIssued, CredentialUsed, Identifier, Leak, TaskEnded, TaskStarted
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OVERDUE_TASK,
    OVERLONG_CREDENTIAL,
    UNUSED_GRANT,
    CandidateFacts,
    Command,
    CredentialFacts,
    Evidence,
    Finding,
    Resolution,
    Severity,
    TaskFacts,
)
from detector.values.times import HOUR, MINUTE, SECOND, parse_rfc3339

ENDED = parse_rfc3339("2026-03-14T09:26:53.589Z")
ISSUED = ENDED - 20 * MINUTE
DEADLINE = ENDED + HOUR
USED = ENDED + 2 * HOUR + 3 * MINUTE + 4 * SECOND

HMAC = Identifier("hmac-sha256", "a" * 64, 40, "0badcafe", "k1")
SHA = Identifier("sha256", "b" * 64)
ACCESSOR = Identifier("vault-accessor", "acc-7")

TASK = TaskFacts(
    "release-4711",
    kind="ci",
    owner="release-team",
    workload="runner-2",
    started=ISSUED - SECOND,
    ended=ENDED,
    deadline=DEADLINE,
    outcome="succeeded",
)
CREDENTIAL = CredentialFacts(
    credential_id="cred-7",
    task_id="release-4711",
    kind="token",
    identifiers=(HMAC, SHA, ACCESSOR),
    issued=ISSUED,
    not_before=None,
    expires_at=ENDED + 24 * HOUR,
    revoked=None,
    revocation={"method": "http", "handle": "h-7"},
)


class Words(msgspec.Struct, frozen=True):
    """What of a pattern is told."""

    name: str
    advice: str
    revoke: str


PATTERNS = {
    "github-pat-classic": Words(
        "GitHub personal access token (classic)", "Delete it in the settings.", "POST /credentials/revoke"
    )
}


def use(time: int = USED, **fields: Any) -> CredentialUsed:
    made: dict[str, Any] = {
        "source": "audit",
        "id": f"use-{time}",
        "credential_id": "cred-7",
        "action": "sign",
        "resource": "artifact/app-1.2",
        "source_ip": "203.0.113.9",
        "workload": "laptop",
        "user_agent": "curl/8",
    }
    return CredentialUsed(time=time, **(made | fields))


def leak(time: int = ISSUED + MINUTE, **fields: Any) -> Leak:
    made: dict[str, Any] = {
        "source": "logs/release-4711.log",
        "id": "214",
        "line": 214,
        "identifiers": (HMAC,),
        "fingerprint": "f" * 64,
        "pattern": "github-pat-classic",
        "severity": 5,
        "excerpt": "TOKEN=‹github-pat-classic:40› done",
        "encodings": ("base64",),
        "task_id": "release-4711",
        "stream": "stdout",
    }
    return Leak(time=time, **(made | fields))


def issued(**fields: Any) -> CredentialIssued:
    made: dict[str, Any] = {"source": "issuer", "id": "issue-7"}
    return CredentialIssued(
        time=ISSUED,
        credential_id="cred-7",
        task_id="release-4711",
        identifiers=CREDENTIAL.identifiers,
        **(made | fields),
    )


def evidence_of(rule: str) -> Evidence:
    """The evidence that a rule's finding rests on."""
    if rule in {LEAKED_CREDENTIAL, LEAKED_SECRET}:
        detail = "live when it was shown" if rule == LEAKED_CREDENTIAL else ""
        return Evidence(ISSUED + MINUTE, leak(), Severity.CRITICAL, detail)
    if rule in {UNUSED_GRANT, OVERLONG_CREDENTIAL}:
        return Evidence(ENDED + MINUTE, issued(), Severity.LOW, "grant 2 of 3 never used")
    if rule == OVERDUE_TASK:
        event = TaskStarted(time=ISSUED, source="ci", id="start", task_id="release-4711")
        return Evidence(ENDED + HOUR + MINUTE, event, Severity.MEDIUM)
    if rule.startswith("use-"):
        return Evidence(USED, use(), Severity.CRITICAL, "2 h 3 min after the end")
    event_end = TaskEnded(time=ENDED, source="ci", id="end", task_id="release-4711")
    return Evidence(ENDED + MINUTE, event_end, Severity.HIGH)


def finding(rule: str, **fields: Any) -> Finding:
    """A finding of `rule`."""
    piece = evidence_of(rule)
    made: dict[str, Any] = {
        "key": {LEAKED_SECRET: "f" * 64, OVERDUE_TASK: TASK.task_id}.get(rule, CREDENTIAL.credential_id),
        "count": 1,
        "first_seen": piece.time,
        "last_seen": piece.time,
        "severity": piece.severity,
        "evidences": (piece,),
        "task": None if rule == LEAKED_SECRET else TASK,
        "credential": None if rule in {LEAKED_SECRET, OVERDUE_TASK} else CREDENTIAL,
        "fingerprint": "f" * 64 if rule == LEAKED_SECRET else None,
        "patterns": ("github-pat-classic",) if rule in {LEAKED_CREDENTIAL, LEAKED_SECRET} else (),
    }
    return Finding(rule=rule, **(made | fields))


def candidates(count: int) -> CandidateFacts:
    """So many jobs of a repository, of which at most 20 are named."""
    tasks = tuple(
        msgspec.structs.replace(TASK, task_id=f"build-{number}", kind="ci-job")
        for number in range(min(count, 20))
    )
    return CandidateFacts(count, "ci-job" if count else None, ENDED if count else None, None, tasks)


def of_candidates(rule: str, count: int, **fields: Any) -> Finding:
    """The finding of a rule about a credential of which only candidates are known."""
    one = finding(rule, **fields)
    assert one.credential is not None
    credential = msgspec.structs.replace(one.credential, task_id=None, candidates=candidates(count))
    return msgspec.structs.replace(one, task=None, credential=credential)


def command(**fields: Any) -> Command:
    """A plain command."""
    made: dict[str, Any] = {
        "credential": CREDENTIAL,
        "time": USED,
        "reasons": ("outlives-task", "use-after-termination"),
        "severity": Severity.CRITICAL,
        "escalated": False,
    }
    return Command(**(made | fields))


def resolution(**fields: Any) -> Resolution:
    """What the revoker said of the credential, half a second after its leak."""
    made: dict[str, Any] = {
        "command_id": "3f0c6f5e-0000-5000-8000-000000000007",
        "outcome": "confirmed",
        "time": ISSUED + MINUTE + SECOND // 2,
        "target": "vault",
        "proof": "worked before, refused after",
        "detail": "revoked the accessor; approved by alice, bob",
    }
    return Resolution(**(made | fields))


def all_rules() -> list[Finding]:
    """A finding of each rule."""
    return [finding(rule) for rule in RULES]


def untouched(text: str) -> str:
    """A cleaner for texts without secrets."""
    return text
