"""A judge that is slow and plain: it reads the whole set of events, loops over everything, keeps nothing.

It is written from the rules as docs/rules.md states them. It shares no code with the judge, the ledger and the rules
under test. Of `detector` it knows
- the shapes of events (`values.events`) and the numbers of severities,
- the shapes of a policy (`Policy`, `KindPolicy`, `RulePolicy`, `NetworkPolicy`, `Accept`): their fields, no method of
  them. A policy comes from the reader of the configuration, so what the rules are by default is shared too.

Globs, networks, kinds, canaries, candidates, leases, owners of identifiers, uids of findings and ids of commands are
its own. Tests hold the ledger, replays and the service to it on every finding and command.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from detector.judge.origins import NetworkPolicy
from detector.judge.policy import Accept, Policy
from detector.judge.terms import KindPolicy, RulePolicy
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    RevocationOutcome,
    TaskStarted,
)
from detector.values.findings import Severity
from tests.judge.brute_history import NEVER, History, finding_uid

FIVE_MINUTES = 5 * 60 * 10**9
SHOWN = 20
# Each piece of evidence of these is an event or log record of its own, so it can be named. The others are
# judged at a later time, and which event stands for that is the ledger's choice.
NAMED_EVIDENCE = frozenset(
    {
        "leaked-credential",
        "leaked-secret",
        "use-after-termination",
        "use-after-revocation",
        "use-outside-window",
        "use-outside-scope",
        "use-by-other-workload",
        "use-from-elsewhere",
        "overlong-credential",
    }
)


class Verdict(NamedTuple):
    """A finding; `evidence` is the first 20 pieces as (time, source, id), empty unless `NAMED_EVIDENCE`.

    `resolved`: a command that names it found or left the credential dead, and nothing happened since.
    """

    pieces: int
    first: int
    last: int
    severity: int
    accepted: bool
    evidence: tuple[tuple[int | str, ...], ...]
    patterns: tuple[str, ...]
    resolved: bool = False


class Request(NamedTuple):
    """A command."""

    time: int
    reasons: tuple[str, ...]
    severity: int


class Judgement(NamedTuple):
    """All that a set of events gives: findings by (rule, key), commands by (credential id, escalated)."""

    findings: dict[tuple[str, str], Verdict]
    commands: dict[tuple[str, bool], Request]
    unresolved: Counter[str]
    conflicts: frozenset[tuple[str, str]]


@dataclass
class Piece:
    """One piece of evidence."""

    rule: str
    key: str
    time: int
    severity: int
    name: tuple[str, ...]  # pieces of one finding with the same name are one piece
    asks: bool = False
    successful_use: bool = False
    accepted: bool = False
    pattern: str | None = None  # of a leak


def glob_matches(pattern: str, text: str) -> bool:
    """Whether the glob matches the whole text: `*` any characters, `?` one, all else itself."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(glob_matches(pattern[1:], text[skip:]) for skip in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and glob_matches(pattern[1:], text[1:])


def covers(grant: Grant, use: CredentialUsed) -> bool:
    """Whether each of action and resource that the use has matches a glob of the grant for it."""
    for globs, value in ((grant.actions, use.action), (grant.resources, use.resource)):
        if (
            globs is not None
            and value is not None
            and not any(glob_matches(pattern, value) for pattern in globs)
        ):
            return False
    return True


