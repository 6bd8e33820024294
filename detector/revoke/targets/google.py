"""Google Cloud: disables a service account's key, denies a federated principal, or disables a service account.

All three can be undone. A token of Google can be revoked by whoever has it, only: its endpoint wants the token itself.
Disabling a key does not end the tokens that it was exchanged for, which live for up to an hour (cloud.google.com/iam,
"Disable and enable service account keys").
"""

import re  # over names of bounded length
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.access_tokens import AccessTokens, AuthorizedHttp
from detector.revoke.targets.delays import delay_of, later
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.google_denials import Denials
from detector.revoke.targets.google_options import GoogleOptions
from detector.revoke.targets.google_tokens import assertion
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.issue_times import issued_then
from detector.revoke.targets.provider_http import Answer, HttpOptions, forbidden

_ACCOUNT = re.compile(r"[a-z0-9-]{1,64}@[a-z0-9.-]{1,128}\.gserviceaccount\.com")
_KEY = re.compile(r"[0-9a-f]{8,64}")
_PRINCIPAL = re.compile(
    r"principal://iam\.googleapis\.com/projects/[0-9]{1,20}/locations/global/workloadIdentityPools/"
    r"[a-z0-9-]{1,64}/subject/[\x21-\x7e]{1,512}"
)
_WITHIN: Final = 420.0  # seconds: policies take two minutes, and seven or more at times
_OK: Final = 200
_NOT_FOUND: Final = 404
_SHARED: Final = "gcp/principal/"  # a task's id where the principal is not one job's


class _Handle(NamedTuple):
    """A service account, a key of one, or a principal. What is empty is not meant."""

    account: str = ""
    key: str = ""
    principal: str = ""

    def __str__(self) -> str:
        if self.principal:
            return f"principal {self.principal}"
        key = f"key {self.key} of the " if self.key else ""
        return f"{key}service account {self.account}"


