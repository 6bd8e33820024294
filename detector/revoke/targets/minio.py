"""MinIO: access keys of service accounts are switched off, and the tokens of one session revoked.

A service account's description says whose it is: `curfewd:{"credential_id": "…"}`. A session (STS) has no description,
and MinIO revokes tokens by user and type. So the issuer asks for the token with a `TokenRevokeType` that is the
credential's id; without it all sessions of the user would end, which is refused.
"""

import re  # over one short name
from typing import Any, ClassVar, Final

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.credential_note import noted_credential
from detector.revoke.targets.delays import Delay, delay_of, later
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.minio_admin import DeniedError, MinioAdmin
from detector.revoke.targets.provider_http import HttpOptions
from detector.values.wording import visible

_SESSION: Final = "revoke-tokens"
_SESSION_TYPE: Final = "STS"
_KEY: Final = re.compile(r"[A-Za-z0-9._~-]{3,128}")
_USER: Final = re.compile(r"[^\s\0]{1,256}")
_SECONDS_TO_PROVE: Final = 2.0  # other nodes are told by the one that was asked
_UNPROVED: Final = "downloads that had begun"
_UNPROVED_SESSION: Final = (
    f"{_UNPROVED}, and other nodes: MinIO does not tell them, they refresh what they know later"
)


class MinioOptions(HttpOptions, frozen=True, kw_only=True):
    """How to reach one MinIO.

    - `access_key`, `secret_key_file`: the revoker's own key. The file is read for each request, so it can be rotated.
    - `cluster`: the name that `revocation.cluster` of a command must have. Set it if you have more than one.
    - `delete_after`: a duration after which a service account is deleted; by default it is kept, so that a person can
      undo it.
    """

    access_key: str
    secret_key_file: str
    cluster: str = ""
    delete_after: Delay | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without asking anybody.

        Raises:
            ValueError: a value cannot be used.
        """
        super().__post_init__()
        delay_of("delete_after", self.delete_after)


class MinioTarget:
    """Revokes keys of one MinIO. `revocation`: `provider` is `minio`, `access_key` the key, `cluster` where it is.

    For a session `method` is `revoke-tokens`, and `user` its user.
    """

    name: ClassVar[str] = "minio"
    Options: ClassVar[type[msgspec.Struct]] = MinioOptions

    def __init__(self, options: MinioOptions) -> None:
        self._options = options
        self._admin = MinioAdmin(options, options.access_key, options.secret_key_file)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether the credential is MinIO's."""
        return command.provider == "minio"

    def plan(self, command: RevocationCommand) -> Plan:
        """What is switched off or revoked.

        Raises:
            RefusedError: no key is named, or more than this credential would be hit.
        """
        key = self._named(command)
        if command.method == _SESSION:
            user = visible(self._user(command))
            step = Step(f"revoke the tokens of {user} with TokenRevokeType {visible(command.credential_id)}")
            return Plan(
                (step,),
                f"info-access-key no longer knows the key {key}",
                _SECONDS_TO_PROVE,
                _UNPROVED_SESSION,
            )
        steps = (
            Step(f"switch off the access key {key}", reversible=True),
            *later(f"delete the access key {key}", delay_of("delete_after", self._options.delete_after)),
        )
        proof = f"info-service-account says that the key {key} is off"
        return Plan(steps, proof, _SECONDS_TO_PROVE, _UNPROVED)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out one step. Repeated, it changes nothing.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        key = self._named(command)
        if command.method == _SESSION:
            await self._session(command, key)
            query = {"user": self._user(command), "tokenRevokeType": command.credential_id}
            await self._admin.write("POST", ("revoke-tokens", "builtin"), query)
            return f"revoked the tokens of {visible(query['user'])} with that TokenRevokeType"
        account = await self._account(command, key)
        if step == 0:
            query = {"accessKey": key}
            await self._admin.write("POST", ("update-service-account",), query, {"newStatus": "off"})
            return f"switched off the access key {key}"
        if account.get("accountStatus") == "on":
            raise RefusedError(f"the access key {key} is kept: somebody switched it on again")
        await self._admin.write("DELETE", ("delete-service-account",), {"accessKey": key})
        return f"deleted the access key {key}"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Whether MinIO knows the key, and whether it is on. That it answers proves that the revoker's own key works.

        Raises:
            RefusedError: the key is not the credential's.
            UnavailableError: MinIO cannot be asked.
        """
        key, session = self._named(command), command.method == _SESSION
        try:
            found = await (self._session(command, key) if session else self._account(command, key))
        except GoneError as error:
            return Observation("absent", f"{self._admin.host}: {error}", control=True)
        status = found.get("accountStatus")
        if status not in {"on", "off"}:
            raise UnavailableError(f"{self._admin.host} does not say whether the key is on")
        return Observation(
            "dead" if status == "off" else "live",
            f"{self._admin.host}: the key {key} is {status}",
            control=True,
            found=found_names(found, parent_user="parentUser"),
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._admin.close()

    def _named(self, command: RevocationCommand) -> str:
        if command.text("cluster") != self._options.cluster:
            raise RefusedError(
                "the command is for another MinIO, or does not say for which: `cluster` of its revocation must be that of"
                " the target"
            )
        key = command.text("access_key")
        if _KEY.fullmatch(key) is None:
            raise RefusedError("the command names no access key: put `access_key` into its revocation")
        if key == self._options.access_key:
            raise RefusedError("the access key is the revoker's own")
        return key

    def _user(self, command: RevocationCommand) -> str:
        """The user of a session. Without one MinIO would revoke the revoker's own tokens."""
        user = command.text("user")
        if _USER.fullmatch(user) is None or user == self._options.access_key:
            raise RefusedError(
                "the command names no user whose tokens could be revoked: put `user` into its revocation"
            )
        if _USER.fullmatch(command.credential_id) is None:
            raise RefusedError(
                "the credential's id cannot be a TokenRevokeType: it is empty, too long, or has blanks"
            )
        return user

    async def _account(self, command: RevocationCommand, key: str) -> dict[str, Any]:
        try:
            found = await self._admin.account(key)
        except (DeniedError, GoneError):
            await self._refuse_others(key)
            raise
        note = found.get("description")
        noted = noted_credential(note if isinstance(note, str) else None)
        if noted is None:
            raise RefusedError(
                f"nothing says that the access key {key} is this credential's: its description must be"
                ' `curfewd:{"credential_id": "…"}`'
            )
        if noted != command.credential_id:
            raise RefusedError(f"the description of the access key {key} names another credential")
        return found

    async def _refuse_others(self, key: str) -> None:
        """Raises if a key that is no service account's is there all the same: it must not pass for a dead one."""
        try:
            found = await self._admin.active_key(key)
        except GoneError:
            if not await self._admin.is_user(key):
                return
            raise RefusedError(
                f"{key} is a user of MinIO, not a service account: a person must revoke it"
            ) from None
        if found.get("userType") != _SESSION_TYPE:  # it reads that key itself, the others later
            raise UnavailableError(f"{self._admin.host} has not loaded its service accounts yet")
        raise RefusedError(f"the access key {key} is a session's: `method` must be {_SESSION}")

    async def _session(self, command: RevocationCommand, key: str) -> dict[str, Any]:
        user = self._user(command)
        found = await self._admin.active_key(key)
        if found.get("parentUser") != user or found.get("userType") != _SESSION_TYPE:
            raise RefusedError(f"the access key {key} is no session of the user {visible(user)}")
        return found


TARGET: Final = MinioTarget
