"""The values of all series of one process, in a registry of its own, and the page that Prometheus scrapes."""

import platform
import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from detector import __version__
from detector.service.http.server import Answer, Request
from detector.service.observability import series
from detector.service.observability.series import Series
from detector.values.wording import Clean

PAGE_SECONDS: Final = 0.5  # the page is made at most this often, however often it is asked for
MOST_VALUES: Final = 100  # of a label that comes from outside; the rest are `other`
_LONGEST: Final = 100  # characters of such a value
OTHER: Final = "other"
OPENMETRICS: Final = "application/openmetrics-text"  # what such a client accepts


class _Registry(CollectorRegistry):
    """A registry that has some gauges set whenever somebody reads it, and not at each change."""

    def __init__(self) -> None:
        super().__init__()
        self.before_reading: list[Callable[[], None]] = []

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        for set_gauges in self.before_reading:
            set_gauges()
        yield from super().collect()


class Metrics:
    """All series of `detector.service.observability.series`.

    `clean` masks secrets in labels that come from outside; the service sets it once the patterns are loaded.
    """

    def __init__(self, clean: Clean = str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types. Nobody asks when a counter was made
        self.clean = clean
        self.registry = _Registry()
        self._series = series.make(self.registry)
        self._values: dict[str, dict[str, str]] = {}  # by label: what each value is shown as
        info = self._series[series.BUILD.name]
        assert isinstance(info, Info)  # noqa: S101 - the table says so
        info.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=self.registry)

    def page(self, accept: str) -> Answer:
        """`/metrics`, in OpenMetrics' format for those who ask for it."""
        return answer_of(self.registry, accept)

    def add(self, of: Series, *labels: str, amount: float = 1, uid: str | None = None) -> None:
        """Adds to a counter; `uid` becomes its exemplar."""
        counter = self._series[of.name]
        assert isinstance(counter, Counter)  # noqa: S101 - the table says so
        exemplar = None if uid is None else {"finding_uid": uid}
        (counter.labels(*labels) if labels else counter).inc(amount, exemplar)

    def set(self, of: Series, value: float, *labels: str) -> None:
        """Sets a gauge."""
        gauge = self._series[of.name]
        assert isinstance(gauge, Gauge)  # noqa: S101 - the table says so
        (gauge.labels(*labels) if labels else gauge).set(value)

    def set_function(self, of: Series, value: Callable[[], float]) -> None:
        """Sets a gauge that is computed whenever somebody scrapes."""
        gauge = self._series[of.name]
        assert isinstance(gauge, Gauge)  # noqa: S101 - the table says so
        gauge.set_function(value)

    def before_reading(self, set_gauges: Callable[[], None]) -> None:
        """Has gauges set whenever somebody scrapes, from whichever thread."""
        self.registry.before_reading.append(set_gauges)

    def time(self, of: Series, seconds: float, *labels: str, uid: str | None = None) -> None:
        """Adds to a histogram; `uid` becomes the exemplar of its bucket."""
        histogram = self._series[of.name]
        assert isinstance(histogram, Histogram)  # noqa: S101 - the table says so
        exemplar = None if uid is None else {"finding_uid": uid}
        (histogram.labels(*labels) if labels else histogram).observe(seconds, exemplar)

    def clear(self, of: Series) -> None:
        """Removes the label sets of a gauge, before it is set again."""
        self._series[of.name].clear()

    def bounded(self, label: str, value: str) -> str:
        """A label's value that comes from outside; `other` once there are too many of them."""
        values = self._values.setdefault(label, {})
        key = value if len(value) <= _LONGEST else f"{hash(value)}"  # the value may be long
        shown = values.get(key)
        if shown is None:
            if len(values) >= MOST_VALUES:
                return OTHER
            shown = values[key] = self.clean(value)[:_LONGEST]
        return shown


class MetricsPage:
    """`/metrics` on the port: whoever asks again and again does not keep the service from its work."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._made: dict[bool, tuple[float, Answer]] = {}

    def page(self, request: Request) -> Answer:
        """The page as it is, or was half a second ago."""
        accept, now = request.headers.get("accept", ""), self._clock()
        made = self._made.get(is_openmetrics(accept))
        if made is None or now - made[0] >= PAGE_SECONDS:
            made = self._made[is_openmetrics(accept)] = now, self._metrics.page(accept)
        return made[1]


def answer_of(registry: CollectorRegistry, accept: str) -> Answer:
    """What a registry holds, in OpenMetrics' format for those who ask for it."""
    if is_openmetrics(accept):
        written = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # it has no types
        return Answer(200, written, openmetrics.CONTENT_TYPE_LATEST)
    return Answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)


def is_openmetrics(accept: str) -> bool:
    """Whether a client asks for OpenMetrics' format."""
    return OPENMETRICS in accept.lower()
