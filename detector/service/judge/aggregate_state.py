"""One aggregate in memory with what it told so far: takes payloads, gives what changed, as plain values."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from detector.judge.aggregates import Aggregate, SecretAggregate, TaskAggregate
from detector.judge.exposure import Exposure
from detector.judge.group_aggregate import GroupAggregate
from detector.judge.name_aggregate import NameAggregate
from detector.judge.policy import Policy
from detector.judge.routing import (
    CREDENTIAL,
    GROUP,
    IDENTIFIER,
    LEAKED,
    TASK,
    Handover,
    Payload,
    ReportedFinding,
    Routed,
    SentCommand,
    decode,
    encode,
    registry_key,
    task_key,
)
from detector.judge.watermark import BEGINNING
from detector.kafka.changelog import Change
from detector.service.judge.output_encoder import OutputEncoder
from detector.service.judge.store import META, Totals, digest_of, entry_key, meta_value
from detector.values.findings import Command, Finding, command_id

EVENT: Final = b"e"
TOLD: Final = b"p"
SENT: Final = b"c"
FOLDED: Final = b"f"
_told: Final = msgspec.json.Decoder(ReportedFinding)
_sent: Final = msgspec.json.Decoder(SentCommand)


class Meta(msgspec.Struct, frozen=True, array_like=True):
    """What leads from a timer back to an aggregate, and what the totals have of it."""

    key: str
    due: int | None
    exposure: Exposure | None = None


_meta: Final = msgspec.json.Decoder(Meta)


class Outcome(msgspec.Struct):
    """What an aggregate changes: its state, findings by uid, commands, payloads for others, issues to forget."""

    changes: list[Change]
    findings: list[tuple[str, bytes]]
    commands: list[tuple[Command, bytes]]
    sends: list[Routed]
    forgotten: list[bytes]
    told: list[tuple[Finding, bool]]  # for metrics: what was written, and whether it was closed


def aggregate_of(key: str, policy: Policy) -> Aggregate:
    """A new aggregate for a key.

    Raises:
        ValueError: no aggregate has such a key.
    """
    if key.startswith(TASK):
        return TaskAggregate(key.removeprefix(TASK), policy)
    if key.startswith(LEAKED):
        return SecretAggregate(key, policy)
    if key.startswith((CREDENTIAL, IDENTIFIER)):
        return NameAggregate(key, policy)
    if key.startswith(GROUP):
        return GroupAggregate(policy)
    raise ValueError("no aggregate has such a key")


def key_of(meta: bytes) -> str:
    """The aggregate's key, from the value of its `m`."""
    return _meta.decode(meta[12:]).key


