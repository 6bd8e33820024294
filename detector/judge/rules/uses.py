"""The rules about uses: a credential did something that it should not have done."""

from typing import Final

from detector.judge.rules import classification as filed
from detector.judge.rules.classification import Classification
from detector.judge.rules.rule import Phrase, Rule
from detector.judge.rules.titles import LONG, Words
from detector.judge.terms import Terms, expiry_at
from detector.values.events import CredentialUsed
from detector.values.findings import (
    USE_AFTER_REVOCATION,
    USE_AFTER_TERMINATION,
    USE_BY_OTHER_WORKLOAD,
    USE_FROM_ELSEWHERE,
    USE_OUTSIDE_SCOPE,
    USE_OUTSIDE_WINDOW,
    Evidence,
    Finding,
    Severity,
)
from detector.values.globs import covering, outside
from detector.values.networks import network_around
from detector.values.registrable import CANARY_KIND
from detector.values.wording import span

_SHOWN: Final = 80  # characters of a task's id, a workload or a user agent
_NO_CANDIDATE: Final = "is not a candidate and descends from none"
_AFTER_THE_END: Final = Classification(
    attack=(filed.TOKEN, filed.KEPT),
    atlas=(filed.AI_TOKEN, filed.AI_KEPT),
    nhi=("NHI1:2025",),
    agentic=("ASI03", "ASI10"),
    maestro="L6",
    rmf="MANAGE 2.4",
)


# use-after-termination


def _after_termination(terms: Terms, use: CredentialUsed, _foreign: bool) -> bool:
    return use.time > terms.end + terms.policy.skew


def _after_termination_detail(terms: Terms, use: CredentialUsed, _foreign: bool) -> str:
    who = "task" if terms.task_id is not None else "last candidate"
    ended = f"the lease of the {who} lapsed" if terms.lapsed else f"the {who} ended"
    return f"{span(use.time - terms.end)} after {ended}"


def _after_termination_title(finding: Finding, piece: Evidence, words: Words) -> str:
    ended, end = finding.task_ended, words.end(finding)
    when = "after its task ended" if ended is None else f"{span(piece.time - ended)} after {end}"
    return f"{words.who(finding)} {words.used(piece, when)}"


AFTER_TERMINATION: Final = Rule(
    id=USE_AFTER_TERMINATION,
    severity=Severity.CRITICAL,
    denied=Severity.MEDIUM,
    revoke=True,
    out_of_time=_after_termination,
    summary="A credential was used after its task",
    description="A credential was used after the task that it was issued to had ended.",
    title=_after_termination_title,
    detail=_after_termination_detail,
    phrase=Phrase("was used after its task had ended", "were used after their tasks had ended"),
    advice=(
        "Revoke it, then treat the uses as somebody else's until shown otherwise: the task had ended. Undo what "
        "they did, and have the credential end with its task (revoke it in the last step, or bind it to the job)."
    ),
    classification=_AFTER_THE_END,
    weaknesses=(filed.AFTER, filed.UNENDED),
)


# use-after-revocation


def _after_revocation(terms: Terms, use: CredentialUsed, _foreign: bool) -> bool:
    return use.time > terms.revoked + terms.policy.skew


def _after_revocation_detail(terms: Terms, use: CredentialUsed, _foreign: bool) -> str:
    return f"{span(use.time - terms.revoked)} after the revocation"


def _after_revocation_title(finding: Finding, piece: Evidence, words: Words) -> str:
    revoked = finding.credential.revoked if finding.credential else None
    when = "after it was revoked" if revoked is None else f"{span(piece.time - revoked)} after it was revoked"
    return f"{words.who(finding)} {words.used(piece, when)}"


AFTER_REVOCATION: Final = Rule(
    id=USE_AFTER_REVOCATION,
    severity=Severity.CRITICAL,
    denied=Severity.LOW,
    revoke=True,
    out_of_time=_after_revocation,
    summary="A credential was used after its revocation",
    description="A credential was used although it had been revoked.",
    title=_after_revocation_title,
    detail=_after_revocation_detail,
    phrase=Phrase("was used after its revocation", "were used after their revocation"),
    advice=(
        "The revocation did not take effect where it was used: revoke there directly (a denying policy, a restart "
        "of a caching gateway, key deletion) and review what the uses did."
    ),
    classification=_AFTER_THE_END,
    weaknesses=(filed.AFTER, filed.UNENDED),
)


