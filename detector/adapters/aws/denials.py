"""Policies that end sessions. AWS cannot revoke a session, but a policy can deny it everything.

"Revoke active sessions" in the console attaches `AWSRevokeOlderSessions` to a role: a `Deny` of everything where
`aws:TokenIssueTime` is before a time (docs.aws.amazon.com, "Revoke IAM role temporary security credentials"). To spare
the role's other sessions, a revoker denies one by its `aws:userid`: the role's id and the session's name. The name of
a policy does not matter. A policy that denies less than everything ends nothing.
"""

from typing import Any, Final

import msgspec

from detector.adapters.adapter import Record
from detector.adapters.aws.times import answer_time
from detector.adapters.fields import maybe_text, text
from detector.records.dead_letters import WRONG_FIELD, bad
from detector.records.repeated_names import has_repeated_name

_NAME: Final = "AWSRevokeOlderSessions"
_DOCUMENT: Final = "requestParameters.policyDocument"
_MAX_POLICY: Final = 64 * 1024
_MAX_STATEMENTS: Final = 256
_EVERYTHING: Final = ("*", ["*"])
_ISSUED: Final = "aws:tokenissuetime"
_WHO: Final = "aws:userid"
_EQUALS: Final = frozenset({"StringEquals", "StringLike"})
_decoder: Final = msgspec.json.Decoder()


class Denial(msgspec.Struct, frozen=True):
    """The sessions that a policy denies everything: those issued before a time (ns; None: until now) with these names.

    `user_ids` are `AROA…:<session name>`; None means any name.
    """

    before: int | None
    user_ids: tuple[str, ...] | None


def role_group(account: str, name: str) -> str:
    """All sessions of a role."""
    return f"aws/role/{account}/{name}"


def user_group(account: str, name: str) -> str:
    """All sessions that a user's own keys asked for."""
    return f"aws/user/{account}/{name}"


def session_group(user_id: str) -> str:
    """All sessions of a role with one name."""
    return f"aws/session/{user_id}"


def principal(arn: str | None, kind: str) -> tuple[str, str] | None:
    """Account and name in `arn:aws:iam::111122223333:role/path/name`; None if it is not an ARN of this `kind`."""
    parts = (arn or "").split(":", 5)
    if len(parts) != 6 or not parts[4] or not parts[5].startswith(f"{kind}/"):  # noqa: PLR2004 - an ARN's parts
        return None
    name = parts[5].rsplit("/", 1)[1]
    return (parts[4], name) if name else None


def denials(record: Record) -> list[Denial]:
    """What the policy in a `PutRolePolicy` or `PutUserPolicy` denies everything; empty for any other policy.

    Raises:
        BadRecordError: it has the name of one that does, and does not.
    """
    found = _denials(maybe_text(record, _DOCUMENT))
    if not found and text(record, "requestParameters.policyName") == _NAME:
        raise bad(WRONG_FIELD, _DOCUMENT, "it does not deny everything to what was issued before a time")
    return found


def _denials(document: str | None) -> list[Denial]:
    if document is None or len(document) > _MAX_POLICY:
        return []
    try:
        policy = _decoder.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return []
    if has_repeated_name(document.encode("utf-8", "replace")):
        return []
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        return []
    found = [_denial(each) for each in statements[:_MAX_STATEMENTS] if isinstance(each, dict)]
    return [each for each in found if each is not None]


def _denial(statement: dict[str, Any]) -> Denial | None:
    """The sessions that a statement ends; None if it denies less than everything, or has other conditions."""
    condition = statement.get("Condition")
    everything = all(statement.get(part) in _EVERYTHING for part in ("Action", "Resource"))
    if statement.get("Effect") != "Deny" or not everything or not isinstance(condition, dict):
        return None
    asked = {
        (operator, key.lower()): value
        for operator, keys in condition.items()
        for key, value in (keys.items() if isinstance(keys, dict) else ((operator, None),))
    }
    before, user_ids = None, None
    for (operator, key), value in asked.items():
        if (operator, key) == ("DateLessThan", _ISSUED):
            before = answer_time(value[0] if isinstance(value, list) and len(value) == 1 else value)
        elif operator in _EQUALS and key == _WHO:
            user_ids = _exact(value)
        else:
            return None
    known = (before is not None) + (user_ids is not None)
    return Denial(before, user_ids) if asked and known == len(asked) else None


def _exact(value: object) -> tuple[str, ...] | None:
    """Ids without wildcards; a pattern could match anybody's."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or len(items) > _MAX_STATEMENTS:
        return None
    if not all(isinstance(item, str) and item and not {"*", "?", "$"} & set(item) for item in items):
        return None
    return tuple(items)
