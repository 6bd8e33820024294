"""Keycloak: ends the session to which a token belongs; or, if that is allowed, all tokens of a user so far.

Keycloak has no call that revokes a token by its `jti`. A token with a session (`sid`) dies with that. The token of a
service account has none: it dies when its user is logged out, which sets the user's `notBefore` to the server's second.
Tokens of that very second live on, so the target waits for the next one.

Observed with Keycloak 26: an offline session is in a list of its own, and is deleted only with `isOffline=true`.
"""

import asyncio
import re  # over texts of bounded length
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.client_secret import basic_credentials
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp, forbidden
from detector.values.times import SECOND

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")  # a session's may begin with any of them
_CLIENT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_SKEW: Final = 60  # seconds between the clocks of the server and of whoever reported the issue
_MOST: Final = 1000  # sessions of one user with one client
_RENEW: Final = 10.0  # seconds before the end of the revoker's own token
_WITHIN: Final = 5.0
_OK: Final = 200
_NOT_FOUND: Final = 404
_RIGHT: Final = "the roles manage-users and view-clients of realm-management"
_UNPROVED: Final = (
    "resource servers that verify a JWT themselves, without asking Keycloak, accept it until it expires"
)


class KeycloakOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A realm of a Keycloak, whose `url` is without `/realms`.

    - `realm`: its name.
    - `client_id`, `client_secret_file`: a client with a service account, as which the revoker asks.
    - `whole_users`: whether all tokens of a user are revoked if its token has no session, as those of service accounts.
    """

    realm: str
    client_id: str
    client_secret_file: str
    whole_users: bool = False

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        super().__post_init__()
        if self.token_file is not None:
            raise ValueError("token_file: Keycloak's live a minute: write client_id and client_secret_file")


class Keycloak:
    """Ends sessions of Keycloak."""

    name: ClassVar[str] = "keycloak"
    Options: ClassVar[type[msgspec.Struct]] = KeycloakOptions

    def __init__(self, options: KeycloakOptions) -> None:
        self._options = options
        self._http = ProviderHttp(options, scheme="")
        self._token, self._until = "", 0.0

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it names a session or a user of an OAuth server."""
        named = command.text("session_id") or command.text("user_id")
        return command.provider in {"oauth", "keycloak"} and bool(named)

    def plan(self, command: RevocationCommand) -> Plan:
        """Deletes the session; or logs the user out.

        Raises:
            RefusedError: the revocation object lacks what is needed, or users may not be logged out.
        """
        options = self._options
        issuer = command.text("issuer")
        if issuer and issuer.rstrip("/") != f"{options.url.rstrip('/')}/realms/{options.realm}":
            raise RefusedError("another realm issued the token: give that one a table of its own")
        if command.text("client_id") == options.client_id:
            raise RefusedError("it is a token of the revoker's own client")
        user, session = self._named(command)
        if session:
            return Plan(
                steps=(Step(f"end the session {session} of the user {user} in the realm {options.realm}"),),
                proof="the user's sessions, offline ones too, list it before and not after",
                within=_WITHIN,
                unproved=_UNPROVED,
            )
        return Plan(
            steps=(Step(f"log the user {user} out of the realm {options.realm}, with all tokens so far"),),
            proof="the user's notBefore is after the token's time of issue",
            within=_WITHIN,
            unproved=_UNPROVED,
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Deletes the session, online and offline; or logs the user out.

        Raises:
            RefusedError, UnavailableError: it was not done.
        """
        del step
        user, session = self._named(command)
        if session:
            path, offline = ("sessions", session), {"isOffline": "true"}
            answers = [(await self._ask("DELETE", path, query)).status for query in (None, offline)]
            return f"deleted the session; Keycloak answered HTTP {answers[0]}, of offline ones {answers[1]}"
        await self._ask("POST", ("users", user, "logout"))
        if await self._not_before(user) <= _issued(command):
            await asyncio.sleep(1.05)  # the token was issued in the very second of the logout
            await self._ask("POST", ("users", user, "logout"))
        return "logged the user out, with all tokens so far"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Looks for the session among those of the user; or at the user's notBefore.

        Raises:
            RefusedError: the session or user is not that of the credential.
            UnavailableError: Keycloak cannot be asked now.
        """
        user, session = self._named(command)
        client, issued = needed(command, "client_id", _CLIENT), _issued(command)
        known = await self._user(user)
        owner, found = known.get("username"), found_names(known, username="username")
        if session:
            for each in await self._sessions(user, client):
                if each.get("id") == session:
                    _fits(each, client, issued)
                    return Observation("live", "Keycloak lists the session", found=found)
            return Observation("absent", "Keycloak lists no such session of the user, online or offline")
        if owner not in {f"service-account-{client}".lower(), command.owner or None}:
            raise RefusedError("the user is neither the client's service account nor the task's owner")
        not_before = await self._not_before(user)
        if not_before > issued:
            return Observation("dead", "the user's notBefore is after the token's time of issue")
        how = "the user's notBefore is not after the token's time of issue"
        return Observation("live", how, found=found)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _named(self, command: RevocationCommand) -> tuple[str, str]:
        """The user and the session; the latter is empty if the user is to be logged out."""
        user, session = needed(command, "user_id", _ID), optional(command, "session_id", _ID)
        if not session and not self._options.whole_users:
            raise RefusedError(
                "the token has no session: set whole_users = true to revoke all tokens of such a user"
            )
        return user, session

    async def _user(self, user: str) -> Mapping[str, Any]:
        answer = await self._ask("GET", ("users", user))
        if answer.status == _NOT_FOUND:
            raise RefusedError("the realm has no such user")
        return answer.fields()

    async def _not_before(self, user: str) -> int:
        found = (await self._user(user)).get("notBefore")
        if type(found) is not int:
            raise UnavailableError("Keycloak does not say the user's notBefore")
        return found

    async def _sessions(self, user: str, client: str) -> list[Mapping[str, Any]]:
        """The user's sessions, and its offline ones with the client."""
        clients = _objects(await self._ask("GET", ("clients",), {"clientId": client}))
        found = _objects(await self._ask("GET", ("users", user, "sessions")))
        for each in clients:
            uuid = each.get("id")
            if isinstance(uuid, str) and _ID.fullmatch(uuid):
                found += _objects(await self._ask("GET", ("users", user, "offline-sessions", uuid)))
        if not clients or len(found) > _MOST:
            raise RefusedError(
                "the realm shows the revoker no such client"
                if not clients
                else "the user has too many sessions to look through"
            )
        return found

    async def _ask(self, method: str, path: Sequence[str], query: Mapping[str, str] | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {await self._own_token()}"}
        try:
            answer = await self._http.ask(
                method, ("admin", "realms", self._options.realm, *path), query=query, headers=headers
            )
        except UnavailableError:
            self._until = 0.0  # the token may be what it does not like
            raise
        forbidden(answer, _RIGHT)
        if answer.status not in {_OK, 204, _NOT_FOUND}:
            raise UnavailableError(f"{self._http.host} answers HTTP {answer.status}: check url and realm")
        return answer

    async def _own_token(self) -> str:
        """The revoker's token, renewed before it ends."""
        if time.monotonic() < self._until:
            return self._token
        options = self._options
        asked = time.monotonic()
        answer = await self._http.ask(
            "POST",
            ("realms", options.realm, "protocol", "openid-connect", "token"),
            form={"grant_type": "client_credentials"},
            headers={"Authorization": await basic_credentials(options.client_id, options.client_secret_file)},
        )
        if answer.status != _OK:
            raise UnavailableError(
                f"{self._http.host} gives the revoker no token (HTTP {answer.status}): check realm and client_id"
            )
        facts = answer.fields()
        token, seconds = facts.get("access_token"), facts.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int | float):
            raise UnavailableError(f"{self._http.host} gives the revoker no token")
        self._token, self._until = token, asked + max(0.0, seconds - _RENEW)
        return token


def _issued(command: RevocationCommand) -> int:
    """When the token was issued, in whole seconds, as Keycloak counts."""
    if command.issued_at is None:
        raise RefusedError("nothing shows that the session is meant: the command has no time of issue")
    return command.issued_at // SECOND


def _fits(session: Mapping[str, Any], client: str, issued: int) -> None:
    """Nothing, if the session is one of the client's, and began before the token was issued."""
    clients, start = session.get("clients"), session.get("start")
    if not isinstance(clients, dict) or client not in clients.values():
        raise RefusedError("the session is not one of the client to which the token was issued")
    if type(start) is not int or start / 1000 > issued + _SKEW:
        raise RefusedError("the session began after the token was issued")


def _objects(answer: Answer) -> list[Mapping[str, Any]]:
    found = answer.json() if answer.status == _OK else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UnavailableError("Keycloak answers with no list of objects")
    return found


TARGET: Final = Keycloak