# use-outside-window


def _outside_window(_terms: Terms, _use: CredentialUsed, _foreign: bool) -> bool:
    """Every use out of time that came neither after the task's end nor after the revocation."""
    return True


def _outside_window_detail(terms: Terms, use: CredentialUsed, _foreign: bool) -> str:
    time, skew = use.time, terms.policy.skew
    if time < terms.starts - skew:
        return f"{span(terms.starts - time)} before it is valid"
    expiry = expiry_at(terms, time)
    if time > expiry + skew:
        return f"{span(time - expiry)} after it expired"
    if time < terms.approved_from - skew:
        return f"{span(terms.approved_from - time)} before the approved window"
    return f"{span(time - terms.approved_to)} after the approved window"


def _outside_window_title(finding: Finding, piece: Evidence, words: Words) -> str:
    why = f" ({words.say(piece.detail, LONG)})" if piece.detail else ""
    return f"{words.who(finding)} {words.used(piece, f'outside its time window{why}')}"


OUTSIDE_WINDOW: Final = Rule(
    id=USE_OUTSIDE_WINDOW,
    severity=Severity.HIGH,
    denied=Severity.LOW,
    revoke=True,
    revokes_denied=False,
    out_of_time=_outside_window,
    summary="A credential was used outside its time",
    description=(
        "A credential was used before it was valid, after it expired, or outside the approved window."
    ),
    title=_outside_window_title,
    detail=_outside_window_detail,
    phrase=Phrase("was used outside its approved time", "were used outside their approved time"),
    advice=(
        "Find out who used it outside its window. Enforce expiry and approval where it is accepted, not only where "
        "it is issued, and compare the clocks of the two if the gap is small."
    ),
    classification=_AFTER_THE_END,
    weaknesses=(filed.AFTER,),
)


# use-outside-scope


def _outside_scope(terms: Terms, use: CredentialUsed, _foreign: bool) -> bool:
    return terms.scope is not None and not covering(terms.scope, use.action, use.resource)


def _outside_scope_detail(_terms: Terms, use: CredentialUsed, _foreign: bool) -> str:
    named = [
        name for name, value in (("action", use.action), ("resource", use.resource)) if value is not None
    ]
    return f"no grant covers its {' and '.join(named)}" if named else "nothing is granted"


def _outside_scope_title(finding: Finding, piece: Evidence, words: Words) -> str:
    decoy = finding.credential is not None and finding.credential.kind == CANARY_KIND
    return f"{words.who(finding)} {words.used(piece, 'although it is a decoy' if decoy else 'beyond its grants')}"


OUTSIDE_SCOPE: Final = Rule(
    id=USE_OUTSIDE_SCOPE,
    severity=Severity.HIGH,
    denied=Severity.MEDIUM,
    use=_outside_scope,
    summary="A credential was used beyond its grants",
    description="A credential was used for what none of its grants covers.",
    title=_outside_scope_title,
    detail=_outside_scope_detail,
    phrase=Phrase("was used beyond its grants", "were used beyond their grants"),
    advice=(
        "If the task needs this, grant it explicitly; if not, narrow what the credential can really do: it was "
        "able to do more than its grants say. Ask the task's owner what made it try."
    ),
    classification=Classification(
        attack=(filed.RAISED,),
        atlas=(filed.AI_TOOL,),
        nhi=("NHI5:2025",),
        agentic=("ASI02", "ASI03"),
        maestro="L3",
        rmf="MANAGE 2.3",
    ),
    weaknesses=(filed.WRONGLY,),
)


# use-by-other-workload


def _by_other_workload(terms: Terms, use: CredentialUsed, foreign: bool) -> bool:
    return foreign or (terms.bounds is not None and outside(terms.bounds, use.workload, use.source_ip))


def _by_other_workload_detail(terms: Terms, use: CredentialUsed, foreign: bool) -> str:
    parts = []
    claimed = use.task_id
    if foreign and claimed is not None:
        which = "is no descendant" if terms.task_id is not None else _NO_CANDIDATE
        parts.append(f"task {_short(claimed)} {which}")
    if terms.bounds is not None:
        if terms.bounds.workload_outside(use.workload):
            parts.append("workload outside bound_to")
        if terms.bounds.address_outside(use.source_ip):
            parts.append("address outside bound_to")
    return ", ".join(parts)


