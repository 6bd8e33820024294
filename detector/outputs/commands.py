"""A command, the request to revoke one credential, as a CloudEvent 1.0 in structured mode.

A program that executes commands may see one twice: it has the same `id`. Ids, handle and identifiers are as they were
issued. If an issuer put a secret among them, it is masked, so a handle must refer to a secret and not contain it.
"""

from typing import Any, Final

from detector.outputs.public_identifiers import command_identifier_records, keeping_public_ids
from detector.values.findings import Command, CredentialFacts
from detector.values.times import format_rfc3339
from detector.values.wording import Clean, cleanly

TYPE: Final = "credential.revocation.requested"
SOURCE: Final = "curfewd"
_DEEPEST: Final = 100  # levels of an issuer's revocation object; JSON writers stop at about 250
_INT64: Final = 1 << 63


def command_record(command: Command, clean: Clean) -> dict[str, Any]:
    """The CloudEvent of a command. Its key in Kafka is `subject`, the credential's id."""
    return cleanly(lambda each: command_record_with(command, each), clean)


def command_record_with(command: Command, clean: Clean) -> dict[str, Any]:
    """The same, each text cleaned on its own."""
    credential = command.credential
    clean = keeping_public_ids(credential.identifiers, clean)
    subject = clean(credential.credential_id)
    data = {
        "credential_id": subject,
        **_task(credential, clean),
        **({"kind": clean(credential.kind)} if credential.kind else {}),
        **({"owner": clean(command.owner)} if command.owner else {}),
        "issued_at": format_rfc3339(credential.issued),
        "identifiers": command_identifier_records(credential.identifiers, clean),
        "reasons": list(command.reasons),
        "finding_uids": list(command.finding_uids),
        "escalated": command.escalated,
        "severity": command.severity.label,
    }
    if credential.revocation is not None:
        data["revocation"] = _cleaned(credential.revocation, clean)
    return {
        "specversion": "1.0",
        "id": command.id,
        "source": SOURCE,
        "type": TYPE,
        "subject": subject,
        "time": format_rfc3339(command.time),
        "datacontenttype": "application/json",
        "data": data,
    }


def _task(credential: CredentialFacts, clean: Clean) -> dict[str, Any]:
    candidates = credential.candidates
    if candidates is None:
        return {"task_id": clean(credential.task_id or "")}
    return {
        "candidate_task_ids": [clean(task_id) for task_id in candidates.task_ids],
        "candidate_count": candidates.count,
        **({"candidate_kind": clean(candidates.kind)} if candidates.kind else {}),
    }


def _cleaned(value: Any, clean: Clean, depth: int = 0) -> Any:
    """`value` with its texts cleaned.

    Deep nesting and integers of more than 64 bits, which JSON writers refuse, are null.
    """
    if isinstance(value, str):
        return clean(value)
    if depth == _DEEPEST or (isinstance(value, int) and not -_INT64 <= value < 2 * _INT64):
        return None
    if isinstance(value, dict):
        return {clean(key): _cleaned(item, clean, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, clean, depth + 1) for item in value]
    return value