def address_in(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text is, an IPv4-mapped one as IPv4."""
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def outside_networks(networks: tuple[str, ...], text: str) -> bool:
    """Whether `text` is an address in none of the networks; what is no address is not judged."""
    address = address_in(text)
    if address is None:
        return False
    return not any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def resolve(policy: Policy, credential_kind: str | None, task_kind: str | None) -> KindPolicy:
    """The policy of a kind; the credential's kind has the last word."""
    skew, grace_period, age, rules = policy.skew, policy.grace_period, policy.max_task_age, dict(policy.rules)
    ipv4, ipv6, expected = policy.networks.ipv4_prefix, policy.networks.ipv6_prefix, policy.networks.expected
    life = {"aws-session": 60, "gcp-federated-token": 60, "gcp-service-account-token": 60, "azure-token": 90}
    if credential_kind in life:
        grace_period = max(grace_period, life[credential_kind] * FIVE_MINUTES // 5)
        rules["outlives-task"] = msgspec.structs.replace(rules["outlives-task"], revoke=False)
    for kind in (task_kind, credential_kind):
        if kind == "canary-token" == credential_kind:
            rules = {name: of_canary(name, rule) for name, rule in rules.items()}
        if kind is None or kind not in policy.kinds:
            continue
        tuning = policy.kinds[kind]
        skew = skew if tuning.skew is None else tuning.skew
        grace_period = grace_period if tuning.grace_period is None else tuning.grace_period
        age = age if tuning.max_task_age is None else tuning.max_task_age
        ipv4 = ipv4 if tuning.ipv4_prefix is None else tuning.ipv4_prefix
        ipv6 = ipv6 if tuning.ipv6_prefix is None else tuning.ipv6_prefix
        expected = expected if tuning.expected_networks is None else tuning.expected_networks
        for name, override in tuning.rules.items():
            old = rules[name]
            severity = old.severity if override.severity is None else override.severity
            denied = old.denied
            if denied is not None and override.severity is not None and override.severity < denied:
                denied = override.severity
            rules[name] = RulePolicy(
                enabled=old.enabled if override.enabled is None else override.enabled,
                severity=severity,
                denied=denied,
                revoke=old.revoke if override.revoke is None else override.revoke,
                command_delay=old.command_delay,
            )
    return KindPolicy(skew, grace_period, age, rules, NetworkPolicy(ipv4, ipv6, expected))


def of_canary(name: str, rule: RulePolicy) -> RulePolicy:
    """A rule for what opens nothing: each leak and use is critical, and nothing is asked for."""
    if name in {"outlives-task", "unused-grant", "overlong-credential"}:
        return msgspec.structs.replace(rule, enabled=False)
    if name == "leaked-credential" or name.startswith("use-"):
        enabled = rule.enabled or name in {"leaked-credential", "use-outside-scope"}
        return RulePolicy(enabled=enabled, severity=Severity.CRITICAL, denied=Severity.CRITICAL)
    return rule


@dataclass
class Case:
    """One credential with all that the rules say of it."""

    history: History
    policy: KindPolicy
    issue: CredentialIssued
    start: TaskStarted | None
    end: int | None
    revoked: float
    candidates: list[TaskStarted] | None = None  # None if the task is known

    @classmethod
    def of(cls, history: History, policy: Policy, issue: CredentialIssued) -> "Case":
        """The case of the credential that `issue` governs."""
        if issue.task_id is None:
            kinds = resolve(policy, issue.kind, None)
            candidates = history.candidates_for(issue, kinds.skew)
            end = latest([history.end_of(each.task_id) for each in candidates])
            revoked = history.revoked_at(issue.credential_id)
            return cls(history, kinds, issue, None, end, revoked, candidates)
        start = history.start_of(issue.task_id)
        kinds = resolve(policy, issue.kind, start.kind if start is not None else None)
        end = history.end_of(issue.task_id)
        return cls(history, kinds, issue, start, end, history.revoked_at(issue.credential_id))

    def expired(self, time: int) -> bool:
        return time > self.history.expiry(self.issue.credential_id, time)

    def live(self, time: int) -> bool:
        return time >= self.issue.time - self.policy.skew and time < self.revoked and not self.expired(time)

    def pieces(self, until: int) -> Iterator[Piece]:
        """All evidence about the credential, of enabled rules or not."""
        for use in self.history.used:
            if self.history.named_by(use) == self.issue.credential_id:
                for rule in self.broken_by(use):
                    asks = not (rule == "use-outside-window" and use.outcome == "denied")
                    yield self.piece(rule, use.time, (use.source, use.id), use=use, asks=asks)
        for leak in self.history.leaks:
            owners = {self.history.owner_of(identifier) for identifier in leak.identifiers}
            if self.issue.credential_id in owners:
                live = self.live(max(leak.time, self.issue.time))  # no secret is printed before it exists
                name = (leak.source, leak.id)
                piece = self.piece("leaked-credential", leak.time, name, asks=live, weak=not live)
                piece.pattern = leak.pattern
                yield piece
        yield from self.overlong()
        yield from self.after_the_end(until)

    def piece(  # noqa: PLR0913 - each is a fact of the piece
        self,
        rule: str,
        time: int,
        name: tuple[str, ...],
        *,
        use: CredentialUsed | None = None,
        asks: bool = True,
        weak: bool = False,
    ) -> Piece:
        """One piece; `weak` has the severity of a denied use."""
        rules = self.policy.rules[rule]
        weak = weak or (use is not None and use.outcome == "denied")
        severity = rules.denied if weak and rules.denied is not None else rules.severity
        assert severity is not None
        successful = use is not None and use.outcome == "success"
        return Piece(rule, self.issue.credential_id, time, severity, name, asks and rules.revoke, successful)

    def broken_by(self, use: CredentialUsed) -> list[str]:
        """The rules that a use is evidence of."""
        time, skew, broken = use.time, self.policy.skew, []
        if self.end is not None and time > self.end + skew:
            broken.append("use-after-termination")
        elif time > self.revoked + skew:
            broken.append("use-after-revocation")
        elif self.outside_window(time):
            broken.append("use-outside-window")
        if self.issue.grants is not None and not any(covers(grant, use) for grant in self.issue.grants):
            broken.append("use-outside-scope")
        if self.by_other(use):
            broken.append("use-by-other-workload")
        if self.from_elsewhere(use):
            broken.append("use-from-elsewhere")
        return broken

    def outside_window(self, time: int) -> bool:
        skew, issue = self.policy.skew, self.issue
        valid_from = issue.time if issue.not_before is None else issue.not_before
        if time < valid_from - skew or time > self.history.expiry(issue.credential_id, time) + skew:
            return True
        if issue.approval is None:
            return False
        opens, closes = issue.approval.not_before, issue.approval.not_after
        return (opens is not None and time < opens - skew) or (closes is not None and time > closes + skew)

    def by_other(self, use: CredentialUsed) -> bool:
        if use.task_id is not None and not self.by_own_task(use.task_id):
            return True
        bound = self.issue.bound_to
        if bound is None:
            return False
        if (
            bound.workloads is not None
            and use.workload is not None
            and not any(glob_matches(pattern, use.workload) for pattern in bound.workloads)
        ):
            return True
        return (
            bound.source_ips is not None
            and use.source_ip is not None
            and outside_networks(bound.source_ips, use.source_ip)
        )

    def by_own_task(self, task_id: str) -> bool:
        """Whether nobody can say that a task is another: of candidates, one must be there to say so."""
        if self.candidates is None:
            assert self.issue.task_id is not None
            return self.history.is_of(task_id, self.issue.task_id)
        return not self.candidates or any(
            self.history.is_of(task_id, each.task_id) for each in self.candidates
        )

    def deadline(self) -> int | None:
        if self.candidates is None:
            return deadline_of(self.start, self.policy)
        return latest([deadline_of(each, self.policy) for each in self.candidates])

    def accepted(self, accepts: tuple[Accept, ...], piece: Piece) -> bool:
        """Whether an entry covers the piece; it must match every candidate, and 20 at most."""
        credential = self.issue.credential_id
        if self.candidates is None:
            workload = self.start.workload if self.start is not None else None
            return is_accepted(
                accepts, piece, credential=credential, task=self.issue.task_id, workload=workload
            )
        if not 0 < len(self.candidates) <= SHOWN:
            return is_accepted(accepts, piece, credential=credential)
        return any(
            all(
                is_accepted(
                    (accept,), piece, credential=credential, task=each.task_id, workload=each.workload
                )
                for each in self.candidates
            )
            for accept in accepts
        )

    def from_elsewhere(self, use: CredentialUsed) -> bool:
        here = address_in(use.source_ip)
        bound = self.issue.bound_to
        if here is None or (bound is not None and bound.source_ips is not None):
            return False
        caller = self.issue.issued_to
        origin = address_in(caller.source_ip) if caller is not None else None
        if origin is None or origin.version != here.version:
            alike = [
                (other.time, other.source, other.id, address)
                for other in self.history.used
                if self.history.named_by(other) == self.issue.credential_id
                and (address := address_in(other.source_ip)) is not None
                and address.version == here.version
            ]
            origin = min(alike)[3]
        networks = self.policy.networks
        length = networks.ipv4_prefix if here.version == 4 else networks.ipv6_prefix
        if here in ipaddress.ip_network(f"{origin}/{length}", strict=False):
            return False
        return outside_networks(networks.expected.cidrs, str(here))

    def overlong(self) -> Iterator[Piece]:
        deadline = self.deadline()
        limit = NEVER if deadline is None else deadline + FIVE_MINUTES
        credential_id = self.issue.credential_id
        for issue in self.history.issued:
            if issue.credential_id == credential_id and (
                issue.expires_at is None or issue.expires_at > limit
            ):
                yield self.piece("overlong-credential", issue.time, (issue.source, issue.id))
        for renewal in self.history.renewed:
            if self.history.named_by(renewal) == credential_id and renewal.expires_at > limit:
                yield self.piece("overlong-credential", renewal.time, (renewal.source, renewal.id))

    def after_the_end(self, until: int) -> Iterator[Piece]:
        if self.end is None:
            return
        judged_at = max(self.end, self.issue.time) + self.policy.grace_period
        if judged_at > until:
            return
        if judged_at < self.revoked and not self.expired(judged_at):
            yield self.piece("outlives-task", judged_at, ("end",))
        in_time = [
            use
            for use in self.history.used
            if self.history.named_by(use) == self.issue.credential_id
            and use.outcome == "success"
            and use.time <= self.end + self.policy.skew
        ]
        for number, grant in enumerate(self.issue.grants or ()):
            if not any(covers(grant, use) for use in in_time):
                yield self.piece("unused-grant", judged_at, ("grant", str(number)))

    def command_for(self, piece: Piece) -> bool | None:
        """Whether asking evidence leads to the plain command (False), the escalated one (True) or none."""
        time = piece.time
        if piece.rule == "leaked-credential":  # no secret is printed before it exists
            time = max(time, self.issue.time)
        if time < self.revoked:
            return None if self.expired(time) and not piece.successful_use else False
        return True if piece.successful_use and piece.time > self.revoked + self.policy.skew else None


def latest(times: list[int | None]) -> int | None:
    """The latest, None if one of them is missing or there are none."""
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def deadline_of(start: TaskStarted | None, policy: KindPolicy) -> int | None:
    """A task's deadline: its own, else by its age if the policy limits that."""
    if start is None:
        return None
    if start.deadline is not None:
        return start.deadline
    return None if policy.max_task_age is None else start.time + policy.max_task_age


def is_accepted(  # noqa: PLR0913 - what an [[accept]] entry can name
    accepts: tuple[Accept, ...],
    piece: Piece,
    *,
    credential: str | None = None,
    task: str | None = None,
    workload: str | None = None,
    fingerprint: str | None = None,
) -> bool:
    """Whether an entry in force at the piece's time matches all that it names."""
    for accept in accepts:
        if accept.uid is not None:
            continue
        named = (
            (accept.rule, piece.rule),
            (accept.credential, credential),
            (accept.task, task),
            (accept.workload, workload),
            (accept.fingerprint, fingerprint),
        )
        if piece.time <= accept.expiry and all(
            pattern is None or (value is not None and glob_matches(pattern, value))
            for pattern, value in named
        ):
            return True
    return False


def accept_whole(accepts: tuple[Accept, ...], pieces: list[Piece]) -> list[Piece]:
    """Accepts all pieces of the findings that an entry with their uid covers as a whole."""
    for accept in accepts:
        by_finding: dict[tuple[str, str], list[Piece]] = {}
        for piece in pieces:
            by_finding.setdefault((piece.rule, piece.key), []).append(piece)
        for (rule, key), all_of_it in by_finding.items():
            uid = finding_uid(rule, key)
            worst = accept.severity if accept.severity is not None else Severity.CRITICAL
            if accept.uid == uid and all(
                piece.time <= accept.expiry and piece.severity <= worst for piece in all_of_it
            ):
                for piece in all_of_it:
                    piece.accepted = True
    return pieces


def judge(events: Iterable[AnyEvent], policy: Policy, until: int, clock: int = 0) -> Judgement:
    """The findings and commands of a set of events; rules judged at a later time fire up to `until` (ns).

    `clock` (ns) is what expiries are held against where a secret that nobody registered stands in a line without time.
    """
    history = History.of(events, until)
    pieces: list[Piece] = []
    commands: dict[tuple[str, bool], Request] = {}
    for credential_id in sorted({event.credential_id for event in history.issued}):
        issue = history.issue_of(credential_id)
        assert issue is not None
        case = Case.of(history, policy, issue)
        mine = [piece for piece in case.pieces(until) if case.policy.rules[piece.rule].enabled]
        for piece in mine:
            piece.accepted = case.accepted(policy.accepts, piece)
        accept_whole(policy.accepts, mine)
        for escalated in (False, True):
            asking = [
                piece
                for piece in mine
                if piece.asks and not piece.accepted and case.command_for(piece) is escalated
            ]
            if asking:
                earliest = min(piece.time for piece in asking)
                behind = [piece for piece in asking if piece.time == earliest]
                reasons = tuple(sorted({piece.rule for piece in behind}))
                severity = max(piece.severity for piece in behind)
                commands[credential_id, escalated] = Request(earliest, reasons, severity)
        pieces += mine
    pieces += accept_whole(policy.accepts, list(leaked_secrets(history, policy, clock)))
    pieces += accept_whole(policy.accepts, list(overdue_tasks(history, policy, until)))
    findings = summed(pieces)
    for (credential_id, escalated), request in commands.items():
        dead_at = history.dead_at(credential_id, escalated=escalated)
        for rule in request.reasons:
            if dead_at is not None and findings[rule, credential_id].last <= dead_at:
                findings[rule, credential_id] = findings[rule, credential_id]._replace(resolved=True)
    return Judgement(findings, commands, unresolved(history), conflicts(history))


def leaked_secrets(history: History, policy: Policy, clock: int) -> Iterator[Piece]:
    """Leaks of a known pattern that belong to no registered credential; the task is that of the first."""
    rules = policy.rules["leaked-secret"]
    found = [
        leak
        for leak in history.leaks
        if leak.pattern is not None and all(history.owner_of(each) is None for each in leak.identifiers)
    ]
    for leak in found if rules.enabled else ():
        severity = leak.severity if rules.severity is None else rules.severity
        assert severity is not None
        piece = Piece("leaked-secret", leak.fingerprint, leak.time, severity, (leak.source, leak.id))
        piece.pattern = leak.pattern
        same = [other for other in found if other.fingerprint == leak.fingerprint]
        task = min(same, key=lambda other: (other.time, other.source, other.id)).task_id
        start = history.start_of(task) if task is not None else None
        workload = start.workload if start is not None else None
        dated = all(other.time_origin != "file" for other in same)
        held = piece if dated else replace(piece, time=max(piece.time, clock))
        piece.accepted = is_accepted(
            policy.accepts, held, task=task, workload=workload, fingerprint=leak.fingerprint
        )
        yield piece


def overdue_tasks(history: History, policy: Policy, until: int) -> Iterator[Piece]:
    """Tasks that have not ended by their deadline and the grace period."""
    for task_id in sorted({event.task_id for event in history.started}):
        start = history.start_of(task_id)
        assert start is not None
        kinds = resolve(policy, None, start.kind)
        deadline, end = deadline_of(start, kinds), history.end_of(task_id)
        rules = kinds.rules["overdue-task"]
        if deadline is None or not rules.enabled:
            continue
        judged_at = deadline + kinds.grace_period
        if judged_at > until or (end is not None and end <= judged_at):
            continue
        assert rules.severity is not None
        piece = Piece("overdue-task", task_id, judged_at, rules.severity, ("deadline",))
        piece.accepted = is_accepted(policy.accepts, piece, task=task_id, workload=start.workload)
        yield piece


def unresolved(history: History) -> Counter[str]:
    """How many events name no known credential, by source."""
    about: list[CredentialRenewed | CredentialUsed | CredentialRevoked | RevocationOutcome] = [
        *history.renewed,
        *history.used,
        *(event for event in history.revoked if event.group is None),
        *history.outcomes,
    ]
    return Counter(event.source for event in about if history.named_by(event) is None)


def conflicts(history: History) -> frozenset[tuple[str, str]]:
    """The identifiers (scheme, value) that more than one credential claims."""
    return frozenset(
        (identifier.scheme, identifier.value)
        for issue in history.issued
        for identifier in issue.identifiers
        if len(history.claimants(identifier)) > 1
    )


def summed(pieces: list[Piece]) -> dict[tuple[str, str], Verdict]:
    """The findings that pieces of evidence make up."""
    findings = {}
    for rule, key in {(piece.rule, piece.key) for piece in pieces}:
        mine = [piece for piece in pieces if (piece.rule, piece.key) == (rule, key)]
        names = {piece.name for piece in mine}
        shown = sorted({(piece.time, piece.name) for piece in mine})[:SHOWN]
        findings[rule, key] = Verdict(
            pieces=len(names),
            first=min(piece.time for piece in mine),
            last=max(piece.time for piece in mine),
            severity=Severity(max(piece.severity for piece in mine)),
            accepted=all(piece.accepted for piece in mine),
            evidence=tuple((time, *name) for time, name in shown) if rule in NAMED_EVIDENCE else (),
            patterns=tuple(sorted({piece.pattern for piece in mine if piece.pattern is not None})),
        )
    return findings
