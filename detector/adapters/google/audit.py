"""Google Cloud's audit log: tokens and keys issued and revoked, what workloads did with them; and builds.

`entries` has what an entry is, `callers` whose call it reports, `tokens` and `keys` what some calls gave, `tasks` what
runs. A call of a person, or of Google's own services, uses no credential of a task: it gives nothing.
"""

from typing import Final

from detector.adapters.adapter import Adapter, Record
from detector.adapters.fields import maybe_text
from detector.adapters.google.callers import Caller, caller_of
from detector.adapters.google.entries import Entry, entry_in
from detector.adapters.google.keys import CALLS
from detector.adapters.google.tasks import BUILD_MARK, RUN_JOB, build_events, execution_events, is_build
from detector.adapters.google.tokens import EXCHANGE, GENERATE, exchanged, generated
from detector.records.log_records import LogText, whole_record
from detector.values.events import DENIED, SUCCESS, CanonicalEvent, CredentialUsed, Identifier

_MARKS: Final = (b'"protoPayload"', b'"protopayload"', BUILD_MARK)
_LOGS: Final = frozenset({"activity", "data_access", "system_event", "policy", "access_transparency"})


def looks_like(record: Record) -> bool:
    """Whether an object is an entry of the audit log, or a build."""
    return entry_in(record) is not None or is_build(record)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use of the caller's credential, and what the call issued or revoked; the state of a build or execution.

    Raises:
        BadRecordError: a field that such an entry has is missing or wrong.
    """
    found = entry_in(record)
    if found is None:
        return build_events(record, now)
    record, payload = found, found["protoPayload"]
    if payload.get("methodName") == RUN_JOB:
        return execution_events(Entry(record, now), now)
    caller, method = caller_of(payload), payload.get("methodName")
    method = method if isinstance(method, str) else ""
    call = method.rpartition(".")[2]
    exchange = call == EXCHANGE
    identifier = None if exchange else caller.identifier  # it is made with the job's own token
    if identifier is None and not exchange and call != GENERATE and method not in CALLS:
        return []
    entry = Entry(record, now)
    if entry.only_ends:
        return []
    events: list[CanonicalEvent | None] = [_use(entry, identifier) if identifier is not None else None]
    events.append(_outcome(entry, caller))
    return [event for event in events if event is not None]


def _outcome(entry: Entry, caller: Caller) -> CanonicalEvent | None:
    """What the call gave or ended."""
    if entry.call == EXCHANGE:
        return exchanged(entry)
    if entry.call == GENERATE:
        return generated(entry, caller)
    change = CALLS.get(entry.method)
    return None if change is None or entry.code != 0 else change(entry)


def _use(entry: Entry, identifier: Identifier) -> CredentialUsed:
    return CredentialUsed(
        time=entry.time,
        source=entry.source,
        id=entry.id,
        identifier=identifier,
        action=maybe_text(entry.payload, "methodName"),
        resource=maybe_text(entry.payload, "resourceName"),
        outcome=DENIED if entry.refused else SUCCESS,
        source_ip=entry.address,
        user_agent=maybe_text(entry.payload, "requestMetadata.callerSuppliedUserAgent"),
    )


def scanned(record: Record, _now: int) -> LogText:
    """All that an entry or a build says: requests, answers and substitutions may hold secrets."""
    entry = entry_in(record) or record
    return whole_record(entry, entry.get("timestamp") or entry.get("finishTime"))


def _kind(record: Record) -> str | None:
    """Which of the audit logs an entry is of."""
    entry = entry_in(record)
    if entry is None:
        return "build"
    name = entry.get("logName")
    log = name.rpartition("%2F")[2] if isinstance(name, str) else ""
    return log if log in _LOGS else None


ADAPTER: Final = Adapter(
    "google",
    _MARKS,
    looks_like,
    translate,
    text=scanned,
    kind=_kind,
    type_at=("logName", "protoPayload.methodName"),
)
