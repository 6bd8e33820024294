"""CloudTrail events that are only a use of the caller's key, as nearly all are, read in a third of the time.

Whatever else there is about an event is for `detector.adapters.aws.cloudtrail`.
"""

from typing import Any, Final

import msgspec

from detector.adapters.adapter import Plain
from detector.adapters.aws.keys import CALLS, SCHEME
from detector.values.events import DENIED, SUCCESS, CredentialUsed, Identifier
from detector.values.times import parse_rfc3339

_TYPES: Final = frozenset({None, "AwsApiCall", "AwsConsoleAction", "AwsServiceEvent"})
_FOR_MANY: Final = "DeleteObjects"


class _Call(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel", kw_only=True):
    """The fields of such an event, with what is looked at in their types. An event with others is not read here."""

    event_source: str
    event_name: str
    event_time: str
    event_id: str = msgspec.field(name="eventID")
    user_identity: dict[str, Any]
    source_ip_address: str | None = msgspec.field(name="sourceIPAddress", default=None)
    user_agent: str | None = None
    error_code: str | None = None
    event_type: str | None = None
    recipient_account_id: str | None = None
    shared_event_id: str | None = msgspec.field(name="sharedEventID", default=None)
    resources: Any = None
    error_message: Any = None
    event_version: Any = None
    event_category: Any = None
    aws_region: Any = None
    request_parameters: Any = None
    response_elements: Any = None
    additional_event_data: Any = None
    request_id: Any = msgspec.field(name="requestID", default=None)
    read_only: Any = None
    management_event: Any = None
    api_version: Any = None
    tls_details: Any = None
    session_credential_from_console: Any = None


def _use(call: _Call) -> CredentialUsed | None:
    """The use that it is, as `cloudtrail.translate` gives it.

    None says nothing: it may be of another kind, or have a mistake.
    """
    caller = call.user_identity.get("accessKeyId")
    account = call.recipient_account_id or call.user_identity.get("accountId")
    service = call.event_source.split(".amazonaws.com", 1)[0]
    done = not call.error_code
    if (
        not (call.event_id and call.event_name and call.event_source)
        or type(caller) is not str
        or not caller
        or type(account) is not str
        or call.user_identity.get("invokedBy") is not None
        or call.event_type not in _TYPES
        or call.event_name == _FOR_MANY
        or (done and (service, call.event_name) in CALLS)
    ):
        return None
    shared = call.shared_event_id
    return CredentialUsed(
        time=parse_rfc3339(call.event_time),
        source=f"aws.cloudtrail/{account}" if account and not shared else "aws.cloudtrail",
        id=shared or call.event_id,
        identifier=Identifier(SCHEME, caller),
        action=f"{service}:{call.event_name}",
        resource=_arn(call.resources),
        outcome=SUCCESS if done else DENIED,
        source_ip=call.source_ip_address or None,
        user_agent=call.user_agent or None,
    )


def _arn(resources: Any) -> str | None:
    for resource in resources if isinstance(resources, list) else ():
        arn = resource.get("ARN") if isinstance(resource, dict) else None
        if isinstance(arn, str) and arn:
            return arn
    return None


PLAIN: Final = Plain(b'"eventSource"', _Call, _use)
