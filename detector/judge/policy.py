"""The policy: what the configuration says about the rules, as one frozen object, resolved for each kind."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec

from detector.judge.fixed_lives import FIXED_LIVES, rules_of_fixed_lives
from detector.judge.origins import NetworkPolicy
from detector.judge.rules.catalog import RULES
from detector.judge.terms import KindPolicy, RulePolicy
from detector.values.findings import LEAKED_CREDENTIAL, USE_OUTSIDE_SCOPE, Severity
from detector.values.networks import NetworkSet
from detector.values.registrable import CANARY_KIND
from detector.values.times import DAY, HOUR, MINUTE, SECOND, SKEW


def default_rules() -> dict[str, RulePolicy]:
    """How each rule behaves if no configuration says otherwise."""
    return {rule.id: rule.policy for rule in RULES.values()}


_BUILT_IN: Final = frozenset({CANARY_KIND, *FIXED_LIVES})
"""Kinds of credentials of which something is set without a configuration."""


class RuleOverride(msgspec.Struct, frozen=True):
    """What a configuration says of one rule; None leaves it as it is."""

    enabled: bool | None = None
    severity: Severity | None = None
    revoke: bool | None = None
    command_delay: int | None = None

    def over(self, base: RulePolicy) -> RulePolicy:
        """`base` with this on top; a denied use never weighs more than a successful one."""
        denied = base.denied
        if self.severity is not None and denied is not None:
            denied = min(denied, self.severity)
        return RulePolicy(
            enabled=base.enabled if self.enabled is None else self.enabled,
            severity=base.severity if self.severity is None else self.severity,
            denied=denied,
            revoke=base.revoke if self.revoke is None else self.revoke,
            command_delay=base.command_delay if self.command_delay is None else self.command_delay,
        )


class Tuning(msgspec.Struct, frozen=True):
    """Overrides for the whole or for one kind of credential or task. Durations in nanoseconds."""

    skew: int | None = None
    grace_period: int | None = None
    max_task_age: int | None = None
    rules: Mapping[str, RuleOverride] = {}
    ipv4_prefix: int | None = None
    ipv6_prefix: int | None = None
    expected_networks: NetworkSet | None = None

    def networks_over(self, base: NetworkPolicy) -> NetworkPolicy:
        """`base` with this on top. A list of expected networks replaces that of `base`."""
        return NetworkPolicy(
            base.ipv4_prefix if self.ipv4_prefix is None else self.ipv4_prefix,
            base.ipv6_prefix if self.ipv6_prefix is None else self.ipv6_prefix,
            base.expected if self.expected_networks is None else self.expected_networks,
        )


class Accept(msgspec.Struct, frozen=True):
    """An `[[accept]]` entry: globs that are None match everything; evidence after `expiry` is not covered.

    An entry with a `uid` has no globs. It covers that finding as a whole, or not at all: while all its evidence is at
    or before `expiry`, and its severity is at most `severity` (None: any).
    """

    reason: str
    expiry: int
    rule: str | None = None
    credential: str | None = None
    task: str | None = None
    workload: str | None = None
    fingerprint: str | None = None
    uid: str | None = None
    severity: Severity | None = None

    def covers_whole(self, last_seen: int, severity: Severity) -> bool:
        """Whether a finding with its uid is accepted."""
        return last_seen <= self.expiry and (self.severity is None or severity <= self.severity)


class Policy(msgspec.Struct, frozen=True, dict=True):
    """Everything that decides a verdict beside the events. Durations in nanoseconds."""

    skew: int = SKEW
    grace_period: int = 60 * SECOND
    max_task_age: int | None = None
    confirm_timeout: int = 5 * MINUTE
    lateness: int = 15 * MINUTE
    retention: int = 24 * HOUR
    finding_retention: int = 90 * DAY  # 0: for ever
    watermark_delay: int = 10 * SECOND
    rules: Mapping[str, RulePolicy] = msgspec.field(default_factory=default_rules)
    kinds: Mapping[str, Tuning] = {}
    accepts: tuple[Accept, ...] = ()
    networks: NetworkPolicy = NetworkPolicy()

    @cached_property
    def accepting_globs(self) -> tuple[Accept, ...]:
        """The entries of `accepts` without a uid."""
        return tuple(accept for accept in self.accepts if accept.uid is None)

    @cached_property
    def accepting_uids(self) -> Mapping[str, tuple[Accept, ...]]:
        """The others, by their uid."""
        found: dict[str, tuple[Accept, ...]] = {}
        for accept in self.accepts:
            if accept.uid is not None:
                found[accept.uid] = (*found.get(accept.uid, ()), accept)
        return found

    @cached_property
    def resolved(self) -> dict[tuple[str | None, str | None], KindPolicy]:
        """What `resolve` gave for each kind of credential and task that was asked for."""
        return {}

    def of(self, credential_kind: str | None, task_kind: str | None) -> KindPolicy:
        """The same as `resolve`, as the same object each time. All kinds of which nothing is set share one."""
        kinds = self.kinds
        key = (
            credential_kind if credential_kind in kinds or credential_kind in _BUILT_IN else None,
            task_kind if task_kind in kinds else None,
        )
        found = self.resolved.get(key)
        if found is None:
            found = self.resolved[key] = self.resolve(*key)
        return found

    def resolve(self, credential_kind: str | None, task_kind: str | None) -> KindPolicy:
        """The policy of a kind: what is set for the credential's kind wins over what is for the task's."""
        skew, grace_period, age = self.skew, self.grace_period, self.max_task_age
        networks = self.networks
        rules = dict(self.rules)
        life = FIXED_LIVES.get(credential_kind or "")
        if life is not None:
            grace_period = max(grace_period, life)
            rules = rules_of_fixed_lives(rules)
        for kind in (task_kind, credential_kind):
            if kind == CANARY_KIND and kind == credential_kind:
                rules = _of_canaries(rules)
            tuning = self.kinds.get(kind) if kind is not None else None
            if tuning is None:
                continue
            skew = skew if tuning.skew is None else tuning.skew
            grace_period = grace_period if tuning.grace_period is None else tuning.grace_period
            age = age if tuning.max_task_age is None else tuning.max_task_age
            networks = tuning.networks_over(networks)
            for name, override in tuning.rules.items():
                rules[name] = override.over(rules[name])
        return KindPolicy(skew, grace_period, age, rules, networks)


def _of_canaries(rules: Mapping[str, RulePolicy]) -> dict[str, RulePolicy]:
    """The rules for decoys: any use or leak is critical, and there is nothing to revoke, to use or to end."""
    touched = RulePolicy(severity=Severity.CRITICAL, denied=Severity.CRITICAL)
    always = (LEAKED_CREDENTIAL, USE_OUTSIDE_SCOPE)
    found = {}
    for name, base in rules.items():
        rule = RULES[name]
        if name in always or (name in RULES.of_uses_and_leaks and base.enabled):
            found[name] = touched
        elif rule.end is not None or rule.lifetime is not None:
            found[name] = msgspec.structs.replace(base, enabled=False)
        else:
            found[name] = base
    return found
