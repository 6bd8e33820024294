"""What masking costs: `curfewd redact` beside other filters, and the service with a redacted topic and without.

`python -m benchmarks redact [--size MB] [--records N] [--known N] [--runs N]`. The text is the corpus of the
scanner's benchmark in one file. What a filter costs is the slope between a fiftieth of the text and all of it; what
is left of the first is its start: what is loaded at the first line counts as such. The others mask what their one
regex matches, or, line by line, what the regexes of all patterns on one line match: nothing encoded, nothing cut, no
check.
"""

import asyncio
import re  # to see which regexes a line can hold
import shlex
import statistics
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, live_peers, measure, peers, tables
from benchmarks.corpus import MB, Spec, generate
from benchmarks.live_bench import FilledTopics, Input, Options, Subject, alternating, row
from benchmarks.live_kafka import cluster
from benchmarks.live_rows import HEAD, Row
from benchmarks.replay_bench import curfewd
from detector.patterns.pattern import load_bundled

_SHORT: Final = 50  # of a text a fiftieth tells what a start costs
_SLOW: Final = 10  # of the text a tenth is enough for what is slow
_REDACTED: Final = '[kafka.redacted]\ntopics = ["logs"]\nretention = "1d"'
_SED: Final = "s/gh[pousr]_[0-9A-Za-z]{36}/***/g"
_PERL: Final = "open(F, shift); my @p = map { chomp; qr/$_/ } <F>; while (<STDIN>) { for my $p (@p) { s/$p/***/g } print }"


class Filter(msgspec.Struct, frozen=True):
    """A filter's medians: MB of input for each CPU-second and second of wall without its start, that in CPU-seconds."""

    name: str
    size: int
    per_cpu: float
    per_second: float
    start: float

    def cells(self) -> list[str]:
        """A line of the table."""
        return [
            self.name,
            f"{self.size / MB:,.0f}",
            f"{self.per_cpu:,.1f}",
            f"{self.per_second:,.1f}",
            f"{self.start:.2f}",
        ]


def _measured(name: str, command: list[str], text: Path, runs: int) -> Filter:
    def once(source: Path) -> measure.Run:
        line = f"exec {shlex.join(command)} < {shlex.quote(str(source))} > /dev/null"
        done = measure.run(["sh", "-c", line])
        if done.exit_code:
            raise RuntimeError(f"{name}: {done.output}")
        return done

    size, short, full = text.stat().st_size, [], []
    least = size // _SHORT
    head = text.with_name("head")
    head.write_bytes(text.read_bytes()[:least])
    for _ in range(runs):
        short.append(once(head))
        full.append(once(text))
    tick = 0.001
    first = statistics.median(run.cpu for run in short)
    per_cpu = (size - least) / max(statistics.median(run.cpu for run in full) - first, tick)
    walls = statistics.median(run.wall for run in full) - statistics.median(run.wall for run in short)
    return Filter(
        name, size, per_cpu / MB, (size - least) / MB / max(walls, tick), max(first - least / per_cpu, 0.0)
    )


def filters(size: float, runs: int, seed: int) -> list[Filter]:
    """Each on the same text, the slow one on its beginning."""
    clean, planted = (generate(Spec.of(size, seed, clean=each), peers.DATA).files() for each in (True, False))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = folder / "rules"
        one_line = [pattern.regex for pattern in load_bundled() if pattern.regex and not pattern.multiline]
        rules.write_text("".join(f"{regex}\n" for regex in one_line if not re.search(r"[\r\n]", regex)))
        for text, files in (("clean", clean), ("planted", planted), ("short", planted)):
            data = b"".join(path.read_bytes() for path in files)
            (folder / text).write_bytes(data if text != "short" else data[: len(data) // _SLOW])
        asked = (
            ("cat", ["cat"], "planted"),
            ("sed -E, one regex", ["sed", "-E", _SED], "planted"),
            ("perl, the regexes of all patterns on one line", ["perl", "-e", _PERL, str(rules)], "short"),
            ("curfewd redact", [curfewd(), "redact"], "planted"),
            ("curfewd redact, text without a secret", [curfewd(), "redact"], "clean"),
        )
        return [_measured(name, command, folder / text, runs) for name, command, text in asked]


async def topics(bench: FilledTopics, options: Options) -> list[Row]:
    """The service on one input, passing it on and not."""
    await bench.prepare({"logs": Input()})
    passing = bench.changed(_REDACTED)
    subjects = [
        Subject("curfewd run", "exactly once", "logs", lambda: bench.ours("logs")),
        Subject("curfewd run, with a redacted topic", "exactly once", "logs", lambda: passing.ours("logs")),
    ]
    made = await alternating(subjects, options.runs)
    return [row(each, bench.size(each.source), runs) for each, runs in made]


def main(options: Options, size: float) -> None:
    """Measures, prints and keeps the tables."""
    machine = compare.machine()
    found = filters(size, options.runs, options.seed)
    with peers.scratch() as folder, cluster(Path(folder)) as kafka:
        bench = FilledTopics(kafka.bootstrap, kafka.nodes[0].pid or 0, Path(folder), options)
        rows = asyncio.run(topics(bench, options))
    head = ["", "MB of text", "MB per CPU-s", "MB per s", "start, CPU-s"]
    text = "\n".join(
        [
            "# Logs passed on without their leaks\n",
            tables.about(machine),
            f"\nThe filter: medians of {options.runs} runs, seed {options.seed}, 10 secrets a MB.\n",
            tables.table(head, [each.cells() for each in found]),
            (
                f"\nThe service: Apache Kafka {live_peers.kafka_version()}, one broker on the same cores; {options.records:,} records, one in a "
                f"thousand shows a secret; {options.known:,} registered credentials; medians of {options.runs} runs in turn.\n"
            ),
            tables.table(HEAD, [each.cells() for each in rows]),
            "",
        ]
    )
    print(text)
    tables.save(
        compare.RESULTS,
        "redact",
        text,
        {"machine": machine, "options": options, "filters": found, "rows": rows},
    )
