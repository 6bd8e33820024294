"""AWS: denies sessions of roles and users, and makes access keys inactive."""

import re  # over an account's number and a key's id
import time
from collections.abc import Callable
from typing import ClassVar, Final

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, RefusedError
from detector.revoke.targets.aws_iam import Iam
from detector.revoke.targets.aws_keys import KeyRevocation
from detector.revoke.targets.aws_options import AwsOptions
from detector.revoke.targets.aws_sessions import SessionRevocation
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.settling import FirstSeen

_ACCOUNT = re.compile(r"[0-9]{12}")
_KEY_ID = re.compile(r"A[KS]IA[A-Z0-9]{12,124}")
_KEY_SCHEME = "aws-access-key-id"


class AwsTarget:
    """Keys and sessions of one account."""

    name: ClassVar[str] = "aws"
    Options: ClassVar[type[AwsOptions]] = AwsOptions

    def __init__(self, options: AwsOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._iam = Iam(options)
        seen = FirstSeen(clock)
        self._keys = KeyRevocation(options, self._iam, seen)
        self._sessions = SessionRevocation(options, self._iam, seen)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it is a credential of AWS."""
        return command.provider == "aws"

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do.

        Raises:
            RefusedError: the command lacks what is needed, or is about another account.
        """
        return self._keys.plan(command) if self._is_key(command) else self._sessions.plan(command)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out a step.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        if self._is_key(command):
            return await self._keys.revoke(command, step)
        return await self._sessions.revoke(command)

    async def probe(self, command: RevocationCommand) -> Observation:
        """What IAM says.

        Raises:
            RefusedError, UnavailableError: it cannot be said.
        """
        if self._is_key(command):
            return await self._keys.probe(command)
        return await self._sessions.probe(command)

    async def close(self) -> None:
        """Closes connections."""
        await self._iam.close()

    def _is_key(self, command: RevocationCommand) -> bool:
        """Whether the command is about a key, not a session.

        Raises:
            RefusedError: it is about neither, or about another account or credential.
        """
        if command.method not in {"delete-access-key", "deny-session", "deny-user-sessions"}:
            raise RefusedError("`method` is not one of delete-access-key, deny-session, deny-user-sessions")
        account = needed(command, "account", _ACCOUNT)
        if account != self._options.account:
            raise RefusedError(
                f"the command is about the account {account}, this target is {self._options.account}"
            )
        key = optional(command, "access_key_id", _KEY_ID)
        ids = {one.value for one in command.identifiers if one.scheme == _KEY_SCHEME}
        if key and ids and key not in ids:
            raise RefusedError("`access_key_id` of the revocation object is not one of the credential's")
        return command.method == "delete-access-key"


TARGET: Final = AwsTarget
