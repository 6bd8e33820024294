"""Writes docs/metrics.md from the table of series.

python -m detector.service.observability.metrics_page > docs/metrics.md
"""

import sys
from typing import Final

from detector.service.observability.series import ALL, Series

INTRODUCTION: Final = """\
# Metrics

<!-- Written by `python -m detector.service.observability.metrics_page`: change the table of series, not this page. -->

`curfewd run` serves its metrics at `/metrics` of `service.listen`, `curfewd revoke` at that of `revoke.probes`; in
OpenMetrics format to clients that accept it.

- **One process**: each metric is about one process. Sum over the instances.
- **Workers** (`service.workers` above 1): one page has the series of all, each with the label `worker`, from `0` on.
  Sum over it too. `curfewd_ready` has no such label: it is 1 when all workers are ready. The series of a worker that
  has died are missing until it runs again.
- **Committed**: records and outputs of an aborted transaction do not count; the transaction counts as `aborted`.
- **Labels** never name a task or a credential. `stage` is `scan`, `judge`, `lookback` or `revoke`. `topic`, `source`,
  `format`, `pattern` and `reason` have at most 100 values each; the rest is `other`.
- **Exemplars** carry the uid of a finding, `finding_uid`.
- **The process itself** has Prometheus' own `process_…` metrics: memory, CPU time, open files.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""


CLOSING: Final = """
## Alerts

[deploy/prometheus](../deploy/prometheus/README.md) has alert rules for Prometheus, with a [runbook](runbooks/) for each
alert, and [slo.md](slo.md) the objectives.

`/healthz` fails when a restart helps: when a stage hangs (`curfewd_standing_seconds` above 300), when the event loop
has stood still for 30 seconds, or when the process is ending. It does not fail while brokers are away.
"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(map(_row, ALL)) + CLOSING


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    return f"| `{series.shown}` | {series.kind} | {labels} | {series.about} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
