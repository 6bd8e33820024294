"""What a rule is: one record with its words, its defaults and its place in taxonomies, and one function that decides.

The function stands in the field that says what it looks at:

- `use`: each use of a credential;
- `out_of_time`: each use outside the credential's time. The first of these rules that holds takes the use;
- `leak`: each log record that shows the secret of a registered credential;
- `secret`: each log record that shows a secret that nobody registered;
- `limited`: each log record that could not be examined whole;
- `lifetime`: each issue and renewal;
- `end`: a credential, once its task has ended and the grace period is over;
- `deadline`: a task, once its deadline and the grace period are over;
- `unconfirmed`: a credential for which revocation commands were sent.

All functions are pure: the same values give the same answer.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from detector.judge.rules.classification import Classification, Weakness
from detector.judge.rules.titles import Words
from detector.judge.terms import KindPolicy, RulePolicy, Terms
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialUsed,
    Leak,
    LimitedRecord,
    TaskEnding,
    TaskStarted,
)
from detector.values.findings import Evidence, Finding, Severity

UseTest: TypeAlias = Callable[[Terms, CredentialUsed, bool], bool]
"""(terms, use, foreign) -> whether the rule holds. `foreign`: the use names a task that is neither the credential's
task nor a descendant of it."""
LeakTest: TypeAlias = Callable[[Terms, Leak], bool]
SecretTest: TypeAlias = Callable[[Leak], bool]
LimitedTest: TypeAlias = Callable[[LimitedRecord], bool]
LifetimeTest: TypeAlias = Callable[[CredentialIssued | CredentialRenewed, int], bool]
"""(issue or renewal, deadline of the task) -> whether it lets the credential live too long."""
EndTest: TypeAlias = Callable[[Terms, Sequence[int], int], tuple[int, ...]]
"""(terms, covered, time) -> the numbers of the grants concerned, `(0,)` for the credential as a whole, `()` if the rule
does not hold at `time`. `covered` has for each grant the time of the first successful use that needed it, or NEVER."""
DeadlineTest: TypeAlias = Callable[[TaskStarted | None, int, KindPolicy], int | None]
"""(start, end, policy) -> the time at which the rule holds, None if it never does."""
UnconfirmedTest: TypeAlias = Callable[[Terms, Sequence[int]], list[int]]
"""(terms, times at which commands should have taken effect) -> those at which the credential still worked."""
UseDetail: TypeAlias = Callable[[Terms, CredentialUsed, bool], str]
EndEvidence: TypeAlias = Callable[[CredentialIssued, TaskEnding, int], tuple[AnyEvent, str]]
"""(issue, end of the task, number of the grant) -> the event that is the evidence, and its detail."""
Title: TypeAlias = Callable[[Finding, Evidence, Words], str]
"""(finding, its decisive piece of evidence, words) -> one sentence without a full stop."""


class Phrase(msgspec.Struct, frozen=True):
    """How a headline counts findings: `1 credential leaked into a log`, `3 credentials leaked into logs`."""

    one: str
    many: str
    noun: str = "credential"
    nouns: str = "credentials"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `id` is what configuration, findings and metrics call it.

    Defaults, which a configuration can change:

    - `severity` of its evidence, None for that of the pattern that saw the leak;
    - `denied`: severity of a denied use, or of the leak of a credential that was no longer live. None: the same;
    - `revoke`: whether its evidence asks for a revocation;
    - `enabled`: whether it is judged at all.

    Words:

    - `summary` and `description` of the rule, for SARIF;
    - `title` of a finding, `phrase` of several in a headline;
    - `advice`: what to do, in one to three sentences;
    - `counted`: what is counted as evidence, in the singular and plural;
    - `detail`: what is wrong about one use, in a few words;
    - `end_evidence`: of a rule with `end`, what is its evidence.

    `revokes_denied`: whether a denied use asks for a revocation, too, if `revoke` is set.
    """

    id: str
    severity: Severity | None
    summary: str
    description: str
    title: Title
    phrase: Phrase
    advice: str
    classification: Classification
    denied: Severity | None = None
    revoke: bool = False
    enabled: bool = True
    weaknesses: tuple[Weakness, ...] = ()
    counted: tuple[str, str] = ("use", "uses")
    revokes_denied: bool = True
    use: UseTest | None = None
    out_of_time: UseTest | None = None
    leak: LeakTest | None = None
    secret: SecretTest | None = None
    limited: LimitedTest | None = None
    lifetime: LifetimeTest | None = None
    end: EndTest | None = None
    deadline: DeadlineTest | None = None
    unconfirmed: UnconfirmedTest | None = None
    detail: UseDetail | None = None
    end_evidence: EndEvidence | None = None

    def __post_init__(self) -> None:
        """Refuses a record that says no one thing.

        Raises:
            ValueError: the rule has no function, or more than one.
        """
        functions = (
            self.use,
            self.out_of_time,
            self.leak,
            self.secret,
            self.limited,
            self.lifetime,
            self.end,
            self.deadline,
            self.unconfirmed,
        )
        if sum(one is not None for one in functions) != 1:
            raise ValueError(f"the rule {self.id} needs exactly one function")
        if (self.end is None) != (self.end_evidence is None):
            raise ValueError(f"the rule {self.id} needs end_evidence if it has end, and only then")

    @property
    def policy(self) -> RulePolicy:
        """How it behaves if a configuration does not say otherwise."""
        return RulePolicy(
            enabled=self.enabled, severity=self.severity, denied=self.denied, revoke=self.revoke
        )
