"""Auth0's tenant log: clients of machines made and deleted, and what was done with them and their tokens.

A record has `date`, `type` and `log_id`, as the Management API gives it, or in `data` of a log stream's envelope
(auth0.com/docs, "Log Event Type Codes", "Tenant logs" with a schema for each type; "Log streams"). The Management API's
records (`sapi`, `fapi`, `mgmt_api_read`) have the `jti` of the token in `details.request.auth.credentials`. Exchanges
have the client, and neither its secret nor the token that it got.
"""

from collections.abc import Iterator
from typing import Final

import re2

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.ci_names import task_named
from detector.adapters.fields import find, maybe_text, text, time
from detector.patterns.pattern import JWT_ID
from detector.records.log_records import LogText, whole_record
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)

CLIENT: Final = "auth0-client-id"
_MARKS: Final = (b'"log_id"',)
# By type, what a client did by itself. Other exchanges are of people.
_EXCHANGES: Final = {
    "seccft": ("client-credentials", SUCCESS),
    "feccft": ("client-credentials", DENIED),
    "secte": ("token-exchange", SUCCESS),
    "fecte": ("token-exchange", DENIED),
    "idjag_exchange_succeeded": ("jwt-bearer", SUCCESS),
    "idjag_exchange_failed": ("jwt-bearer", DENIED),
}
_CALLS: Final = frozenset({"sapi", "fapi", "mgmt_api_read"})
_REFUSED: Final = (401, 403)
_DONE: Final = range(200, 300)
_REQUEST: Final = "details.request"
_CLIENTS: Final = re2.compile(r"(?:/api)?/v2/clients(?:/([^/]{1,100}))?/?")
_DENYLIST: Final = re2.compile(r"(?:/api)?/v2/blacklists/tokens/?")
_MACHINE: Final = "@clients"  # the end of a machine's `user_id`
# All types that Auth0 documents ("Log Event Type Codes").
_LISTED: Final = """
acls_summary actions_execution_failed acul_sdk_notice admin_update_launch api_limit api_limit_warning appi
appliance_configuration_api_read appliance_configuration_api_status appliance_configuration_api_write
ciba_exchange_failed ciba_exchange_succeeded ciba_start_failed ciba_start_succeeded cls coff con
connected_accounts_connection_failed connected_accounts_connection_succeeded connected_accounts_delete_failed
connected_accounts_delete_succeeded cs custom_domain_verification_failed depnote directory_sync_completed
directory_sync_failed directory_sync_started du f failed_on_behalf_of_token_exchange fapi fc fce fco fcoa fcp fcph
fcpn fcpr fcpro fcu fd fdeac fdeaz fdecc fdu feacft feccft fecte fede federated_logout_failed fens feoobft feotpft
fepft fepotpft fercft ferrt fertft feta fi flo flows_execution_completed flows_execution_failed fn
forms_submission_failed forms_submission_succeeded fp fpar fpurh fs fsa fu fui fv fvr gd_auth_email_verification
gd_auth_fail_email_verification gd_auth_failed gd_auth_rejected gd_auth_succeed gd_enrollment_complete
gd_otp_rate_limit_exceed gd_recovery_failed gd_recovery_rate_limit_exceed gd_recovery_succeed gd_send_email
gd_send_email_verification gd_send_email_verification_failure gd_send_pn gd_send_pn_failure gd_send_sms
gd_send_sms_failure gd_send_voice gd_send_voice_failure gd_start_auth gd_start_enroll gd_start_enroll_failed
gd_tenant_update gd_unenroll gd_update_device_account gd_webauthn_challenge_failed gd_webauthn_enrollment_failed
idjag_exchange_failed idjag_exchange_succeeded jwt_bearer_exchange_failed kms_key_management_failure
kms_key_management_success kms_key_state_changed limit_delegation limit_mu limit_sul limit_ui limit_wc mfar
mgmt_api_read my_account_authentication_method_failed my_account_authentication_method_succeeded
oidc_backchannel_logout_failed oidc_backchannel_logout_succeeded organization_member_added passkey_challenge_failed
passkey_challenge_started pla pwd_leak reset_pwd_leak resource_cleanup rich_consents_access_error s sapi sce scoa scp
scph scpn scpr scu scv sd sdu seacft seccft secte sede sens seoobft seotpft sepft sepkoobft sepkotpft sepkrcft sercft
sertft seta si signup_pwd_leak slo srrt ss ss_sso_failure ss_sso_info ss_sso_success ssa sscim
success_on_behalf_of_token_exchange sui sv svr too_many_records ublkdu universal_logout_failed
universal_logout_succeeded w wn wum
"""
_TYPES: Final = frozenset(_LISTED.split())
_UNJOINED: Final = (
    "a client of Auth0 belongs to no task; name it after its job (`github-job-71`), or register its tokens"
)


