"""Microsoft Entra ID by Microsoft Graph: removes secrets, disables service principals, ends users' sign-in sessions.

None of these ends an access token that was issued already: it lives for about an hour (learn.microsoft.com, "Revoke
user access", "Continuous access evaluation for workload identities"). So the target never says that such a token is
dead.
"""

import re  # over ids of bounded length
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import (
    GoneError,
    Observation,
    Plan,
    RefusedError,
    State,
    Step,
    UnavailableError,
)
from detector.revoke.targets.access_tokens import AccessTokens, AuthorizedHttp
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.issue_times import issued_then
from detector.revoke.targets.provider_http import (
    Answer,
    HttpOptions,
    check_address,
    forbidden,
    read_secret,
)
from detector.values.times import parse_rfc3339

_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_USER = re.compile(r"[\w.+'@-]{1,256}", re.ASCII)
_WITHIN: Final = 120.0
_OK: Final = frozenset({200, 204})
_NOT_FOUND: Final = 404
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIVES: Final = "access tokens that were issued already live for about an hour"
_NAMED: Final = {
    "servicePrincipals": "displayName,appId",
    "applications": "displayName,appId",
    "users": "displayName,userPrincipalName",
}
_TOKEN_KINDS: Final = frozenset({"azure-token"})


class AzureOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tenant.

    The revoker is an application of it, with a secret or a federated assertion, or `token_file` has a token.

    - `tenant`, `client_id`: of the revoker's own application.
    - `client_secret_file`: the application's secret. Or `assertion_file`.
    - `assertion_file`: the JWT of a workload identity.
    - `login_url`: where tokens come from.
    - `disable_service_principals`: whether a service principal may be disabled. That stops all that works as it.
    """

    url: str = "https://graph.microsoft.com"
    tenant: str = ""
    client_id: str = ""
    client_secret_file: str | None = None
    assertion_file: str | None = None
    login_url: str = "https://login.microsoftonline.com"
    disable_service_principals: bool = False

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        super().__post_init__()
        check_address("login_url", self.login_url)
        ways = (self.token_file, self.client_secret_file, self.assertion_file)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("set one of client_secret_file, assertion_file and token_file")
        if self.token_file is None and not (_ID.fullmatch(self.tenant) and _ID.fullmatch(self.client_id)):
            raise ValueError("tenant and client_id: write their ids")


class _Handle(NamedTuple):
    """An object of Graph: its kind, in words and in paths, its id, and a secret's `key_id`."""

    words: str
    kind: str
    id: str
    key_id: str = ""

    def __str__(self) -> str:
        key = f"secret {self.key_id} of the " if self.key_id else ""
        return f"{key}{self.words} {self.id}"


