"""LiteLLM's gateway to models and MCP servers: its virtual keys made and ended, and each request made with one.

- Requests: `StandardLoggingPayload`, as its loggers write it to a bucket, a queue or an endpoint (docs.litellm.ai,
  "StandardLoggingPayload Specification"; BerriAI/litellm, `types/utils.py`). `metadata.user_api_key_hash` is the
  SHA-256 of the virtual key. Of an MCP tool call, `metadata.mcp_tool_call_metadata` has name, arguments, result,
  session.
- Audit log (docs.litellm.ai, "Audit Logs"): `object_id` of a key is its SHA-256 too. A key names its task in
  `metadata.task_id`, which whoever creates the key sets.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ai.runs import run_text
from detector.adapters.fields import find, maybe_text, maybe_time, text, time
from detector.records.agent_names import agent_task
from detector.records.log_records import LogText
from detector.records.timestamps import log_time
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    IssuedTo,
)
from detector.values.secrets import normal_sha256

SOURCE: Final = "litellm"
_KEY_HASH: Final = "user_api_key_hash"
_TOOL_CALL: Final = "mcp_tool_call_metadata"
_TABLES: Final = "LiteLLM_"
_KEYS: Final = "LiteLLM_VerificationToken"
_MARKS: Final = (f'"{_KEY_HASH}"'.encode(), f'"{_TABLES}'.encode())
_REFUSED: Final = ("401", "403")
_HASHES: Final = ("cache_key", "model_id", "hidden_params")  # nothing of these was said by anybody
_UNJOINED: Final = "the key's metadata has no task_id"


def looks_like(record: Record) -> bool:
    """Whether an object is a request's record, or one of the audit log."""
    return _is_request(record) or _is_change(record)


def _is_request(record: Record) -> bool:
    metadata = record.get("metadata")
    return isinstance(record.get("call_type"), str) and isinstance(metadata, dict) and _KEY_HASH in metadata


def _is_change(record: Record) -> bool:
    table = record.get("table_name")
    return (
        isinstance(table, str)
        and table.startswith(_TABLES)
        and isinstance(record.get("action"), str)
        and "object_id" in record
    )


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The use of a virtual key; of an audit record also the key that was made or ended.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    return list(_used(record, now) if _is_request(record) else _changed(record, now))


def _used(record: Record, now: int) -> Iterator[CanonicalEvent]:
    key = _digest(record, f"metadata.{_KEY_HASH}")
    if key is None:
        return
    tool = find(record, f"metadata.{_TOOL_CALL}")
    called = tool if isinstance(tool, dict) else {}
    yield CredentialUsed(
        time=time(record, "startTime", now),
        source=SOURCE,
        id=text(record, "id"),
        identifier=key,
        action=text(record, "call_type"),
        resource=maybe_text(called, "namespaced_tool_name")
        or maybe_text(called, "name")
        or maybe_text(record, "model"),
        outcome=DENIED if _is_refused(record) else SUCCESS,
        source_ip=maybe_text(record, "metadata.requester_ip_address"),
        user_agent=maybe_text(record, "user_agent"),
    )


def _is_refused(record: Record) -> bool:
    """Whether LiteLLM itself refused the key. An error that names a provider is the provider's."""
    told = find(record, "error_information")
    problem = told if isinstance(told, dict) else {}
    return (
        record.get("status") == "failure"
        and maybe_text(problem, "error_code") in _REFUSED
        and not maybe_text(problem, "llm_provider")
    )


def _changed(record: Record, now: int) -> Iterator[CanonicalEvent]:
    when, number = time(record, "updated_at", now), text(record, "id")
    action, table = text(record, "action"), text(record, "table_name")
    administrator = _digest(record, "changed_by_api_key")
    if administrator is not None:
        yield CredentialUsed(
            time=when,
            source=SOURCE,
            id=f"{number}/used",
            identifier=administrator,
            action=f"{table} {action}",
        )
    if table != _KEYS:
        return
    key, values = _digest(record, "object_id"), _values(record)
    if action == "created" and key is not None:
        yield _issued(number, when, key, values)
    elif action in ("deleted", "blocked", "rotated") and key is not None:
        yield CredentialRevoked(time=when, source=SOURCE, id=f"{number}/revoked", identifier=key)
    fresh = _digest(values, "token_id") if action == "rotated" else None
    if fresh is not None:
        yield _issued(number, when, fresh, values)


def _issued(number: str, when: int, key: Identifier, values: Record) -> CredentialIssued:
    """The credential's name is that of the audit record: a hash would let anybody test guesses at a short key."""
    alias, task = maybe_text(values, "key_alias"), maybe_text(values, "metadata.task_id")
    return CredentialIssued(
        time=when,
        source=SOURCE,
        id=f"{number}/issued",
        credential_id=f"litellm/key/{number}",
        task_id=task or f"litellm/key/{number}",
        identifiers=(key,),
        kind="litellm-key",
        expires_at=maybe_time(values, "expires"),
        issued_to=None if alias is None else IssuedTo(workload=alias),
        revocation=None
        if alias is None
        else {"provider": "litellm", "method": "delete-key", "key_alias": alias},
        unjoined=None if task else _UNJOINED,
    )


def _digest(record: Record, path: str) -> Identifier | None:
    """The SHA-256 in a field, if it has one: some have a name, or nothing."""
    held = maybe_text(record, path)
    digest = None if held is None else normal_sha256(held)
    return None if digest is None else Identifier("sha256", digest)


def _values(record: Record) -> dict[str, Any]:
    """What a key has after the change. It is an object, or JSON of one."""
    held = record.get("updated_values")
    if isinstance(held, str):
        try:
            held = msgspec.json.decode(held)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            held = None
    return held if isinstance(held, dict) else {}


def scanned(record: Record, now: int) -> LogText | None:
    """The messages and tool calls of a request, with its MCP session or its trace as their task."""
    if not _is_request(record):
        return None
    metadata = {name: held for name, held in record["metadata"].items() if name != _KEY_HASH}
    said = {name: held for name, held in record.items() if name not in _HASHES}
    tool = metadata.get(_TOOL_CALL)
    session = tool.get("mcp_session_id") if isinstance(tool, dict) else None
    trace = record.get("trace_id")
    task = agent_task(session) if isinstance(session, str) and session else trace
    when = log_time(record.get("startTime"))
    return run_text({**said, "metadata": metadata}, now, task if isinstance(task, str) else None, when)


def _kind(record: Record) -> str:
    return "request without a key" if _is_request(record) else "change of no key"


ADAPTER: Final = Adapter(SOURCE, _MARKS, looks_like, translate, text=scanned, kind=_kind)