def _by_other_workload_title(finding: Finding, piece: Evidence, words: Words) -> str:
    event = piece.event
    own = finding.credential.task_id if finding.credential else None
    other = _NO_CANDIDATE in piece.detail if finding.candidates is not None else True
    if isinstance(event, CredentialUsed) and event.task_id and event.task_id != own and other:
        return f"{words.who(finding)} {words.used(piece, f'by another task, {words.say(event.task_id)}')}"
    return f"{words.who(finding)} {words.used(piece, 'outside what it is bound to')}"


BY_OTHER_WORKLOAD: Final = Rule(
    id=USE_BY_OTHER_WORKLOAD,
    severity=Severity.CRITICAL,
    denied=Severity.MEDIUM,
    revoke=True,
    use=_by_other_workload,
    summary="A credential was used by somebody else",
    description="A credential was used by another task, or from a workload or address that it is not bound to.",
    title=_by_other_workload_title,
    detail=_by_other_workload_detail,
    phrase=Phrase("was used by somebody else", "were used by somebody else"),
    advice=(
        "Revoke it: it left the task it was issued to. Find the copy (a shared variable, a cache, a log, an "
        "artifact) and give the other workload a credential of its own."
    ),
    classification=Classification(
        attack=(filed.STOLEN, filed.TOKEN),
        atlas=(filed.AI_TOKEN,),
        nhi=("NHI9:2025",),
        agentic=("ASI03", "ASI07"),
        maestro="L7",
        rmf="MANAGE 2.3",
    ),
    weaknesses=(filed.UNGUARDED,),
)


# use-from-elsewhere


def _from_elsewhere(terms: Terms, use: CredentialUsed, _foreign: bool) -> bool:
    origins, address = terms.origins, use.source_ip
    if origins is None or address is None or address == origins.home:
        return False
    return origins.elsewhere(address, terms.policy.networks) is not None


def _from_elsewhere_detail(terms: Terms, use: CredentialUsed, _foreign: bool) -> str:
    found = None
    if use.source_ip is not None and terms.origins is not None:
        found = terms.origins.elsewhere(use.source_ip, terms.policy.networks)
    if found is None:
        return ""
    address, origin = found
    prefix = terms.policy.networks.prefix(address[0])
    here, there = network_around(address, prefix), network_around((address[0], origin.number), prefix)
    known = f"{origin.text} in {there}"
    known += f" as workload {_short(origin.workload)}" if origin.workload else ""
    known += f" with {_short(origin.user_agent)}" if origin.user_agent else ""
    if origin.issued:
        return f"{here}; issued to {known}"
    when = f", {span(use.time - origin.time)} before" if use.time > origin.time else ""
    return f"{here}; first used from {known}{when}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _from_elsewhere_title(finding: Finding, piece: Evidence, words: Words) -> str:
    why = f" ({words.say(piece.detail, LONG)})" if piece.detail else ""
    return f"{words.who(finding)} {words.used(piece, f'from another network{why}')}"


FROM_ELSEWHERE: Final = Rule(
    id=USE_FROM_ELSEWHERE,
    severity=Severity.HIGH,
    denied=Severity.MEDIUM,
    use=_from_elsewhere,
    summary="A credential was used from another network",
    description=(
        "A credential was used from another network than the one that it was issued to or first used from, and not "
        "from an expected one."
    ),
    title=_from_elsewhere_title,
    detail=_from_elsewhere_detail,
    phrase=Phrase("was used from another network", "were used from other networks"),
    advice=(
        "Ask the task's owner whether the task itself calls from there. If so (a NAT gateway, a VPN, a second "
        "runner), add the network to expected_networks; if not, revoke the credential: somebody has a copy of it."
    ),
    classification=Classification(
        attack=(filed.STOLEN, filed.TOKEN),
        atlas=(filed.AI_TOKEN,),
        nhi=("NHI9:2025",),
        agentic=("ASI03",),
        maestro="L6",
        rmf="MANAGE 2.4",
    ),
    weaknesses=(filed.UNGUARDED,),
)
