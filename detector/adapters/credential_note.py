"""The note by which an object at a provider says whose credential it is: `curfewd:{"credential_id": "…"}`.

Whoever creates the object writes it: as the comment of a PostgreSQL role, as the description of a key of MinIO. The
credential itself cannot change it. A PostgreSQL's audit log shows it, and the revoker looks at it.
"""

from typing import Final

import msgspec

_PREFIX: Final = "curfewd:"
_MOST: Final = 4096  # characters


class CredentialNote(msgspec.Struct, frozen=True):
    """`task_id` and `expires_at` (RFC 3339) are there if the note is meant to report the issue as well."""

    credential_id: str
    task_id: str = ""
    expires_at: str = ""


def read_note(note: str | None) -> CredentialNote | None:
    """What a note says; None if curfewd does not know its form.

    Raises:
        ValueError: it begins like one, and cannot be read.
    """
    if note is None or not note.startswith(_PREFIX):
        return None
    try:
        return msgspec.json.decode(note[len(_PREFIX) : _MOST], type=CredentialNote)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise ValueError('write curfewd:{"credential_id": "…"}') from None
