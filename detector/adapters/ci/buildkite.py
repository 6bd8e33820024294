"""Buildkite: jobs and builds as tasks, and the tokens of its agents.

Webhooks ("Job webhook events", "Build webhook events") hold the objects of the REST API, and EventBridge's partner
events ("Amazon EventBridge") shorter ones with `uuid` for `id`; buildkite.com/docs has them all. A webhook may show a
later state than the one that it reports, so the object counts, and not the event's name. A build that waits at a block
step is told as finished, and goes on later. A retried job has a new id.

Events of agents tell which token an agent registered with. Webhooks of agents have no time, so only EventBridge's
count.
"""

from typing import Any, Final

import re2

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci import buildkite_audit
from detector.adapters.ci.buildkite_audit import TOKEN
from detector.adapters.ci_names import buildkite_build, buildkite_group, buildkite_job
from detector.adapters.fields import find, maybe_text, maybe_time, text, time
from detector.adapters.pages import pages_of
from detector.adapters.task_runs import TaskRun
from detector.records.log_records import LogText, whole_record
from detector.values.events import DENIED, SUCCESS, CanonicalEvent, CredentialUsed, Identifier

PARTNER: Final = "aws.partner/buildkite.com/"
"""The beginning of `source` in EventBridge's envelope."""
_MARKS: Final = (b"buildkite.com",)
_THINGS: Final = ("job", "build", "agent", "cluster_token")
_ADDRESSES: Final = ("build.url", "job.web_url", "agent.url", "cluster_token.url")
_PIPELINE: Final = re2.compile(r"/organizations/([^/]+)/pipelines/([^/]+)")
_MOST: Final = 2048  # characters of an address
_OUTCOMES: Final = {
    "passed": "succeeded",
    "failed": "failed",
    "timed_out": "timed_out",
    "canceled": "cancelled",
    "broken": "cancelled",
    "skipped": "cancelled",
    "expired": "cancelled",
    "not_run": "cancelled",
}
_COMMAND: Final = "script"  # jobs of other types wait for something, or start a build
_USES: Final = {
    "Agent Connected": ("token.uuid", "agent.ip_address", SUCCESS),
    "Agent Blocked": ("cluster_token.uuid", "blocked_ip", DENIED),
    "Cluster Token Registration Blocked": ("cluster_token.uuid", "blocked_ip", DENIED),
}
_LOGGED: Final = "Audit Event Logged"


def is_partner(record: Record) -> bool:
    """Whether an object is an event of Buildkite in EventBridge's envelope."""
    source = record.get("source")
    return isinstance(source, str) and source.startswith(PARTNER) and isinstance(record.get("detail"), dict)


