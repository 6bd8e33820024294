"""SPIRE Server's audit log: SVIDs of workloads and agents, and what was asked of the server with them.

Entries are lines of the server's log in JSON, with `"type": "audit"` and the message `API accessed` (spiffe/spire,
`doc/auditlog.md`; the fields are those of `pkg/server/api/svid`, `agent` and `rpccontext`). They have no serial
number and no `jti`. An X509-SVID is told by the hash of its request (`csr`), unless its SPIFFE ID names one task:
then all SVIDs of that ID are one credential. SPIRE cannot revoke an SVID; it can ban the agent.
"""

from collections.abc import Iterator
from typing import Final

import re2

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import task_named
from detector.adapters.fields import expiry, issued_to, maybe_text, text, time
from detector.records.log_records import LogText, whole_record
from detector.records.pod_names import pod_task, service_account_group
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
from detector.values.networks import split_port
from detector.values.times import DAY, HOUR

SPIFFE_ID: Final = "spiffe-id"
CSR: Final = "spire-csr"
_MARKS: Final = (b'"API accessed"',)
_MESSAGE: Final = "API accessed"
_X509: Final = frozenset({"MintX509SVID", "BatchNewX509SVID"})
_SERVICES: Final = frozenset(
    {"agent", "bundle", "debug", "entry", "health", "localauthority", "logger", "svid"}
)
_AGENT_LIVES: Final = 7 * DAY  # `agent_ttl` of the server; the log does not say it
_LIVES: Final = HOUR  # `default_x509_svid_ttl`, where an entry does not say when the SVID expires
_REFUSED: Final = (7, 16, "PermissionDenied", "Unauthenticated")
# How spire-controller-manager and Istio name the workloads of Kubernetes.
_ACCOUNT: Final = re2.compile(
    r"spiffe://[^/]{1,255}/(?:.{1,200}/)?ns/([^/]{1,63})/sa/([^/]{1,253})(?:/.{0,500})?"
)
_POD: Final = re2.compile(
    r"spiffe://[^/]{1,255}/(?:.{1,200}/)?ns/([^/]{1,63})/(?:sa/[^/]{1,253}/)?pod/([^/]{1,253})"
)
_UNJOINED: Final = (
    "the SPIFFE ID names no job; let it end in the job's name (`/github-job-71`), or in `/ns/…/pod/…`"
)
_AGENT: Final = "an agent belongs to a node, which is no task"


def _looks_like(record: Record) -> bool:
    return (
        record.get("type") == "audit"
        and record.get("msg") == _MESSAGE
        and isinstance(record.get("method"), str)
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The SVID that was issued, the agent that was banned, and the use of the SVID that the caller had.

    Raises:
        BadRecordError: a field that such an entry has is missing or wrong.
    """
    entry = _Entry(record, now)
    return [*_changed(entry), *_used(entry)]


class _Entry:
    """What the events of one entry share."""

    def __init__(self, record: Record, now: int) -> None:
        self.record, self._now = record, now
        self.method, self.succeeded = record["method"], record.get("status") == "success"

    @property
    def time(self) -> int:
        """When the server answered."""
        return time(self.record, "time", self._now)

    @property
    def id(self) -> str:
        """The call. Of a batch each entry has the same."""
        return text(self.record, "request_id")

    @property
    def address(self) -> str | None:
        """The caller's address, without its port; None on the server's own socket."""
        address = maybe_text(self.record, "caller_addr")
        return None if address is None else split_port(address)[0]


def _changed(entry: _Entry) -> Iterator[CanonicalEvent]:
    if not entry.succeeded:
        return
    if entry.method in _X509:
        yield _workload_issued(entry)
    elif entry.method == "AttestAgent":
        yield _agent_attested(entry)
    elif entry.method == "RenewAgent":
        agent = Identifier(SPIFFE_ID, text(entry.record, "caller_id"))
        until, event_id = entry.time + _AGENT_LIVES, f"{entry.id}/renewed"
        yield CredentialRenewed(
            time=entry.time, source="spire", id=event_id, identifier=agent, expires_at=until
        )
    elif entry.method == "BanAgent":  # a deleted one may attest again, and goes on under its name
        agent = Identifier(SPIFFE_ID, text(entry.record, "spiffe_id"))
        yield CredentialRevoked(time=entry.time, source="spire", id=f"{entry.id}/revoked", identifier=agent)


def _workload_issued(entry: _Entry) -> CredentialIssued:
    workload, csr = text(entry.record, "spiffe_id"), text(entry.record, "csr")
    task, group = _task(workload), _group(workload)
    svid = workload if task is not None else f"spire/x509-svid/{csr}"
    expires = expiry(entry.record, "expires_at")
    registered = maybe_text(entry.record, "entry_id")
    delete = {"provider": "spire", "method": "delete-entry", "entry_id": registered}
    return CredentialIssued(
        time=entry.time,
        source="spire",
        id=f"{entry.id}/issued/{csr}",
        credential_id=svid,
        task_id=task or (None if group is not None else svid),
        task_group=group if task is None else None,
        identifiers=(Identifier(CSR, csr) if task is None else Identifier(SPIFFE_ID, workload),),
        kind="spiffe-x509-svid",
        expires_at=entry.time + _LIVES if expires is None else expires,
        revocation=delete if registered is not None else None,
        unjoined=None if task is not None else _UNJOINED,
    )


def _task(workload: str) -> str | None:
    """The job or pod that a SPIFFE ID names."""
    pod = _POD.fullmatch(workload)
    return task_named(workload.rpartition("/")[2]) or (
        pod_task(pod[1], pod[2], None) if pod is not None else None
    )


def _group(workload: str) -> str | None:
    """The service account that it names."""
    account = _ACCOUNT.fullmatch(workload)
    return None if account is None else service_account_group(account[1], account[2])


def _agent_attested(entry: _Entry) -> CredentialIssued:
    agent = text(entry.record, "agent_id")
    return CredentialIssued(
        time=entry.time,
        source="spire",
        id=f"{entry.id}/issued",
        credential_id=agent,
        task_id=agent,
        identifiers=(Identifier(SPIFFE_ID, agent),),
        kind="spire-agent-svid",
        expires_at=entry.time + _AGENT_LIVES,
        revocation={"provider": "spire", "method": "ban-agent", "spiffe_id": agent},
        issued_to=issued_to(entry.address),
        unjoined=_AGENT,
    )


def _used(entry: _Entry) -> Iterator[CanonicalEvent]:
    caller = maybe_text(entry.record, "caller_id")
    if caller is not None:
        names = (maybe_text(entry.record, name) for name in ("csr", "entry_id", "spiffe_id"))
        of_batch = next((f"/{name}" for name in names if name is not None), "")
        yield CredentialUsed(
            time=entry.time,
            source="spire",
            id=f"{entry.id}/used{of_batch}",
            identifier=Identifier(SPIFFE_ID, caller),
            action=entry.method,
            resource=maybe_text(entry.record, "spiffe_id") or maybe_text(entry.record, "service"),
            outcome=DENIED if entry.record.get("status_code") in _REFUSED else SUCCESS,
            source_ip=entry.address,
        )


def scanned(record: Record, _now: int) -> LogText:
    """All that an entry says."""
    return whole_record(record, record.get("time"))


def _kind(record: Record) -> str | None:
    service = record.get("service")
    name = service.partition(".")[0] if isinstance(service, str) else ""
    return name if name in _SERVICES else None


ADAPTER: Final = Adapter(
    "spire", _MARKS, _looks_like, translate, text=scanned, kind=_kind, type_at=("service", "method")
)
