"""Holds a sender to what it may speak for: its provider's records, and CloudEvents of the sources that it may name.

A record that is written is an event for whoever reads its topic. So it is read here as `curfewd run` reads it, and
refused if it tells of another source: who can send Azure DevOps' webhooks must not be able to end a job of GitHub's.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from detector.adapters.names import SOURCES
from detector.configuration.receive_settings import SenderType, SourceEntry
from detector.ingest.classify import CLOUDEVENTS, RecordClassifier
from detector.ingest.values import read_value
from detector.receive.delivery import Reading, Record, RefusalError
from detector.records.log_records import Read
from detector.values.globs import GlobSet

# By type of sender, the formats of its own records.
_OWN: Final[Mapping[SenderType, frozenset[str]]] = {
    "github": frozenset({"github"}),
    "gitlab": frozenset({"gitlab"}),
    "buildkite": frozenset({"buildkite"}),
    "circleci": frozenset({"circleci"}),
    "azure-devops": frozenset({"azure-devops"}),
    "cloudevents": frozenset({"cdevents", "tekton"}),
    "otlp": frozenset({"otlp"}),
    "kubernetes": frozenset({"kubernetes"}),
    "eventbridge": frozenset({"auth0", "awstasks", "buildkite", "cloudtrail", "okta"}),
    "pubsub": frozenset({"google", "kubernetes", "postgresql"}),
    "eventgrid": frozenset({"azure"}),
    "okta": frozenset({"okta"}),
    "auth0": frozenset({"auth0"}),
}
_OPEN: Final[frozenset[SenderType]] = frozenset({"cloudevents", "eventbridge", "pubsub", "eventgrid"})
"""Whoever sets these up chooses what they carry: sources of one's own too, and CloudEvents that `sources` names."""


class OwnEvents:
    """What one sender may tell, read by this classifier."""

    def __init__(self, entry: SourceEntry, classifier: RecordClassifier) -> None:
        self._type = entry.type
        self._classifier = classifier
        self._sources = GlobSet(entry.sources) if entry.sources else None
        self._anything = entry.type == "cloudevents" and not entry.sources

    def check(self, reading: Reading) -> Reading:
        """The same reading.

        Raises:
            RefusalError: a record tells of a source that is not its sender's.
        """
        if not self._anything and not all(map(self._is_own, reading.records)):
            raise RefusalError(403, "source", "this sender may not send events of that source")
        return reading

    def _is_own(self, record: Record) -> bool:
        return all(map(self._may_tell, self._reads(record)))

    def _reads(self, record: Record) -> Iterator[Read]:
        now, headers = time.time_ns(), dict(record.headers)
        if "ce_specversion" in headers:
            yield self._classifier.read_binary(headers, record.value, now)
        elif self._type != "otlp" or self._classifier.read_encoded(record.value, now) is None:
            reads = read_value(record.value, now, self._classifier)
            yield from (read for read in reads if isinstance(read, Read))

    def _may_tell(self, read: Read) -> bool:
        if read.format == CLOUDEVENTS and not read.events:
            return self._type in _OPEN  # of a type that tells curfewd nothing
        if read.format == CLOUDEVENTS:
            sources = self._sources
            return sources is not None and all(sources.matches(event.source) for event in read.events)
        if not read.events and not read.of_source:
            return True  # text
        return read.format in _OWN[self._type] or (self._type in _OPEN and read.format not in SOURCES)
