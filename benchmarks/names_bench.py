"""Secrets that only their name gives away: how many the scanner finds, and which look-alikes it reports.

Each case is a batch of its own, so that none helps or hides another. A secret counts as found if something on its
lines is reported, and as masked if no character of it is left. Peers read the same cases as files.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, measure, peers, replay_bench
from benchmarks.compare import RESULTS, Machine, Row, machine
from benchmarks.corpus import Corpus
from benchmarks.matching import Ratio
from benchmarks.names_corpus import LOOK_ALIKES, SECRETS, Case, cases, write
from benchmarks.names_words import MEMORABLE, Half
from benchmarks.tables import about, percent, save, table
from detector import __version__
from detector.configuration.settings import Settings
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner_loader import load_scanner
from detector.values.secrets import DeploymentKey

AIM: Final = 0.97
# Nobody tunes with another. A held-out half comes here after its run, when its misses are read.
LOOKED_AT: Final = frozenset({Half.DEV, Half.SECOND, Half.THIRD, Half.FIFTH, Half.SIXTH, Half.SEVENTH})
_GROUPS: Final = ("name_kind", "name", "value", "context")


class Options(msgspec.Struct, frozen=True):
    """What is asked for.

    `peers` are names of peers, with commas, or `all`. `show` prints what was missed, but only of `LOOKED_AT`.
    """

    half: Half
    seed: int = 7
    secrets: int = SECRETS
    look_alikes: int = LOOK_ALIKES
    show: bool = False
    peers: str = ""
    save: bool = False


class Judged(msgspec.Struct, frozen=True):
    """What the scanner made of one case: the ids of the patterns that reported something there."""

    case: Case
    found: bool
    masked: bool
    rules: tuple[str, ...]


class Outcome(msgspec.Struct):
    """The counts: found and masked of the secrets within the aim, by group; look-alikes reported, by kind."""

    found: Ratio
    masked: Ratio
    memorable: Ratio
    groups: dict[str, dict[str, Ratio]]
    look_alikes: dict[str, Ratio]
    by_rule: dict[str, int]

    @property
    def reported(self) -> Ratio:
        """Of all look-alikes."""
        return Ratio(
            *(sum(getattr(one, part) for one in self.look_alikes.values()) for part in ("found", "planted"))
        )


class Names(msgspec.Struct, frozen=True):
    """One run: curfewd's outcome, and the peers' rows."""

    machine: Machine
    half: str
    seed: int
    outcome: Outcome
    peers: list[Row]
    absent: dict[str, str]


def finder() -> LeakFinder:
    """The scanner with default settings, and no registered credential."""
    scanner, _ = load_scanner(Settings().patterns)
    key = DeploymentKey.of(bytes(range(32)))
    return LeakFinder(scanner, KnownIndex((), [key]), [key])


def judge(finder: LeakFinder, case: Case) -> Judged:
    """Scans one case."""
    text = case.text
    record = RecordAt(0, len(text), "case")
    look = finder.look(Batch("names", text, lambda _: record))
    start = len("\n".join((*case.before, "")).encode()) if case.before else 0
    end = start + len("\n".join(case.lines).encode())
    at = text.index(case.shown.encode(), start)
    left = set(range(at, at + len(case.shown.encode())))
    found = False
    for span in look.spans:
        found |= span.start < end and span.end > start
        left.difference_update(range(span.start, span.end))
    return Judged(
        case, found, found and not left, tuple(sorted({leak.pattern or "?" for leak in look.leaks}))
    )


def count(judged: Iterable[Judged]) -> Outcome:
    """Adds up. Memorable passwords are counted apart, and in no group."""
    made = Outcome(Ratio(), Ratio(), Ratio(), {group: {} for group in _GROUPS}, {}, {})
    rules: Counter[str] = Counter()
    for one in judged:
        case = one.case
        if case.secret is None:
            _add(made.look_alikes.setdefault(case.look_alike, Ratio()), hit=bool(one.rules))
            rules.update(one.rules)
        elif case.value == MEMORABLE:
            _add(made.memorable, hit=one.found)
        else:
            _add(made.found, hit=one.found)
            _add(made.masked, hit=one.masked)
            for group in _GROUPS:
                _add(made.groups[group].setdefault(getattr(case, group), Ratio()), hit=one.found)
    made.by_rule = dict(rules.most_common())
    return made


def _add(ratio: Ratio, *, hit: bool) -> None:
    ratio.planted += 1
    ratio.found += hit


def report(made: Names) -> str:
    """The tables."""
    one = made.outcome
    rows = [
        [
            "curfewd",
            __version__,
            percent(one.found),
            percent(one.masked),
            percent(one.memorable),
            str(one.reported.found),
        ]
    ]
    rows += [
        [row.scanner, row.version, percent(_found(row)), "–", percent(_memorable(row)), str(_reported(row))]
        for row in made.peers
    ]
    parts = [
        f"# Secrets that only their name gives away, {made.half} half\n",
        about(made.machine),
        f"\nSeed {made.seed}: {one.found.planted:,} secrets, {one.memorable.planted:,} memorable passwords, {one.reported.planted:,} look-alikes.\n",
        table(
            ["scanner", "version", "found", "masked whole", "memorable found", "look-alikes reported"], rows
        ),
        *(f"- {name} is not in the table: {reason}" for name, reason in made.absent.items()),
    ]
    for group, title in zip(_GROUPS, ("kind of name", "name", "kind of value", "context"), strict=True):
        parts += [f"\n## By {title}\n", _grouped(one.groups[group], title)]
    by_kind = [
        [kind, str(ratio.planted), str(ratio.found)]
        for kind, ratio in sorted(one.look_alikes.items(), key=lambda row: (-row[1].found, row[0]))
    ]
    parts += ["\n## Look-alikes\n", table(["kind", "planted", "reported"], by_kind)]
    if one.by_rule:
        parts += [
            "\n## Look-alikes by pattern\n",
            table(["pattern", "reported"], [[rule, str(n)] for rule, n in one.by_rule.items()]),
        ]
    return "\n".join(parts) + "\n"


def _grouped(group: dict[str, Ratio], title: str) -> str:
    rows = sorted(group.items(), key=lambda row: (row[1].share, row[0]))
    return table(
        [title, "planted", "found"], [[name, str(ratio.planted), percent(ratio)] for name, ratio in rows]
    )


def _found(row: Row) -> Ratio:
    kinds = (ratio for kind, ratio in row.score.by_encoding.items() if kind != MEMORABLE)
    made = Ratio()
    for ratio in kinds:
        made.found += ratio.found
        made.planted += ratio.planted
    return made


def _memorable(row: Row) -> Ratio:
    return row.score.by_encoding.get(MEMORABLE, Ratio())


def _reported(row: Row) -> int:
    return sum(number for kind, number in row.score.false_by_class.items() if kind != "ordinary text")


def _show(judged: list[Judged]) -> None:
    for one in judged:
        case = one.case
        if case.secret is None and one.rules:
            print(f"FALSE {case.look_alike} | {case.name} | {case.context} | {' '.join(one.rules)}")
        elif case.secret is not None and not one.masked and case.value != MEMORABLE:
            what = "PARTLY" if one.found else "MISSED"
            print(
                f"{what} {case.name_kind} | {case.name} | {case.value} | {case.context} | {' '.join(one.rules)}"
            )
        else:
            continue
        for line in case.lines:
            print(f"    {line[:300]}")


def run_peers(wanted: str, corpus: Corpus) -> tuple[list[Row], dict[str, str]]:
    """The peers that are asked for, on the cases as files.

    A peer reads the same files once: its row is kept beside them.
    """
    names = set(wanted.split(","))
    failed = peers.install()
    absent = dict(peers.ABSENT) | {name: f"could not be installed: {why}" for name, why in failed.items()}
    rows = []
    for peer in peers.PEERS:
        if peer.package in failed or not (names & {"all", peer.name}):
            continue
        try:
            rows.append(_once(msgspec.structs.replace(peer, slice_of=None), corpus))
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            absent[peer.name] = f"failed: {str(error)[:300]}"
    return rows, absent


def _once(peer: peers.Peer, corpus: Corpus) -> Row:
    kept = corpus.folder / f"row-{peer.name}.json"
    if kept.exists():
        row = msgspec.json.decode(kept.read_bytes(), type=Row)
        if row.version == peers.version_of(peer):
            return row
    print(f"running {peer.name} ...", flush=True)
    row = _slim(compare.run_peer(peer, corpus, measure.offline()))
    kept.write_bytes(msgspec.json.encode(row))
    return row


def _replay(corpus: Corpus) -> Row:
    with peers.scratch() as scratch:
        out = Path(scratch) / "out"
        done = replay_bench.replay([corpus.logs], out, corpus.spec.seed, measure.offline(), None)
        subject = compare.Subject("curfewd replay of the files", __version__)
        return compare.row(subject, corpus, done, 0.0, list(replay_bench.read_hits(corpus, out)))


def main(options: Options) -> None:
    """Measures; prints the tables, and writes `results/names-<half>.md` and `.json` if that or peers were asked for."""
    if options.show and options.half not in LOOKED_AT:
        raise SystemExit(
            "--show-misses: only of the halves that were looked at; nobody is to tune with another"
        )
    made = cases(options.half, options.seed, options.secrets, options.look_alikes)
    scan = finder()
    judged = [judge(scan, case) for case in made]
    rows: list[Row] = []
    absent: dict[str, str] = {}
    if options.peers:
        corpus = write(options.half, options.seed, made, peers.DATA)
        others, absent = run_peers(options.peers, corpus)
        rows = [_slim(_replay(corpus)), *others]
    names = Names(machine(), options.half.value, options.seed, count(judged), rows, absent)
    text = report(names)
    if options.show:
        _show(judged)
    print(text)
    if options.peers or options.save:
        save(RESULTS, f"names-{options.half.value}", text, names)


def _slim(row: Row) -> Row:
    return msgspec.structs.replace(row, score=msgspec.structs.replace(row.score, missed=[], false_hits=[]))
