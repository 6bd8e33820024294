"""The judge stage: one aggregate's state and new facts go in; its new state, findings, commands and timer come out.

Example: a task's aggregate learns of a leak, and of the passing of time an hour later.

    judgement = judge("t:build-17", state, [leak], watermark, policy)
    state = applied(state, judgement)             # store it wherever you like: keys and values are bytes
    ...                                           # write judgement.findings and judgement.commands
    judgement = judge("t:build-17", state, [], watermark + HOUR, policy)

`judge` works with plain values and can run anywhere: in the service, in a job on a cluster, in a test. It reads no
clock and writes nothing. A long-running caller saves work if it keeps the `AggregateState` between two calls: the
result is the same. `judgement.sends` are facts for other aggregates, and it is up to the caller to deliver them.

`curfewd replay` judges a whole history at once with one `Ledger` for all tasks, by the same rules; see `judge_history`.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as AbstractCollection
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

import msgspec

from detector.judge.aggregates import Aggregate, LimitedAggregate, SecretAggregate, TaskAggregate
from detector.judge.finding_record import FindingRecordAggregate
from detector.judge.joins import JoinCounts
from detector.judge.ledger import Ledger
from detector.judge.name_aggregates import GroupAggregate, NameAggregate
from detector.judge.policy import Policy
from detector.judge.rosters import CandidateAggregate, RosterAggregate
from detector.judge.routing import (
    CANDIDATES,
    CREDENTIAL,
    FINDING,
    GROUP,
    IDENTIFIER,
    LEAKED,
    LIMITED,
    ROSTER,
    TASK,
    CandidateStatuses,
    CandidateStatusesPart,
    Claim,
    Fact,
    FindingDeleted,
    FindingOpened,
    FindingOver,
    Handover,
    ReportedFinding,
    Routed,
    SentCommand,
    TaskStatus,
    decode,
    encode,
    finding_key,
)
from detector.judge.totals import NO_EXPOSURE, Exposure, Totals
from detector.judge.verdicts import Verdicts
from detector.judge.watermark import BEGINNING
from detector.values.events import CredentialIssued, Leak, LimitedRecord, TaskStarted
from detector.values.findings import Command, Finding, FindingChange, command_id

State: TypeAlias = Mapping[bytes, bytes]  # the key of an entry is its kind, one byte, and a name
Change: TypeAlias = tuple[bytes, bytes | None]  # an entry of a state, or its key and None to delete it
FindingDigest: TypeAlias = Callable[[Finding], str]

COMPACT_EVERY: Final = 256
FACT: Final = b"e"
REPORTED: Final = b"p"
SENT: Final = b"c"
SUMS: Final = b"f"
META: Final = b"m"
_GROWN: Final = frozenset(
    (
        Leak,
        LimitedRecord,
        TaskStarted,
        TaskStatus,
        CredentialIssued,
        Claim,
        CandidateStatuses,
        CandidateStatusesPart,
    )
)  # have more fields than in version 0.1.0, or hold what has
_AGGREGATES: Final[tuple[tuple[str | tuple[str, ...], Callable[[str, Policy], Aggregate]], ...]] = (
    (TASK, TaskAggregate),
    (CANDIDATES, CandidateAggregate),
    (ROSTER, RosterAggregate),
    (LEAKED, SecretAggregate),
    (LIMITED, LimitedAggregate),
    (FINDING, FindingRecordAggregate),
    ((CREDENTIAL, IDENTIFIER), NameAggregate),
    (GROUP, lambda _, policy: GroupAggregate(policy)),
)
_NO_SUMS: Final[frozenset[bytes]] = frozenset()
_BY_TIME: Final = itemgetter(0, 1)
_reported: Final = msgspec.json.Decoder(ReportedFinding)
_sent: Final = msgspec.json.Decoder(SentCommand)


class Meta(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An aggregate's key, when to judge it again without new facts, and its share of the exposure and of the joins."""

    key: str
    timer: int | None
    exposure: Exposure | None = None
    joins: JoinCounts | None = None


_meta: Final = msgspec.json.Decoder(Meta)


