"""Jenkins builds, as its Notification plugin posts them.

Fields are those of the plugin's `JobState` and `BuildState`. A build ends when it is `FINALIZED`: after `COMPLETED`
its post-build steps still use its credentials. The plugin can send lines of the build's log too; they are scanned like
any log.
"""

from typing import Final
from urllib.parse import urlsplit

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.records.dead_letters import WRONG_FIELD, bad
from detector.records.log_records import LogText
from detector.records.timestamps import log_time
from detector.values.errors import BadRecordError
from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted

_PHASES: Final = frozenset({"QUEUED", "STARTED", "COMPLETED", "FINALIZED", "NONE"})
_OUTCOMES: Final = {
    "SUCCESS": "succeeded",
    "UNSTABLE": "failed",
    "FAILURE": "failed",
    "ABORTED": "cancelled",
    "NOT_BUILT": "cancelled",
}


def looks_like(record: Record) -> bool:
    """Whether an object is a notification of a build."""
    build = record.get("build")
    return (
        isinstance(build, dict)
        and isinstance(build.get("phase"), str)
        and "number" in build
        and ("full_url" in build or "queue_id" in build)
    )


def known(record: Record) -> bool:
    """Whether the phase is one of the plugin's."""
    return find(record, "build.phase") in _PHASES


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The start or end of a build.

    Raises:
        BadRecordError: a field that such a notification has is missing or wrong.
    """
    phase = text(record, "build.phase")
    if phase not in ("STARTED", "FINALIZED"):
        return []
    job, number = _job(record), text(record, "build.number")
    task_id = f"jenkins/{job}/{number}"
    source, when = _source(record), time(record, "build.timestamp", now)
    event_id = f"{job}/{number}/{phase.lower()}"
    if phase == "FINALIZED":
        outcome = _OUTCOMES.get(maybe_text(record, "build.status") or "")
        return [TaskEnded(time=when, source=source, id=event_id, task_id=task_id, outcome=outcome)]
    return [TaskStarted(time=when, source=source, id=event_id, task_id=task_id, kind="ci", workload=job)]


def _job(record: Record) -> str:
    """The full name of the job, as in `JOB_NAME`: `team/app` for `job/team/job/app/`."""
    parts = text(record, "url").strip("/").split("/")
    names = parts[1::2]
    if not names or any(part != "job" for part in parts[::2]):
        raise bad(WRONG_FIELD, "url", "not the path of a job")
    return "/".join(names)


def _source(record: Record) -> str:
    url = maybe_text(record, "build.full_url")
    try:
        host = urlsplit(url).netloc.rpartition("@")[2] if url else ""
    except ValueError:
        host = ""
    return f"jenkins/{host}" if host else "jenkins"


def scanned(record: Record, _now: int) -> LogText | None:
    """The lines of the build's log in the notification."""
    log = find(record, "build.log")
    if not isinstance(log, str) or not log:
        return None
    try:
        task_id = f"jenkins/{_job(record)}/{text(record, 'build.number')}"
    except BadRecordError:
        task_id = None
    return LogText(log.encode("utf-8", "replace"), log_time(find(record, "build.timestamp")), task_id)


ADAPTER: Final = Adapter(
    "jenkins",
    (b'"full_url"', b'"queue_id"'),
    looks_like,
    translate,
    known,
    text=scanned,
    type_at=("build.phase",),
)
