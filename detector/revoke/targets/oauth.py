"""OAuth 2 authorization servers: RFC 7009 revokes a token, RFC 7662 tells whether it is dead.

RFC 7009 takes the token itself, and nothing else. The revoker never gets it from a command: whoever issues tokens keeps
each in a file of `token_folder`, under its `jti` or the `token_name` of its revocation object. A refresh token is kept
beside it, as `<name>.refresh`. Without such a file nothing can act on a `jti`: the outcome is `refused`.

Two answers prove nothing alone. RFC 7009 answers 200 for a token that it does not know, or does not revoke for this
client. RFC 7662 answers "inactive" for a live token too, to a client that may not ask about it. So a token counts as
dead if this client saw it active before, or sees another token of the same client active now: the control.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import re2

from detector.adapters.token_values import read_token
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.client_secret import basic_credentials
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.provider_http import (
    Answer,
    HttpOptions,
    ProviderHttp,
    forbidden,
    read_secret,
)
from detector.revoke.targets.seen_alive import SeenAlive
from detector.values.times import SECOND

_NAME: Final = re2.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~=-]{0,199}")
_ACCESS: Final = "access_token"  # types of tokens (RFC 7009, section 2.1)
_REFRESH: Final = "refresh_token"
_SKEW: Final = 60  # seconds between the clocks of the server and of whoever reported the issue
_WITHIN: Final = 5.0
_OK: Final = 200
_BAD_REQUEST: Final = 400
_NOT_REVOKED: Final = {
    "unsupported_token_type": "it does not revoke tokens of this type",
    "invalid_request": "it does not let this client revoke it: use the credentials of the client it was issued to",
    "unauthorized_client": "it does not let this client revoke tokens",
}
_UNPROVED: Final = (
    "resource servers that verify a JWT themselves, or remember an answer, accept it until it expires"
)


class OAuthOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An authorization server, and what the revoker needs at it.

    - `client_id`, `client_secret_file`: the client as which it asks. Most servers revoke a token only for the client to
      which it was issued.
    - `token_folder`: where issuers keep tokens. Only they may write there, only the revoker may read.
    - `control_token_file`: a token of the same client that must go on working.
    - `issuer`: as tokens name it; by default `url`.
    - `revocation_path`, `introspection_path`: the endpoints, after `url`.
    """

    client_id: str
    client_secret_file: str
    token_folder: str | None = None
    control_token_file: str | None = None
    issuer: str | None = None
    revocation_path: str = "/revoke"
    introspection_path: str = "/introspect"

    def __post_init__(self) -> None:
        """Checks what can be checked without asking.

        Raises:
            ValueError: a value cannot be used.
        """
        super().__post_init__()
        if self.token_file is not None:
            raise ValueError("token_file: this server knows clients: write client_id and client_secret_file")