class Judgement(msgspec.Struct, gc=False):
    """What judging one aggregate changes.

    `changes` lead from the old state to the new one. `findings` and `commands` have not been given before. `deleted`
    are the uids of findings whose record is to be deleted. `sends` are facts for other aggregates, by their key.
    `forgotten` are issues that the registry no longer needs. `timer` is the event time at which the aggregate must be
    judged again, None if time alone changes nothing. `expired` counts by source the events that no credential claimed
    in time.
    """

    changes: list[Change]
    findings: list[FindingChange] = []
    commands: list[Command] = []
    deleted: tuple[str, ...] = ()
    sends: list[Routed] = []
    forgotten: list[CredentialIssued] = []
    timer: int | None = None
    expired: dict[str, int] = {}


def judge(  # noqa: PLR0913 - the state has a key, and may keep more or fewer facts one by one
    key: str,
    state: State,
    facts: Iterable[Fact],
    watermark: int,
    policy: Policy,
    *,
    compact_every: int = COMPACT_EVERY,
) -> Judgement:
    """Judges the aggregate `key` at a watermark, given its state and new facts. A fact that it knows changes nothing.

    Raises:
        ValueError: no aggregate has such a key.
    """
    aggregate = AggregateState(key, policy, compact_every)
    aggregate.load(state.items())
    for fact in facts:
        aggregate.take(fact, encode(fact), watermark)
    return aggregate.judge(watermark)


def applied(state: State, judgement: Judgement) -> dict[bytes, bytes]:
    """The state after a judgement."""
    changed = dict(state)
    for key, value in judgement.changes:
        if value is None:
            changed.pop(key, None)
        else:
            changed[key] = value
    return changed


def judge_history(ledger: Ledger, until: int) -> tuple[list[Finding], list[Command]]:
    """The findings and commands of a whole history, up to an event time.

    This is what the aggregates of that history would have given once all had been judged at `until`, apart from
    `revocation-unconfirmed`: nobody has sent a command.
    """
    return ledger.findings(until), ledger.commands(until)


def aggregate_of(key: str, policy: Policy) -> Aggregate:
    """A new aggregate for a key.

    Raises:
        ValueError: no aggregate has such a key.
    """
    for prefixes, make in _AGGREGATES:
        if key.startswith(prefixes):
            return make(key, policy)
    raise ValueError("no aggregate has such a key")


def key_of(meta: bytes) -> str:
    """The aggregate's key, from the value of its entry `META`."""
    return _meta.decode(meta).key


def finding_digest(finding: Finding) -> str:
    """Tells whether a finding has changed: by default, if any of its values has."""
    return hashlib.blake2b(msgspec.json.encode(finding), digest_size=16).hexdigest()


class _Concluded(NamedTuple):
    """What was concluded at a watermark: the judgement as far as it went, and the findings that may have changed."""

    judgement: Judgement
    verdicts: Verdicts
    changed: list[Finding]


