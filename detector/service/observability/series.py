"""The service's metrics: every series with its name, labels and meaning. docs/metrics.md is made from this table.

Names follow Prometheus' conventions: base units, `_total` on counters. Labels have few values: a stage, a topic, a
reason, a rule, a severity; never a task or a credential. The uid of a finding is an exemplar, not a label.
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


# For one poll: a thousand records take about 3 ms to scan and as long to judge. One hostile record of the largest size
# takes a second or two. After 30 s the transaction is aborted.
_WORK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
# The aim is a p99 of 250 ms at half load: buckets are narrow around it, so that a quantile is off by a fifth at most.
# A rebalance or a dead broker takes seconds. A backlog after an outage takes an hour or more: the last bucket.
_LATENCY: Final = (
    0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
)  # fmt: skip
# A store that only catches up takes milliseconds, ten million credentials from an empty disk take minutes.
_RESTORE: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0)

BUILD: Final = Series("curfewd_build", "info", "The version that runs.", ("version", "python"))
READY: Final = Series("curfewd_ready", "gauge", "1 if /readyz says ready, else 0.")
RECORDS: Final = Series("curfewd_records", "counter", "Records read and committed.", ("stage", "topic"))
BYTES: Final = Series("curfewd_bytes", "counter", "Bytes of the values of these records.", ("stage", "topic"))
FORMATS: Final = Series("curfewd_formats", "counter", "Records of the inputs, by format.", ("format",))
EVENTS: Final = Series(
    "curfewd_events", "counter", "Events in the records of the inputs, by CloudEvents type.", ("type",)
)
LEAKS: Final = Series(
    "curfewd_leaks",
    "counter",
    "Log records that show a secret. The look-back counts those of registered credentials once more.",
    ("stage",),
)
LIMITED: Final = Series(
    "curfewd_limited_records",
    "counter",
    "Log records that needed more decoding than the limit. The look-back has a higher one: each that it counts is a finding.",
    ("stage",),
)
LIMITED_BYTES: Final = Series(
    "curfewd_limited_bytes",
    "counter",
    "The text of these records.",
    ("stage",),
)
ALLOWED: Final = Series(
    "curfewd_allowed",
    "counter",
    "Leaks that `[[allow]]` passes, by pattern; not counted in `curfewd_leaks_total`.",
    ("pattern",),
)
OUTPUTS: Final = Series("curfewd_outputs", "counter", "Records written and committed.", ("stage", "topic"))
PASSED_ON: Final = Series(
    "curfewd_redacted_records",
    "counter",
    "Log records passed on to a redacted topic, by input, with or without a leak.",
    ("topic",),
)
REDACTIONS: Final = Series(
    "curfewd_redactions", "counter", "Masks in the records passed on, by the rule in the mask.", ("rule",)
)
UNEXAMINED: Final = Series(
    "curfewd_redacted_unexamined",
    "counter",
    "Records, keys and headers that were not examined whole on their way to a redacted topic, masked or marked as "
    "`kafka.redacted.unexamined` says: `decoding`, `encoding`, `unfinished`, `unreadable`.",
    ("topic", "reason"),
)
HTTP_REFUSED: Final = Series(
    "curfewd_http_refused",
    "counter",
    "Connections cut off and requests refused at `service.listen` (`port` is `listen`), `service.probes` and `receive.listen` "
    "(`receive`), by reason: "
    "`share` (a client has too many connections), `full` (all clients together have), `slow-request`, `slow-reader`, "
    "`too-long`, `malformed`, `unread-body`.",
    ("port", "reason"),
)
PROCESSING: Final = Series(
    "curfewd_processing_seconds",
    "histogram",
    "Time to scan or judge one poll's records, without the transaction.",
    ("stage",),
    _WORK,
)
TRANSACTION: Final = Series(
    "curfewd_transaction_seconds",
    "histogram",
    "Time from a poll to the commit of all its output.",
    ("stage",),
    _WORK,
)
COMMAND_LATENCY: Final = Series(
    "curfewd_command_latency_seconds",
    "histogram",
    "Time from the Kafka timestamp of an input's record to the commit of the command that it caused, "
    "through both stages; at most an hour. Commands that a timer causes do not count. Exemplar: the uid "
    "of the finding.",
    (),
    _LATENCY,
)
FINDING_LATENCY: Final = Series(
    "curfewd_finding_latency_seconds", "histogram", "The same for findings created or updated.", (), _LATENCY
)
LAG: Final = Series(
    "curfewd_lag_records", "gauge", "Records in the topic that are not yet committed.", ("stage", "topic")
)
LAG_SECONDS: Final = Series(
    "curfewd_lag_seconds",
    "gauge",
    "Age of the last committed record, by its Kafka timestamp, in the partition that is furthest "
    "behind; 0 without lag. In the judge stage too, the age of the record in the input.",
    ("stage", "topic"),
)
STANDING: Final = Series(
    "curfewd_standing_seconds",
    "gauge",
    "Time since a partition with records to read last polled, committed or failed; /healthz fails at 300.",
    ("stage",),
)
LOOKBACK_OVERDUE: Final = Series(
    "curfewd_lookback_overdue_seconds",
    "gauge",
    "How far the look-back is behind its schedule of `kafka.lookback`.",
)
LOOKBACK_ERRORS: Final = Series(
    "curfewd_lookback_errors",
    "counter",
    "Failures of the look-back. After each it starts again from its offsets.",
)
LOOP_DELAY: Final = Series(
    "curfewd_event_loop_delay_seconds",
    "gauge",
    "How late the event loop ran the last sample. Everything else waited as long.",
)
PARTITIONS: Final = Series(
    "curfewd_partitions",
    "gauge",
    "Partitions held, and those of them that are restored and at work.",
    ("stage", "state"),
)
WATERMARK: Final = Series(
    "curfewd_watermark_timestamp_seconds",
    "gauge",
    "The lowest watermark of this process's partitions of `work`, in Unix time; 0 while there is none.",
)
UNREPORTED: Final = Series(
    "curfewd_unreported_partitions",
    "gauge",
    "Partitions of inputs that carry events, and of `work`, that nobody has reported for half a minute: they hold the "
    "watermark.",
    ("topic",),
)
LEDGER: Final = Series(
    "curfewd_ledger_entries",
    "gauge",
    "Events, findings and commands of the aggregates in memory; the rest is on disk.",
)
AGGREGATES: Final = Series(
    "curfewd_ledger_aggregates",
    "gauge",
    "Aggregates (tasks, names, leaked secrets) with state, in memory or on disk.",
)
DISK: Final = Series("curfewd_ledger_bytes", "gauge", "Size of the state on disk and in its write buffers.")
STORE_MEMORY: Final = Series(
    "curfewd_store_memory_bytes",
    "gauge",
    "What the stores of this process have in memory, bounded by `service.store_memory_bytes`: `write buffers` for what is "
    "not on disk yet, `blocks` of files that were read.",
    ("part",),
)
PARKED: Final = Series(
    "curfewd_parked_events",
    "gauge",
    "Uses, renewals, revocations and leaks that wait for the issue of their credential, at most for "
    "twice the `lateness`. They count once for each name that nobody has claimed.",
)
CREDENTIALS: Final = Series(
    "curfewd_registered_credentials", "gauge", "Issues in this process's copy of the registry."
)
REGISTRY_LAG: Final = Series(
    "curfewd_registry_lag_records",
    "gauge",
    "Records of the registry topic that this process's copy has yet to read.",
)
REGISTRY_LAG_SECONDS: Final = Series(
    "curfewd_registry_lag_seconds",
    "gauge",
    "How long ago the registry was written of which this process's copy is known to have all: some seconds, if it keeps up "
    "and the brokers answer.",
)
FINDINGS: Final = Series(
    "curfewd_findings",
    "counter",
    "Records of findings written. `activity`: `created`, `raised` (updated to a higher severity, or accepted no longer), "
    "`updated` or `closed`. `accepted`: `[[accept]]` covers them. Exemplar: the uid of the finding.",
    ("rule", "severity", "activity", "accepted"),
)
EXPOSED: Final = Series(
    "curfewd_exposed_credentials",
    "gauge",
    "Credentials that are neither revoked nor expired, although a command for them was written.",
)
EXPOSING: Final = Series(
    "curfewd_exposed_findings",
    "gauge",
    "Findings about these credentials that ask for the revocation and are not accepted.",
    ("rule",),
)
JOINS: Final = Series(
    "curfewd_credential_joins",
    "gauge",
    "Credentials that the judge stage knows, by what issued them and by what is known of their task (docs/coverage.md). "
    "`judged`: whether that is enough to judge them. A credential counts from its issue until its task has ended and it "
    "has been dead for `retention`; without a task that anybody reports, until it has been dead for that long.",
    ("source", "join", "judged"),
)
COMMANDS: Final = Series("curfewd_commands", "counter", "Revocation commands written.", ("kind",))
DEAD: Final = Series("curfewd_dead_letters", "counter", "Dead letters written.", ("stage", "reason"))
UNTRUSTED: Final = Series(
    "curfewd_untrusted_records",
    "counter",
    "Dead letters of records whose events `[[trust]]` refuses, by input.",
    ("topic", "reason"),
)
MISPLACED: Final = Series(
    "curfewd_misplaced_records",
    "counter",
    '`found="event"`: records in log topics that look like events, and are not believed. `found="text"`: log '
    "records in event topics. Both may mean that `event_topics` and `log_topics` are wrong.",
    ("topic", "found"),
)
LOST: Final = Series(
    "curfewd_refused_outputs",
    "counter",
    "Outputs that the broker's limits refused, and records that failed. `lost`: there is no dead letter "
    "either.",
    ("stage", "reason", "lost"),
)
LATE: Final = Series(
    "curfewd_late_events", "counter", "Events that arrived further behind the watermark than `lateness`."
)
UNRESOLVED: Final = Series(
    "curfewd_unresolved_events",
    "counter",
    "Events about a credential that nobody registered within twice the `lateness`, by source.",
    ("source",),
)
MASKED_REVOCATIONS: Final = Series(
    "curfewd_masked_revocations",
    "counter",
    "Revocation handles, of issues and of commands that the revoker reads, in which a secret was masked: they may not work.",
)
CONFLICTS: Final = Series(
    "curfewd_conflicts",
    "gauge",
    "Identifiers that more than one credential claims, in this process's registry.",
)
UNFINDABLE: Final = Series(
    "curfewd_unfindable_identifiers",
    "gauge",
    "Registered identifiers whose secrets no scan can find, in this process's registry.",
)
BEGUN: Final = Series(
    "curfewd_transactions_begun",
    "counter",
    "Transactions begun, once for each partition in them.",
    ("stage",),
)
TRANSACTIONS: Final = Series(
    "curfewd_transactions",
    "counter",
    "Transactions ended, once for each partition in them. One whose commit got no answer counts as aborted.",
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
    "Partitions of state brought to the end of their changelog: caught up from the disk, or rebuilt.",
    ("kind",),
)
RESTORE_SECONDS: Final = Series("curfewd_restore_seconds", "histogram", "Time for a restore.", (), _RESTORE)
RESTORED: Final = Series("curfewd_restored_records", "counter", "Changelog records that restores have read.")
STANDBYS: Final = Series(
    "curfewd_standbys",
    "gauge",
    "Standby copies of partitions that other processes judge: those that are kept here (`held`), and those of them that "
    "came to the end of the `state` topic (`ready`).",
    ("state",),
)
STANDBY_LAG: Final = Series(
    "curfewd_standby_lag_records",
    "gauge",
    "Records of the `state` topic that are missing in the standby copy that is furthest behind, of those that are ready.",
)
RELOADS: Final = Series("curfewd_reloads", "counter", "Reloads of patterns and policy.", ("outcome",))
# The aim is a p99 of 1 s from the leak to the proof, where the provider allows it. Kubernetes takes ten seconds, clouds
# take minutes, and what waits for an approval takes as long as a person does.
_REVOCATION: Final = (
    0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0,
)  # fmt: skip
REVOCATION_SECONDS: Final = Series(
    "curfewd_revocation_seconds",
    "histogram",
    "`curfewd revoke`: time from when the log record with the leak was appended to Kafka, else the command's record, to when "
    "an outcome other than `held` was known, by target and outcome. Exemplar: the uid of the finding.",
    ("target", "outcome"),
    _REVOCATION,
)
REVOCATIONS: Final = Series(
    "curfewd_revocations",
    "counter",
    "Outcomes of commands that `curfewd revoke` reported: `confirmed`, `done-unproved`, `refused`, `gone-already`, `failed`, `held`.",
    ("target", "outcome"),
)
REVOCATION_COPIES: Final = Series(
    "curfewd_revocation_copies", "counter", "Copies of commands that were known already: they change nothing."
)
REVOCATION_DIFFERING: Final = Series(
    "curfewd_revocation_differing",
    "counter",
    "Commands that came with the id of a known one but with other content: they are not carried out, and one of the two is forged "
    "or wrong.",
)
REVOCATION_NOTICES: Final = Series(
    "curfewd_revocation_notices",
    "counter",
    "Notices of outcomes, by the `[[revoke.notice]]`: `sent`, or `lost` (not accepted for a quarter of an hour, refused, or one too many).",
    ("notice", "result"),
)
REVOCATIONS_PENDING: Final = Series(
    "curfewd_revocations_pending",
    "gauge",
    "Commands that are not done, by what they wait for: `turn` (a free place at their target), `provider` (they are at work, "
    "or between two tries or steps), `held`.",
    ("state",),
)
REVOCATIONS_HELD: Final = Series(
    "curfewd_revocations_held",
    "gauge",
    "Commands that a rail holds, by rail: `plan`, `approval`, `signature`, `age`, `quiet-hours`, `limit`.",
    ("rail",),
)
OLDEST_REVOCATION: Final = Series(
    "curfewd_revocation_oldest_seconds",
    "gauge",
    "Time since the oldest command was read that is neither held nor done; 0 if there is none. A step that is due later does "
    "not count.",
)
BREAKERS: Final = Series(
    "curfewd_revocation_breaker_state",
    "gauge",
    "The circuit breaker of each target: 0 closed, 1 half-open (one command tries it), 2 open.",
    ("target",),
)
RECEIVED: Final = Series(
    "curfewd_received_requests",
    "counter",
    "`curfewd receive`: requests that were answered 2xx, as all their records are written.",
    ("source",),
)
RECEIVED_RECORDS: Final = Series(
    "curfewd_received_records", "counter", "Records written for these requests.", ("source",)
)
RECEIVED_BYTES: Final = Series(
    "curfewd_received_bytes", "counter", "Bytes of the values of these records.", ("source",)
)
RECEIVE_REFUSED: Final = Series(
    "curfewd_receive_refused",
    "counter",
    "Requests refused, by reason: `proof` (no secret, signature, token or certificate that may send there), `source` (its "
    "events may not have that source), `unknown-path` (`source` is empty), `method`, `content-type`, `malformed`, `too-large`, "
    "`slow-body`; `busy` (too much waits) and `unwritten` (not written in time) may succeed later; `internal` is an error of curfewd.",
    ("source", "reason"),
)
RECEIVE_SECONDS: Final = Series(
    "curfewd_receive_seconds",
    "histogram",
    "Time from the head of a request to its answer, once its records were written.",
    ("source",),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
RECEIVE_WAITING: Final = Series(
    "curfewd_receive_waiting_bytes",
    "gauge",
    "Bytes of requests that are held; at most `receive.waiting_bytes`.",
)
RECEIVE_CERTIFICATE: Final = Series(
    "curfewd_receive_certificate_expiry_timestamp_seconds",
    "gauge",
    "When the first certificate in `receive.cert_file` expires, in Unix seconds; 0 without TLS.",
)

ALL: Final = (
    BUILD, READY, RECORDS, BYTES, FORMATS, EVENTS, LEAKS, LIMITED, LIMITED_BYTES, ALLOWED, OUTPUTS, PASSED_ON, REDACTIONS, UNEXAMINED, HTTP_REFUSED, PROCESSING, TRANSACTION, COMMAND_LATENCY, FINDING_LATENCY, LAG,
    LAG_SECONDS, STANDING, LOOKBACK_OVERDUE, LOOKBACK_ERRORS, LOOP_DELAY, PARTITIONS, WATERMARK, UNREPORTED, LEDGER, AGGREGATES, DISK, STORE_MEMORY, PARKED, CREDENTIALS, REGISTRY_LAG, REGISTRY_LAG_SECONDS, FINDINGS, EXPOSED, EXPOSING, JOINS, COMMANDS, DEAD, UNTRUSTED, MISPLACED, LOST, LATE, UNRESOLVED, MASKED_REVOCATIONS, CONFLICTS, UNFINDABLE,
    BEGUN, TRANSACTIONS, DROPPED, REBALANCES, REBALANCE_SECONDS, RESTORES, RESTORE_SECONDS, RESTORED, STANDBYS, STANDBY_LAG, RELOADS,
    REVOCATION_SECONDS, REVOCATIONS, REVOCATION_COPIES, REVOCATION_DIFFERING, REVOCATION_NOTICES, REVOCATIONS_PENDING, REVOCATIONS_HELD, OLDEST_REVOCATION, BREAKERS,
    RECEIVED, RECEIVED_RECORDS, RECEIVED_BYTES, RECEIVE_REFUSED, RECEIVE_SECONDS, RECEIVE_WAITING, RECEIVE_CERTIFICATE,
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
