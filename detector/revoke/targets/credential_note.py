"""The note by which an object at a provider says whose credential it is: `curfewd:{"credential_id": "…"}`.

Whoever creates the object writes it: as the comment of a PostgreSQL role, as the description of a key of MinIO. The
credential cannot change it. So an event that names somebody else's object is seen as a forged one.
"""

from typing import Final

import msgspec

from detector.revoke.target import RefusedError

PREFIX: Final = "curfewd:"
_MOST: Final = 4096  # characters


class _Note(msgspec.Struct):
    credential_id: str


def noted_credential(note: str | None) -> str | None:
    """The credential that a note names; None if it is no note of curfewd's.

    Raises:
        RefusedError: it begins like one, and cannot be read.
    """
    if note is None or not note.startswith(PREFIX):
        return None
    try:
        return msgspec.json.decode(note[len(PREFIX) : _MOST], type=_Note).credential_id
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise RefusedError(
            'whose credential it is cannot be read: its note is no `curfewd:{"credential_id": "…"}`'
        ) from None
