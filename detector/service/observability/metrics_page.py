"""Writes docs/metrics.md from the table of series: `python -m detector.service.observability.metrics_page > docs/metrics.md`."""

import sys
from typing import Final

from detector.service.observability.series import ALL, Series

INTRODUCTION: Final = """\
# Metrics

<!-- Written by `python -m detector.service.observability.metrics_page`: change the table of series, not this page. -->

`curfewd run` serves them at `/metrics` of `service.listen`, in OpenMetrics' format to those who accept it. Everything is
of this one process: sum over instances. A transaction that did not go through is not counted, but as `aborted`.
Labels never name a task or a credential; `topic`, `source`, `format`, `pattern` and `reason` have at most 100 values each, the rest
is `other`. `stage` is `scan`, `judge` or `lookback`. Exemplars carry the uid of a finding, `finding_uid`. Beside these there
are Prometheus' own `process_…` series: memory, CPU time, open files.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""


CLOSING: Final = """
## Alerts

[deploy/prometheus](../deploy/prometheus/README.md) has rules for Prometheus with a [runbook](runbooks/) for each alert, and
[slo.md](slo.md) what they promise. `/healthz` fails where a new start helps: a stage that hangs
(`curfewd_standing_seconds` above 300), or an end that is under way. It does not while brokers are away.
"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(map(_row, ALL)) + CLOSING


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    return f"| `{series.shown}` | {series.kind} | {labels} | {series.about} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
