"""Whose credential an object at a provider is, by its note: an event that names somebody else's is a forged one."""

from detector.adapters.credential_note import read_note
from detector.revoke.target import RefusedError


def noted_credential(note: str | None) -> str | None:
    """The credential that a note names; None if it is no note of curfewd's.

    Raises:
        RefusedError: it begins like one, and cannot be read.
    """
    try:
        read = read_note(note)
    except ValueError as error:
        raise RefusedError(f"whose credential it is cannot be read in its note: {error}") from None
    return None if read is None else read.credential_id
