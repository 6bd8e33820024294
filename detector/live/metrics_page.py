"""Writes docs/metrics.md from the table of series: `python -m detector.live.metrics_page > docs/metrics.md`."""

import sys
from typing import Final

from detector.live.series import ALL, Series

INTRODUCTION: Final = """\
# Metrics

<!-- Written by `python -m detector.live.metrics_page`: change the table of series, not this page. -->

`curfewd run` serves them at `/metrics` of `service.listen`, in OpenMetrics' format to those who accept it. Everything is
of this one process: sum over instances. A transaction that did not go through is not counted, but as `aborted`.
Labels never name a task or a credential; `topic`, `source`, `format`, `pattern` and `reason` have at most 100 values each, the rest
is `other`. `stage` is `scan`, `judge` or `lookback`. Exemplars carry the uid of a finding, `finding_uid`. Beside these there
are Prometheus' own `process_…` series: memory, CPU time, open files.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""


ALERTS: Final = """\
groups:
  - name: curfewd
    rules:
      - alert: CurfewdLosesOutput  # nobody will hear of it: the log says which topic, and whose limit it is
        expr: sum by (stage, reason) (increase(curfewd_refused_outputs_total{lost="yes"}[1h])) > 0
      - alert: CurfewdBehind  # commands come late by as much
        expr: max by (stage, topic) (curfewd_lag_seconds) > 60
        for: 5m
      - alert: CurfewdSlow  # from a record to the command that it asks for
        expr: histogram_quantile(0.99, sum by (le) (rate(curfewd_command_latency_seconds_bucket[15m]))) > 1
        for: 15m
      - alert: CurfewdWatermarkStands  # nothing that waits for time is judged: an input is behind, or its clock is
        expr: time() - min(curfewd_watermark_seconds) > 900
        for: 10m
      - alert: CurfewdHangs  # before /healthz says so
        expr: max by (stage, instance) (curfewd_standing_seconds) > 120
      - alert: CurfewdTransactionsFail
        expr: sum by (stage) (increase(curfewd_transactions_total{outcome="aborted"}[15m])) > 5
      - alert: CurfewdFenced  # two deployments with one group, or an instance that stands still for longer than its session
        expr: sum by (stage) (increase(curfewd_partition_drops_total{reason="fenced"}[1h])) > 20
      - alert: CurfewdLookbackBehind  # leaks of credentials that were registered late are found late
        expr: max(curfewd_lookback_overdue_seconds) > 600
        for: 10m
      - alert: CurfewdCannotRead  # a source changed its format, or somebody writes what is none
        expr: sum by (reason) (increase(curfewd_dead_letters_total[1h])) > 100
      - alert: CurfewdKnowsNoIssue  # an issuer does not register, or too late
        expr: sum by (source) (increase(curfewd_unresolved_events_total[1h])) > 100
"""

CLOSING: Final = f"""
## Alerts

A beginning, for Prometheus; limits are a matter of what a deployment promises. `/healthz` fails where a new start helps: a
stage that hangs (`curfewd_standing_seconds` above 300), or an end that is under way. It does not while brokers are away.

```yaml
{ALERTS}```
"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(map(_row, ALL)) + CLOSING


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    return f"| `{series.shown}` | {series.kind} | {labels} | {series.about} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
