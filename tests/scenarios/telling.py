"""Tells a story two ways, from files as `curfewd replay` reads them and from Kafka records as the service does.

A story is a folder of small files in the formats their sources write. Both ways must come to the same findings and
commands; `told` says so and gives them in a form that reads well in an assertion.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.declarations import Declarations
from detector.ingest.event_ranges import read_events
from detector.ingest.inputs import find_sources
from detector.ingest.kafka import RecordAssembler, batch_of
from detector.ingest.kafka_records import Contents
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.replay.plan import Plan
from detector.replay.replay import Result, replay
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.terminal.progress import NoMeter
from detector.values.events import CanonicalEvent, CredentialIssued, Identifier
from detector.values.findings import LEAKED_SECRET, Command, Finding
from detector.values.secrets import DeploymentKey
from detector.values.times import format_rfc3339, parse_rfc3339
from tests.bundled import bundled_scanner
from tests.fake_records import FakeRecord

CLOUDS = Path(__file__).parents[2] / "examples" / "clouds"
STORIES = {
    path.name: path
    for parent in (Path(__file__).parent / "stories", CLOUDS)
    for path in sorted(parent.iterdir())
}
KEY = DeploymentKey.of(bytes.fromhex("00112233445566778899aabbccddeeff"))
NOW = parse_rfc3339("2026-06-01T00:00:00Z")


class ReportedFinding(msgspec.Struct, frozen=True):
    """What came of a story.

    `findings` are (rule, credential or task or pattern, pieces of evidence, severity) in their order, `commands`
    (credential, escalated, reasons), `dead` (reason, field) of what could not be read, `unresolved` events that name
    no known credential by source. `result` has it all.
    """

    findings: tuple[tuple[str, str, int, str], ...]
    commands: tuple[tuple[str, bool, tuple[str, ...]], ...]
    dead: tuple[tuple[str, str | None], ...]
    unresolved: dict[str, int]
    events: tuple[CanonicalEvent, ...]
    result: Result

    def events_of(self, kind: type[Any]) -> list[Any]:
        """The events of one type, as they were read."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def rules(self) -> set[str]:
        """The rules that found something."""
        return {finding[0] for finding in self.findings}

    def finding(self, rule: str, key: str | None = None) -> Finding:
        """The one finding of a rule, about one credential where there are more."""
        (found,) = (
            finding for finding in self.result.findings if finding.rule == rule and key in (None, finding.key)
        )
        return found


def _finder_of(identifiers: Iterable[Identifier]) -> LeakFinder:
    return LeakFinder(bundled_scanner(), KnownIndex(identifiers, [KEY]), [KEY])


def story(name: str) -> dict[str, bytes]:
    """The files of a story, by their paths in its folder, without its configuration."""
    folder = STORIES[name]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".toml"
    }


def told(  # noqa: PLR0913 - a story has many circumstances, all but two named
    folder: Path,
    files: Mapping[str, bytes | str],
    *,
    until: str | None = None,
    policy: Policy = Policy(),  # noqa: B008 - frozen
    classifier: RecordClassifier = BUNDLED,
    declared: bool = False,
) -> ReportedFinding:
    """What comes of the files, put below `folder`; `until` (RFC 3339) is the time judged up to.

    `declared`: they are declared to carry events, as with `--events`.

    Fails if the same files, each line (or file, where it is one document) a Kafka record, come to anything else.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    declarations = Declarations([str(folder)] if declared else [])
    sources, letters = find_sources([str(folder)], classifier=classifier, declarations=declarations)
    at = None if until is None else parse_rfc3339(until)
    plan = Plan(
        sources, policy, _finder_of, keyed=True, now=NOW, until=at, letters=letters, classifier=classifier
    )
    result = replay(plan, NoMeter())
    events = tuple(
        event for source in sources for event in read_events(source, 0, source.size, NOW, classifier)
    )
    live = _lived([(source.format, b"".join(source.chunks())) for source in sources], at, policy, classifier)
    found = _findings(result.findings), _commands(result.commands)
    assert found == live, "told from files and from records, the story came out differently"
    return ReportedFinding(
        *found,
        tuple((letter.reason, letter.field) for letter in result.letters),
        dict(result.summary.unresolved),
        events,
        result,
    )


def _lived(
    sources: Sequence[tuple[str, bytes]], until: int | None, policy: Policy, classifier: RecordClassifier
) -> tuple[Any, Any]:
    """The story as the service would read it: each source a topic, all of it in one poll."""
    ledger, contents = Ledger(policy), []
    for number, (format_name, data) in enumerate(sources):
        values = [data] if format_name == "document" else data.splitlines()
        records = [FakeRecord(value, offset, topic=f"topic-{number}") for offset, value in enumerate(values)]
        hold, into = RecordAssembler(classifier), Contents()
        segments = [*hold.read(records, NOW, into), *hold.flush()]
        contents.append((f"topic-{number}", into, segments))
    events = [event for _, into, _ in contents for _, event in into.events]
    for event in events:
        ledger.apply(event)
    issued = [event for event in events if isinstance(event, CredentialIssued)]
    finder = _finder_of([identifier for event in issued for identifier in event.identifiers])
    for topic, _, segments in contents:
        for leak in finder.find(batch_of(topic, 0, segments)) if segments else ():
            ledger.apply(leak)
    latest = max((into.latest for _, into, _ in contents if into.latest is not None), default=0)
    at = latest if until is None else until
    return _findings(ledger.findings(at)), _commands(ledger.commands(at))


def _findings(findings: Sequence[Finding]) -> tuple[tuple[str, str, int, str], ...]:
    return tuple(
        (one.rule, one.patterns[0] if one.rule == LEAKED_SECRET else one.key, one.count, one.severity.label)
        for one in findings
    )


def _commands(commands: Sequence[Command]) -> tuple[tuple[str, bool, tuple[str, ...]], ...]:
    return tuple((one.credential.credential_id, one.escalated, one.reasons) for one in commands)


def shown(time: int | None) -> str | None:
    """A time in ns as RFC 3339."""
    return None if time is None else format_rfc3339(time)