def looks_like(record: Record) -> bool:
    """Whether an object is a webhook, a partner event of EventBridge, or an audit event."""
    if is_partner(record) or buildkite_audit.looks_like(record):
        return True
    addresses = (find(record, path) for path in _ADDRESSES)
    return (
        isinstance(record.get("event"), str)
        and "sender" in record
        and any(isinstance(one, str) and "buildkite.com" in one for one in addresses)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start and end of a job or build, the use of an agent's token, or what an audit event tells of a token.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    if buildkite_audit.looks_like(record):
        return buildkite_audit.translate(record, buildkite_audit.organization_of(record), now)
    if not is_partner(record):
        return _runs(record, now)
    kind, detail = record.get("detail-type"), record["detail"]
    if kind == _LOGGED and isinstance(detail.get("event"), dict):
        return buildkite_audit.translate(detail["event"], maybe_text(detail, "organization.slug"), now)
    use = _USES.get(kind) if isinstance(kind, str) else None
    return _runs(detail, now) if use is None else [_used(record, *use, now)]


def _runs(record: Record, now: int) -> list[CanonicalEvent]:
    """What a record tells of its job, else of its build."""
    group = _group(record)
    job, build = record.get("job"), record.get("build")
    if isinstance(job, dict):
        return _job(job, record, group, now) if job.get("type", _COMMAND) == _COMMAND else []
    if not isinstance(build, dict):
        return []
    waits = build.get("blocked") is True or build.get("state") == "blocked"
    run = TaskRun(
        source="buildkite",
        task_id=buildkite_build(_id(build, "build")),
        kind="ci",
        started=maybe_time(build, "started_at", now),
        ended=None if waits else maybe_time(build, "finished_at", now),
        outcome=_outcome(build),
        owner=maybe_text(build, "creator.name"),
    )
    return run.events()


def _job(job: dict[str, Any], record: Record, group: str | None, now: int) -> list[CanonicalEvent]:
    """A job's start and end; nothing of one that did not run."""
    started = maybe_time(job, "started_at", now)
    if started is None:
        return []
    run = TaskRun(
        source="buildkite",
        task_id=buildkite_job(_id(job, "job")),
        kind="ci",
        started=started,
        ended=maybe_time(job, "finished_at", now),
        outcome=_outcome(job),
        owner=maybe_text(record, "build.creator.name"),
        workload=maybe_text(job, "agent.name"),
        parent=_parent(record),
        group=group,
    )
    return run.events()


def _id(thing: dict[str, Any], name: str) -> str:
    return maybe_text(thing, "uuid") or text({name: thing}, f"{name}.id")


def _parent(record: Record) -> str | None:
    build = maybe_text(record, "build.uuid") or maybe_text(record, "build.id")
    return None if build is None else buildkite_build(build)


def _group(record: Record) -> str | None:
    """The pipeline, by slugs. A webhook has that of the organisation in addresses alone."""
    slugs = maybe_text(record, "organization.slug"), maybe_text(record, "pipeline.slug")
    if slugs[0] is not None and slugs[1] is not None:
        return buildkite_group(slugs[0], slugs[1])
    for path in ("pipeline.url", "build.url", "job.build_url"):
        address = find(record, path)
        match = _PIPELINE.search(address[:_MOST]) if isinstance(address, str) else None
        if match is not None:
            return buildkite_group(match[1], match[2])
    return None


def _outcome(thing: dict[str, Any]) -> str | None:
    """The outcome; a job of EventBridge is `finished` in any case, and `passed` says how."""
    if isinstance(thing.get("passed"), bool) and thing.get("state") == "finished":
        cancelled = thing.get("signal_reason") == "cancel" and not thing["passed"]
        return "cancelled" if cancelled else "succeeded" if thing["passed"] else "failed"
    state = thing.get("state")
    return _OUTCOMES.get(state) if isinstance(state, str) else None


def _used(record: Record, token: str, address: str, outcome: str, now: int) -> CredentialUsed:
    """The registration of an agent, or one that was refused for the agent's address."""
    return CredentialUsed(
        time=time(record, "time", now),
        source="buildkite",
        id=text(record, "id"),
        identifier=Identifier(TOKEN, text(record, f"detail.{token}")),
        action="register-agent",
        resource=maybe_text(record, "detail.organization.slug"),
        outcome=outcome,
        workload=maybe_text(record, "detail.agent.hostname"),
        source_ip=maybe_text(record, f"detail.{address}"),
    )


def scanned(record: Record, _now: int) -> LogText:
    """All that a record says: commands, variables and messages of commits may hold secrets."""
    within = record["detail"] if is_partner(record) else record
    job = find(within, "job.uuid") or find(within, "job.id")
    at = record.get("time") if within is not record else find(within, "job.started_at")
    return whole_record(within, at, buildkite_job(job) if isinstance(job, str) else None)


def _kind(record: Record) -> str | None:
    """What a record that gives no event is about."""
    within = record["detail"] if is_partner(record) else record
    if buildkite_audit.looks_like(record) or ("event" in within and within is not record):
        return "audit"
    thing = next((thing for thing in _THINGS if isinstance(within.get(thing), dict)), None)
    return f"unstarted {thing}" if thing in ("job", "build") else thing


ADAPTER: Final = Adapter(
    "buildkite", _MARKS, looks_like, translate, text=scanned, kind=_kind, type_at=("type", "event")
)
CARRIERS: Final = (pages_of("buildkite", _MARKS, buildkite_audit.looks_like, "items"),)