class AzureTarget:
    """Credentials of one tenant."""

    name: ClassVar[str] = "azure"
    Options: ClassVar[type[AzureOptions]] = AzureOptions

    def __init__(self, options: AzureOptions) -> None:
        self._options = options
        tokens: AccessTokens | None = None
        if options.token_file is None:
            url = f"{options.login_url.rstrip('/')}/{options.tenant}/oauth2/v2.0/token"
            login = HttpOptions(
                url=url, ca_file=options.ca_file, timeout=options.timeout, use_proxy=options.use_proxy
            )
            tokens = AccessTokens(login, self._form)
        self._http = AuthorizedHttp(options, tokens)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it is a credential of Entra ID."""
        return command.provider == "azure"

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do.

        Raises:
            RefusedError: the command lacks what is needed, or the configuration does not allow it.
        """
        handle = self._handle(command)
        if handle.key_id:
            return Plan((Step(f"remove the {handle}"),), "Graph no longer lists the secret", _WITHIN, _LIVES)
        if handle.kind == "servicePrincipals":
            step = Step(f"disable the {handle}: everything that uses it stops", reversible=True)
            return Plan((step,), "Graph says `accountEnabled` is false", _WITHIN, _LIVES)
        proof = "Graph says `signInSessionsValidFromDateTime` is later than the issue"
        return Plan((Step(f"end the sign-in sessions of the {handle}"),), proof, _WITHIN, _LIVES)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries it out.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        del step  # there is one
        handle = self._handle(command)
        state, how, _ = await self._look(command, handle)
        if state != "live":
            if _is_token(command, handle):
                return f"nothing to do: {how}"
            raise GoneError(how, known=state == "dead")
        path: tuple[str, ...] = ("v1.0", handle.kind, handle.id)
        if handle.key_id:
            answer = await self._http.ask("POST", (*path, "removePassword"), {"keyId": handle.key_id})
        elif handle.kind == "servicePrincipals":
            answer = await self._http.ask("PATCH", path, {"accountEnabled": False})
        else:
            answer = await self._http.ask("POST", (*path, "revokeSignInSessions"), {})
        self._check(answer)
        verb = "removed the" if handle.key_id else "ended the sign-in sessions of the"
        return (
            f"{'disabled the' if handle.kind == 'servicePrincipals' and not handle.key_id else verb} {handle}"
        )

    async def probe(self, command: RevocationCommand) -> Observation:
        """What Graph says.

        Raises:
            RefusedError, UnavailableError: it cannot be said.
        """
        handle = self._handle(command)
        state, how, found = await self._look(command, handle)
        if state == "live":
            return Observation("live", how, found=found)
        if _is_token(command, handle):
            return Observation("unknown", f"{how}; {_LIVES}", control=True)
        return Observation(state, how, control=True)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _handle(self, command: RevocationCommand) -> _Handle:
        """The object that the command names.

        Raises:
            RefusedError: it names none, or one of another tenant, or one that must not be touched.
        """
        tenant = optional(command, "tenant", _ID)
        if tenant and tenant.lower() != self._options.tenant.lower():
            raise RefusedError("the command is about another tenant")
        if command.method == "disable-service-principal":
            if not self._options.disable_service_principals:
                raise RefusedError(
                    "the token cannot be revoked alone: set disable_service_principals = true to disable its service "
                    "principal, which stops everything that uses it"
                )
            return _Handle(
                "service principal", "servicePrincipals", needed(command, "service_principal", _ID)
            )
        if command.method == "remove-secret":
            key = needed(command, "key_id", _ID)
            if command.text("service_principal"):
                owner = needed(command, "service_principal", _ID)
                return _Handle("service principal", "servicePrincipals", owner, key)
            return _Handle("application", "applications", needed(command, "application", _ID), key)
        if command.method == "revoke-sign-in-sessions":
            if command.issued_at is None:
                raise RefusedError("the command does not say when the session was issued")
            return _Handle("user", "users", needed(command, "user", _USER))
        raise RefusedError(
            "`method` is not one of disable-service-principal, remove-secret, revoke-sign-in-sessions"
        )

    async def _look(self, command: RevocationCommand, handle: _Handle) -> tuple[State, str, dict[str, str]]:
        """How the object is, how that is known, and what it is called.

        Raises:
            RefusedError: the object is not the command's.
            UnavailableError: Graph cannot be asked.
        """
        field = "accountEnabled" if handle.kind == "servicePrincipals" else "signInSessionsValidFromDateTime"
        field = "passwordCredentials" if handle.key_id else field
        answer = await self._http.ask(
            "GET", ("v1.0", handle.kind, handle.id), query={"$select": f"id,{_NAMED[handle.kind]},{field}"}
        )
        if answer.status == _NOT_FOUND:
            if not isinstance(answer.fields().get("error"), dict):
                raise UnavailableError(
                    f"{self._http.host} answers HTTP 404, but not as Graph does: check url"
                )
            return "absent", f"Graph has no {handle.words} {handle.id}", {}
        self._check(answer)
        facts = answer.fields()
        expected = optional(command, "object_id", _ID)
        if expected and facts.get("id") != expected:  # a user's name may go to somebody else
            raise RefusedError(f"the {handle.words} {handle.id} is another object than before")
        found = found_names(
            facts, object_id="id", display_name="displayName", app_id="appId", user_name="userPrincipalName"
        )
        return *self._judged(command, handle, facts.get(field)), found

    def _judged(self, command: RevocationCommand, handle: _Handle, value: object) -> tuple[State, str]:
        """How the object is, by the field that says so, and how that is known."""
        if handle.key_id:
            return self._secret(command, handle, value)
        if handle.kind == "servicePrincipals":
            if type(value) is not bool:
                raise UnavailableError(f"{self._http.host} does not say whether the {handle} is enabled")
            how = f"Graph says `accountEnabled` of the {handle} is {str(value).lower()}"
            return "live" if value else "dead", how
        ended = _time(value) > (command.issued_at or 0)
        return "dead" if ended else "live", f"Graph says that sessions of the {handle} count from {value}"

    def _secret(self, command: RevocationCommand, handle: _Handle, value: object) -> tuple[State, str]:
        if not isinstance(value, list):
            raise UnavailableError(f"{self._http.host} does not list the secrets of the {handle.words}")
        for one in value:
            if isinstance(one, dict) and str(one.get("keyId")).lower() == handle.key_id.lower():
                issued_then(command, one.get("startDateTime"), str(handle))
                return "live", f"Graph lists the {handle}"
        return "absent", f"Graph does not list the {handle}"

    def _check(self, answer: Answer) -> None:
        forbidden(answer, "the permissions in docs/revoke.md")
        if answer.status not in _OK:
            raise UnavailableError(f"{self._http.host} answers HTTP {answer.status}")

    async def _form(self) -> Mapping[str, str]:
        options = self._options
        form = {
            "grant_type": "client_credentials",
            "client_id": options.client_id,
            "scope": f"{options.url.rstrip('/')}/.default",
        }
        if options.client_secret_file is not None:
            secret = await read_secret(options.client_secret_file)
            return {**form, "client_secret": secret.reveal().decode("ascii")}
        assertion = await read_secret(options.assertion_file or "")
        return {
            **form,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion.reveal().decode("ascii"),
        }


def _is_token(command: RevocationCommand, handle: _Handle) -> bool:
    """Whether the credential is an access token, which goes on living whatever Graph says of its owner."""
    return command.kind in _TOKEN_KINDS or (handle.kind == "servicePrincipals" and not handle.key_id)


def _time(value: object) -> int:
    try:
        return parse_rfc3339(value) if isinstance(value, str) else _no_time()
    except ValueError:
        return _no_time()


def _no_time() -> int:
    raise UnavailableError("Graph answers without a time that can be read")


TARGET: Final = AzureTarget
