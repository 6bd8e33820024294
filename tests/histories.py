"""Random small histories, full of the edges on which a ledger trips.

Few tasks, credentials, identifiers and times, so that events meet: exactly at a boundary and a nanosecond to
either side of it, at equal times, before the issue, on contested identifiers, on parents that go in circles.
"""

import itertools
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from hypothesis import strategies as st

from detector.judge.origins import NetworkPolicy
from detector.judge.policy import Accept, Policy, RuleOverride, Tuning
from detector.judge.rules.catalog import RULES
from detector.values.events import (
    DENIED,
    SUCCESS,
    AnyEvent,
    Approval,
    Binding,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Event,
    Grant,
    Identifier,
    IssuedTo,
    Leak,
    RevocationOutcome,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.findings import Severity, command_id, finding_uid
from detector.values.networks import NetworkSet
from detector.values.times import MINUTE, SECOND

START: Final = 1_793_491_200 * SECOND
TASKS: Final = ("t1", "t1", "t2", "t3")
CREDENTIALS: Final = ("c1", "c1", "c2", "c3")
GROUPS: Final = ("role/a", "role/b")
# (task, group of tasks) of an issue: with both, the task counts.
OWNERS: Final = (
    ("t1", None),
    ("t1", None),
    ("t2", None),
    ("t2", "repo"),
    (None, "repo"),
    (None, "repo"),
    (None, "fork"),
)
KINDS: Final = ("ci", "cloud")
IDENTIFIERS: Final = (
    Identifier("hmac-sha256", "a" * 64),
    Identifier("sha256", "a" * 64),
    Identifier("hmac-sha256", "b" * 64, 40, "0123abcd", "k1"),
    Identifier("hmac-sha256", "b" * 64),
    Identifier("aws-access-key-id", "AKIAEXAMPLE"),
)
GLOBS: Final = ("*", "read", "read:*", "re?d", "[a-r]ead", "READ", "", "?", "*a*:*", "**x")
VALUES: Final = (None, "read", "read:x", "reads", "READ", "[a-r]ead", "", "a", "a:b/x", "read:\n", "réd")
NETWORKS: Final = ("10.0.0.0/8", "10.0.0.5/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "10.9.9.9/8")
ADDRESSES: Final = (
    None,
    "10.0.0.5",
    "11.0.0.5",
    "::ffff:10.0.0.5",
    "::ffff:b00:5",
    "2001:db8::5",
    "2001:db9::5",
    "cloudtrail.amazonaws.com",
    "",
    "10.0.0.5/8",
    "010.0.0.5",
    "10.0.0.200",  # the same /24
    "2001:db8:0:7::5",  # the same /48
)
CALLERS: Final = (
    None,
    None,
    IssuedTo("10.0.0.9"),
    IssuedTo("2001:db8::9", "runner-1"),
    IssuedTo("sts.example"),
)
WORKLOADS: Final = (None, "runner-1", "runner-2", "")
WORKLOAD_GLOBS: Final = ("runner-1", "runner-*", "*-2", "Runner-1")
# What a log may show: each with the identifiers by which it may be registered.
SECRETS: Final = {
    "f1": IDENTIFIERS[0:1],
    "f2": IDENTIFIERS[1:3],
    "f3": (IDENTIFIERS[3], IDENTIFIERS[4]),
    "f4": (Identifier("sha256", "f" * 64),),
}


# The commands of which an outcome may tell, with the credential that it names: the last one belongs to another.
COMMANDS: Final = (
    *(("c1", command_id("c1", escalated=escalated)) for escalated in (False, False, True)),
    ("c2", command_id("c2", escalated=False)),
    ("c2", command_id("c1", escalated=False)),
)
OUTCOMES: Final = ("confirmed", "confirmed", "gone-already", "held", "failed")


FEW: Final = st.integers(0, 3)
EITHER: Final = st.booleans()


# Which pattern saw a secret, by the severity that it gives.
PATTERNS: Final = {
    Severity.LOW: "a-token",
    Severity.MEDIUM: "a-token",
    Severity.HIGH: "a-key",
    Severity.CRITICAL: "a-key",
}


class History(msgspec.Struct, frozen=True):
    """A policy, the set of events (each once), and the time up to which rules are judged."""

    policy: Policy
    events: tuple[AnyEvent, ...]
    until: int


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


class Moment(NamedTuple):
    """A time in terms of a policy: so many minutes in, so many of its durations away, a nanosecond beside."""

    minutes: int
    first: int
    second: int
    sign: int
    nudge: int


# Most often a minute itself or one duration away from it, so that two events are often a skew or a grace period apart.
STEPS: Final = (
    [(0, 0)] * 8
    + [(first, 0) for first in range(6)] * 2
    + [(0, second) for second in range(5)]
    + list(itertools.product(range(6), repeat=2))
)
MOMENTS: Final = st.sampled_from(
    [
        Moment(minutes, first, second, sign, nudge)
        for (first, second), nudge, minutes, sign in itertools.product(
            STEPS, (0, 0, 0, 1, -1), (1, 2), (1, -1)
        )
    ]
)


# A log line may claim any time: also one long before anything of the history. Kafka says then when it came.
LONG_AGO: Final = -14_000_000
LEAK_MOMENTS: Final = MOMENTS | st.sampled_from(
    [Moment(LONG_AGO, 0, 0, 1, 0), Moment(LONG_AGO + 1, 0, 0, 1, 0)]
)


def resolved(moment: Moment, policy: Policy) -> int:
    """The time in nanoseconds."""
    tunings = policy.kinds.values()
    durations = [0, policy.skew, policy.grace_period, 5 * MINUTE, MINUTE, policy.max_task_age or 0]
    durations += [tuning.skew or 0 for tuning in tunings] + [tuning.grace_period or 0 for tuning in tunings]
    first, second = (durations[step % len(durations)] for step in (moment.first, -moment.second))
    return START + moment.minutes * MINUTE + moment.sign * first + second + moment.nudge


@cache
def overrides() -> st.SearchStrategy[dict[str, RuleOverride]]:
    """What a configuration may say of a few rules."""
    override = st.builds(
        RuleOverride,
        enabled=st.sampled_from((None, None, True, False)),
        severity=_maybe(st.sampled_from(Severity)),
        revoke=_maybe(st.booleans()),
    )
    return st.dictionaries(st.sampled_from(tuple(RULES)), override, max_size=3)


@cache
def tunings() -> st.SearchStrategy[Tuning]:
    """What a configuration may say of one kind."""
    return st.builds(
        Tuning,
        skew=st.sampled_from((None, 0, 2 * SECOND, 60 * SECOND)),
        grace_period=st.sampled_from((None, 0, 3 * SECOND)),
        max_task_age=st.sampled_from((None, 0, 2 * MINUTE)),
        rules=overrides(),
        ipv4_prefix=st.sampled_from((None, None, 8, 32)),
        ipv6_prefix=st.sampled_from((None, None, 0, 128)),
        expected_networks=st.sampled_from(
            (None, NetworkSet(), NetworkSet(("11.0.0.0/8", "2001:db8:0:7::/64")))
        ),
    )


_EXPIRIES: Final = (START + MINUTE, START + 2 * MINUTE, START + 3 * MINUTE, START + 9 * MINUTE)


@cache
def accepts() -> st.SearchStrategy[Accept]:
    """An `[[accept]]` entry: globs, or the uid of one finding."""
    keys = (*CREDENTIALS, "f4", "t1")
    by_uid = st.builds(
        Accept,
        reason=st.just("known"),
        expiry=st.sampled_from(_EXPIRIES),
        uid=st.builds(finding_uid, st.sampled_from(tuple(RULES)), st.sampled_from(keys)),
        severity=_maybe(st.sampled_from(Severity)),
    )
    by_globs = st.builds(
        Accept,
        reason=st.just("known"),
        expiry=st.sampled_from(_EXPIRIES),
        rule=_maybe(st.sampled_from((*RULES, "use-*", "*"))),
        credential=_maybe(st.sampled_from(("c1", "c*", "*2"))),
        task=_maybe(st.sampled_from(("t1", "t?", "*"))),
        workload=_maybe(st.sampled_from(("runner-*", "runner-1"))),
        fingerprint=_maybe(st.sampled_from(("f*", "f4"))),
    )
    return by_globs | by_uid


KIND_TUNINGS: Final = st.dictionaries(st.sampled_from(KINDS), tunings(), max_size=2)
ACCEPTS: Final = st.lists(accepts(), max_size=2)
SKEWS: Final = st.sampled_from((5 * SECOND, 0, 1))
GRACE_PERIODS: Final = st.sampled_from((60 * SECOND, 0, 5 * SECOND))
AGES: Final = st.sampled_from((None, MINUTE, 0))
NETWORK_POLICIES: Final = st.sampled_from(
    (
        NetworkPolicy(),
        NetworkPolicy(),
        NetworkPolicy(32, 64),
        NetworkPolicy(expected=NetworkSet(("11.0.0.0/9",))),
    )
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """The default policy half the time; else one with tuning, kinds and accepts."""
    if draw(EITHER):
        return Policy()
    rules = dict(Policy().rules)
    for name, override in draw(overrides()).items():
        rules[name] = override.over(rules[name])
    return Policy(
        skew=draw(SKEWS),
        grace_period=draw(GRACE_PERIODS),
        max_task_age=draw(AGES),
        rules=rules,
        kinds=draw(KIND_TUNINGS),
        accepts=tuple(draw(ACCEPTS)),
        networks=draw(NETWORK_POLICIES),
    )


def globs(pool: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """A list of globs, an empty one, or none at all."""
    return _maybe(st.lists(st.sampled_from(pool), max_size=2).map(tuple))


@cache
def named() -> st.SearchStrategy[dict[str, Any]]:
    """What an event calls its credential: by id, by identifier, by both; sometimes none that is known."""
    ids = st.sampled_from((*CREDENTIALS, "c9"))
    identifiers = st.sampled_from((*IDENTIFIERS, Identifier("jwt-id", "nobody")))
    by_id, by_identifier = st.just(None) | ids, st.just(None) | identifiers
    both = st.fixed_dictionaries({"credential_id": by_id, "identifier": by_identifier})
    return st.fixed_dictionaries({"credential_id": ids}) | both.filter(lambda names: any(names.values()))


def _about(cls: type[Event], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"cls": st.just(cls), **fields})


@cache
def issues() -> st.SearchStrategy[dict[str, Any]]:
    """A credential's issue, as fields without `source` and `id`."""
    fields = _about(
        CredentialIssued,
        time=MOMENTS,
        credential_id=st.sampled_from(CREDENTIALS),
        identifiers=st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=2).map(tuple),
        kind=st.sampled_from((None, *KINDS)),
        not_before=_maybe(MOMENTS),
        expires_at=_maybe(MOMENTS),
        grants=_maybe(st.lists(st.builds(Grant, globs(GLOBS), globs(GLOBS)), max_size=2).map(tuple)),
        approval=_maybe(st.tuples(_maybe(MOMENTS), _maybe(MOMENTS))),
        bound_to=_maybe(st.builds(Binding, globs(WORKLOAD_GLOBS), globs(NETWORKS))),
        revocation=st.just({"method": "none"}),
        issued_to=st.sampled_from(CALLERS),
        groups=st.lists(st.sampled_from(GROUPS), max_size=2, unique=True).map(tuple),
    )
    return st.builds(
        lambda owner, rest: rest | {"task_id": owner[0], "task_group": owner[1]},
        st.sampled_from(OWNERS),
        fields,
    )


@cache
def starts() -> st.SearchStrategy[dict[str, Any]]:
    """A task's start, as fields without `source` and `id`."""
    return _about(
        TaskStarted,
        time=MOMENTS,
        task_id=st.sampled_from(TASKS),
        kind=st.sampled_from((None, *KINDS)),
        workload=st.sampled_from(WORKLOADS),
        parent_task_id=st.sampled_from((None, *TASKS, "t9")),
        deadline=_maybe(MOMENTS),
        group=st.sampled_from((None, "repo", "repo", "fork")),
    )


@cache
def uses() -> st.SearchStrategy[dict[str, Any]]:
    """A use, as fields without `source` and `id`."""
    fields = _about(
        CredentialUsed,
        time=MOMENTS,
        action=st.sampled_from(VALUES),
        resource=st.sampled_from(VALUES),
        outcome=st.sampled_from((SUCCESS, SUCCESS, DENIED)),
        task_id=st.sampled_from((None, None, *TASKS, "t9")),
        workload=st.sampled_from(WORKLOADS),
        source_ip=st.sampled_from(ADDRESSES),
    )
    return st.builds(lambda name, rest: rest | name, named(), fields)


@cache
def records() -> st.SearchStrategy[list[dict[str, Any]]]:
    """The leaks that one log record shows, as fields without `source` and `id`."""
    shown = st.fixed_dictionaries(
        {"fingerprint": st.sampled_from(tuple(SECRETS)), "severity": _maybe(st.sampled_from(Severity))}
    )
    return st.builds(
        lambda when, came, task_id, secrets: [
            {
                "cls": Leak,
                "time": when,
                "received": came if when.minutes <= LONG_AGO + 1 else None,
                "task_id": task_id,
                "pattern": None if secret["severity"] is None else PATTERNS[secret["severity"]],
                "identifiers": SECRETS[secret["fingerprint"]],
                "excerpt": "‹some-token:40›",
                **secret,
            }
            for secret in secrets
        ],
        LEAK_MOMENTS,
        MOMENTS,
        st.sampled_from((None, *TASKS)),
        st.lists(shown, min_size=1, max_size=2, unique_by=lambda secret: str(secret["fingerprint"])),
    )


@cache
def outcomes() -> st.SearchStrategy[dict[str, Any]]:
    """What became of a command."""
    return st.builds(
        lambda named, rest: rest | {"credential_id": named[0], "command_id": named[1]},
        st.sampled_from(COMMANDS),
        _about(
            RevocationOutcome,
            time=MOMENTS,
            outcome=st.sampled_from(OUTCOMES),
            finished_at=_maybe(MOMENTS),
        ),
    )


@cache
def heartbeats() -> st.SearchStrategy[dict[str, Any]]:
    """A heartbeat of a task, as fields without `source` and `id`."""
    leases = st.sampled_from((1, SECOND, MINUTE, 2 * MINUTE, 3 * MINUTE))
    return _about(TaskHeartbeat, time=MOMENTS, task_id=st.sampled_from(TASKS), lease=leases)


@cache
def drafts() -> st.SearchStrategy[list[dict[str, Any]]]:
    """One event, one log record or a burst of uses, as fields without `source` and `id`."""
    ended = _about(TaskEnded, time=MOMENTS, task_id=st.sampled_from(TASKS))
    renewed = st.builds(
        lambda name, rest: rest | name, named(), _about(CredentialRenewed, time=MOMENTS, expires_at=MOMENTS)
    )
    revoked = st.builds(lambda name, rest: rest | name, named(), _about(CredentialRevoked, time=MOMENTS))
    revoked_at_once = _about(
        CredentialRevoked,
        time=MOMENTS,
        group=st.sampled_from(GROUPS),
        issued_before=_maybe(MOMENTS),
    )
    single = (
        starts(),
        heartbeats(),
        ended,
        issues(),
        renewed,
        revoked,
        revoked_at_once,
        outcomes(),
        *[uses()] * 4,
    )
    one = [strategy.map(lambda draft: [draft]) for strategy in single]
    burst = st.builds(_burst, uses(), st.sampled_from((0, 1, SECOND)))
    return st.one_of(*one, *one, records(), records(), burst)


HEARTBEATS: Final = st.lists(
    heartbeats().map(lambda draft: draft | {"task_id": "t1"}), min_size=1, max_size=3
)
USES: Final = st.lists(uses(), min_size=1, max_size=4)


@st.composite
def plots(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """The core of most histories: one task with one credential, used, and most often an end and a revocation."""
    made = [draw(starts()) | {"task_id": "t1"}] if draw(EITHER) else []
    grouped = draw(EITHER)
    owner = {"task_id": None, "task_group": "repo"} if grouped else {"task_id": "t1", "task_group": None}
    issue = draw(issues()) | {"credential_id": "c1"} | owner
    if grouped:  # most often it has candidates
        made += [
            start | {"task_id": task_id, "group": "repo"}
            for task_id, start in zip(("t1", "t2"), draw(st.lists(starts(), max_size=2)), strict=False)
        ]
    if draw(EITHER):  # never expires, so that more depends on the rest
        issue["expires_at"] = None
    made.append(issue)
    made += [use | {"credential_id": "c1"} for use in draw(USES)]
    if draw(FEW):
        made.append({"cls": TaskEnded, "time": draw(MOMENTS), "task_id": "t1"})
    if grouped and draw(FEW):
        made.append({"cls": TaskEnded, "time": draw(MOMENTS), "task_id": "t2"})
    if draw(EITHER):  # most often it ends by its lease, if it does at all
        made = [draft for draft in made if draft["cls"] is not TaskEnded] if draw(EITHER) else made
        made += draw(HEARTBEATS)
    if draw(EITHER):
        made.append({"cls": CredentialRevoked, "time": draw(MOMENTS), "credential_id": "c1"})
    if draw(EITHER):
        made.append(draw(outcomes()))
    return [[draft] for draft in made]


@cache
def contests() -> st.SearchStrategy[list[list[dict[str, Any]]]]:
    """Another core: credentials issued more than once that claim the same few identifiers, and events by these."""
    contested = st.sampled_from(IDENTIFIERS[:3])
    claim = st.builds(
        lambda issue, claimed, expires: issue | {"identifiers": tuple(claimed), "expires_at": expires},
        issues(),
        st.lists(contested, min_size=1, max_size=2),
        st.sampled_from((None, Moment(5, 0, 0, 1, 0))),
    )
    about = st.one_of(
        uses(),
        _about(CredentialRenewed, time=MOMENTS, expires_at=MOMENTS),
        _about(CredentialRevoked, time=MOMENTS),
    )
    by_name = st.builds(
        lambda draft, credential, name: draft | {"credential_id": credential, "identifier": name},
        about,
        st.sampled_from((None, None, None, "c2", "c3", "c9")),  # an id that no issue may have
        contested,
    )
    return st.builds(
        lambda claims, named, shown: [*([draft] for draft in claims + named), *shown],
        st.lists(claim, min_size=2, max_size=4),
        st.lists(by_name, min_size=1, max_size=5),
        st.lists(records(), max_size=2),
    )


def _burst(draft: dict[str, Any], step: int) -> list[dict[str, Any]]:
    """More uses than a finding shows, `step` nanoseconds apart."""
    return [draft | {"after": step * number} for number in range(23)]


def _event(draft: dict[str, Any], policy: Policy, source: str, number: int) -> AnyEvent:
    fields: dict[str, Any] = {
        name: resolved(value, policy) if isinstance(value, Moment) else value for name, value in draft.items()
    }
    cls = fields.pop("cls")
    fields["time"] += fields.pop("after", 0)
    if fields.get("approval") is not None:
        fields["approval"] = Approval(
            *(None if side is None else resolved(side, policy) for side in fields["approval"])
        )
    made: AnyEvent = cls(source=source, id=str(number), **fields)
    return made


PLOTS: Final = st.one_of(plots(), plots(), contests(), st.just([]))
DRAFTS: Final = st.lists(drafts(), max_size=12)
POLICIES: Final = policies()


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A history of a handful of events and log records, most of them about one credential."""
    policy = draw(POLICIES)
    made = draw(PLOTS) + draw(DRAFTS)
    events: list[AnyEvent] = []
    for number, group in enumerate(made):
        if group[0]["cls"] is Leak:  # all that one record shows has the record's source and id
            events += [_event(draft, policy, "log", number) for draft in group]
        else:  # two sources that number their events alike
            events += [
                _event(draft, policy, "ab"[place % 2], place // 2)
                for place, draft in enumerate(group, 1000 * number)
            ]
    latest = max((event.time for event in events), default=START)
    until = latest if draw(EITHER) else resolved(draw(MOMENTS), policy)
    return History(policy, tuple(events), until)


@st.composite
def arrivals(draw: st.DrawFn, events: tuple[AnyEvent, ...]) -> list[AnyEvent]:
    """The events in any order, some of them more than once."""
    again = draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    shuffled: list[AnyEvent] = draw(st.permutations([*events, *again]))
    return shuffled


@st.composite
def disputes(draw: st.DrawFn) -> History:
    """A history of mostly issues: a few credentials, issued several times, to tasks and groups, dispute identifiers.

    The uses that name them tell which credential has which name in the end.
    """
    contested = st.sampled_from(IDENTIFIERS[:2])
    claim = st.builds(
        lambda issue, claimed: issue | {"identifiers": tuple(claimed), "groups": ()},
        issues(),
        st.lists(contested, min_size=1, max_size=2),
    )
    named_by = st.builds(
        lambda use, credential, name: (
            use | {"credential_id": credential, "identifier": name, "task_id": None}
        ),
        uses(),
        st.sampled_from((None, "c1", "c2", "c9")),
        contested,
    )
    made = draw(st.lists(claim, min_size=3, max_size=7)) + draw(st.lists(named_by, min_size=1, max_size=3))
    events = [
        _event(draft, Policy(), "ab"[number % 2], number // 2)
        for number, draft in enumerate([*made, *(each[0] for each in draw(st.lists(records(), max_size=1)))])
    ]
    return History(Policy(), tuple(events), max(event.time for event in events))