def _looks_like(record: Record) -> bool:
    return isinstance(record.get("log_id"), str) and isinstance(record.get("type"), str) and "date" in record


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The client that was made or deleted, and uses of the client and the token that a request had.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    kind = record["type"]
    if kind in _EXCHANGES:
        action, outcome = _EXCHANGES[kind]
        client = maybe_text(record, "client_id")  # of a failure it may be any text, or none
        of = None if client is None else Identifier(CLIENT, client)
        return [] if of is None else [_use(record, now, "client", of, action=action, outcome=outcome)]
    return [*_administered(record, now), *_called(record, now)] if kind in _CALLS else []


def _administered(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """What a call of the Management API made or ended."""
    path, method = maybe_text(record, f"{_REQUEST}.path") or "", maybe_text(record, f"{_REQUEST}.method")
    if find(record, "details.response.statusCode") not in _DONE:
        return
    clients = _CLIENTS.fullmatch(path)
    if clients is not None and method == "post" and clients[1] is None:
        grants = find(record, "details.response.body.grant_types")
        if isinstance(grants, list) and "client_credentials" in grants:
            yield _created(record, now)
    elif clients is not None and method == "delete" and clients[1] is not None:
        yield _revoked(record, now, Identifier(CLIENT, clients[1]))
    elif method == "post" and _DENYLIST.fullmatch(path) is not None:
        yield _revoked(record, now, Identifier(JWT_ID, text(record, f"{_REQUEST}.body.jti")))


def _created(record: Record, now: int) -> CredentialIssued:
    client = text(record, "details.response.body.client_id")
    task = task_named(maybe_text(record, "details.response.body.name") or "")
    return CredentialIssued(
        time=time(record, "date", now),
        source=_source(record),
        id=f"{record['log_id']}/issued",
        credential_id=f"auth0/client/{client}",
        task_id=task or f"auth0/client/{client}",
        identifiers=(Identifier(CLIENT, client),),
        kind="auth0-client",
        revocation={"provider": "auth0", "method": "delete-client", "client_id": client},
        unjoined=None if task is not None else _UNJOINED,
    )


def _revoked(record: Record, now: int, identifier: Identifier) -> CredentialRevoked:
    when, event_id = time(record, "date", now), f"{record['log_id']}/revoked"
    return CredentialRevoked(time=when, source=_source(record), id=event_id, identifier=identifier)


def _called(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """A machine's call of the Management API: a use of its token, and of the client that got it."""
    user = maybe_text(record, f"{_REQUEST}.auth.user.user_id") or maybe_text(record, "user_id")
    if user is not None and not user.endswith(_MACHINE):
        return
    status = find(record, "details.response.statusCode")
    outcome = DENIED if status in _REFUSED else SUCCESS
    names = (
        ("token", JWT_ID, f"{_REQUEST}.auth.credentials.jti"),
        ("client", CLIENT, "client_id"),
    )
    for suffix, scheme, path in names:
        value = maybe_text(record, path)
        if value is not None:
            yield _use(record, now, suffix, Identifier(scheme, value), action=None, outcome=outcome)


def _use(  # noqa: PLR0913 - two of them by name
    record: Record, now: int, suffix: str, of: Identifier, *, action: str | None, outcome: str
) -> CredentialUsed:
    called = maybe_text(record, f"{_REQUEST}.path")
    return CredentialUsed(
        time=time(record, "date", now),
        source=_source(record),
        id=f"{record['log_id']}/{suffix}",
        identifier=of,
        action=action or maybe_text(record, f"{_REQUEST}.method") or record["type"],
        resource=called or maybe_text(record, "audience"),
        outcome=outcome,
        source_ip=maybe_text(record, "ip"),
        user_agent=maybe_text(record, "user_agent"),
    )


def _source(record: Record) -> str:
    tenant = maybe_text(record, "tenant_name")
    return f"auth0/{tenant}" if tenant else "auth0"


def scanned(record: Record, _now: int) -> LogText:
    """All that a record says: requests and their bodies may hold secrets."""
    return whole_record(record, record.get("date"))


def _kind(record: Record) -> str | None:
    """What a type begins with: a success, a failure, a second factor, a limit; None if Auth0 documents no such type."""
    kind = record["type"]
    if kind not in _TYPES:
        return None
    if kind in _CALLS:
        return "management"
    begins = {"s": "success", "f": "failure", "gd_": "guardian", "limit": "limit"}
    return next((begins[start] for start in ("gd_", "limit", "s", "f") if kind.startswith(start)), "notice")


def _is_envelope(record: Record) -> bool:
    data = record.get("data")
    return isinstance(data, dict) and _looks_like(data)


def _data(record: Record, _now: int) -> Iterator[Record]:
    yield record["data"]


ADAPTER: Final = Adapter("auth0", _MARKS, _looks_like, translate, text=scanned, kind=_kind, type_at=("type",))
CARRIERS: Final = (Carrier("auth0", _MARKS, _is_envelope, _data, audit=True),)
