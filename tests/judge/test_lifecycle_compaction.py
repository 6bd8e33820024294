"""A credential that is issued, renewed and revoked again and again stays small, and is judged by all of it."""

from collections.abc import Iterator

import msgspec
import pytest

from detector.judge.policy import Policy
from detector.judge.routing import Fact, task_key
from detector.judge.stage import COMPACT_EVERY, applied, judge
from detector.values.events import (
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    RevocationOutcome,
    TaskStarted,
)
from detector.values.findings import Command, Finding
from detector.values.times import HOUR, MINUTE, SECOND

START = 1_800_000_000 * SECOND
KEY = task_key("t")
NAME = Identifier("vault-accessor", "a")
POLICY = Policy(retention=HOUR)
ROUNDS = 2000


def started(deadline: int | None = None) -> TaskStarted:
    return TaskStarted(time=START, source="ci", id="s", task_id="t", deadline=deadline)


def issued(number: int, *names: Identifier, expires: int = HOUR) -> CredentialIssued:
    at = START + number * MINUTE
    return CredentialIssued(
        time=at,
        source="v",
        id=f"i{number}",
        credential_id="c",
        task_id="t",
        identifiers=names or (NAME,),
        expires_at=at + expires,
        revocation={"path": "auth/token"},
    )


def renewed(number: int, expires: int = HOUR) -> CredentialRenewed:
    at = START + number * MINUTE
    return CredentialRenewed(time=at, source="v", id=f"n{number}", identifier=NAME, expires_at=at + expires)


def revoked(number: int) -> CredentialRevoked:
    return CredentialRevoked(time=START + number * MINUTE, source="v", id=f"r{number}", credential_id="c")


def concluded(number: int) -> RevocationOutcome:
    return RevocationOutcome(
        time=START + number * MINUTE,
        source="r",
        id=f"o{number}",
        credential_id="c",
        command_id="x",
        outcome="failed",
    )


def used(number: int, after: int = 0) -> CredentialUsed:
    return CredentialUsed(
        time=START + number * MINUTE + after, source="a", id=f"u{number}", credential_id="c", action="read"
    )


class Judged:
    """An aggregate as bytes between two judgements, and what it says."""

    def __init__(self, compact_every: int = COMPACT_EVERY) -> None:
        self.state: dict[bytes, bytes] = {}
        self.findings: dict[str, Finding] = {}
        self.commands: list[Command] = []
        self.forgotten: list[CredentialIssued] = []
        self.largest = 0
        self._compact_every = compact_every

    def tell(self, facts: list[Fact], watermark: int) -> None:
        judgement = judge(KEY, self.state, facts, watermark, POLICY, compact_every=self._compact_every)
        self.state = applied(self.state, judgement)
        self.largest = max(self.largest, sum(map(len, self.state.values())))
        for change in judgement.findings:
            if change.activity == "closed":
                del self.findings[change.finding.uid]
            else:
                self.findings[change.finding.uid] = change.finding
        self.commands += judgement.commands
        self.forgotten += judgement.forgotten


def lives(what: str) -> Iterator[list[Fact]]:
    """Half a day and more, minute by minute."""
    yield [started(START + HOUR), issued(0)]
    for number in range(1, ROUNDS):
        facts: list[Fact] = []
        if what == "renewals":
            facts = [renewed(number, HOUR if number % 3 else 30 * SECOND), used(number, 40 * SECOND)]
        elif what == "issues":
            facts = [issued(number, expires=HOUR if number % 3 else 30 * SECOND), used(number, 40 * SECOND)]
        elif what == "revocations":
            facts = [revoked(number), used(number)]
        elif what == "outcomes":
            facts = [concluded(number)]
        yield facts


@pytest.mark.parametrize("what", ["renewals", "issues", "revocations", "outcomes"])
def test_what_goes_on_for_long_stays_small_and_gives_the_same(what: str) -> None:
    small, whole = Judged(), Judged(10**9)
    batch: list[Fact] = []
    for number, facts in enumerate(lives(what)):
        batch += facts
        if number % 100 == 0 or number == ROUNDS - 1:
            for each in (small, whole):
                each.tell(batch, START + number * MINUTE)
            batch = []
    assert small.findings == whole.findings
    assert small.commands == whole.commands
    assert 4 * small.largest < whole.largest
    assert small.largest < 100_000
    if what == "issues":
        assert len({issue.id for issue in small.forgotten}) > ROUNDS / 2
        assert issued(0).id not in {issue.id for issue in small.forgotten}


def test_an_issue_with_an_identifier_of_its_own_is_kept() -> None:
    judged = Judged(1)
    other = Identifier("vault-accessor", "b")
    judged.tell([started(), issued(0), issued(1, NAME, other), *map(issued, range(2, 9))], START + 9 * MINUTE)
    judged.tell([renewed(600, 10 * HOUR)], START + 600 * MINUTE)
    judged.tell([renewed(601, 10 * HOUR)], START + 700 * MINUTE)
    kept = msgspec.structs.replace(used(720), credential_id=None, identifier=other)
    judged.tell([revoked(710), kept], START + 720 * MINUTE)
    assert [finding.rule for finding in judged.findings.values()] == ["use-after-revocation"]
    assert {issue.id for issue in judged.forgotten} == {f"i{number}" for number in range(2, 9)}