class GoogleTarget:
    """Credentials of Google Cloud."""

    name: ClassVar[str] = "google"
    Options: ClassVar[type[GoogleOptions]] = GoogleOptions

    def __init__(self, options: GoogleOptions) -> None:
        self._options = options
        tokens: AccessTokens | None = None
        if options.credentials_file is not None:
            login = HttpOptions(
                url=options.token_url,
                ca_file=options.ca_file,
                timeout=options.timeout,
                use_proxy=options.use_proxy,
            )
            tokens = AccessTokens(login, self._form)
        self._http = AuthorizedHttp(options, tokens)
        self._denials = Denials(options, self._http)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it is a credential of Google."""
        return command.provider in {"gcp", "google"}

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do.

        Raises:
            RefusedError: the command lacks what is needed, or the configuration does not allow it.
        """
        handle = self._handle(command)
        if handle.principal:
            step = Step(f"deny the {handle} what denied_permissions says", reversible=True)
            return Plan(
                (step,),
                "the deny policy has the principal",
                _WITHIN,
                "a deny policy takes minutes to take effect; permissions that are not in it stay allowed",
                forgets=False,
            )
        delay = delay_of("delete_after", self._options.delete_after) if handle.key else None
        steps = Step(f"disable the {handle}", reversible=True), *later(f"delete the {handle}", delay)
        unproved = "tokens that the key was exchanged for live for up to an hour"
        if not handle.key:
            unproved = "services may accept its tokens for some minutes more"
        return Plan(steps, "IAM says that it is disabled", _WITHIN, unproved, forgets=False)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out a step.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        handle = self._handle(command)
        if handle.principal:
            if not await self._denials.add(handle.principal):
                raise GoneError(f"the {handle} is denied already", known=True)
            return f"denied the {handle}"
        found = await self._find(command, handle)
        if step:
            return await self._delete(handle, found)
        if found is None or found.get("disabled") is True:
            how = f"the {handle} is {'gone' if found is None else 'disabled'} already"
            raise GoneError(how, known=found is not None)
        answer = await self._http.ask("POST", (*_path(handle)[:-1], f"{_path(handle)[-1]}:disable"), {})
        self._check(answer, "disable")
        return f"disabled the {handle}"

    async def probe(self, command: RevocationCommand) -> Observation:
        """What IAM says.

        Raises:
            RefusedError, UnavailableError: it cannot be said.
        """
        handle = self._handle(command)
        if handle.principal:
            if not await self._denials.has(handle.principal):
                return Observation("live", "the deny policy does not have the principal")
            how = "the deny policy has the principal, and takes minutes to take effect"
            return Observation("unknown", how, control=True)
        found = await self._find(command, handle)
        if found is None:
            return Observation("absent", f"IAM has no {handle}", control=True)
        if found.get("disabled") is True:
            return Observation("dead", f"IAM says that the {handle} is disabled", control=True)
        names = found_names(found, unique_id="uniqueId", display_name="displayName")
        return Observation("live", f"IAM has the {handle}, which is not disabled", found=names)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _handle(self, command: RevocationCommand) -> _Handle:
        """What the command names.

        Raises:
            RefusedError: it names nothing that can be revoked, or that the configuration allows.
        """
        if command.method == "disable-service-account-key":
            return _Handle(needed(command, "service_account", _ACCOUNT), needed(command, "key_id", _KEY))
        if command.method == "revoke-token":
            raise RefusedError(
                "Google revokes a token only for whoever has it (oauth2.googleapis.com/revoke wants the token), and "
                "curfewd has none: it lives until it expires"
            )
        if command.method != "deny-principal":
            raise RefusedError("`method` is not one of disable-service-account-key, deny-principal")
        account = optional(command, "service_account", _ACCOUNT)
        if account:
            if not self._options.disable_service_accounts:
                raise RefusedError(
                    "a token of a service account lives until it expires: set disable_service_accounts = true to "
                    f"disable {account}, which ends all its tokens"
                )
            return _Handle(account)
        principal = needed(command, "principal", _PRINCIPAL)
        shared = not command.task_ids or any(task.startswith(_SHARED) for task in command.task_ids)
        if shared and not self._options.shared_principals:
            raise RefusedError(
                "the principal's subject names no job, so others have it too: map `google.subject` to the job, or set "
                "shared_principals = true"
            )
        if not self._denials.configured:
            raise RefusedError("set deny_project and denied_permissions to deny a principal")
        return _Handle(principal=principal)

    async def _find(self, command: RevocationCommand, handle: _Handle) -> Mapping[str, Any] | None:
        """The key or account; None if there is none.

        Raises:
            RefusedError: it is not the command's.
            UnavailableError: IAM cannot be asked.
        """
        answer = await self._http.ask("GET", _path(handle))
        if answer.status == _NOT_FOUND:
            error = answer.fields().get("error")
            if not isinstance(error, dict) or error.get("status") != "NOT_FOUND":
                raise UnavailableError(f"{self._http.host} answers HTTP 404, but not as IAM does: check url")
            return None
        self._check(answer, "get")
        found = answer.fields()
        end = f"/keys/{handle.key}" if handle.key else f"/serviceAccounts/{handle.account}"
        if not str(found.get("name")).endswith(end):
            raise UnavailableError(f"{self._http.host} answers with something else than the {handle}")
        if handle.key:
            self._compare(command, handle, found)
        return found

    @staticmethod
    def _compare(command: RevocationCommand, handle: _Handle, found: Mapping[str, Any]) -> None:
        if found.get("keyType") != "USER_MANAGED":
            raise RefusedError(f"the {handle} is Google's own, and cannot be disabled")
        issued_then(command, found.get("validAfterTime"), str(handle))

    async def _delete(self, handle: _Handle, found: Mapping[str, Any] | None) -> str:
        if found is None:
            return f"the {handle} was deleted already"
        if found.get("disabled") is not True:
            raise RefusedError(f"somebody enabled the {handle} again: it is not deleted")
        answer = await self._http.ask("DELETE", _path(handle))
        if answer.status != _NOT_FOUND:
            self._check(answer, "delete")
        return f"deleted the {handle}"

    def _check(self, answer: Answer, right: str) -> None:
        forbidden(answer, f"the permission to {right} it (deploy/revoke/google.yaml)")
        if answer.status != _OK:
            raise UnavailableError(f"{self._http.host} answers HTTP {answer.status}")

    async def _form(self) -> Mapping[str, str]:
        return await assertion(self._options)


def _path(handle: _Handle) -> tuple[str, ...]:
    account = ("v1", "projects", "-", "serviceAccounts", handle.account)
    return (*account, "keys", handle.key) if handle.key else account


TARGET: Final = GoogleTarget
