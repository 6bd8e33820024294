"""The state of the service for the live view: sums over its own metrics, so that nothing is counted twice."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from detector.judge.joins import JOINS
from detector.service.observability import series
from detector.service.observability.series import Series

_MILLI: Final = 1000
_BY_STAGE: Final[dict[str, tuple[Series, dict[str, str]]]] = {
    "records": (series.RECORDS, {}),
    "bytes": (series.BYTES, {}),
    "lag": (series.LAG, {}),
    "standing": (series.STANDING, {}),
    "held": (series.PARTITIONS, {"state": "held"}),
    "at_work": (series.PARTITIONS, {"state": "ready"}),
    "aborted": (series.TRANSACTIONS, {"outcome": "aborted"}),
}
_SUMS: Final[dict[str, Series]] = {
    "leaks": series.LEAKS,
    "dead_letters": series.DEAD,
    "late": series.LATE,
    "unresolved": series.UNRESOLVED,
    "credentials": series.CREDENTIALS,
    "conflicts": series.CONFLICTS,
    "parked": series.PARKED,
}

Sample = tuple[dict[str, str], float]


def status_of(families: Iterable[Any]) -> dict[str, Any]:
    """What a page shows of the series that `prometheus_client` collects.

    Counters count since the start. Times are in ms, `behind` is in seconds.
    """
    samples: defaultdict[str, list[Sample]] = defaultdict(list)
    for family in families:
        for sample in family.samples:
            samples[sample.name].append((sample.labels, sample.value))
    stages = {
        labels["stage"]
        for series in (series.TRANSACTIONS, series.RECORDS)
        for labels, _ in samples[series.shown]
    }
    watermark = _sum(samples[series.WATERMARK.shown])
    return {
        "started": int(_sum(samples["process_start_time_seconds"]) * _MILLI),
        "watermark": int(watermark * _MILLI) if watermark else None,
        "stages": [_stage(samples, stage) for stage in ("scan", "judge", "lookback") if stage in stages],
        "findings": _by(samples[series.FINDINGS.shown], "severity", activity="created"),
        "commands": _by(samples[series.COMMANDS.shown], "kind"),
        "joins": _joins(samples[series.JOINS.shown]),
        "memory": int(_sum(samples["process_resident_memory_bytes"])),
        "cpu": _sum(samples["process_cpu_seconds_total"]),
        **{name: int(_sum(samples[series.shown])) for name, series in _SUMS.items()},
    }


def _stage(samples: dict[str, list[Sample]], stage: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: round(_sum(samples[series.shown], stage=stage, **labels))
        for name, (series, labels) in _BY_STAGE.items()
    }
    overdue = samples[series.LOOKBACK_OVERDUE.shown if stage == "lookback" else series.LAG_SECONDS.shown]
    behind = [value for labels, value in overdue if labels.get("stage", stage) == stage]
    return {"name": stage, **found, "behind": round(max(behind, default=0.0), 1)}


def _joins(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """Credentials by source and join, those that could not be judged first, then the most."""
    found = [
        {
            "source": labels["source"],
            "join": labels["join"],
            "means": JOINS[labels["join"]],
            "judged": labels["judged"] == "yes",
            "credentials": int(value),
        }
        for labels, value in samples
    ]
    return sorted(found, key=lambda one: (one["judged"], -one["credentials"], one["source"], one["join"]))


def _sum(samples: Iterable[Sample], **labels: str) -> float:
    return sum(value for has, value in samples if labels.items() <= has.items())


def _by(samples: Iterable[Sample], label: str, **labels: str) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for has, value in samples:
        if labels.items() <= has.items():
            found[has[label]] += int(value)
    return dict(found)