class AggregateState:
    """An aggregate, what it keeps in the store, and what it told.

    When it keeps `many` payloads the old ones are folded, and again after so many more.
    """

    def __init__(self, key: str, policy: Policy, many: int) -> None:
        self.aggregate = aggregate_of(key, policy)
        self.key = key
        self.digest = digest_of(key)
        self.due: int | None = None
        self.counted = Totals()  # its part of the partition's totals
        self._exposure = Exposure()
        self._stored = False
        self._kept: set[bytes] = set()  # the keys of its payloads in the store
        self._told: dict[str, ReportedFinding] = {}
        self._sent: dict[str, SentCommand] = {}
        self._shown: dict[str, Finding] = {}  # as told, in full: most do not change
        self._staged: list[Change] = []
        self._folds: set[bytes] = set()  # the keys of what stands for payloads that are not kept any more
        self._many = self._fold_at = many
        self._lateness = policy.lateness

    @property
    def weight(self) -> int:
        """A measure of the memory it takes: how many things it keeps."""
        return 1 + len(self._kept) + 4 * len(self._told) + 8 * len(self._folds)

    @property
    def totals(self) -> Totals:
        """What it adds to the partition's totals as it stands."""
        waiting = self.aggregate.parked if isinstance(self.aggregate, NameAggregate) else 0
        return Totals(int(self._stored), waiting, self._exposure)

    def load(self, entries: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Takes what the store has of it."""
        folded: list[bytes] = []
        for key, kind, value in entries:
            if kind == EVENT:
                self._kept.add(key)
                self.aggregate.take(decode(value), BEGINNING)
            elif kind == FOLDED:
                self._folds.add(key)
                folded.append(value)
            elif kind == TOLD:
                told = _told.decode(value)
                self._told[told.finding.uid] = told
            elif kind == SENT:
                sent = _sent.decode(value)
                self._sent[command_id(sent.credential_id, escalated=sent.escalated)] = sent
            elif kind == META:
                self._stored = True
                meta = _meta.decode(value[12:])
                self.due, self._exposure = meta.due, meta.exposure or Exposure()
        for value in folded:
            self.aggregate.unfold(value)
        self._fold_at = len(self._kept) + self._many
        self.counted = self.totals
        if self._stored:  # what it would send, it has sent
            self.aggregate.judge(BEGINNING, [])
            self.aggregate.sends.clear()
            self.aggregate.dropped.clear()

    def take(self, payload: Payload, value: bytes, watermark: int) -> None:
        """A payload and how it was written; a second copy changes nothing."""
        if isinstance(payload, Handover):
            self._inherit(payload)
            return
        key = self._entry(value)
        if key in self._kept:
            return
        if self.aggregate.take(payload, watermark):
            self._kept.add(key)
            self._staged.append((key, value))

    def conclude(self, watermark: int, press: OutputEncoder) -> Outcome:
        """What holds now and was not told yet."""
        outcome = Outcome(self._staged, [], [], [], [], [])
        self._staged = []
        verdicts = self.aggregate.judge(watermark, list(self._sent.values()))
        self._hand_over(outcome)
        self._tell(verdicts.findings, outcome, press)
        for command in verdicts.commands:
            outcome.commands.append((command, press.command(command)))
            sent = SentCommand(command.credential.credential_id, command.escalated, command.time)
            self._sent[command.id] = sent
            outcome.changes.append((self._key(SENT, command.id), msgspec.json.encode(sent)))
        outcome.sends += self.aggregate.sends
        self.aggregate.sends.clear()
        if len(self._kept) >= self._fold_at:
            self._fold(watermark - self._lateness, outcome)
        for payload in self.aggregate.dropped:
            key = self._entry(encode(payload))
            if key in self._kept:
                self._kept.discard(key)
                outcome.changes.append((key, None))
        self.aggregate.dropped.clear()
        if verdicts.over is not None and verdicts.over <= watermark:
            self._end(outcome)
        elif not self._stored or (verdicts.due, verdicts.exposure) != (self.due, self._exposure):
            self._stored = True
            self.due, self._exposure = verdicts.due, verdicts.exposure
            meta = msgspec.json.encode(Meta(self.key, self.due, self._exposure or None))
            outcome.changes.append((entry_key(self.digest, META), meta_value(self.due, meta)))
        return outcome

    @property
    def told(self) -> Collection[str]:
        """The uids of the findings that were written and are not closed."""
        return self._told.keys()

    @property
    def sent(self) -> Collection[SentCommand]:
        """The commands that were sent."""
        return self._sent.values()

    @property
    def folded(self) -> bool:
        """Whether old events were added up and are not kept each by itself any more."""
        return bool(self._folds)

    @property
    def gone(self) -> bool:
        """Whether nothing is left of it in the store."""
        return not self._stored

    def _entry(self, value: bytes) -> bytes:
        return entry_key(self.digest, EVENT, hashlib.blake2b(value, digest_size=12).digest())

    def _key(self, kind: bytes, uid: str) -> bytes:
        return entry_key(self.digest, kind, bytes.fromhex(uid.replace("-", "")))

    def _tell(self, findings: dict[str, Finding], outcome: Outcome, press: OutputEncoder) -> None:
        for uid, finding in findings.items():
            if uid in self._told and self._shown.get(uid) == finding:
                continue
            self._shown[uid] = finding
            made = press.finding(finding, self._told.get(uid))
            if made is None:
                continue
            record, self._told[uid] = made
            outcome.findings.append((uid, record))
            outcome.told.append((finding, False))
            outcome.changes.append((self._key(TOLD, uid), msgspec.json.encode(self._told[uid])))
        for uid in [uid for uid in self._told if uid not in findings]:
            told = self._told.pop(uid)
            self._shown.pop(uid, None)
            outcome.findings.append((uid, press.closed(told)))
            outcome.told.append((told.finding, True))
            outcome.changes.append((self._key(TOLD, uid), None))

    def _inherit(self, handed: Handover) -> None:
        """Another wrote this about a credential that is ours: what it wrote last stands until we write."""
        for told in handed.told:
            uid = told.finding.uid
            self._told[uid] = told
            self._shown.pop(uid, None)
            self._staged.append((self._key(TOLD, uid), msgspec.json.encode(told)))
        for sent in handed.sent:
            uid = command_id(sent.credential_id, escalated=sent.escalated)
            if uid not in self._sent:
                self._sent[uid] = sent
                self._staged.append((self._key(SENT, uid), msgspec.json.encode(sent)))

    def _fold(self, before: int, outcome: Outcome) -> None:
        """What nothing can change any more is kept as sums: events older than the lateness."""
        for name, value in self.aggregate.fold(before):
            key = entry_key(self.digest, FOLDED, hashlib.blake2b(name.encode(), digest_size=12).digest())
            self._folds.add(key)
            outcome.changes.append((key, value))
        self._fold_at = len(self._kept) - len(self.aggregate.dropped) + self._many

    def _hand_over(self, outcome: Outcome) -> None:
        """What was written about credentials that turn out to be another's is theirs to correct."""
        others = self.aggregate.disowned() if self._told or self._sent else {}
        for credential_id, task_id in others.items():
            told = {
                uid: each
                for uid, each in self._told.items()
                if each.finding.credential is not None and each.finding.key == credential_id
            }
            sent = {uid: each for uid, each in self._sent.items() if each.credential_id == credential_id}
            if not told and not sent:
                continue
            handovers = [*(Handover((each,)) for each in told.values()), Handover((), tuple(sent.values()))]
            outcome.sends += [(task_key(task_id), handover) for handover in handovers]
            for uid in told:
                del self._told[uid]
                self._shown.pop(uid, None)
                outcome.changes.append((self._key(TOLD, uid), None))
            for uid in sent:
                del self._sent[uid]
                outcome.changes.append((self._key(SENT, uid), None))

    def _end(self, outcome: Outcome) -> None:
        """Nothing can follow any more: all that is kept goes; what was told stands."""
        outcome.forgotten += map(registry_key, self.aggregate.issues())
        if self._stored:
            gone = [*self._kept, *self._folds, *(self._key(TOLD, uid) for uid in self._told)]
            gone += [self._key(SENT, uid) for uid in self._sent]
            outcome.changes += [(key, None) for key in (*gone, entry_key(self.digest, META))]
        else:
            outcome.changes.clear()
        self._stored = False
        self._exposure = Exposure()
        self._kept.clear()
        self._folds.clear()
        self._told.clear()
        self._sent.clear()
