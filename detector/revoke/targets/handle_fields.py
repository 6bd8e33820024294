"""Reads the texts of a revocation object.

They are hostile: each must have the form that is expected before it is used.
"""

import re  # over texts of bounded length
from typing import Final

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError

_LONGEST: Final = 2048


def needed(command: RevocationCommand, name: str, form: re.Pattern[str]) -> str:
    """A text of the revocation object that must be there.

    Raises:
        RefusedError: it is missing, or has another form.
    """
    value = optional(command, name, form)
    if not value:
        raise RefusedError(f"the revocation object has no `{name}`: issue the credential with it")
    return value


def optional(command: RevocationCommand, name: str, form: re.Pattern[str]) -> str:
    """A text of the revocation object; empty if it is missing.

    Raises:
        RefusedError: it has another form, or is no text.
    """
    value = command.revocation.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST or form.fullmatch(value) is None:
        raise RefusedError(f"`{name}` of the revocation object does not have the form of one")
    return value
