"""Random histories replayed, some seeds at once, and held against what the contract gives.

`python -m tests.random_histories.replayed FIRST COUNT` does so with all seeds from FIRST on, and stops at a difference.
"""

import json
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from detector.judge.policy import Policy
from detector.values.times import MINUTE, format_rfc3339
from tests.command_line import curfewd
from tests.random_histories.configuration import START, Tables, configuration, write
from tests.random_histories.expected import Drawn, compared, drawn, expected, told
from tests.random_histories.record import FOLDER, Compared
from tests.random_histories.smaller import smaller
from tests.random_histories.written import files
from tests.service.whole.deployment import asked, summary

TOGETHER: Final = 25  # seeds of one replay
_UID: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN: Final = 4_000  # characters of files


class Replay(msgspec.Struct, frozen=True):
    """How a history is replayed. `layout` decides which file has what; `until` (ns) is None for the latest time."""

    tables: Tables
    layout: str
    parts: int
    jobs: int
    until: int | None

    def options(self, folder: Path) -> list[object]:
        """The arguments of `curfewd replay`, of what is in a folder."""
        until = () if self.until is None else ("--until", format_rfc3339(self.until))
        named = ("--config", folder / "curfewd.toml", "--out", folder / "out", "--jobs", self.jobs)
        return [*named, *until, folder / "in"]

    def differences(
        self, folder: Path, history: Drawn, policy: Policy | None = None
    ) -> tuple[Compared, list[str]]:
        """Writes the history into the folder, replays it, and compares: the counts, and what differs.

        The expected answer is that of a `policy`, by default what the configuration means.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        meant = write(folder, self.tables)[1]
        files(folder / "in", history.events, history.streams, random.Random(self.layout), self.parts)
        done = curfewd("replay", *self.options(folder))
        assert done.code == 0, done.err.decode()
        out = folder / "out"
        findings = [json.loads(line) for line in (out / "findings.jsonl").read_bytes().splitlines()]
        commands = [json.loads(line) for line in (out / "revocations.jsonl").read_bytes().splitlines()]
        totals = json.loads((out / "summary.json").read_bytes())
        assert totals["dead_letters"] == {}, (out / "dead-letters.jsonl").read_text()
        rows = summary({each["finding_info"]["uid"]: each for each in findings})
        now = self.until or time.time_ns()
        wanted = expected(history, policy or meant, self.until or history.latest, now)
        differences = wanted.differences(told(rows, asked(commands), totals["unresolved"]))
        return compared("replayed", history, wanted, differences), differences


def replay(folder: Path, first: int, count: int = TOGETHER) -> tuple[Compared, str]:
    """The histories of `count` seeds from `first` on, under one configuration.

    The second is empty, or says what differs.
    """
    rng = random.Random(f"replay {first}")
    tables = configuration(rng)
    (folder / "policy").mkdir()
    history = drawn(range(first, first + count), write(folder / "policy", tables)[1])
    until = rng.choice((None, START + rng.randrange(2, 8) * MINUTE, history.latest + 90 * MINUTE))
    how = Replay(tables, f"replay {first}", rng.randrange(1, 4), rng.choice((1, 1, 2)), until)
    counts, differences = how.differences(folder / "replayed", history)
    return counts.keep(), told_small(how, history) if differences else ""


def told_small(how: Replay, history: Drawn, policy: Policy | None = None) -> str:
    """The smallest part of a history in which something differs: what that is, the files, and how to replay them."""
    folder = FOLDER / f"seed-{history.worlds[0].seed}"
    about = _about(how.differences(folder, history, policy)[1])
    least = smaller(
        history, lambda fewer: not about.isdisjoint(_about(how.differences(folder, fewer, policy)[1]))
    )
    differences = how.differences(folder, least, policy)[1]
    said = [f"seeds {', '.join(str(world.seed) for world in least.worlds)}:", *differences]
    said.append("curfewd replay " + " ".join(str(each) for each in how.options(folder)))
    for path in (
        folder / "curfewd.toml",
        *sorted(path for path in (folder / "in").rglob("*") if path.is_file()),
    ):
        text = path.read_text("utf-8")
        if text:
            said += [f"--- {path.relative_to(folder)}", text[:_SHOWN]]
    return "\n".join(said)


def _about(differences: list[str]) -> set[str]:
    """The uids of the findings and commands that differ, or the first word of what else does."""
    return {uid for line in differences for uid in _UID.findall(line) or [line.split()[0]]}


def main(first: int, count: int) -> None:
    """Replays them."""
    for seed in range(first, first + count, TOGETHER):
        with tempfile.TemporaryDirectory() as folder:
            said = replay(Path(folder), seed)[1]
        if said:
            sys.exit(said)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
