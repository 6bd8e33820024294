"""What decides about one credential: its times, its grants and bindings, and the policy of its kind."""

from collections.abc import Mapping
from typing import Final

import msgspec

from detector.judge.evidence import RevocationRequest
from detector.judge.origins import NetworkPolicy, Origins
from detector.judge.time_order import TimeOrder
from detector.values.findings import Severity
from detector.values.globs import Bounds, Scope

NEVER: Final = 1 << 120  # later than any time that can be written; -NEVER is earlier


class RulePolicy(msgspec.Struct, frozen=True):
    """How one rule behaves.

    `severity` is that of its evidence (None: the pattern's own), `denied` that of a denied use or of the leak of a
    credential that was no longer live. `revoke`: its evidence asks for a revocation. `command_delay`: how long a
    command waits when live, in ns.
    """

    enabled: bool = True
    severity: Severity | None = None
    denied: Severity | None = None
    revoke: bool = False
    command_delay: int = 0

    def weigh(self, *, lighter: bool) -> Severity:
        """The severity of a piece of evidence; `lighter` is a denied use or the leak of a dead credential."""
        if lighter and self.denied is not None:
            return self.denied
        return self.severity if self.severity is not None else Severity.MEDIUM


class KindPolicy(msgspec.Struct, frozen=True):
    """The policy for one kind of credential of one kind of task, resolved. Durations in nanoseconds."""

    skew: int
    grace_period: int
    max_task_age: int | None
    rules: Mapping[str, RulePolicy]
    networks: NetworkPolicy = NetworkPolicy()


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What decides a use or leak of one credential. Times in nanoseconds, NEVER (or -NEVER) where there is none.

    `expires` is what the one issue says. With more issues or renewals, `expiries` holds (time, expires, …) of each in
    order. Between `opens` and `closes` a use is in time, as long as the credential has not expired. `origins` is None
    where the origin of uses is not judged. `lapsed`, where a finding is put into words: the end is a lease that
    lapsed.
    """

    task_id: str | None
    issued: int
    starts: int
    end: int
    revoked: int
    approved_from: int
    approved_to: int
    expires: int
    expiries: TimeOrder | None
    scope: Scope | None
    bounds: Bounds | None
    policy: KindPolicy
    opens: int
    closes: int
    origins: Origins | None = None
    lapsed: bool = False


def expiry_at(terms: Terms, time: int) -> int:
    """When the credential expires, by the last issue or renewal at or before `time`. Of several, the latest."""
    if terms.expiries is None:
        return terms.expires if time >= terms.issued else NEVER
    item = terms.expiries.at_most(time)
    return NEVER if item is None else int(item[1])


def live_at(terms: Terms, time: int) -> bool:
    """Whether it was issued by then (give or take the skew), not revoked and not expired.

    A leak is judged at `shown_at`.
    """
    return terms.issued - terms.policy.skew <= time < terms.revoked and time <= expiry_at(terms, time)


def shown_at(terms: Terms, time: int) -> int:
    """When a leak of that time is judged: not before the issue. Nobody prints a secret that does not exist yet."""
    return max(time, terms.issued)


def request_at(terms: Terms, time: int, *, used: bool) -> RevocationRequest:
    """The revocation that evidence at `time` asks for, if its rule asks at all; `used`: it is a successful use."""
    if time < terms.revoked:
        return (
            RevocationRequest.PLAIN if used or time <= expiry_at(terms, time) else RevocationRequest.NOTHING
        )
    return (
        RevocationRequest.ESCALATED
        if used and time > terms.revoked + terms.policy.skew
        else RevocationRequest.NOTHING
    )
