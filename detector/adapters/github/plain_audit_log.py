"""Records of GitHub's streamed audit log that are only a use of a token, as nearly all are, read in half the time.

Whatever else there is about a record is for `detector.adapters.github.audit_log`.
"""

from typing import Any, Final

import msgspec

from detector.adapters.adapter import Plain
from detector.values.events import DENIED, SUCCESS, CredentialUsed, Identifier
from detector.values.secrets import normal_sha256
from detector.values.times import MILLISECOND

_MILLISECONDS: Final = range(10**11, 10**14)
_REFUSED: Final = 400  # the lowest HTTP status of a refused request
_CALL: Final = "api.request"
_OTHERS: Final = ("workflows.", "oauth_access.", "personal_access_token.")  # may be more than a use


class _Record(msgspec.Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    """The fields of such a record, with what is looked at in their types. A record with others is not read here."""

    timestamp: int = msgspec.field(name="@timestamp")
    document: str = msgspec.field(name="_document_id")
    action: str
    hashed_token: str
    programmatic_access_type: str
    token_id: int | str | None = None
    org: str | None = None
    business: str | None = None
    repo: str | None = None
    repository: str | None = None
    actor_ip: str | None = None
    user_agent: str | None = None
    status_code: int | str | None = None
    request_method: str | None = None
    route: str | None = None
    actor: str | None = None
    actor_id: Any = None
    actor_is_bot: Any = None
    actor_location: Any = None
    business_id: Any = None
    created_at: int | None = None
    external_identity_nameid: Any = None
    operation_type: Any = None
    org_id: Any = None
    public_repo: Any = None
    query_string: Any = None
    rate_limit_remaining: Any = None
    repo_id: Any = None
    repository_id: Any = None
    repository_public: Any = None
    request_body: Any = None
    request_id: Any = None
    token_scopes: Any = None
    transport_protocol: Any = None
    transport_protocol_name: Any = None
    url_path: Any = None
    user: Any = None
    user_id: Any = None
    visibility: Any = None


def _use(record: _Record) -> CredentialUsed | None:
    """The use that it is, as `audit_log.translate` gives it.

    None says nothing: it may be of another kind, or have a mistake.
    """
    action, digest = record.action, normal_sha256(record.hashed_token)
    if (
        digest is None
        or record.timestamp not in _MILLISECONDS
        or not record.document
        or not record.programmatic_access_type
        or not action
        or action.startswith(_OTHERS)
    ):
        return None
    if action == _CALL:
        action = " ".join(part for part in (record.request_method, record.route) if part) or action
    status = "" if record.status_code is None else str(record.status_code)
    refused = len(status) == 3 and status.isdecimal() and int(status) >= _REFUSED  # noqa: PLR2004 - digits
    owner = record.org or record.business
    return CredentialUsed(
        time=record.timestamp * MILLISECOND,
        source=f"github.audit/{owner}" if owner else "github.audit",
        id=record.document,
        identifier=Identifier("sha256", digest),
        action=action,
        resource=record.repo or record.repository or None,
        outcome=DENIED if refused else SUCCESS,
        source_ip=record.actor_ip or None,
        user_agent=record.user_agent or None,
    )


PLAIN: Final = Plain(b'"hashed_token"', _Record, _use)
