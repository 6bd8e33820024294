"""What a PostgreSQL role of a task is called here: in events, and where the revoker looks it up."""

from typing import Final

from detector.values.times import format_rfc3339

PROVIDER: Final = "postgresql"
KIND: Final = "postgresql-role"
ROLE_ID: Final = "postgresql-role"
"""The scheme of the identifier that is a role's name."""


def credential_of(role: str, valid_until: int) -> str:
    """The id of a role's credential if nobody gave it another. `valid_until`: ns since the epoch.

    A role that is recreated, with another VALID UNTIL, is another credential.
    """
    return f"{PROVIDER}/{role}/{format_rfc3339(valid_until)}"
