"""Replays sources: reads lifecycle events first, then uses and logs, so the order of files and lines does not matter.

1. All sources that may carry events are read, and those that do not are text (`detector.ingest.event_ranges`). A unit
   that has nothing but lifecycle events, such as one of a registry, is done.
2. The index of all registered credentials is built. The lifecycle events are masked with it and go to the history,
   which is then sealed. Processes that are forked for the scan are forked after that, and share the index.
3. Logs are scanned, unit by unit. Uses and leaks are placed in the order of the units, so they are the same for any
   number of processes and for any runner.
4. The history is judged: a small one in one ledger while it is read, a large one afterwards, in buckets by the runner.

`detector.replay.stages` names the stages.

The judging is `detector.judge.stage.judge_history`: the rules and the ledger of the service, with all tasks of a bucket
in one ledger. The service has a ledger for each task and keeps its state between events.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from detector.ingest.sources import Source
from detector.ingest.stored_sources import Sources
from detector.ingest.trust.policy import InputTrust
from detector.ingest.units import Unit, Units, bytes_of
from detector.judge.stable_fingerprints import with_stable_fingerprints
from detector.judge.terms import NEVER
from detector.outputs.dead_letter_spool import DeadLetterSpool
from detector.outputs.summary import Summary
from detector.replay.bucketed_history import BucketedHistory
from detector.replay.expiries import held_against_clock
from detector.replay.first_pass import FirstPass
from detector.replay.history import History, WholeHistory
from detector.replay.placing import Placing
from detector.replay.plan import Plan
from detector.replay.registered_identifiers import RegisteredIdentifiers
from detector.replay.stages import LIFECYCLE, SCAN, Work
from detector.scan.known_credentials import HMAC, never_found
from detector.scan.leaks import LeakFinder
from detector.stages.masking import EventMasker
from detector.terminal.progress import Meter
from detector.values.events import Lifecycle
from detector.values.findings import Command, Finding

_NO_KEY: Final = "there is no deployment key"
_TOGETHER: Final = 1 << 14  # events that are masked at once
WHOLE: Final = 256 * 1024 * 1024  # bytes of a history that is judged faster in one piece


class Result(msgspec.Struct, frozen=True):
    """What a replay found. `until` is the time judged up to (ns), 0 if nothing that was read has one."""

    findings: list[Finding]
    commands: list[Command]
    letters: DeadLetterSpool
    summary: Summary
    until: int


def replay(plan: Plan, meter: Meter) -> Result:
    """Reads everything, what has more than lifecycle in it twice, and judges it.

    Raises:
        UsageError: the runner cannot go on.
    """
    clock = _Clock()
    todo = plan.units()
    first = read_lifecycle(plan, todo, meter)
    clock.lap("lifecycle")
    registry = registered(plan, first.events)
    plan = msgspec.structs.replace(plan, warnings=(*plan.warnings, *registry.warnings))
    clock.lap("index")
    masker = EventMasker(registry.finder)
    history = _history(plan, todo)
    apply_lifecycle(first, masker, history)
    clock.lap("lifecycle")
    named = masked_names(plan.sources, masker)
    placing = Placing(msgspec.structs.replace(plan, sources=named), history, first, masker)
    work = scan_work(plan, named, registry, first, first.suspected())
    work = msgspec.structs.replace(work, buckets=history.buckets)
    meter.stage("logs", bytes_of(todo))
    results = plan.runner.run(SCAN, work, Units(unit for unit in todo if unit not in first.done))
    done = first.done.facts()
    for unit in todo:
        placing.take(unit, next(done) if unit in first.done else next(results)[1])
        meter.advance(unit.end - unit.start)
    placing.settle()
    clock.lap("logs")
    until = placing.latest if plan.until is None else plan.until
    concluded = history.conclude(until)
    findings = held_against_clock(concluded.findings, plan.policy, plan.clock)
    if not plan.keyed:
        findings = with_stable_fingerprints(findings)
    clock.lap("judging")
    summary = msgspec.structs.replace(
        placing.summary(findings, concluded),
        durations=clock.laps,
        keyed=plan.keyed,
        unfindable=registry.unfindable,
    )
    return Result(findings, concluded.commands, placing.letters, summary, until)


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name], self._last = self.laps.get(name, 0.0) + now - self._last, now


class Registry(msgspec.Struct, frozen=True):
    """The registered identifiers, each once, and what finds their secrets.

    `unfindable` counts those that no scan can find, by the reason, and `warnings` tells of them.
    """

    identifiers: RegisteredIdentifiers
    finder: LeakFinder
    unfindable: Counter[str]
    warnings: tuple[str, ...]


def registered(plan: Plan, events: Iterable[Lifecycle]) -> Registry:
    """The registry of these events."""
    identifiers = RegisteredIdentifiers(events)
    finder = plan.finder_of(identifiers)
    unfindable = Counter(why for each in identifiers if (why := never_found(each)) is not None)
    warnings = tuple(map(_unfindable, unfindable.items()))
    if not plan.keyed:  # there is a warning about that already
        unfindable[_NO_KEY] += sum(each.scheme == HMAC and never_found(each) is None for each in identifiers)
        unfindable = +unfindable
    return Registry(identifiers, finder, unfindable, warnings)


def masked_names(sources: Sequence[Source], masker: EventMasker) -> Sources:
    """The sources under names without secrets."""
    return (sources if isinstance(sources, Sources) else Sources(sources)).named(masker.paths)


def trust_of_sources(plan: Plan) -> tuple[InputTrust | None, ...]:
    """What holds each source. The path tells, and not the name that outputs have."""
    if not plan.trust:
        return (None,) * len(plan.sources)
    return tuple(plan.trust.of_path(source.name, source.path) for source in plan.sources)


def read_lifecycle(plan: Plan, todo: Sequence[Unit], meter: Meter) -> FirstPass:
    """The lifecycle of all units that may carry events.

    Raises:
        UsageError: the runner cannot go on.
    """
    first = FirstPass(plan.sources)
    wanted = Units(unit for unit in todo if first.wants(unit))
    meter.stage("events", bytes_of(wanted))
    work = Work(plan.sources, plan.now, None, plan.classifier, trust_of_sources(plan))
    for unit, found in plan.runner.run(LIFECYCLE, work, wanted):
        first.take(unit, found)
        meter.advance(unit.end - unit.start)
    first.settle()
    return first


def scan_work(
    plan: Plan,
    sources: Sequence[Source],
    registry: Registry,
    first: FirstPass,
    suspected: Collection[int] = frozenset(),
) -> Work:
    """What the units of a scan need: what was looked for first is known, and which sources are text."""
    return Work(
        sources,
        plan.now,
        registry.finder,
        plan.classifier,
        trust_of_sources(plan),
        plan.classifier.logs_only(),
        first.text,
        suspected,
        plan.policy.skew,
        registry.identifiers,
        plan.sources,
    )


def _unfindable(counted: tuple[str, int]) -> str:
    reason, count = counted
    return (
        f"{count:,} registered {'identifier' if count == 1 else 'identifiers'} that no scan can find: {reason}; "
        "a leak of the secret goes unseen. `curfewd fingerprint` prints identifiers that are found"
    )


def apply_lifecycle(first: FirstPass, masker: EventMasker, history: History) -> None:
    """Masks the events and first uses, and gives them to the history.

    They are let go meanwhile: there may be millions.
    """
    for some in first.events.drained(_TOGETHER):
        history.tell(masker.masked(some))
    for uses in first.first_uses.drained(_TOGETHER):
        history.locate(masker.masked(uses))
    history.seal()


def _history(plan: Plan, todo: Sequence[Unit]) -> History:
    sealed_until = NEVER if plan.until is None else plan.until
    if plan.runner.jobs > 1 and bytes_of(todo) > WHOLE:
        return BucketedHistory(plan.policy, sealed_until, plan.runner)
    return WholeHistory(plan.policy, sealed_until)
