"""Holds acceptances against the clock where the evidence has no time of its own.

A log without times has the modification time of its file, which may lie before an expiry that has long passed.
"""

from collections.abc import Iterable

import msgspec

from detector.judge.acceptance import Subject, accepted_reason
from detector.judge.policy import Policy
from detector.records.log_times import TIMELESS
from detector.values.events import Leak
from detector.values.findings import LEAKED_SECRET, Finding


def held_against_clock(findings: Iterable[Finding], policy: Policy, clock: int) -> list[Finding]:
    """The findings, those of a leaked secret without a time accepted only by what is in force at `clock` (ns).

    The others stay: what is judged of a credential has a history, and the time of a file belongs to that.
    """
    return [_held(finding, policy, clock) for finding in findings]


def _held(finding: Finding, policy: Policy, clock: int) -> Finding:
    if finding.accepted is None or finding.rule != LEAKED_SECRET or not _timeless(finding):
        return finding
    subject = Subject(
        finding.rule,
        finding.key,
        task=None if finding.task is None else finding.task.task_id,
        workload=None if finding.task is None else finding.task.workload,
        fingerprint=finding.fingerprint,
    )
    last = max(finding.last_seen, clock)
    return msgspec.structs.replace(finding, accepted=accepted_reason(policy, subject, last, finding.severity))


def _timeless(finding: Finding) -> bool:
    return any(isinstance(one.event, Leak) and one.event.time_origin in TIMELESS for one in finding.evidences)
