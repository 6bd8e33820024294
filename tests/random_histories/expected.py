"""What the contract gives for drawn worlds, by the brute-force judge, and how the product's answer differs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from detector.judge.policy import Policy
from detector.values.events import CanonicalEvent, CredentialIssued, Leak, TaskStarted
from detector.values.times import MILLISECOND, parse_rfc3339
from tests.judge.brute_force import judge
from tests.judge.brute_history import command_id, finding_uid
from tests.random_histories.events import World
from tests.random_histories.lines import LogStream, print_secrets
from tests.random_histories.record import Compared

Row = tuple[Any, ...]
_NEW, _SUPPRESSED, _RESOLVED = 1, 3, 4


class Told(msgspec.Struct, frozen=True):
    """The history that one seed draws, and the leaks that were put into its lines."""

    seed: int
    events: list[CanonicalEvent]
    streams: list[LogStream]
    leaks: list[Leak]


class Drawn(msgspec.Struct, frozen=True):
    """The histories of some seeds, which have no name in common."""

    worlds: list[Told]

    @property
    def events(self) -> list[CanonicalEvent]:
        """Those of all."""
        return [event for world in self.worlds for event in world.events]

    @property
    def streams(self) -> list[LogStream]:
        """Those of all."""
        return [stream for world in self.worlds for stream in world.streams]

    @property
    def latest(self) -> int:
        """The latest time (ns) of an event or a line; 0 without any."""
        times = [line.time for stream in self.streams for line in stream.lines]
        return max([0, *times, *(event.time for event in self.events)])


def drawn(seeds: Iterable[int], policy: Policy) -> Drawn:
    """The histories of seeds, under a policy by whose durations times are drawn."""
    worlds = []
    for seed in seeds:
        world = World(seed, policy)
        streams, leaks = print_secrets(world)
        worlds.append(Told(seed, world.events, streams, leaks))
    return Drawn(worlds)


class Answer(msgspec.Struct):
    """Findings and commands as rows, and the events about no known credential by source.

    `names` has what findings are called, by uid: the rule, and the credential, task or fingerprint.
    """

    findings: set[Row]
    commands: set[Row]
    unresolved: dict[str, int]
    names: dict[str, str] = {}

    def differences(self, other: "Answer") -> list[str]:
        """What only one of both says; no difference, no line."""
        found = []
        for name in ("findings", "commands"):
            mine, others = getattr(self, name), getattr(other, name)
            for told, rows in (("expected", mine - others), ("told", others - mine)):
                found += [f"only {told}: {self.names.get(row[1], '')} {row}" for row in sorted(rows, key=str)]
        if self.unresolved != other.unresolved:
            found.append(f"unresolved: expected {self.unresolved}, told {other.unresolved}")
        return found


def expected(history: Drawn, policy: Policy, until: int, clock: int = 0) -> Answer:
    """What the contract gives, rules of a later time judged up to `until` (ns). `clock` is as `judge` has it."""
    answer, unresolved = Answer(set(), set(), {}, {}), Counter[str]()
    for world in history.worlds:
        judgement = judge([*world.events, *world.leaks], policy, until, clock)
        unresolved += judgement.unresolved
        for (rule, key), verdict in judgement.findings.items():
            uid = finding_uid(rule, key)
            status = _SUPPRESSED if verdict.accepted else _RESOLVED if verdict.resolved else _NEW
            first, last = verdict.first // MILLISECOND, verdict.last // MILLISECOND
            answer.names[uid] = f"seed {world.seed}, {key}:"
            answer.findings.add((rule, uid, verdict.pieces, first, last, int(verdict.severity), status))
        for (credential, escalated), request in judgement.commands.items():
            uid = command_id(credential, escalated=escalated)
            answer.commands.add((uid, credential, request.time, request.reasons, escalated))
    return msgspec.structs.replace(answer, unresolved=dict(unresolved))


def told(summary: Sequence[Row], asked: Sequence[Row], unresolved: Mapping[str, int]) -> Answer:
    """What a replay or the service said."""
    commands = {
        (uid, credential, parse_rfc3339(time), reasons, escalated)
        for uid, credential, time, reasons, escalated in asked
    }
    return Answer(set(summary), commands, dict(unresolved))


def compared(
    how: str, history: Drawn, wanted: Answer, differences: Sequence[str], kills: int = 0
) -> Compared:
    """The counts of what was compared."""
    events = history.events
    return Compared(
        how,
        history.worlds[0].seed,
        len(history.worlds),
        len(events),
        sum(len(stream.lines) for stream in history.streams),
        len({event.task_id for event in events if isinstance(event, TaskStarted)}),
        len({event.credential_id for event in events if isinstance(event, CredentialIssued)}),
        len(wanted.findings),
        len(wanted.commands),
        kills,
        len(differences),
    )