class OAuth:
    """Revokes tokens by RFC 7009."""

    name: ClassVar[str] = "oauth"
    Options: ClassVar[type[msgspec.Struct]] = OAuthOptions

    def __init__(self, options: OAuthOptions) -> None:
        self._options = options
        self._http = ProviderHttp(options, scheme="")
        self._alive = SeenAlive()

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether its issuer named RFC 7009."""
        return command.provider == "oauth" and command.method in {"rfc7009", ""}

    def plan(self, command: RevocationCommand) -> Plan:
        """One step: the token is handed in for revocation.

        Raises:
            RefusedError: no token is kept for it, or another server issued it.
        """
        options = self._options
        issuer = command.text("issuer")
        if issuer and issuer.rstrip("/") != (options.issuer or options.url).rstrip("/"):
            raise RefusedError("another server issued the token: give that one a table of its own")
        name = self._name(command)
        control = "; the control token still is" if options.control_token_file else ""
        return Plan(
            steps=(Step(f"hand in the token {name} at {self._http.host} for revocation (RFC 7009)"),),
            proof=f"introspection (RFC 7662) calls it active before, and inactive after{control}",
            within=_WITHIN,
            unproved=_UNPROVED,
            forgets=False,
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Hands in the refresh token, if there is one, and the token.

        Raises:
            RefusedError: the server does not revoke it for this client.
            UnavailableError: try again.
        """
        del step
        tokens = await self._tokens(command)
        for hint, token in tokens.items():
            answer = await self._ask(self._options.revocation_path, token, hint)
            if answer.status != _OK:
                raise _refusal(answer)
        return f"handed in {' and '.join(sorted(tokens))}; the server answered 200, which proves nothing yet"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Introspects the tokens, and the control token.

        Raises:
            RefusedError: the token is another one than the command is about.
            UnavailableError: the server cannot be asked now.
        """
        tokens = await self._tokens(command)
        answers = {hint: await self._introspected(token, hint) for hint, token in tokens.items()}
        active = any(facts["active"] for facts in answers.values())
        if command.id not in self._alive:
            _belongs(command, tokens[_ACCESS], answers)
        control, same_client = await self._control(command)
        if active:
            self._alive.add(command.id)
            how = "introspection (RFC 7662) answers that it is active"
            found = found_names(answers[_ACCESS], subject="sub", username="username")
            return Observation("live", how, control, found)
        if control is False:
            return Observation("unknown", "introspection calls the control token inactive too", control)
        if command.id in self._alive:
            return Observation("dead", "introspection called it active before, and inactive now", control)
        if same_client:
            how = "introspection calls it inactive, and another token of its client active"
            return Observation("dead", how, control)
        how = "introspection calls it inactive, but nothing shows that this client may ask about it"
        return Observation("unknown", how, control)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _name(self, command: RevocationCommand) -> str:
        if self._options.token_folder is None:
            raise RefusedError(
                "no OAuth server revokes by a jti: set token_folder, and let the issuer keep each token there; for "
                "Keycloak, add a table of type keycloak"
            )
        name = command.text("token_name") or command.text("jti")
        if _NAME.fullmatch(name) is None:
            raise RefusedError("the revocation object has no token_name or jti that can name a file")
        return name

    async def _tokens(self, command: RevocationCommand) -> dict[str, str]:
        """The tokens that are kept for a command, by their type. The refresh token is first: its grant ends with it."""
        path = Path(self._options.token_folder or "") / self._name(command)
        beside = path.with_name(f"{path.name}.refresh")
        kept, refreshable = await asyncio.to_thread(lambda: (path.exists(), beside.exists()))
        if not kept:
            raise RefusedError("its issuer keeps no token under this name in token_folder")
        found = {_REFRESH: await _read(beside)} if refreshable else {}
        return found | {_ACCESS: await _read(path)}

    async def _ask(self, path: str, token: str, hint: str) -> Answer:
        options = self._options
        answer = await self._http.ask(
            "POST",
            [part for part in path.split("/") if part],
            form={"token": token, "token_type_hint": hint},
            headers={
                "Authorization": await basic_credentials(options.client_id, options.client_secret_file),
                "Accept": "application/json",
            },
        )
        forbidden(answer, "the right to introspect and revoke tokens")
        return answer

    async def _introspected(self, token: str, hint: str) -> Mapping[str, Any]:
        answer = await self._ask(self._options.introspection_path, token, hint)
        if answer.status != _OK:
            raise UnavailableError(
                f"{self._http.host} answers HTTP {answer.status} to an introspection: check introspection_path"
            )
        facts = answer.fields()
        if not isinstance(facts.get("active"), bool):
            raise UnavailableError(f"{self._http.host} answers an introspection without saying active")
        return facts

    async def _control(self, command: RevocationCommand) -> tuple[bool | None, bool]:
        """Whether the control token works, and whether it is one of the same client as the command's token."""
        if self._options.control_token_file is None:
            return None, False
        facts = await self._introspected(await _read(self._options.control_token_file), _ACCESS)
        client = command.text("client_id")
        return facts["active"], bool(client) and facts.get("client_id") == client


async def _read(path: str | Path) -> str:
    return (await read_secret(str(path))).reveal().decode("ascii")


def _belongs(command: RevocationCommand, token: str, answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Nothing, if the kept token is the command's: by its jti, else by its client and the time of its issue.

    The facts are those of the access token: the server's, if it is active, else its own claims, if it is a JWT. An
    inactive token without claims says nothing; then nothing may be done to a refresh token beside it.

    Raises:
        RefusedError: it is another one, or nothing shows that it is this one.
    """
    read = read_token(token)
    claims = read.claims if read is not None else {}
    facts = {**claims, **answers[_ACCESS]}
    if not claims and not facts["active"]:
        if any(each["active"] for each in answers.values()):
            raise RefusedError(
                "its access token is dead, so nothing shows whose refresh token is kept with it"
            )
        return
    client, jti, issued = command.text("client_id"), command.text("jti"), facts.get("iat")
    if client and facts.get("client_id", facts.get("azp")) != client:
        raise RefusedError("the token that is kept under this name was issued to another client")
    if jti and isinstance(facts.get("jti"), str):
        if jti != facts["jti"]:
            raise RefusedError("the token that is kept under this name has another jti")
        return
    if not client or command.issued_at is None or not isinstance(issued, int | float):
        raise RefusedError(
            "nothing shows whose the kept token is: neither its jti, nor its client and the time of its issue"
        )
    if abs(command.issued_at / SECOND - issued) > _SKEW:
        raise RefusedError("the token that is kept under this name was issued at another time")


def _refusal(answer: Answer) -> Exception:
    """What another status than 200 says, in words of our own."""
    if answer.status != _BAD_REQUEST:
        return UnavailableError(f"the server answers HTTP {answer.status}: check revocation_path")
    error = answer.fields().get("error")
    reason = _NOT_REVOKED.get(error) if isinstance(error, str) else None
    return RefusedError(f"the server did not revoke it: {reason or 'it calls the request wrong (HTTP 400)'}")


TARGET: Final = OAuth
