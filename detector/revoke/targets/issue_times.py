"""Compares the time at which a provider says that it issued something with the time that the command says."""

from typing import Final

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import RefusedError, UnavailableError
from detector.values.times import SECOND, parse_rfc3339

SKEW: Final = 60 * SECOND  # between the clocks of the provider and of whoever reported the issue


def issued_then(command: RevocationCommand, made: object, what: str) -> None:
    """Nothing, if `what` was made when the command says that its credential was issued. `made` is RFC 3339.

    Raises:
        RefusedError: it was made at another time, or the command does not say when.
        UnavailableError: `made` is no time.
    """
    if command.issued_at is None:
        raise RefusedError(f"nothing shows that the {what} is meant: the command has no time of issue")
    try:
        then = parse_rfc3339(made if isinstance(made, str) else "")
    except ValueError:
        raise UnavailableError(f"the provider does not say when it made the {what}") from None
    if abs(then - command.issued_at) > SKEW:
        raise RefusedError(f"the {what} was made at another time than the credential of the command")
