"""A few words for a person on what is wrong about one piece of evidence."""

from typing import Final

from detector.judge.accounts import Account
from detector.judge.lineage import Lineage
from detector.judge.rules import Terms, deadline_of, expiry_at, live_at
from detector.values.events import AnyEvent, CredentialIssued, CredentialRenewed, CredentialUsed
from detector.values.findings import (
    USE_AFTER_REVOCATION,
    USE_AFTER_TERMINATION,
    USE_OUTSIDE_SCOPE,
    USE_OUTSIDE_WINDOW,
)
from detector.values.globs import bounds_of
from detector.values.wording import span

_SHOWN: Final = 80  # characters of a task's id


def explain(rule: str, event: AnyEvent, account: Account | None, lineage: Lineage) -> str:
    """What makes this event evidence of this rule, as things stand now; empty if the event says it all."""
    if account is None:
        return ""
    terms = account.standing()
    if isinstance(event, CredentialUsed):
        return _of_use(rule, event, account, terms, lineage)
    if isinstance(event, CredentialIssued | CredentialRenewed):
        if event.expires_at is None:
            return "never expires"
        late = event.expires_at - deadline_of(account.task.start, account.policy)
        return f"expires {span(late)} after the task's deadline"
    return _of_leak(event.time, terms)


def _of_use(rule: str, use: CredentialUsed, account: Account, terms: Terms, lineage: Lineage) -> str:
    time = use.time
    if rule == USE_AFTER_TERMINATION:
        return f"{span(time - terms.end)} after the task ended"
    if rule == USE_AFTER_REVOCATION:
        return f"{span(time - terms.revoked)} after the revocation"
    if rule == USE_OUTSIDE_WINDOW:
        return _of_window(time, terms)
    if rule == USE_OUTSIDE_SCOPE:
        named = [
            name for name, value in (("action", use.action), ("resource", use.resource)) if value is not None
        ]
        return f"no grant covers its {' and '.join(named)}" if named else "nothing is granted"
    parts = []
    claimed = use.task_id
    if claimed is not None and claimed != terms.task_id and not lineage.descends(claimed, terms.task_id):
        shown = claimed if len(claimed) <= _SHOWN else claimed[: _SHOWN - 1] + "…"
        parts.append(f"task {shown} is no descendant")
    if account.issue.bound_to is not None:
        bounds = bounds_of(account.issue.bound_to)
        if bounds.workload_outside(use.workload):
            parts.append("workload outside bound_to")
        if bounds.address_outside(use.source_ip):
            parts.append("address outside bound_to")
    return ", ".join(parts)


def _of_window(time: int, terms: Terms) -> str:
    skew = terms.policy.skew
    if time < terms.starts - skew:
        return f"{span(terms.starts - time)} before it is valid"
    expiry = expiry_at(terms, time)
    if time > expiry + skew:
        return f"{span(time - expiry)} after it expired"
    if time < terms.approved_from - skew:
        return f"{span(terms.approved_from - time)} before the approved window"
    return f"{span(time - terms.approved_to)} after the approved window"


def _of_leak(time: int, terms: Terms) -> str:
    if live_at(terms, time):
        return "live when it was shown"
    if time >= terms.revoked:
        return f"revoked {span(time - terms.revoked)} before it was shown"
    expiry = expiry_at(terms, time)
    if time > expiry:
        return f"expired {span(time - expiry)} before it was shown"
    return f"shown {span(terms.issued - time)} before it was issued"
