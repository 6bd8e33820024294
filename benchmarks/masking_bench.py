"""What it costs to mask the texts of an event: a replay of events, and the masking of the same events alone.

Both take turns, run by run, so that a noisy machine disturbs them alike; CPU time, best of all runs. The share is what
a replay would save without masking.
"""

import json
import random
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import compare, tables
from detector.ingest.event_ranges import read_events
from detector.ingest.inputs import find_sources
from detector.ingest.sources import Source
from detector.judge.policy import Policy
from detector.registry.finders import Finders
from detector.replay.plan import Plan
from detector.replay.replay import replay
from detector.scan.known_credentials import KeyRing
from detector.scan.leaks import LeakFinder
from detector.stages.masking import EventMasker
from detector.terminal.progress import meter
from detector.values.events import CanonicalEvent, CredentialIssued, Identifier
from detector.values.secrets import DeploymentKey, Secret
from tests.bundled import bundled_scanner

_KEY: Final = DeploymentKey.of(b"benchmark key of thirty-two bytes")
_TASKS: Final = 50_000
_USES: Final = 4  # of each credential
_RUNS: Final = 5
_TOKEN: Final = "glpat-" + "Xk93mQzR7tVbN2wLpY5s"  # made up


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of CPU for an event: of the whole replay, and of the masking in it."""

    events: str
    count: int
    replayed: float
    masked: float

    @property
    def share(self) -> float:
        """The share of the replay that masking takes."""
        return self.masked / self.replayed


def _event(rng: random.Random, of: str, **data: Any) -> str:
    envelope = {"specversion": "1.0", "source": "https://ci.example/acme", "id": _name(rng), "type": of}
    return json.dumps({**envelope, "time": "2026-05-31T00:00:00Z", "data": data})


def _name(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128)))


def lifecycles(tasks: int, uses: int, *, secrets: bool) -> Iterator[str]:
    """Tasks with one credential each, and its uses. With `secrets` every use shows one in its resource."""
    rng = random.Random(1)
    for number in range(tasks):
        task, credential = _name(rng), _name(rng)
        yield _event(
            rng,
            "task.started",
            task_id=task,
            kind="ci-job",
            owner=f"user-{number % 300}",
            workload="web/build",
        )
        identifiers = [
            {"scheme": each.scheme, "value": each.value, "length": each.length, "check": each.check}
            for each in KeyRing((_KEY,)).identifiers(Secret(_name(rng).encode()))
        ]
        yield _event(
            rng,
            "credential.issued",
            credential_id=credential,
            task_id=task,
            identifiers=identifiers,
            kind="token",
            expires_at="2026-05-31T02:00:00Z",
            grants=[{"actions": ["read", "list"], "resources": [f"secret/data/{number % 700}/*"]}],
            revocation={"accessor": _name(rng)},
        )
        for _ in range(uses):
            yield _event(
                rng,
                "credential.used",
                credential_id=credential,
                task_id=task,
                action="read",
                resource=f"secret/data/{number % 700}/{f'x?private_token={_TOKEN}' if secrets else 'database'}",
                source_ip=f"10.0.{number % 256}.{rng.randrange(256)}",
                user_agent="vault-agent/1.17 (linux; amd64)",
            )
        yield _event(rng, "task.ended", task_id=task, outcome="succeeded")


@contextmanager
def _file(lines: Iterator[str]) -> Iterator[Source]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines))
        (source,), _ = find_sources([str(path)])
        yield source


def _replayed(source: Source, now: int) -> float:
    finders = Finders(bundled_scanner(), (_KEY,))

    def finder_of(identifiers: Iterable[Identifier]) -> LeakFinder:
        finders.renew(identifiers)
        return finders.finder

    plan = Plan(sources=[source], policy=Policy(), finder_of=finder_of, keyed=True, now=now)
    begun = time.process_time()
    with meter() as bars:
        replay(plan, bars)
    return time.process_time() - begun


def _masked(events: Sequence[CanonicalEvent]) -> float:
    finders = Finders(bundled_scanner(), (_KEY,))
    issues = (event for event in events if isinstance(event, CredentialIssued))
    finders.renew(identifier for issue in issues for identifier in issue.identifiers)
    begun = time.process_time()
    EventMasker(finders.finder).masked(events)
    return time.process_time() - begun


def measure(name: str, lines: Iterator[str], runs: int = _RUNS) -> Cost:
    """Both in turn, run by run, after one run that compiles what is compiled."""
    now = time.time_ns()
    with _file(lines) as source:
        events = list(read_events(source, 0, source.size, now))
        times = [(_replayed(source, now), _masked(events)) for _ in range(runs + 1)][1:]
    whole, part = (min(column) / len(events) * 1e6 for column in zip(*times, strict=True))
    return Cost(name, len(events), whole, part)


def report(costs: Sequence[Cost], machine: compare.Machine) -> str:
    """The table."""
    head = ["events", "number", "replay: µs an event", "masking: µs an event", "share"]
    rows = [
        [one.events, f"{one.count:,}", f"{one.replayed:.1f}", f"{one.masked:.2f}", f"{one.share:.0%}"]
        for one in costs
    ]
    about = "Replay and masking take turns. Both are CPU time of one core, best of all runs."
    return "\n".join(
        (
            "# What masking the texts of events costs\n",
            tables.about(machine),
            f"\n{about}\n",
            tables.table(head, rows),
            "",
        )
    )


def main() -> None:
    """Measures events of tasks and credentials, with uses beside them, and with a secret in every use."""
    costs = [
        measure("starts, issues, ends", lifecycles(_TASKS, 0, secrets=False)),
        measure("the same with uses", lifecycles(_TASKS // 2, _USES, secrets=False)),
        measure("a secret in every use", lifecycles(_TASKS // 2, _USES, secrets=True)),
    ]
    text = report(costs, compare.machine())
    print(text)
    tables.save(compare.RESULTS, "masking", text, costs)
