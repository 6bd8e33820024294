"""What the patterns would do to a user's own log: how often each is seen and where, and what its checks refuse.

The production scanner, with all patterns, so that they compete and mask as they do in a replay.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from detector.ingest.units import units
from detector.replay.stages import Work, scan
from detector.scan.leaks import UNKNOWN_TIME
from detector.scan.scanner import PatternScanner
from detector.terminal.progress import Meter
from detector.values.events import Leak
from detector.values.findings import Confidence

EXAMPLES: Final = 3


class Example(msgspec.Struct, frozen=True):
    """One leak: the file as the user named it, its line where it has one, and the text around it, masked.

    `repeated` is one of a secret that an earlier leak of the pattern showed.
    """

    source: str
    line: int | None
    excerpt: str
    fingerprint: str
    allowed: bool
    repeated: bool


class PatternTrial(msgspec.Struct):
    """What one pattern saw; `secrets` by their fingerprints.

    `refused` counts, by check, candidates that were no secrets: each text about once.
    """

    matches: int = 0
    secrets: set[str] = set()
    allowed: int = 0
    examples: list[Example] = []
    refused: Mapping[str, int] = {}


class Tried(msgspec.Struct, frozen=True):
    """What all patterns saw, by their ids, in so many bytes and records; `dead` could not be read.

    `thresholds` says what each `[patterns] confidence` would report of what only its name gives away: matches and
    different secrets. `least` is the one in force.
    """

    patterns: Mapping[str, PatternTrial]
    size: int
    records: int
    dead: int
    thresholds: Mapping[Confidence, tuple[int, int]] = {}
    least: Confidence = Confidence.MEDIUM


def against(
    work: Work, scanner: PatternScanner, meter: Meter, least: Confidence = Confidence.MEDIUM
) -> Tried:
    """Scans the sources of `work`, whose finder is of this scanner and knows no credential.

    Its `now` (ns) is the time of records that have none before them. The scanner tells of every confidence; matches
    below `least` are in `thresholds` alone.
    """
    refused = scanner.count_refusals()
    found: dict[str, PatternTrial] = {pattern.id: PatternTrial() for pattern in scanner.patterns}
    lines: Counter[int] = Counter()
    matches: Counter[Confidence] = Counter()
    secrets: dict[Confidence, set[str]] = {each: set() for each in Confidence}
    size = records = dead = 0
    todo = list(units(work.sources))
    meter.stage("logs", sum(unit.end - unit.start for unit in todo))
    for unit in todo:
        read = scan(work, unit)
        for leak in read.leaks:
            for each in Confidence:
                if leak.confidence is not None and each <= leak.confidence:
                    matches[each] += 1
                    secrets[each].add(leak.fingerprint)
            if leak.pattern is not None and (leak.confidence is None or leak.confidence >= least):
                _add(found[leak.pattern], leak, lines[unit.source], work.now)
        lines[unit.source] += read.lines
        dead += len(read.dead_letters)
        records += sum(count for count, _ in read.counts.values())
        size += sum(amount for _, amount in read.counts.values())
        meter.advance(unit.end - unit.start)
    for (pattern, check), count in sorted(refused.items()):
        found[pattern].refused = {**found[pattern].refused, check: count}
    thresholds = {each: (matches[each], len(secrets[each])) for each in Confidence}
    return Tried(found, size, records, dead, thresholds, least)


def _add(seen: PatternTrial, leak: Leak, lines_before: int, now: int) -> None:
    seen.matches += 1
    timed = msgspec.structs.replace(leak, time=now) if leak.time == UNKNOWN_TIME else leak
    seen.allowed += timed.allowed
    repeated = leak.fingerprint in seen.secrets
    seen.secrets.add(leak.fingerprint)
    if leak.excerpt in [one.excerpt for one in seen.examples]:
        return
    if len(seen.examples) == EXAMPLES:
        spare = [one for one in seen.examples if one.repeated]
        if repeated or not spare:
            return
        seen.examples.remove(spare[-1])
    line = None if leak.line is None else leak.line + lines_before
    seen.examples.append(Example(leak.source, line, leak.excerpt, leak.fingerprint, timed.allowed, repeated))
