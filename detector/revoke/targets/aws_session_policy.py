"""The inline policy that denies AWS sessions: read, added to, and rid of what has expired. Pure.

Each statement denies everything to sessions issued before a time (`aws:TokenIssueTime`, as AWSRevokeOlderSessions
does), and, where the session's name is known, only to those of that name (`aws:userid`, which is
`<role id>:<session name>`). AWS allows 10,240 characters for all inline policies of a role together (2,048 for a
user's), white space aside.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from detector.revoke.target import RefusedError
from detector.values.times import HOUR, SECOND, SKEW, format_rfc3339, parse_rfc3339

NAME: Final = "curfewd-revoked-sessions"
LONGEST: Final = {"role": 12 * HOUR, "user": 36 * HOUR}
"""How long a session of a role, or one that a user asked for, lives at most."""
_ROOM: Final = {"role": 10_240, "user": 2_048}  # characters
_VERSION: Final = "2012-10-17"
_OURS: Final = "Curfewd"


class Denial(NamedTuple):
    """The sessions that are denied: issued before a time (ns, whole seconds), of one user id or of all."""

    before: int
    user_id: str | None

    @classmethod
    def of(cls, issued_at: int, user_id: str | None) -> "Denial":
        """The denial of a session, given its issue time (ns): clocks may differ by some seconds."""
        return cls((issued_at // SECOND) * SECOND + SKEW, user_id)

    @property
    def sid(self) -> str:
        """The statement's id: letters and digits, the same for the same denial."""
        text = f"{self.before}/{self.user_id or ''}"
        return f"{_OURS}{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def statement(self) -> dict[str, Any]:
        """The statement of the policy."""
        condition: dict[str, Any] = {"DateLessThan": {"aws:TokenIssueTime": format_rfc3339(self.before)}}
        if self.user_id is not None:
            condition["StringEquals"] = {"aws:userid": self.user_id}
        return {
            "Sid": self.sid,
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": condition,
        }


def has(document: Mapping[str, Any] | None, denial: Denial) -> bool:
    """Whether a policy denies those sessions, word for word."""
    return document is not None and denial.statement() in _statements(document)


def with_denials(
    document: Mapping[str, Any] | None, denials: Iterable[Denial], kind: str, now: int
) -> dict[str, Any]:
    """A policy with these denials, and without its own that are about sessions that have expired by `now` (ns).

    Statements of other hands stay as they are. `kind`: `role` or `user`, whose policy it is.

    Raises:
        RefusedError: there is no room, or the policy is none that this can change.
    """
    found = [] if document is None else _statements(document)
    kept = [one for one in found if not _expired(one, now - LONGEST[kind])]
    ids = {one.get("Sid") for one in kept}
    for denial in denials:
        statement = denial.statement()
        if statement in kept:
            continue
        if denial.sid in ids:
            raise RefusedError(
                f"somebody changed a statement of the policy {NAME}: look at it, and delete it"
            )
        kept.append(statement)
    made = {"Version": _VERSION, "Statement": kept}
    if len(msgspec.json.encode(made)) > _ROOM[kind]:
        raise RefusedError(
            f"the policy {NAME} has no room: it denies {len(kept) - 1} sessions. Deny all sessions of the {kind} by hand"
        )
    return made


def _statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document.get("Statement")
    listed: list[Any] = found if isinstance(found, list) else [found]
    if document.get("Version") != _VERSION or not all(isinstance(one, dict) for one in listed):
        raise RefusedError(
            f"the policy {NAME} does not have the form that curfewd gives it: look at it, and delete it"
        )
    return [dict(one) for one in listed]


def _expired(statement: Mapping[str, Any], oldest: int) -> bool:
    """Whether a statement is curfewd's, and about sessions issued before the oldest that can be alive (ns)."""
    sid = statement.get("Sid")
    if not isinstance(sid, str) or not sid.startswith(_OURS):
        return False
    try:
        before = parse_rfc3339(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"])
    except (KeyError, TypeError, ValueError):
        return False
    return before < oldest
