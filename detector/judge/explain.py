"""A few words for a person on what is wrong about one piece of evidence."""

from detector.judge.accounts import Account
from detector.judge.lineage import Lineage
from detector.judge.rules.catalog import RULES
from detector.judge.rules.lifetimes import deadline_of
from detector.judge.terms import Terms, expiry_at, live_at
from detector.values.events import AnyEvent, CredentialIssued, CredentialRenewed, CredentialUsed
from detector.values.wording import span


def explain(rule: str, event: AnyEvent, account: Account | None, lineage: Lineage) -> str:
    """What makes this event evidence of this rule, as things stand now; empty if the event says it all."""
    if account is None:
        return ""
    terms = account.standing()
    if isinstance(event, CredentialUsed):
        detail = RULES[rule].detail
        claimed = event.task_id
        foreign = (
            claimed is not None and claimed != terms.task_id and not lineage.descends(claimed, terms.task_id)
        )
        return detail(terms, event, foreign) if detail is not None else ""
    if isinstance(event, CredentialIssued | CredentialRenewed):
        if event.expires_at is None:
            return "never expires"
        late = event.expires_at - deadline_of(account.task.start, account.policy)
        return f"expires {span(late)} after the task's deadline"
    return _of_leak(event.time, terms)


def _of_leak(time: int, terms: Terms) -> str:
    if live_at(terms, time):
        return "live when it was shown"
    if time >= terms.revoked:
        return f"revoked {span(time - terms.revoked)} before it was shown"
    expiry = expiry_at(terms, time)
    if time > expiry:
        return f"expired {span(time - expiry)} before it was shown"
    return f"shown {span(terms.issued - time)} before it was issued"