class AggregateState:
    """One aggregate in memory: what it knows, what it has reported, and the keys of its entries in the state.

    Once it keeps `compact_every` facts, the old ones are compacted to sums, and again after as many more, or when it
    was loaded: one that is loaded for a few facts at a time must not grow for ever.
    """

    def __init__(self, key: str, policy: Policy, compact_every: int = COMPACT_EVERY) -> None:
        self.aggregate = aggregate_of(key, policy)
        self.key = key
        self.counted = Totals()  # its share of the partition's totals, as far as the caller has added it
        self._timer: int | None = None
        self._exposure = NO_EXPOSURE
        self._joins = JoinCounts()
        self._stored = False
        self._facts: dict[bytes, None] = {}  # the keys of the facts in the state
        self._sums = _NO_SUMS  # the keys of the sums in the state
        self._reported: dict[str, ReportedFinding] = {}
        self._sent: dict[str, SentCommand] = {}
        self._latest: dict[str, Finding] = {}  # the findings in full as judged last: most do not change
        self._staged: list[Change] = []
        self._concluded: _Concluded | None = None
        self._compact_every = self._compact_at = compact_every
        self._lateness = policy.lateness
        self._finding_retention = policy.finding_retention

    @property
    def weight(self) -> int:
        """How many things it keeps: a measure of the memory that it takes."""
        return 1 + len(self._facts) + 4 * len(self._reported) + 8 * len(self._sums)

    @property
    def totals(self) -> Totals:
        """What it adds to the totals of its partition."""
        return Totals(int(self._stored), self.aggregate.parked, self._exposure, self._joins)

    @property
    def reported(self) -> AbstractCollection[str]:
        """The uids of the findings that were reported and not closed."""
        return self._reported.keys()

    @property
    def sent(self) -> AbstractCollection[SentCommand]:
        """The commands that were sent."""
        return self._sent.values()

    @property
    def compacted(self) -> bool:
        """Whether some facts are no longer kept one by one."""
        return bool(self._sums)

    @property
    def gone(self) -> bool:
        """Whether nothing is left of it in the state."""
        return not self._stored

    def load(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Takes the entries of a state, in any order."""
        sums: dict[bytes, bytes] = {}
        for key, value in entries:
            kind = key[:1]
            if kind == FACT:
                fact = decode(value)
                self.aggregate.take(fact, BEGINNING)
                self._facts[self._renamed(key, fact) if type(fact) in _GROWN else key] = None
            elif kind == SUMS:
                sums[key] = value
            elif kind == REPORTED:
                reported = _reported.decode(value)
                self._reported[reported.finding.uid] = reported
            elif kind == SENT:
                sent = _sent.decode(value)
                self._sent[command_id(sent.credential_id, escalated=sent.escalated)] = sent
            elif kind == META:
                self._stored = True
                meta = _meta.decode(value)
                self._timer, self._exposure = meta.timer, meta.exposure or NO_EXPOSURE
                self._joins = meta.joins or JoinCounts()
        if sums:
            self._sums = self._sums.union(sums)
        for value in sums.values():
            self.aggregate.restore_sums(value)
        self.counted = self.totals
        if self._stored:  # it sent all of this before it was stored
            self.aggregate.judge(BEGINNING, [])
            self.aggregate.resume(self._timer)
            self.aggregate.sends.clear()
            self.aggregate.dropped.clear()

    def _renamed(self, key: bytes, fact: Fact) -> bytes:
        """The key of a stored fact. An earlier version wrote fewer fields of it, and so under another key."""
        value = encode(fact)
        found = fact_key(value)
        if found != key:
            self._staged += [(key, None), (found, value)]
        return found

    def take(self, fact: Fact, value: bytes, watermark: int) -> None:
        """Takes a fact, given with its encoding. A second copy changes nothing."""
        if type(fact) is Handover:
            self._inherit(fact)
            return
        if type(fact) is FindingDeleted:
            self._report_again(fact.uid)
            return
        key = fact_key(value)
        if key in self._facts:
            return
        if self.aggregate.take(fact, watermark):
            self._facts[key] = None
            self._staged.append((key, value))
        if self.aggregate.dropped:  # at once: the same fact may be the next one, and count again
            self._drop(self._staged)

    def _drop(self, changes: list[Change]) -> None:
        for fact in self.aggregate.dropped:
            key = fact_key(encode(fact))
            if key in self._facts:
                del self._facts[key]
                changes.append((key, None))
        self.aggregate.dropped.clear()

    def conclude(self, watermark: int) -> tuple[list[Finding], list[Command]]:
        """Concludes what holds, with the facts taken so far.

        Returns the findings that may have changed, and new commands. `judgement` says what of it is new.
        """
        judgement, self._staged = Judgement(self._staged), []
        verdicts = self.aggregate.judge(watermark, list(self._sent.values()))
        if self._reported or self._sent:
            self._hand_over(judgement, watermark)
        changed = [
            (finding.first_seen, uid, finding)
            for uid, finding in verdicts.findings.items()
            if uid not in self._reported or not self._is_latest(uid, finding)
        ]
        if len(changed) > 1:
            changed.sort(key=_BY_TIME)
        findings = [finding for *_, finding in changed]
        self._concluded = _Concluded(judgement, verdicts, findings)
        return findings, verdicts.commands

    def _is_latest(self, uid: str, finding: Finding) -> bool:
        known = self._latest.get(uid)
        if known is not finding:
            if known != finding:
                return False
            self._latest[uid] = finding  # the next time it is the same object, which takes no comparison
        return True

    def judge(self, watermark: int, digest: FindingDigest = finding_digest) -> Judgement:
        """Judges it, with the facts taken so far. `digest` is as for `judgement`."""
        self.conclude(watermark)
        return self.judgement(watermark, digest)

    def judgement(
        self, watermark: int, digest: FindingDigest = finding_digest, now: int = BEGINNING
    ) -> Judgement:
        """What changes by what was concluded at this watermark.

        A finding counts as changed if its `digest` has changed, so a caller decides what its outputs tell apart.
        Commands are sent at the watermark, or `now` (ns) if that is later: nobody can carry them out before.

        Raises:
            RuntimeError: nothing was concluded since the last judgement.
        """
        if self._concluded is None:
            raise RuntimeError("nothing was concluded since the last judgement")
        judgement, verdicts, changed = self._concluded
        self._concluded = None  # it would keep much alive
        self._report(verdicts, changed, watermark, judgement, digest)
        judgement.deleted = verdicts.deleted
        for command in verdicts.commands:
            judgement.commands.append(command)
            sent = SentCommand.of(command, max(watermark, now))
            self._sent[command.id] = sent
            judgement.changes.append((uid_key(SENT, command.id), msgspec.json.encode(sent)))
        if len(self._facts) >= self._compact_at:
            self._compact(watermark - self._lateness, judgement)
        if self.aggregate.dropped:
            self._drop(judgement.changes)
        if self.aggregate.expired:
            judgement.expired, self.aggregate.expired = self.aggregate.expired, Counter()
        if verdicts.disposable_at is not None and verdicts.disposable_at <= watermark:
            self._end(judgement, watermark)
        elif not self._stored or verdicts.standing != (self._timer, self._exposure, self._joins):
            self._stored = True
            self._timer, self._exposure, self._joins = verdicts.standing
            meta = Meta(self.key, self._timer, self._exposure or None, self._joins or None)
            judgement.changes.append((META, msgspec.json.encode(meta)))
        if self.aggregate.sends:
            judgement.sends += self.aggregate.sends
            self.aggregate.sends.clear()
        judgement.timer = self._timer
        return judgement

    def _report(
        self,
        verdicts: Verdicts,
        changed: Iterable[Finding],
        watermark: int,
        judgement: Judgement,
        digest: FindingDigest,
    ) -> None:
        for finding in changed:
            uid = finding.uid
            before = self._reported.get(uid)
            self._latest[uid] = finding
            found = digest(finding)
            if before is not None and before.digest == found:
                continue
            if before is None:
                judgement.findings.append(FindingChange("created", finding))
                self._tell_opened(uid, finding.last_seen)
            else:
                judgement.findings.append(FindingChange("updated", finding, _raised(before.finding, finding)))
            primary = finding
            if len(finding.evidences) > 1:
                primary = msgspec.structs.replace(finding, evidences=(finding.primary_evidence,))
            self._keep_reported(uid, ReportedFinding(found, primary), judgement.changes)
        for uid in [uid for uid in self._reported if uid not in verdicts.findings]:
            before = self._forget_reported(uid, judgement)
            self._tell_over(uid, watermark, BEGINNING)
            judgement.findings.append(FindingChange("closed", before.finding))

    def _keep_reported(self, uid: str, reported: ReportedFinding, changes: list[Change]) -> None:
        self._reported[uid] = reported
        changes.append((uid_key(REPORTED, uid), msgspec.json.encode(reported)))

    def _forget_reported(self, uid: str, judgement: Judgement) -> ReportedFinding:
        self._latest.pop(uid, None)
        judgement.changes.append((uid_key(REPORTED, uid), None))
        return self._reported.pop(uid)

    def _inherit(self, handover: Handover) -> None:
        """Takes over what another task reported about a credential of this one: it stands until this one reports."""
        for reported in handover.reported:
            uid = reported.finding.uid
            self._latest.pop(uid, None)
            self._keep_reported(uid, reported, self._staged)
            self._tell_opened(uid, reported.finding.last_seen)
        for sent in handover.sent:
            uid = command_id(sent.credential_id, escalated=sent.escalated)
            if uid not in self._sent:
                self._sent[uid] = sent
                self._staged.append((uid_key(SENT, uid), msgspec.json.encode(sent)))

    def report_all_again(self) -> None:
        """Gives all findings that stand once more, as if they had changed: their topic lacks them."""
        for uid in tuple(self._reported):
            self._report_again(uid)

    def _report_again(self, uid: str) -> None:
        reported = self._reported.get(uid)
        if reported is not None:
            self._latest.pop(uid, None)
            self._reported[uid] = msgspec.structs.replace(reported, digest="")

    def _tell_opened(self, uid: str, last_seen: int) -> None:
        if self._finding_retention:
            self.aggregate.sends.append((finding_key(uid), FindingOpened(self.key, last_seen)))

    def _tell_over(self, uid: str, watermark: int, last_seen: int) -> None:
        if self._finding_retention:
            over = FindingOver(self.key, watermark + self._finding_retention, last_seen)
            self.aggregate.sends.append((finding_key(uid), over))

    def _hand_over(self, judgement: Judgement, watermark: int) -> None:
        """Passes on what it reported about credentials that turn out to be another task's, which is to correct it."""
        for credential_id, owner in self.aggregate.owned_elsewhere().items():
            reported = [
                each
                for each in self._reported.values()
                if each.finding.credential is not None and each.finding.key == credential_id
            ]
            sent = {uid: each for uid, each in self._sent.items() if each.credential_id == credential_id}
            if not reported and not sent:
                continue
            handovers = [*(Handover((each,)) for each in reported), Handover((), tuple(sent.values()))]
            judgement.sends += [(owner, handover) for handover in handovers]
            for each in reported:
                self._forget_reported(each.finding.uid, judgement)
                self._tell_over(each.finding.uid, watermark, BEGINNING)
            for uid in sent:
                del self._sent[uid]
                judgement.changes.append((uid_key(SENT, uid), None))

    def _compact(self, before: int, judgement: Judgement) -> None:
        """Keeps sums in place of facts from before a time, which nothing can change now."""
        sums = [
            (SUMS + hashlib.blake2b(name.encode(), digest_size=12).digest(), value)
            for name, value in self.aggregate.compact(before)
        ]
        self._sums = self._sums.union(key for key, _ in sums)
        judgement.changes += sums
        judgement.forgotten += [fact for fact in self.aggregate.dropped if isinstance(fact, CredentialIssued)]
        self._compact_at = len(self._facts) - len(self.aggregate.dropped) + self._compact_every

    def _end(self, judgement: Judgement, watermark: int) -> None:
        """Deletes all state, because nothing can follow. What was reported stands for a while."""
        for uid in sorted(self._reported):
            self._tell_over(uid, watermark, self._reported[uid].finding.last_seen)
        judgement.forgotten += self.aggregate.issues()
        if self._stored:
            gone = [*self._facts, *self._sums, *(uid_key(REPORTED, uid) for uid in self._reported)]
            gone += [uid_key(SENT, uid) for uid in self._sent]
            judgement.changes += [(key, None) for key in (*gone, META)]
        else:
            judgement.changes.clear()
        self._stored = False
        self._timer = None
        self._exposure, self._joins = NO_EXPOSURE, JoinCounts()
        self._facts.clear()
        self._sums = _NO_SUMS
        self._reported.clear()
        self._sent.clear()


def _raised(before: Finding, now: Finding) -> bool:
    """Whether a finding is more serious than it was when it was last reported."""
    return now.severity > before.severity or (now.accepted is None and before.accepted is not None)


@lru_cache(maxsize=1)  # one fact is for several aggregates in a row
def fact_key(value: bytes) -> bytes:
    """The key of a fact's entry in the state, from its encoding."""
    return FACT + hashlib.blake2b(value, digest_size=12).digest()


def uid_key(kind: bytes, uid: str) -> bytes:
    """The key of the entry of that kind about a finding or command."""
    return kind + bytes.fromhex(uid.replace("-", ""))
