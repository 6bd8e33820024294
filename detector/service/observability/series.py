"""The service's metrics: every series by name, with its labels and what it means. docs/metrics.md is this table.

Names by Prometheus' conventions: base units, `_total` on counters. Labels have few values: a stage, a topic, a reason,
a rule, a severity; never a task or a credential. The uid of a finding is an exemplar, not a label.
"""

from typing import Final, Literal

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

KindOfSeries = Literal["counter", "gauge", "histogram", "info"]


class Series(msgspec.Struct, frozen=True):
    """One metric. `name` is without `_total`; `buckets` are upper bounds, of histograms."""

    name: str
    kind: KindOfSeries
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def shown(self) -> str:
        """The name as a query has it."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


# Of one poll: a thousand records take about 3 ms to scan and as long to judge, one hostile record of the largest size
# a second or two, and after 30 s the transaction is given up.
_WORK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
# The aim is a p99 of 250 ms at half load: buckets are narrow around it, so that a quantile is off by a fifth at most. A
# rebalance or a dead broker takes seconds, a backlog after an outage an hour and more, which is all the last one says.
_LATENCY: Final = (
    0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
)  # fmt: skip
# A store that only catches up takes milliseconds, ten million credentials from an empty disk take minutes.
_RESTORE: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0)

BUILD: Final = Series("curfewd_build", "info", "The version that runs.", ("version", "python"))
STARTED: Final = Series("curfewd_start_time_seconds", "gauge", "When the process began, Unix time.")
READY: Final = Series("curfewd_ready", "gauge", "1 while /readyz says so, else 0.")
RECORDS: Final = Series(
    "curfewd_records", "counter", "Records read, by source, as far as that is committed.", ("stage", "topic")
)
BYTES: Final = Series("curfewd_bytes", "counter", "Bytes of their values, likewise.", ("stage", "topic"))
FORMATS: Final = Series(
    "curfewd_formats", "counter", "What the records of the inputs held, by format.", ("format",)
)
EVENTS: Final = Series(
    "curfewd_events", "counter", "Events in the records of the inputs, by their CloudEvents type.", ("type",)
)
LEAKS: Final = Series(
    "curfewd_leaks",
    "counter",
    "Leaks seen: a log record that shows a secret. The look-back sees those of registered credentials once more.",
    ("stage",),
)
ALLOWED: Final = Series(
    "curfewd_allowed",
    "counter",
    "Leaks that `[[allow]]` lets go, by pattern; not in `curfewd_leaks_total`.",
    ("pattern",),
)
OUTPUTS: Final = Series("curfewd_outputs", "counter", "Records written, likewise.", ("stage", "topic"))
PASSED_ON: Final = Series(
    "curfewd_redacted_records",
    "counter",
    "Log records passed on to a redacted topic, by input, those without a leak too.",
    ("topic",),
)
REDACTIONS: Final = Series(
    "curfewd_redactions", "counter", "Masks in what was passed on, by the rule that they name.", ("rule",)
)
PROCESSING: Final = Series(
    "curfewd_processing_seconds",
    "histogram",
    "What one poll's records took to be scanned or judged, without their transaction.",
    ("stage",),
    _WORK,
)
TRANSACTION: Final = Series(
    "curfewd_transaction_seconds",
    "histogram",
    "From a poll to the commit of all that it gave.",
    ("stage",),
    _WORK,
)
COMMAND_LATENCY: Final = Series(
    "curfewd_command_latency_seconds",
    "histogram",
    "From the Kafka timestamp of an input's record to the commit of the command that it brought, through both stages; "
    "more than an hour counts as an hour. Not of commands that time alone brings. Exemplar: the uid of the finding.",
    (),
    _LATENCY,
)
FINDING_LATENCY: Final = Series(
    "curfewd_finding_latency_seconds", "histogram", "Likewise, of findings created or updated.", (), _LATENCY
)
LAG: Final = Series(
    "curfewd_lag_records", "gauge", "Records that are there and not yet done.", ("stage", "topic")
)
LAG_SECONDS: Final = Series(
    "curfewd_lag_seconds",
    "gauge",
    "Age of the last record done, by its Kafka timestamp, in the partition that is furthest behind; 0 without lag. Of the "
    "judge stage too it is the age of the record that was appended to an input.",
    ("stage", "topic"),
)
STANDING: Final = Series(
    "curfewd_standing_seconds",
    "gauge",
    "For how long a partition with records to read has neither polled, committed nor failed; /healthz fails at 300.",
    ("stage",),
)
LOOKBACK_OVERDUE: Final = Series(
    "curfewd_lookback_overdue_seconds", "gauge", "How much more than kafka.lookback the look-back is behind."
)
LOOKBACK_ERRORS: Final = Series(
    "curfewd_lookback_errors", "counter", "Times that the look-back failed and began anew from its offsets."
)
LOOP_DELAY: Final = Series(
    "curfewd_event_loop_delay_seconds",
    "gauge",
    "How much too late the event loop came back to the last sample: what all else had to wait for as well.",
)
PARTITIONS: Final = Series(
    "curfewd_partitions",
    "gauge",
    "Partitions held, and of these the ones restored and at work.",
    ("stage", "state"),
)
WATERMARK: Final = Series(
    "curfewd_watermark_seconds",
    "gauge",
    "The least watermark over this process' partitions of work, Unix time: before it, all is thought to have arrived. "
    "0 while there is none.",
)
LEDGER: Final = Series(
    "curfewd_ledger_entries",
    "gauge",
    "Events, findings and commands of the aggregates in memory; the rest is on disk.",
)
AGGREGATES: Final = Series(
    "curfewd_ledger_aggregates",
    "gauge",
    "Tasks, names of credentials and leaked secrets with state, in memory or only on disk.",
)
DISK: Final = Series("curfewd_ledger_bytes", "gauge", "Size of the state on disk and in its write buffers.")
PARKED: Final = Series(
    "curfewd_parked_events",
    "gauge",
    "Uses, renewals, revocations and leaks that wait at a name for an issue of it, for the lateness; a leak at each of its "
    "names that nobody claims, be it that another is claimed.",
)
CREDENTIALS: Final = Series(
    "curfewd_registered_credentials", "gauge", "Issues in this process' copy of the registry."
)
FINDINGS: Final = Series(
    "curfewd_findings",
    "counter",
    "Records of findings written; accepted: those that `[[accept]]` covers. Exemplar: the finding's uid.",
    ("rule", "severity", "activity", "accepted"),
)
EXPOSED: Final = Series(
    "curfewd_exposed_credentials",
    "gauge",
    "Credentials that live, neither revoked nor expired, though a command for their revocation was written.",
)
EXPOSING: Final = Series(
    "curfewd_exposed_findings",
    "gauge",
    "Findings about these credentials that ask for the revocation and are not accepted.",
    ("rule",),
)
COMMANDS: Final = Series("curfewd_commands", "counter", "Revocation commands written.", ("kind",))
DEAD: Final = Series("curfewd_dead_letters", "counter", "Dead letters written.", ("stage", "reason"))
LOST: Final = Series(
    "curfewd_refused_outputs",
    "counter",
    "What the broker's limits or a failing record kept from being written or done; lost: without a dead letter too.",
    ("stage", "reason", "lost"),
)
LATE: Final = Series(
    "curfewd_late_events", "counter", "Events further behind the watermark than the lateness."
)
UNRESOLVED: Final = Series(
    "curfewd_unresolved_events",
    "counter",
    "Events that spoke of a credential nobody registered within the lateness, by source.",
    ("source",),
)
CONFLICTS: Final = Series(
    "curfewd_conflicts",
    "gauge",
    "Identifiers that more than one credential claims, in this process' registry.",
)
BEGUN: Final = Series("curfewd_transactions_begun", "counter", "Transactions begun.", ("stage",))
TRANSACTIONS: Final = Series(
    "curfewd_transactions",
    "counter",
    "Transactions that ended, committed or aborted; one whose commit got no answer counts as aborted.",
    ("stage", "outcome"),
)
DROPPED: Final = Series(
    "curfewd_partition_drops",
    "counter",
    "Times that work on a partition ended: moved, fenced, failed or stopped.",
    ("stage", "reason"),
)
REBALANCES: Final = Series("curfewd_rebalances", "counter", "Rebalances of the group.", ("stage",))
REBALANCE_SECONDS: Final = Series(
    "curfewd_rebalance_pause_seconds", "counter", "Time that work stood still for rebalances.", ("stage",)
)
RESTORES: Final = Series(
    "curfewd_restores",
    "counter",
    "Partitions of state brought up to their changelog: caught-up from the disk, or rebuilt.",
    ("kind",),
)
RESTORE_SECONDS: Final = Series("curfewd_restore_seconds", "histogram", "What a restore took.", (), _RESTORE)
RESTORED: Final = Series(
    "curfewd_restored_records", "counter", "Records of the changelog that restores have read."
)
RELOADS: Final = Series(
    "curfewd_reloads", "counter", "Reloads of patterns and policy that were asked for.", ("outcome",)
)

ALL: Final = (
    BUILD, STARTED, READY, RECORDS, BYTES, FORMATS, EVENTS, LEAKS, ALLOWED, OUTPUTS, PASSED_ON, REDACTIONS, PROCESSING, TRANSACTION, COMMAND_LATENCY, FINDING_LATENCY, LAG,
    LAG_SECONDS, STANDING, LOOKBACK_OVERDUE, LOOKBACK_ERRORS, LOOP_DELAY, PARTITIONS, WATERMARK, LEDGER, AGGREGATES, DISK, PARKED, CREDENTIALS, FINDINGS, EXPOSED, EXPOSING, COMMANDS, DEAD, LOST, LATE, UNRESOLVED, CONFLICTS,
    BEGUN, TRANSACTIONS, DROPPED, REBALANCES, REBALANCE_SECONDS, RESTORES, RESTORE_SECONDS, RESTORED, RELOADS,
)  # fmt: skip

Made = Counter | Gauge | Histogram | Info


def make(registry: CollectorRegistry) -> dict[str, Made]:
    """Every series, by its name."""
    return {series.name: _make(series, registry) for series in ALL}


def _make(series: Series, registry: CollectorRegistry) -> Made:
    if series.kind == "info":
        return Info(series.name, series.about, registry=registry)
    if series.kind == "histogram":
        return Histogram(series.name, series.about, series.labels, buckets=series.buckets, registry=registry)
    kind = Counter if series.kind == "counter" else Gauge
    return kind(series.name, series.about, series.labels, registry=registry)
