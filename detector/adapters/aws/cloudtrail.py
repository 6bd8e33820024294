"""AWS CloudTrail events: keys issued, used and revoked.

The fields are those of the CloudTrail record reference and of real events. CloudTrail names keys by their public ids
(`ASIA…`, `AKIA…`), so a use joins its issue without any secret. `sessions` finds the task of a session; the task of a
permanent key is `aws/user/<name>`. `addresses` says which addresses can be compared.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.aws.addresses import caller_address
from detector.adapters.aws.keys import CALLS, SCHEME, CallContext
from detector.adapters.aws.plain_cloudtrail import PLAIN
from detector.adapters.fields import find, maybe_text, text
from detector.values.events import DENIED, SUCCESS, CanonicalEvent, CredentialUsed, Identifier

_TYPES: Final = frozenset(
    {"AwsApiCall", "AwsConsoleAction", "AwsConsoleSignIn", "AwsServiceEvent", "AwsVpceEvent"}
)
_INSIGHT: Final = "insightDetails"
_GIVEN: Final = "responseElements.credentials.accessKeyId"
_PREFIXED: Final = frozenset({"DeleteObjects"})  # for many objects: the bucket alone would say too little


def looks_like(record: Record) -> bool:
    """Whether an object looks like a CloudTrail event, or an Insights event, which has neither source nor name."""
    if "eventSource" not in record or "eventName" not in record:
        return isinstance(record.get(_INSIGHT), dict) and "eventID" in record
    return "eventID" in record or "eventTime" in record


def known(record: Record) -> bool:
    """Whether AWS documents its type. An insight counts calls, and reports none."""
    kind = record.get("eventType")
    return _INSIGHT in record or kind is None or (isinstance(kind, str) and kind in _TYPES)


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The events in one CloudTrail record: a use of the caller's key, and keys issued or revoked.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    if _INSIGHT in record:
        return []
    call = text(record, "eventName")
    caller = maybe_text(record, "userIdentity.accessKeyId")
    service = text(record, "eventSource").split(".amazonaws.com", 1)[0]
    done = maybe_text(record, "errorCode") is None
    translate_call = CALLS.get((service, call)) if done else None
    if caller is None and translate_call is None:
        return []
    at = CallContext(record, now)
    events = [] if translate_call is None else translate_call(record, at)
    if caller is None:
        return events
    return [_use(record, at, caller, f"{service}:{call}", SUCCESS if done else DENIED), *events]


def _kind(record: Record) -> str | None:
    """What an event says that names no key of its caller. None: a call that is not known gave one."""
    if _INSIGHT in record:
        return "insight"
    return "call without a key" if find(record, _GIVEN) is None else None


def _use(record: Record, at: CallContext, key_id: str, action: str, outcome: str) -> CredentialUsed:
    return CredentialUsed(
        time=at.time,
        source=at.source,
        id=at.id,
        identifier=Identifier(SCHEME, key_id),
        action=action,
        resource=_resource(record),
        outcome=outcome,
        source_ip=caller_address(record),
        user_agent=maybe_text(record, "userAgent"),
    )


def _resource(record: Record) -> str | None:
    """The first resource that a call names; for a call on many objects, their common prefix."""
    names = ("ARNPrefix", "ARN") if find(record, "eventName") in _PREFIXED else ("ARN",)
    resources = record.get("resources")
    for name in names:
        for resource in resources if isinstance(resources, list) else ():
            arn = resource.get(name) if isinstance(resource, dict) else None
            if isinstance(arn, str) and arn:
                return arn
    return None


def _is_file(record: Record) -> bool:
    records = record.get("Records")
    return isinstance(records, list) and any(isinstance(one, dict) and looks_like(one) for one in records)


def _records(record: Record, _now: int) -> Iterator[Record]:
    yield from (one for one in record["Records"] if isinstance(one, dict))


def _is_subscription(record: Record) -> bool:
    """Whether CloudWatch passes on a trail's log group, in a stream `<account>_CloudTrail_<region>`."""
    stream = record.get("logStream")
    return isinstance(stream, str) and "_CloudTrail_" in stream and isinstance(record.get("logEvents"), list)


def _messages(record: Record, _now: int) -> Iterator[str]:
    for one in record["logEvents"]:
        message = one.get("message") if isinstance(one, dict) else None
        if isinstance(message, str):
            yield message


def _is_lookup(record: Record) -> bool:
    """Whether it is the output of `aws cloudtrail lookup-events`."""
    events = record.get("Events")
    return isinstance(events, list) and any(
        isinstance(one, dict) and isinstance(one.get("CloudTrailEvent"), str) for one in events
    )


def _found(record: Record, _now: int) -> Iterator[str]:
    for one in record["Events"]:
        event = one.get("CloudTrailEvent") if isinstance(one, dict) else None
        if isinstance(event, str):
            yield event


_MARKS: Final = (b'"eventSource"',)
ADAPTER: Final = Adapter(
    "cloudtrail",
    _MARKS,
    looks_like,
    translate,
    known,
    kind=_kind,
    type_at=("eventName", "eventType"),
    plain=PLAIN,
)
CARRIERS: Final = (
    Carrier("cloudtrail", _MARKS, _is_file, _records, audit=True),  # a file as CloudTrail delivers it to S3
    Carrier("cloudtrail", (b"_CloudTrail_",), _is_subscription, _messages, audit=True),
    Carrier("cloudtrail", (b'"CloudTrailEvent"',), _is_lookup, _found, audit=True),
)
